//! What a binary asks of the system that it runs on: the newest symbols of glibc, or Windows' DLLs.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::Command;

/// The newest glibc that a Linux binary may ask for: Ubuntu 18.04's.
pub(crate) const GLIBC_MAX: (u32, u32) = (2, 27);
/// What every Windows 10 has, besides its own `api-ms-win-core-`: of more, somebody has to know that
/// it is there.
const SYSTEM: [&str; 9] = [
    "advapi32.dll",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "crypt32.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "msvcrt.dll",
    "ntdll.dll",
    "ws2_32.dll",
];

/// Says it, and refuses what is too new.
pub(super) fn check_linux(name: &str, binary: &Path) -> Result<()> {
    let (major, minor) = glibc(binary)?;
    println!("package: {name} asks for GLIBC_{major}.{minor}");
    ensure!(
        (major, minor) <= GLIBC_MAX,
        "{} needs glibc {major}.{minor}; older systems have {}.{}",
        binary.display(),
        GLIBC_MAX.0,
        GLIBC_MAX.1
    );
    Ok(())
}

/// The newest version of glibc's symbols that a binary names; 0.0 if it needs none.
pub(crate) fn glibc(binary: &Path) -> Result<(u32, u32)> {
    let text = read("readelf", &["--version-info", "--wide"], binary)?;
    Ok(newest(&text))
}

fn newest(text: &str) -> (u32, u32) {
    let versions = text.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let mut numbers = rest[..end.unwrap_or(rest.len())].split('.');
        let major = numbers.next()?.parse().ok()?;
        Some((major, numbers.next()?.parse().ok()?))
    });
    versions.max().unwrap_or((0, 0))
}

/// Says it, and refuses what would have to be shipped beside the program.
pub(super) fn check_windows(binary: &Path) -> Result<()> {
    let text = read("x86_64-w64-mingw32-objdump", &["--private-headers"], binary)?;
    let libraries = libraries(&text);
    println!("package: windows asks for {}", libraries.join(", "));
    let foreign: Vec<String> = libraries
        .into_iter()
        .filter(|name| is_foreign(name))
        .collect();
    ensure!(
        foreign.is_empty(),
        "{} needs {}, which Windows has not",
        binary.display(),
        foreign.join(", ")
    );
    Ok(())
}

fn libraries(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    // Windows does not distinguish capitals here, and the linker takes them as they come.
    let mut names: Vec<String> = lines
        .filter_map(|line| line.strip_prefix("DLL Name: "))
        .map(str::to_ascii_lowercase)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_foreign(name: &str) -> bool {
    !SYSTEM.contains(&name) && !name.starts_with("api-ms-win-core-")
}

fn read(program: &str, args: &[&str], binary: &Path) -> Result<String> {
    let out = Command::new(program)
        .args(args)
        .arg(binary)
        .output()
        .with_context(|| format!("cannot start {program}; is binutils installed?"))?;
    ensure!(out.status.success(), "{program} cannot read {binary:?}");
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        let text =
            "Name: GLIBC_2.9  Flags: none\n Name: GLIBC_2.27 Name: GLIBC_2.3.4\nGLIBC_PRIVATE";
        assert_eq!(newest(text), (2, 27));
        assert_eq!(newest("statically linked"), (0, 0));
    }

    #[test]
    fn libraries_of_the_compiler_are_told_from_those_of_the_system() {
        let text = "\tDLL Name: WS2_32.dll\n\tDLL Name: ws2_32.dll\n\tvma: Hint\n\t\
                    DLL Name: libgcc_s_seh-1.dll\n\tDLL Name: api-ms-win-core-synch-l1-2-0.dll\n";
        let foreign = libraries(text).into_iter().filter(|name| is_foreign(name));
        assert_eq!(foreign.collect::<Vec<_>>(), ["libgcc_s_seh-1.dll"]);
        assert_eq!(libraries(text).len(), 3);
    }
}
