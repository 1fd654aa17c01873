//! `ternmq store ...`: what it says, how it ends, and that nothing it does is done by half. The
//! stores are made from an export that is written here by hand, byte by byte, which also pins down
//! its format: other releases read it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::wire::{Broker, Connect, Publish, V5, fresh_dir, run_tool};

/// Payloads that stand in a file as they are.
const PAYLOADS: [&str; 3] = [
    "the first of them",
    "the second of them",
    "the third of them",
];
const ZH: (&str, &str) = ("LC_ALL", "zh_CN.UTF-8");
const EN: (&str, &str) = ("LC_ALL", "C");

/// A directory of a test's own, gone with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let dir = fresh_dir();
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with an export, and a data directory `data` made from it.
    #[track_caller]
    fn with_store() -> Self {
        let scratch = Self::new();
        fs::write(scratch.path("export"), export()).unwrap();
        let done = scratch.run(&["import", &scratch.name("export")]);
        assert_eq!(done.code, 0, "{done:?}");
        scratch
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `ternmq store` on the data directory `data`.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Done {
        self.run_on("data", args, EN)
    }

    #[track_caller]
    fn run_on(&self, data: &str, args: &[&str], lang: (&str, &str)) -> Done {
        let dir = self.path(data);
        let mut all = vec![OsStr::new("store")];
        all.extend(args.iter().map(OsStr::new));
        all.extend([OsStr::new("--data-dir"), dir.as_os_str()]);
        let (code, out, err) = run_tool(&all, &[lang], &[]);
        Done { code, out, err }
    }

    /// Every file below a directory, but for the lock and who had it.
    fn files(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut dirs = vec![self.path(name)];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else if !path.ends_with("LOCK") && !path.ends_with("OWNER") {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// Flips a bit inside the record of a payload; gives the file.
    #[track_caller]
    fn damage(&self, payload: &str) -> PathBuf {
        let at = |bytes: &[u8]| {
            bytes
                .windows(payload.len())
                .position(|w| w == payload.as_bytes())
        };
        let files = self.files("data");
        let (path, bytes) = files.iter().find(|(_, b)| at(b).is_some()).unwrap();
        let mut bytes = bytes.clone();
        let place = at(&bytes).unwrap();
        bytes[place] ^= 4;
        fs::write(path, bytes).unwrap();
        path.clone()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct Done {
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl Done {
    fn told(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// It ended with this code, and its one line names all of these.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, 2, "{self:?}");
        assert_eq!(self.told(), "", "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("ternmq: "), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word}: {self:?}");
        }
    }
}

#[track_caller]
fn assert_unchanged(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let all = before.keys().chain(after.keys());
    let changed: Vec<_> = all
        .filter(|path| before.get(*path) != after.get(*path))
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
}

/// The Castagnoli polynomial, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82F6_3B78 * (sum & 1))
        })
    })
}

/// One entry of an export: kind, length, sum, body.
fn entry(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut head = vec![kind];
    head.extend((body.len() as u32).to_le_bytes());
    let sum = crc32c(&[&head, body].concat());
    [&head[..], &sum.to_le_bytes(), body].concat()
}

/// Publisher, QoS 0, time, expiry, length of topic and of properties, topic, payload. Numbers that are
/// small take one byte.
fn message(topic: &str, payload: &str) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([0, 0, 0, topic.len() as u8, 0]);
    bytes.extend(topic.as_bytes());
    bytes.extend(payload.as_bytes());
    bytes
}

/// Two keys, the last position of the only shard, an open identity, three messages with a leap
/// between them, and how many there were.
fn export() -> Vec<u8> {
    let mut all = b"TERNMQ STORE EXPORT 1\n".to_vec();
    for key in ["one", "two"] {
        let mut body = vec![7];
        body.extend(b"strange");
        body.extend((key.len() as u32).to_le_bytes());
        body.extend(key.as_bytes());
        body.extend(b"a value");
        all.extend(entry(4, &body));
    }
    let mut shards = 1u16.to_le_bytes().to_vec();
    shards.extend(9_000u64.to_le_bytes());
    all.extend(entry(1, &shards));
    let place = |seq: u64| [&0u16.to_le_bytes()[..], &seq.to_le_bytes()].concat();
    all.extend(entry(2, &[&place(5)[..], b"an identity"].concat()));
    for (seq, payload) in [5u64, 6, 8_000].into_iter().zip(PAYLOADS) {
        let mut body = place(seq);
        body.extend(0u16.to_le_bytes());
        body.extend(message("a/b", payload));
        all.extend(entry(3, &body));
    }
    all.extend(entry(5, &5u64.to_le_bytes()));
    all
}

/// What is imported is whole, and is exported again as it came, byte by byte, into a file that
/// nobody else may read or to standard output.
#[test]
fn what_goes_in_comes_out() {
    let scratch = Scratch::new();
    fs::write(scratch.path("export"), export()).unwrap();
    let done = scratch.run(&["import", &scratch.name("export")]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert!(done.told().contains("3 messages and 2 keys"), "{done:?}");
    let done = scratch.run(&["check"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    let told = done.told();
    assert!(told.contains("3 messages, 2 records of keys"), "{told}");
    assert!(
        told.contains("closed in order\nDamaged    nothing\n"),
        "{told}"
    );
    let done = scratch.run_on("data", &["check"], ZH);
    assert!(done.told().contains("3 条消息"), "{done:?}");
    let to = scratch.path("again");
    let done = scratch.run(&["export", to.to_str().unwrap()]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert_eq!(fs::read(&to).unwrap(), export());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&to).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let done = scratch.run(&["export", "-"]);
    assert_eq!((done.code, &done.out), (0, &export()), "{}", done.err);
    assert!(done.err.contains("3 messages and 2 keys"), "{done:?}");
    let other = scratch.path("other");
    let args = ["store", "import", "-", "--data-dir"].map(OsStr::new);
    let args = [&args[..], &[other.as_os_str()]].concat();
    let (code, _, err) = run_tool(&args, &[EN], &export());
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(scratch.run_on("other", &["check"], EN).code, 0);
}

/// A backup is a data directory that has everything, and there is none of what it was made under.
#[test]
fn a_backup_is_a_data_directory() {
    let scratch = Scratch::with_store();
    let done = scratch.run(&["backup", &scratch.name("copy")]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert!(done.told().contains("and read them again"), "{done:?}");
    let names = fs::read_dir(scratch.path("copy")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["store"]);
    // That one was made is remembered beside the store, for the security page.
    assert!(scratch.path("data").join("last-backup").is_file());
    assert_eq!(scratch.run_on("copy", &["export", "-"], EN).out, export());
    scratch
        .run(&["backup", &scratch.name("copy")])
        .refused(&[&scratch.name("copy/store"), "nothing is overwritten"]);
}

/// A damaged record: it is found by all who read it, told with file and bytes, costs nobody else
/// anything, and is in quarantine after the repair.
#[test]
fn damage_is_told_and_mended() {
    let scratch = Scratch::with_store();
    let file = scratch.damage(PAYLOADS[1]);
    let before = scratch.files("data");
    for lang in [EN, ZH] {
        let done = scratch.run_on("data", &["check"], lang);
        assert_eq!((done.code, done.err.as_str()), (1, ""), "{done:?}");
        let told = done.told();
        assert!(told.contains(file.to_str().unwrap()), "{told}");
        assert!(told.contains("ternmq store repair"), "{told}");
    }
    assert!(
        scratch
            .run(&["check"])
            .told()
            .contains("Damaged    1 place, ")
    );
    assert_unchanged(&before, &scratch.files("data"));
    let done = scratch.run(&["export", "-"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("2 messages and 2 keys"), "{done:?}");
    assert!(done.err.contains("Damaged    1 place, "), "{done:?}");
    assert_eq!(
        done.err.matches(file.to_str().unwrap()).count(),
        1,
        "{done:?}"
    );
    let done = scratch.run(&["backup", &scratch.name("copy")]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.told().contains(&scratch.name("copy/store/log-000")),
        "{done:?}"
    );
    let done = scratch.run(&["repair"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert!(done.told().contains("Repaired   1 place\n"), "{done:?}");
    let kept = scratch.files("data/store/quarantine");
    let damaged = &PAYLOADS[1].as_bytes()[1..];
    let holds = |bytes: &Vec<u8>| bytes.windows(damaged.len()).any(|window| window == damaged);
    assert_eq!(kept.values().filter(|bytes| holds(bytes)).count(), 1);
    let done = scratch.run(&["check"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.told().contains("2 messages"), "{done:?}");
    let done = scratch.run(&["repair"]);
    assert!(
        done.told().contains("Repaired   nothing was damaged\n"),
        "{done:?}"
    );
}

/// A copy of the manifest is damaged, or all of it is gone: told, and mended by the way.
#[test]
fn a_lost_manifest_costs_nothing() {
    for lost in [false, true] {
        let scratch = Scratch::with_store();
        let path = scratch.path("data/store/MANIFEST");
        let mut bytes = fs::read(&path).unwrap();
        bytes[4_100] ^= 1;
        if lost {
            fs::remove_file(&path).unwrap();
        } else {
            fs::write(&path, bytes).unwrap();
        }
        let done = scratch.run(&["check"]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.told().contains("MANIFEST"), "{done:?}");
        assert_eq!(scratch.run(&["repair"]).code, 0);
        let done = scratch.run(&["check"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(
            done.told().contains("3 messages, 2 records of keys"),
            "{done:?}"
        );
    }
}

/// Each thing that cannot be done ends with 2 and one line that says what to do, in the language
/// of its user, and leaves everything as it was.
#[test]
fn refusals_say_what_to_do() {
    let scratch = Scratch::with_store();
    let export = export();
    fs::create_dir(scratch.path("empty")).unwrap();
    fs::create_dir_all(scratch.path("begun/store.partial")).unwrap();
    for (name, bytes) in [
        ("garbage", &b"once upon a time there was a file"[..]),
        ("short", &export[..export.len() - 1]),
        ("file", b""),
    ] {
        fs::write(scratch.path(name), bytes).unwrap();
    }
    let (file, data) = (scratch.name("export"), scratch.name("data/store"));
    let name = |name: &str| scratch.name(name);
    let table: [(&str, &[&str], &[&str], &str); 14] = [
        (
            "none",
            &["check"],
            &["there is no store in", "--data-dir"],
            "没有存储",
        ),
        (
            "empty",
            &["repair"],
            &["there is no store in", &name("empty/store")],
            "没有存储",
        ),
        (
            "empty",
            &["export", "-"],
            &["there is no store in"],
            "没有存储",
        ),
        (
            "none",
            &["backup", &name("x")],
            &["there is no store in"],
            "没有存储",
        ),
        (
            "file",
            &["check"],
            &["choose another data directory"],
            "另一个数据目录",
        ),
        (
            "data",
            &["import", &file],
            &[&data, "nothing is overwritten"],
            "不会覆盖",
        ),
        (
            "begun",
            &["import", &file],
            &["store.partial", "remove it"],
            "请删除它",
        ),
        (
            "new",
            &["import", &name("garbage")],
            &["is no export", "garbage"],
            "不是",
        ),
        (
            "new",
            &["import", &name("short")],
            &["not complete", "export it again"],
            "重新导出",
        ),
        (
            "new",
            &["import", &name("nowhere")],
            &["nowhere", "cannot be read"],
            "无法读取",
        ),
        (
            "data",
            &["export", &file],
            &[&file, "choose another name"],
            "换一个文件名",
        ),
        (
            "data",
            &["export", &name("no/such")],
            &["no/such", "another place"],
            "换一个位置",
        ),
        (
            "data",
            &["backup", &name("data")],
            &[&data, "nothing is overwritten"],
            "不会覆盖",
        ),
        (
            "data",
            &["chekc"],
            &["'check'", "ternmq --help"],
            "请看 ternmq --help",
        ),
    ];
    let before = scratch.files("");
    for (data, args, words, zh) in table {
        scratch.run_on(data, args, EN).refused(words);
        scratch.run_on(data, args, ZH).refused(&[zh]);
    }
    assert_unchanged(&before, &scratch.files(""));
    // The setting that is wrong is named as at a start.
    let args = ["store", "check", "--set", "durability=never"].map(OsStr::new);
    let (code, _, err) = run_tool(&args, &[EN], &[]);
    assert!(
        code == 2 && err.contains("\"sync\" | \"interval\" | \"os\""),
        "{err}"
    );
}

/// Whoever has the store is named, as far as it said who it is; a check does not disturb it.
#[test]
fn a_store_in_use_is_left_alone() {
    let scratch = Scratch::with_store();
    let lock = fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(scratch.path("data/store/LOCK"))
        .unwrap();
    lock.try_lock().unwrap();
    fs::write(scratch.path("data/store/OWNER"), "4711\n").unwrap();
    for args in [&["check"][..], &["repair"], &["export", "-"]] {
        let words = ["is in use by process 4711", "stop it", "--data-dir"];
        scratch.run(args).refused(&words);
        let words = ["正被进程 4711 使用", "请停止它"];
        scratch.run_on("data", args, ZH).refused(&words);
    }
    drop(lock);
    assert_eq!(scratch.run(&["check"]).code, 0);
}

/// Formats of other releases are told apart from damage, and nothing is touched.
#[test]
fn other_formats_are_refused() {
    for (format, words, zh) in [
        (
            4u16,
            "formats up to 3; start the newer release",
            "请启动写入它的新版本",
        ),
        (
            0,
            "formats from 3 on; export it with the release",
            "请用写入它的版本导出",
        ),
    ] {
        let scratch = Scratch::with_store();
        let path = scratch.path("data/store/MANIFEST");
        let mut bytes = fs::read(&path).unwrap();
        for slot in bytes.chunks_mut(4_096) {
            slot[8..10].copy_from_slice(&format.to_le_bytes());
            let sum = crc32c(&slot[..4_092]);
            slot[4_092..].copy_from_slice(&sum.to_le_bytes());
        }
        fs::write(&path, bytes).unwrap();
        let before = scratch.files("data");
        for args in [&["check"][..], &["repair"], &["backup", &scratch.name("x")]] {
            scratch.run(args).refused(&["MANIFEST", words]);
            scratch.run_on("data", args, ZH).refused(&["MANIFEST", zh]);
        }
        assert_unchanged(&before, &scratch.files("data"));
    }
}

/// No room for an export: it says so, and is not called one.
#[test]
#[cfg(target_os = "linux")]
fn no_room_for_an_export() {
    let scratch = Scratch::with_store();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut tool = std::process::Command::new(crate::wire::binary());
    tool.args(["store", "export", "-", "--data-dir"])
        .arg(scratch.path("data"))
        .env(EN.0, EN.1)
        .stdout(full);
    let done = tool.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(
        said.contains("No space left") && said.contains("make room"),
        "{said}"
    );
}

/// Runs as somebody who may read the data directory and not write it.
#[cfg(target_os = "linux")]
fn as_stranger(dir: &Path, args: &[&str]) -> Option<(i32, String)> {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;

    let mut tool = std::process::Command::new(crate::wire::binary());
    tool.arg("store").args(args).arg("--data-dir").arg(dir);
    // To root nothing is forbidden.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        tool.uid(65_534).gid(65_534);
    }
    let done = match tool.env(EN.0, EN.1).output() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return None,
        done => done.unwrap(),
    };
    let said = [done.stdout, done.stderr].concat();
    Some((
        done.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

/// Who may only look may look, and not while somebody else is at it; who wants to write is told
/// what is missing.
#[test]
#[cfg(target_os = "linux")]
fn read_only() {
    use std::os::unix::fs::PermissionsExt as _;

    // Below what belongs to this user alone a stranger would not get to it.
    let scratch = Scratch(std::env::temp_dir().join(fresh_dir().file_name().unwrap()));
    fs::create_dir(&scratch.0).unwrap();
    fs::write(scratch.path("export"), export()).unwrap();
    assert_eq!(scratch.run(&["import", &scratch.name("export")]).code, 0);
    // Makes LOCK.
    assert_eq!(scratch.run(&["check"]).code, 0);
    let set = |write: bool| {
        let mut all = vec![scratch.path("data"), scratch.path("data/store")];
        while let Some(path) = all.pop() {
            let dir = path.is_dir();
            let mode = if dir { 0o555 } else { 0o444 } | if write { 0o200 } else { 0 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if dir && !path.ends_with("data") {
                all.extend(
                    fs::read_dir(path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            }
        }
    };
    set(false);
    let dir = scratch.path("data");
    let looked = as_stranger(&dir, &["check"]);
    let repaired = as_stranger(&dir, &["repair"]);
    let lock = fs::File::open(scratch.path("data/store/LOCK")).unwrap();
    lock.try_lock().unwrap();
    let disturbed = as_stranger(&dir, &["check"]);
    set(true);
    let (Some((looked, told)), Some((repaired, why)), Some((disturbed, who))) =
        (looked, repaired, disturbed)
    else {
        println!(
            "skipped: others may not run {}",
            crate::wire::binary().display()
        );
        return;
    };
    assert_eq!(looked, 0, "{told}");
    assert!(told.contains("3 messages"), "{told}");
    assert_eq!(repaired, 2, "{why}");
    assert!(
        why.contains("cannot be written") && why.contains("make it writable"),
        "{why}"
    );
    assert_eq!(disturbed, 2, "{who}");
    assert!(who.contains("is in use by process"), "{who}");
}

/// Of a broker's own: while it runs it is named; what it acknowledged is exported, imported
/// elsewhere and delivered there.
#[test]
fn a_session_moves_to_another_directory() {
    let mut broker = Broker::start();
    let connect = Connect::new(V5, "mover").persistent(600);
    let mut conn = broker.connect(&connect);
    conn.subscribe("moved/#", 1);
    conn.bye();
    broker
        .v5("speaker")
        .publish(&Publish::new("moved/x", "still here").qos1(1));
    let scratch = Scratch::new();
    let on = |dir: &Path, args: &[&str]| {
        let mut all = vec![OsStr::new("store")];
        all.extend(args.iter().map(OsStr::new));
        all.extend([OsStr::new("--data-dir"), dir.as_os_str()]);
        let (code, out, err) = run_tool(&all, &[EN], &[]);
        Done { code, out, err }
    };
    let file = scratch.name("export");
    let owner = format!("in use by process {}", broker.pid());
    on(broker.dir(), &["export", &file]).refused(&[&owner]);
    broker.signal("TERM");
    broker.wait(std::time::Duration::from_secs(5));
    let done = on(broker.dir(), &["export", &file]);
    assert_eq!(done.code, 0, "{done:?}");
    fs::remove_dir_all(broker.dir()).unwrap();
    let done = on(broker.dir(), &["import", &file]);
    assert_eq!(done.code, 0, "{done:?}");
    broker.kill_and_restart();
    let (mut conn, connack) = broker.connect_told(&connect);
    assert!(connack.session_present);
    conn.receive_this("moved/x", "still here");
}

/// Messages and secrets are nobody else's: what a broker makes, an import and a backup, and a store
/// that others could look into until then.
#[cfg(unix)]
#[test]
fn nobody_else_looks_into_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let assert_closed = |dir: &Path| {
        let mut all = vec![dir.to_owned()];
        let mut seen = 0;
        while let Some(path) = all.pop() {
            let found = fs::metadata(&path).unwrap();
            let mode = found.permissions().mode() & 0o777;
            let wanted = if found.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, wanted, "{mode:o}: {}", path.display());
            seen += 1;
            if found.is_dir() {
                let entries = fs::read_dir(path).unwrap();
                all.extend(entries.map(|entry| entry.unwrap().path()));
            }
        }
        assert!(seen > 5, "{seen} in {}", dir.display());
    };
    let mut broker = Broker::start();
    let mut conn = broker.connect(&Connect::new(V5, "keeper").persistent(600));
    conn.subscribe("kept/#", 1);
    broker
        .v5("speaker")
        .publish(&Publish::new("kept/x", "a secret").qos1(1));
    assert_closed(broker.dir());
    let store = broker.dir().join("store");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o755)).unwrap();
    broker.kill_and_restart();
    assert_closed(broker.dir());

    let scratch = Scratch::with_store();
    assert_closed(&scratch.path("data"));
    let done = scratch.run(&["backup", &scratch.name("copy")]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_closed(&scratch.path("copy"));
}
