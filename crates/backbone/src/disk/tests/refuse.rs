//! What keeps a store from being opened, and that the message says what to do.

use std::path::Path;
use std::sync::Arc;

use super::super::files::sim::{Faults, Sim};
use super::super::segment::{VERSION, VERSION_MIN};
use super::super::{OpenError, Options, Store};
use super::{Text, open, options, path};

fn refused(sim: &Sim) -> OpenError {
    let opened = Store::<Text>::open_on(Arc::new(sim.clone()), &options());
    opened.err().expect("a refusal")
}

#[test]
fn one_process_at_a_time() {
    let dir = std::env::temp_dir().join(format!("ternmq-lock-{}", std::process::id()));
    let options = Options::new(&dir);
    let store = Store::<Text>::open(&options).unwrap();
    let error = Store::<Text>::open(&options).err().unwrap().to_string();
    let pid = std::process::id().to_string();
    assert!(
        error.contains(&pid) && error.contains(dir.to_str().unwrap()),
        "{error}"
    );
    let node = store.node();
    drop(store);
    let store = Store::<Text>::open(&options).unwrap();
    assert_eq!(store.node(), node);
    assert!(store.recovery().existed && store.recovery().closed);
    drop(store);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn other_formats_are_named() {
    for (version, word) in [(VERSION + 1, "newer"), (VERSION_MIN - 1, "wrote it")] {
        let sim = Sim::new(1);
        drop(open(&sim, &options()));
        let manifest = path("MANIFEST");
        sim.edit(&manifest, |bytes| {
            for slot in bytes.chunks_mut(4096) {
                slot[8..10].copy_from_slice(&version.to_le_bytes());
                let sum = crc32c::crc32c(&slot[..4092]).to_le_bytes();
                slot[4092..].copy_from_slice(&sum);
            }
        });
        let before = sim.files();
        let error = refused(&sim).to_string();
        assert!(
            error.contains(word) && error.contains("MANIFEST"),
            "{error}"
        );
        let mut after = sim.files();
        after.retain(|path, _| !path.ends_with("OWNER"));
        let mut before = before;
        before.retain(|path, _| !path.ends_with("OWNER"));
        assert_eq!(before, after, "it is left as it was");
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let sim = Sim::new(1);
    drop(open(&sim, &options()));
    sim.set(Faults {
        read_only: true,
        ..Faults::default()
    });
    let error = refused(&sim);
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("make it writable"));
    // A full disk is no reason not to start: what is there can be read.
    sim.set(Faults {
        capacity: Some(1),
        ..Faults::default()
    });
    drop(open(&sim, &options()));
    // Unless there is no store yet.
    let sim = Sim::new(2);
    sim.set(Faults {
        capacity: Some(1),
        ..Faults::default()
    });
    let error = refused(&sim);
    assert!(matches!(error, OpenError::Full { .. }), "{error}");
    assert!(error.to_string().contains("make room"));
}

/// A directory in which no file can be made is found at the start, and not by the first message.
#[test]
fn a_directory_that_takes_no_files_is_refused() {
    let sim = Sim::new(1);
    drop(open(&sim, &options()));
    sim.set(Faults {
        no_files: true,
        ..Faults::default()
    });
    let error = refused(&sim);
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("log-000"), "{error}");
    sim.set(Faults::default());
    drop(open(&sim, &options()));
}

/// Segments of another format are left alone, too, should the manifest not say so.
#[test]
fn segments_of_other_formats_are_named() {
    for (version, word) in [(VERSION + 1, "newer"), (VERSION_MIN - 1, "wrote it")] {
        let sim = Sim::new(1);
        let store = open(&sim, &options());
        super::damage::put(&store, 1, 1);
        drop(store);
        let kv = |file: &Path| file.parent() == Some(&path("kv"));
        let segment = sim.files().into_keys().find(|file| kv(file)).unwrap();
        sim.edit(&segment, |bytes| {
            for copy in bytes[..128].chunks_mut(64) {
                copy[8..10].copy_from_slice(&version.to_le_bytes());
                let sum = crc32c::crc32c(&copy[..60]).to_le_bytes();
                copy[60..].copy_from_slice(&sum);
            }
        });
        let error = refused(&sim).to_string();
        assert!(error.contains(word) && error.contains(".seg"), "{error}");
        assert!(sim.files().contains_key(&segment));
    }
}
