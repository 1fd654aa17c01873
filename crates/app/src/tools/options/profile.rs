//! Profiles: options of a broker under a name, kept in one file for all tools. `[NAME]` begins one, and each
//! line of it is an option, as in the files with defaults.

use std::path::Path;

use crate::tools::said::{Said, said};

/// The lines of a profile.
pub(super) fn lines(file: Option<&Path>, name: &str) -> Result<Vec<String>, Said> {
    let Some(file) = file else {
        let fault = said(
            "there is no home directory to look for profiles in",
            "没有主目录，无法查找配置组",
        );
        return Err(fault.of("--profile"));
    };
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let fault = said(
            format!("{shown} cannot be read: {error}"),
            format!("无法读取 {shown}：{error}"),
        );
        fault.of("--profile")
    })?;
    let (mut names, mut found, mut within) = (Vec::new(), None, false);
    for line in text.lines().map(str::trim_end) {
        if let Some(other) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            within = other == name;
            names.push(other);
            if within {
                found.get_or_insert_with(Vec::new);
            }
        } else if let Some(found) = found.as_mut().filter(|_| within)
            && !line.is_empty()
            && !line.starts_with('#')
        {
            found.push(line.to_owned());
        }
    }
    found.ok_or_else(|| {
        let names = names.join(", ");
        let fault = said(
            format!("{shown} has no profile {name}; there are: {names}"),
            format!("{shown} 中没有 {name}；已有：{names}"),
        );
        fault.of("--profile")
    })
}
