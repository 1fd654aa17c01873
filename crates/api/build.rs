//! Builds the dashboard of `web/` and writes down its files, so that the binary holds them. Cargo runs
//! this when something in `web/` has changed; the packages are fetched when the lock file has.
#![expect(clippy::print_stderr, reason = "cargo shows it when a build fails")]

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// What the built pages depend on.
const INPUTS: [&str; 6] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "src",
    "vite.config.ts",
];
/// The oldest Node.js with which the build tools run.
const NODE_MIN: (u32, u32) = (20, 19);
const GET_NODE: &str = "the dashboard is built with npm and Node.js 20.19 or newer; get them \
                        (sudo apt-get install -y nodejs npm && sudo npm install -g node@22), then build again";

/// Why there is no dashboard.
struct Fault {
    cause: String,
    /// What a tool said to it.
    output: String,
}

impl From<String> for Fault {
    fn from(cause: String) -> Self {
        let output = String::new();
        Self { cause, output }
    }
}

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        // One line is enough, and all that cargo then shows.
        Err(fault) if fault.output.is_empty() => {
            println!("cargo::error={}", fault.cause);
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{}\n{}", fault.output, fault.cause);
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Fault> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let web = manifest.join("../../web");
    println!("cargo::rerun-if-changed=build.rs");
    for input in INPUTS {
        println!("cargo::rerun-if-changed={}", web.join(input).display());
    }
    check_node()?;
    {
        // Builds of several profiles may come at once, and share the packages.
        let lock =
            File::create(web.join(".npm.lock")).map_err(|e| format!("web/.npm.lock: {e}"))?;
        lock.lock().map_err(|e| format!("web/.npm.lock: {e}"))?;
        fetch_packages(&web)?;
    }
    let built = out.join("web");
    let target = built.to_string_lossy();
    npm(
        &web,
        &["run", "--silent", "build", "--", "--outDir", &target],
    )?;
    let mut files = Vec::new();
    list(&built, "", &mut files).map_err(|e| format!("{}: {e}", built.display()))?;
    files.sort();
    let table = table(&built, &files).map_err(|e| format!("{}: {e}", built.display()))?;
    fs::write(out.join("web.rs"), table).map_err(|e| format!("{}: {e}", out.display()))?;
    Ok(())
}

fn check_node() -> Result<(), String> {
    let told = Command::new("node").arg("--version").output();
    let told = told.map_err(|_| GET_NODE.to_owned())?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let mut parts = told.trim().trim_start_matches('v').split('.');
    let mut part = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    if (part(), part()) < NODE_MIN {
        return Err(format!("Node.js here is {}; {GET_NODE}", told.trim()));
    }
    Ok(())
}

/// The packages of the lock file, if those that are there are of another one.
fn fetch_packages(web: &Path) -> Result<(), Fault> {
    let lock = fs::read(web.join("package-lock.json"));
    let lock = lock.map_err(|e| format!("web/package-lock.json: {e}"))?;
    let fetched = web.join("node_modules/.fetched-lock.json");
    if fs::read(&fetched).is_ok_and(|of| of == lock) {
        return Ok(());
    }
    npm(web, &["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
    fs::write(&fetched, lock).map_err(|e| format!("web/node_modules: {e}"))?;
    Ok(())
}

fn npm(web: &Path, args: &[&str]) -> Result<(), Fault> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let done = Command::new(program).args(args).current_dir(web).output();
    let done = done.map_err(|_| GET_NODE.to_owned())?;
    if done.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(Fault {
        cause: format!("`npm {}` failed in web/", args.join(" ")),
        output: text(&done.stdout) + &text(&done.stderr),
    })
}

fn list(folder: &Path, under: &str, files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{under}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), files)?;
        } else if !name.ends_with(".gz") {
            files.push(name);
        }
    }
    Ok(())
}

/// The files as the source of a table, each with its compressed form and a mark of its content.
fn table(built: &Path, files: &[String]) -> std::io::Result<String> {
    let mut text = String::from("&[\n");
    for name in files {
        let path = built.join(name);
        let mut hasher = DefaultHasher::new();
        fs::read(&path)?.hash(&mut hasher);
        let packed = built.join(format!("{name}.gz"));
        let packed = if packed.exists() {
            format!("Some(include_bytes!({packed:?}))")
        } else {
            "None".to_owned()
        };
        let mark = hasher.finish();
        let line = writeln!(
            text,
            "File {{ name: {name:?}, mark: \"\\\"{mark:016x}\\\"\", \
             plain: include_bytes!({path:?}), packed: {packed} }},"
        );
        line.expect("a string takes what is written");
    }
    text.push(']');
    Ok(text)
}
