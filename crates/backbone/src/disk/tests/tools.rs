//! Check, repair, export, import, backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::files::Files;
use super::super::files::sim::{Faults, Random, Sim};
use super::super::frame::{Head, Kind, scan};
use super::super::lock;
use super::super::report::Harm;
use super::super::segment::DATA;
use super::super::tools::{
    Carried, Check, ImportError, check_on, import_on, look_through, repair_on,
};
use super::damage::{append, image, keys, put};
use super::ledger::{Shared, run};
use super::{Options, Store, Text, contents, open, options};
use crate::{Blob, wait};

fn files(sim: &Sim) -> Arc<dyn Files> {
    Arc::new(sim.clone())
}

fn checked(sim: &Sim) -> Check {
    check_on(&*files(sim), Path::new("store")).unwrap()
}

/// A check of a whole store finds nothing and changes nothing; of a damaged one it finds what
/// opening it would find.
#[test]
fn a_check_finds_damage_and_changes_nothing() {
    let image = image();
    let whole = checked(&image);
    assert_eq!(whole.damage, []);
    assert_eq!((whole.messages, whole.closed), (260, false));
    let mut random = Random::new(21);
    let all = image.files();
    let all: Vec<_> = all
        .iter()
        .filter(|(path, bytes)| {
            let unchecked = ["OWNER", "LOCK", "RESERVE"];
            !bytes.is_empty() && !unchecked.iter().any(|name| path.ends_with(name))
        })
        .collect();
    for _ in 0..1_000 {
        let (file, bytes) = all[random.below(all.len())];
        let bit = random.below(bytes.len() * 8);
        let sim = image.killed();
        sim.edit(file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let before = sim.files();
        let damage = checked(&sim).damage;
        assert!(!damage.is_empty(), "bit {bit} of {}", file.display());
        assert!(
            damage.iter().all(|damage| &damage.path == file),
            "{damage:?}"
        );
        assert_eq!(before, sim.files());
    }
}

/// After a repair a check finds nothing, the damaged bytes are in `quarantine`, and everything
/// else is there.
#[test]
fn a_repair_keeps_everything_else() {
    let image = image();
    let store = open(&image.killed(), &options());
    let (logs, all_keys) = ([contents(&store, 0), contents(&store, 1)], keys(&store));
    drop(store);
    let mut random = Random::new(22);
    for _ in 0..200 {
        let sim = image.killed();
        let all = sim.files();
        let segments: Vec<_> = all
            .iter()
            .filter(|(path, _)| path.extension().is_some())
            .collect();
        let (file, bytes) = segments[random.below(segments.len())];
        let bit = random.below(bytes.len() * 8);
        sim.edit(file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let place = format!("bit {bit} of {}", file.display());
        let repaired = repair_on::<Text>(&files(&sim), &options());
        let repaired = repaired.unwrap();
        let check = checked(&sim);
        assert_eq!(check.damage, [], "{place}: {repaired}");
        let store = open(&sim, &options());
        assert_eq!(store.recovery().damage, [], "{place}");
        let mut lost = 0;
        for (shard, whole) in (0..2).zip(&logs) {
            let found: BTreeSet<_> = contents(&store, shard).into_iter().collect();
            lost += whole.iter().filter(|entry| !found.contains(entry)).count();
        }
        let found = keys(&store);
        lost += all_keys
            .iter()
            .filter(|(key, value)| found.get(*key) != Some(value))
            .count();
        assert!(lost <= 1, "{place}");
        let torn = repaired
            .recovery
            .damage
            .iter()
            .any(|damage| damage.what == Harm::TornTail);
        assert!(
            lost == 0 || torn || !repaired.kept.is_empty(),
            "{place}: {repaired}"
        );
    }
}

/// The same at the end of a file that is not the newest, where no whole record is behind it.
#[test]
fn a_repair_keeps_the_end_of_a_file() {
    let sim = Sim::new(12);
    let mut options = options();
    options.kv_waste_bytes = 1 << 20;
    let store = open(&sim, &options);
    for n in 0..80 {
        put(&store, n, n);
    }
    drop(store);
    let segments: Vec<_> = sim.files().into_iter().collect();
    let in_kv = |path: &Path| path.parent() == Some(&super::path("kv"));
    let (file, bytes) = segments.iter().find(|(path, _)| in_kv(path)).unwrap();
    sim.edit(file, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let repaired = repair_on::<Text>(&files(&sim), &options).unwrap();
    assert_eq!(repaired.kept.len(), 1, "{repaired}");
    let kept = &sim.files()[&repaired.kept[0]];
    assert_eq!(
        kept[..kept.len() - 1],
        bytes[bytes.len() - kept.len()..][..kept.len() - 1]
    );
    let store = open(&sim, &options);
    assert_eq!(store.recovery().damage, []);
    assert_eq!(keys(&store).len(), 79);
}

/// A file that lost its end at the end of a record is told by the one behind it, until a repair.
#[test]
fn a_file_that_is_too_short_is_told() {
    let image = Sim::new(13);
    let mut options = options();
    options.kv_waste_bytes = 1 << 20;
    let store = open(&image, &options);
    for n in 0..80 {
        put(&store, n, n);
    }
    append(&store, 0, 0..80);
    drop(store);
    for room in ["kv", "log-000"] {
        let sim = image.killed();
        let inside = |path: &Path| path.parent() == Some(&super::path(room));
        let first = sim.files().into_keys().find(|path| inside(path)).unwrap();
        let store = open(&sim.killed(), &options);
        let (logs, all_keys) = (contents(&store, 0), keys(&store));
        let mut ends = Vec::new();
        let file = files(&sim).open(&first).unwrap();
        let salt = store.env.identity.salt;
        let len = file.len().unwrap();
        let mut each = |at, head: &Head| {
            if head.kind != Kind::Index {
                ends.push(at);
            }
        };
        scan(&*file, salt, DATA, len, |at, head, _| each(at, head)).unwrap();
        drop(store);
        let end = *ends.last().unwrap();
        sim.edit(&first, |bytes| {
            bytes.truncate(usize::try_from(end).unwrap())
        });
        let damage = checked(&sim).damage;
        assert!(
            damage.iter().any(|one| one.what == Harm::Record(None)),
            "{damage:?}"
        );
        let repaired = repair_on::<Text>(&files(&sim), &options).unwrap();
        assert!(
            repaired.recovery.damage.iter().any(|one| one.offset == end),
            "{repaired}"
        );
        assert_eq!(checked(&sim).damage, []);
        let store = open(&sim, &options);
        assert_eq!(store.recovery().damage, []);
        let lost = logs.len() - contents(&store, 0).len() + all_keys.len() - keys(&store).len();
        assert_eq!(lost, 1, "{room}");
    }
}

/// The same of a checkpoint, which has no file behind it.
#[test]
fn a_checkpoint_that_is_too_short_is_told() {
    let sim = image();
    let checkpoint = |path: &Path| path.extension().is_some_and(|end| end == "ckp");
    let file = sim
        .files()
        .into_keys()
        .find(|path| checkpoint(path))
        .unwrap();
    // Its last record is a header and a number.
    sim.edit(&file, |bytes| bytes.truncate(bytes.len() - 36));
    let damage = checked(&sim).damage;
    assert_eq!(damage.len(), 1, "{damage:?}");
    let repaired = repair_on::<Text>(&files(&sim), &options()).unwrap();
    assert_eq!(repaired.recovery.damage, damage, "{repaired}");
    assert_eq!(checked(&sim).damage, []);
    assert_eq!(keys(&open(&sim, &options())).len(), 40);
}

/// What a failed sync left behind the end of a segment, and the next one told not to count, does
/// not come back because the repaired segment is shorter.
#[test]
fn a_repair_brings_nothing_back() {
    let sim = Sim::new(3);
    let store = open(&sim, &options());
    put(&store, 1, 59);
    put(&store, 2, 1);
    let used: usize = sim.files().values().map(Vec::len).sum();
    sim.set(Faults {
        sync: Some(0),
        capacity: Some(used + 60),
        ..Faults::default()
    });
    let failed = |key: &str| {
        let batch = vec![(Blob::from(key.as_bytes()), Some(Blob::from(*b"v")))];
        wait(|done| store.backend().kv.put("b", batch, done)).is_err()
    };
    assert!(failed("failed"));
    sim.set(Faults::default());
    put(&store, 3, 1);
    drop(store);
    let inside = |path: &Path| path.parent() == Some(&super::path("kv"));
    let first = sim.files().into_keys().find(|path| inside(path)).unwrap();
    sim.edit(&first, |bytes| bytes[170] ^= 1);
    let repaired = repair_on::<Text>(&files(&sim), &options()).unwrap();
    assert_eq!(
        (repaired.lost.len(), repaired.kept.len()),
        (0, 1),
        "{repaired}"
    );
    let found: Vec<_> = keys(&open(&sim, &options())).into_keys().collect();
    assert_eq!(found, ["key 2", "key 3"]);
}

type Everything = (
    Vec<Vec<(u64, String)>>,
    BTreeMap<String, String>,
    Vec<Vec<(Vec<u8>, u64)>>,
);

fn everything(store: &Store<Text>) -> Everything {
    let log = store.backend().log;
    let identities = |shard| {
        let open = wait(|done| log.identities(shard, done)).unwrap();
        let mut open: Vec<_> = open
            .iter()
            .map(|(id, pos)| (id.to_vec(), pos.seq))
            .collect();
        open.sort();
        open
    };
    (
        vec![contents(store, 0), contents(store, 1)],
        keys(store),
        vec![identities(0), identities(1)],
    )
}

/// What was exported and imported is the same store by another identity, and goes on.
#[test]
fn an_export_is_imported_whole() {
    let sim = image();
    let store = open(&sim, &options());
    wait(|done| store.backend().log.trim(0, 50, done)).unwrap();
    let before = everything(&store);
    let mut stream = Vec::new();
    let carried = store.export(&mut stream).unwrap();
    drop(store);
    let to = Sim::new(2);
    let mut input = &stream[..];
    let dir = Path::new("store");
    assert_eq!(import_on(&files(&to), dir, &mut input).unwrap(), carried);
    assert_eq!(checked(&to).damage, []);
    let store = open(&to, &options());
    assert_eq!(store.recovery().damage, []);
    assert_eq!(everything(&store), before);
    append(&store, 0, 300..301);
    put(&store, 99, 1);
    let next = contents(&store, 0).last().unwrap().0;
    assert_eq!(next, before.0[0].last().unwrap().0 + 1);
    drop(store);
    let full = import_on(&files(&to), dir, &mut &stream[..]);
    assert!(matches!(full, Err(ImportError::NotEmpty)));
    // Cut anywhere, or with a bit flipped, it is refused.
    let mut random = Random::new(4);
    for _ in 0..200 {
        let cut = random.below(stream.len());
        let cut = import_on(&files(&Sim::new(0)), dir, &mut &stream[..cut]);
        assert!(cut.is_err());
        let mut bad = stream.clone();
        let bit = random.below(bad.len() * 8);
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(import_on(&files(&Sim::new(0)), dir, &mut &bad[..]).is_err());
        assert!(look_through(&mut &bad[..], 1 << 20, |_, _, _| {}).is_err());
    }
    let mut keys = 0;
    let looked = look_through(&mut &stream[..], 1 << 20, |_, _, _| keys += 1);
    assert_eq!((looked.unwrap(), keys), (carried, carried.keys));
    for cut in 0..stream.len().min(2_000) {
        assert!(look_through(&mut &stream[..cut], 1 << 20, |_, _, _| {}).is_err());
    }
    stream.push(0);
    assert!(look_through(&mut &stream[..], 1 << 20, |_, _, _| {}).is_err());
    assert_eq!(carried.keys, 40);
    assert_ne!(carried, Carried::default());
}

/// Backups are taken while several threads write: each holds all that was acknowledged before, is
/// whole, and opens under its old name.
#[test]
fn a_backup_is_of_one_instant() {
    let sim = Sim::new(3);
    let mut options = options();
    options.log_shard_bytes_max = 1 << 30;
    let store = open(&sim, &options);
    let ledger = Shared::default();
    let mut random = Random::new(8);
    for round in 0..10 {
        run(&store, &ledger, &mut random, 60);
        let to = PathBuf::from(format!("backup-{round}"));
        std::thread::scope(|scope| {
            scope.spawn(|| append_elsewhere(&store));
            store.backup(&to).unwrap();
        });
        let mut copy = Options::new(&to);
        copy.segment_bytes = options.segment_bytes;
        let check = check_on(&*files(&sim), &to).unwrap();
        assert!(check.damage.is_empty() && check.closed, "{check}");
        let store_of_copy = open(&sim, &copy);
        assert_eq!(store_of_copy.node(), store.node());
        assert_eq!(store_of_copy.recovery().damage, []);
        let mut books = lock(&ledger);
        books.check(&store_of_copy).unwrap();
    }
    assert!(
        store.backup(Path::new("backup-0")).is_err(),
        "it is not empty"
    );
}

/// Writes that the ledger does not know, so that there is something under way.
fn append_elsewhere(store: &Store<Text>) {
    let kv = store.backend().kv;
    for n in 0..50u32 {
        let key = Arc::from(n.to_le_bytes());
        let batch = vec![(key, Some(Arc::from([1, 2, 3])))];
        wait(|done| kv.put("other", batch, done)).unwrap();
    }
}
