//! Who may read and change files besides their owner. Only Unix tells in a form that can be judged; elsewhere
//! nothing is found.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::settings::STORE_DIR;
use crate::tls::own_files;

/// Keys of a directory of certificates that are looked at.
const KEYS_MAX: usize = 1000;

/// What others may do with a directory of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Open {
    pub(super) path: PathBuf,
    /// As `chmod` takes it: `0755`.
    pub(super) mode: String,
    pub(super) is_writable: bool,
}

/// Files with secrets that anybody on this machine can read.
pub(super) fn readable_secrets(
    config: &Config,
    more: impl Iterator<Item = PathBuf>,
) -> Vec<PathBuf> {
    let data_dir = &config.node.data_dir;
    let mut secrets = own_files(data_dir).keys();
    secrets.push(data_dir.join("control.json"));
    for listener in config.listeners.values() {
        let options = &listener.ssl_options;
        secrets.extend(options.keyfile.clone());
        let dir = options
            .certdir
            .as_ref()
            .and_then(|d| std::fs::read_dir(d).ok());
        let entries = dir.into_iter().flatten().flatten().map(|e| e.path());
        let keys = entries.filter(|path| path.extension().is_some_and(|end| end == "key"));
        secrets.extend(keys.take(KEYS_MAX));
    }
    secrets.extend(config.mqtt.bootstrap_users.clone());
    secrets.extend(more);
    secrets.retain(|path| is_readable_by_others(path));
    secrets.sort();
    secrets.dedup();
    secrets
}

/// The data directory and what is in it, as far as others than its owner may change it, or enter where
/// messages and keys are.
pub(super) fn open_directories(data_dir: &Path) -> Vec<Open> {
    let inner = [STORE_DIR, "tls", "backups"];
    let inner = inner.map(|name| (data_dir.join(name), 0o007));
    let all = [(data_dir.to_owned(), 0o002)].into_iter().chain(inner);
    all.filter_map(|(path, mask)| {
        let mode = mode(&path)?;
        (mode & mask != 0).then(|| Open {
            mode: format!("{mode:04o}"),
            is_writable: mode & 0o002 != 0,
            path,
        })
    })
    .collect()
}

/// Permission bits; `None` if it is not there.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

/// What lies in a directory that others cannot enter is theirs to read in no case.
fn is_readable_by_others(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let allows = |path: &Path, bits: u32| mode(path).is_some_and(|mode| mode & bits == bits);
    allows(&path, 0o004) && path.ancestors().skip(1).all(|dir| allows(dir, 0o001))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_do() {
        let dir = std::env::temp_dir().join(format!("ternmq-open-{}", std::process::id()));
        fs::create_dir_all(dir.join(STORE_DIR)).unwrap();
        let key = dir.join("server.key");
        fs::write(&key, "a key").unwrap();
        let mut config = Config::default();
        config.node.data_dir = dir.clone();
        let look = || {
            let own = std::iter::once(key.clone());
            (readable_secrets(&config, own).len(), open_directories(&dir))
        };
        chmod(&dir, 0o755);
        chmod(&dir.join(STORE_DIR), 0o700);
        chmod(&key, 0o644);
        assert_eq!(look(), (1, vec![]));
        chmod(&key, 0o640);
        assert_eq!(look(), (0, vec![]));
        chmod(&key, 0o644);
        chmod(&dir, 0o700);
        assert_eq!(look(), (0, vec![]), "nobody else comes that far");
        chmod(&dir, 0o777);
        chmod(&dir.join(STORE_DIR), 0o755);
        let (secrets, open) = look();
        assert_eq!((secrets, open.len()), (1, 2));
        assert!(open[0].is_writable && open[0].mode == "0777", "{open:?}");
        assert!(!open[1].is_writable && open[1].mode == "0755", "{open:?}");
        fs::remove_dir_all(&dir).unwrap();
    }
}
