//! Who may import whom: the picture of ARCHITECTURE.md ("Floors"), compared with the manifests and,
//! for the crates that do no I/O, with their sources.

use crate::rust::Source;
use crate::tree::Tree;
use anyhow::{Context as _, Result};

/// A crate's place in the house.
struct Room {
    name: &'static str,
    /// Crates of ours that it may use.
    floors_below: &'static [&'static str],
    /// Crates of others that it may use; `None` leaves that to review.
    others: Option<&'static [&'static str]>,
    /// Takes time, randomness and bytes as arguments; its sources name no I/O.
    pure: bool,
}

const ROOMS: [Room; 8] = [
    Room {
        name: "protocol",
        floors_below: &[],
        others: Some(&["bytes", "thiserror"]),
        pure: true,
    },
    Room {
        name: "engine",
        floors_below: &["protocol"],
        // `regex-lite`: an operator's expressions, in linear time; no dependencies, built in a second.
        others: Some(&["foldhash", "hashbrown", "regex-lite", "thiserror"]),
        pure: true,
    },
    Room {
        name: "rules",
        floors_below: &["protocol"],
        others: Some(&["thiserror"]),
        pure: true,
    },
    Room {
        name: "client",
        floors_below: &["protocol"],
        others: None,
        pure: false,
    },
    Room {
        name: "backbone",
        floors_below: &["engine", "protocol"],
        others: None,
        pure: false,
    },
    Room {
        name: "broker",
        floors_below: &["backbone", "client", "engine", "protocol", "rules"],
        others: None,
        pure: false,
    },
    Room {
        name: "api",
        floors_below: &["broker"],
        others: None,
        pure: false,
    },
    Room {
        name: "app",
        floors_below: &[
            "api", "backbone", "broker", "client", "engine", "protocol", "rules",
        ],
        others: None,
        pure: false,
    },
];

/// What the sources of a pure crate may not name.
const IMPURE: [&str; 7] = [
    "std::net",
    "std::fs",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "std::process",
];

/// Crates whose name refuses nothing, so that everything ends up in them.
const NO_REASON: [&str; 6] = ["common", "core", "shared", "types", "util", "utils"];

pub(crate) fn check(tree: &Tree, files: &[String], faults: &mut Vec<String>) -> Result<()> {
    for manifest in files {
        let Some(name) = manifest
            .strip_prefix("crates/")
            .and_then(|path| path.strip_suffix("/Cargo.toml"))
            .filter(|name| !name.contains('/'))
        else {
            continue;
        };
        if NO_REASON.contains(&name) {
            faults.push(format!(
                "{manifest}: a crate called {name} has no reason to refuse anything"
            ));
        }
        let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
            faults.push(format!(
                "{manifest}: {name} is not in the picture (xtask/src/picture.rs)"
            ));
            continue;
        };
        let text = tree.read(manifest)?;
        dependencies(manifest, &text, room, faults)?;
        if room.pure {
            purity(tree, files, room, faults)?;
        }
    }
    Ok(())
}

fn dependencies(path: &str, text: &str, room: &Room, faults: &mut Vec<String>) -> Result<()> {
    let manifest: toml::Table = text.parse().with_context(|| path.to_owned())?;
    let ours = |name: &str| ROOMS.iter().any(|room| room.name == name);
    let mut look = |table: &toml::Table, for_tests: bool| {
        for name in table.keys() {
            if ours(name) {
                if !room.floors_below.contains(&name.as_str()) {
                    faults.push(format!(
                        "{path}: {} may not use {name}: down only",
                        room.name
                    ));
                }
            } else if !for_tests
                && room
                    .others
                    .is_some_and(|some| !some.contains(&name.as_str()))
            {
                faults.push(format!(
                    "{path}: {} may not use {name}: it stays pure",
                    room.name
                ));
            }
        }
    };
    let per_target = manifest.get("target").and_then(toml::Value::as_table);
    let tables = std::iter::once(&manifest).chain(
        per_target
            .into_iter()
            .flat_map(|t| t.values().filter_map(toml::Value::as_table)),
    );
    for table in tables {
        for (key, for_tests) in [
            ("dependencies", false),
            ("build-dependencies", false),
            ("dev-dependencies", true),
        ] {
            if let Some(table) = table.get(key).and_then(toml::Value::as_table) {
                look(table, for_tests);
            }
        }
    }
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    if lints.and_then(toml::Value::as_bool) != Some(true) {
        faults.push(format!("{path}: `[lints] workspace = true` is missing"));
    }
    Ok(())
}

fn purity(tree: &Tree, files: &[String], room: &Room, faults: &mut Vec<String>) -> Result<()> {
    let folder = format!("crates/{}/src/", room.name);
    for path in files
        .iter()
        .filter(|path| path.starts_with(&folder) && path.ends_with(".rs"))
    {
        let source = Source::new(path, tree.read(path)?);
        for line in (0..source.lines()).filter(|line| !source.is_test(*line)) {
            for word in IMPURE {
                if source.code(line).contains(word) {
                    faults.push(format!("{path}:{}: {word} in a pure crate", line + 1));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_imports_upwards_sideways_and_impure() {
        let check = |name: &str, body: &str| -> usize {
            let room = ROOMS.iter().find(|room| room.name == name).unwrap();
            let text = format!("{body}\n[lints]\nworkspace = true\n");
            let mut faults = Vec::new();
            dependencies("Cargo.toml", &text, room, &mut faults).unwrap();
            faults.len()
        };
        assert_eq!(
            check("engine", "[dependencies]\nprotocol.workspace = true"),
            0
        );
        assert_eq!(
            check("engine", "[dependencies]\nbackbone.workspace = true"),
            1
        );
        assert_eq!(
            check(
                "engine",
                "[dependencies]\nrules.workspace = true\ntokio = \"1\""
            ),
            2
        );
        assert_eq!(check("engine", "[dev-dependencies]\nproptest = \"1\""), 0);
        assert_eq!(
            check("protocol", "[dev-dependencies]\nengine.workspace = true"),
            1
        );
        assert_eq!(
            check(
                "api",
                "[target.'cfg(unix)'.dependencies]\nengine.workspace = true"
            ),
            1
        );
    }
}
