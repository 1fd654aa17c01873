//! Chapter 27: backups made and given back while the broker runs, and what is no backup.

use serde_json::{Value, json};

use crate::connection_log::until;
use crate::operate::{again, announced, value};
use crate::wire::{Api, Broker, Connect, Kind, Publish, Reply, V5, fresh_dir, run_tool};

const BOUNDARY: &str = "--------boundary-of-a-test";

#[track_caller]
fn bring(api: &mut Api, name: &str, content: &[u8]) -> Reply {
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    api.raw("POST", "/api/v5/data/files", Some(&kind), &body)
}

fn names(api: &mut Api) -> Vec<String> {
    let files = api.get("/data/files").expect(200).json();
    let rows = files["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["filename"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn export(api: &mut Api, body: &Value) -> (String, Vec<u8>) {
    let told = api.post("/data/export", body).expect(200).json();
    let name = told["filename"].as_str().unwrap().to_owned();
    let got = api.get(&format!("/data/files/{name}")).expect(200);
    assert_eq!(json!(got.body.len()), told["size"]);
    (name, got.body)
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|w| w == needle.as_bytes())
}

/// A backup is made while a client writes, fetched, brought to another broker and given back there:
/// settings, bans, retained messages and, because a person asked, users.
#[test]
fn a_backup_moves_to_another_broker() {
    let (broker, mut api) = Broker::signed_in(&[]);
    api.put("/settings/mqtt.max_packet_size", &json!({"value": "300KB"}))
        .expect(200);
    api.post("/banned", &json!({"as": "clientid", "who": "villain"}))
        .expect(200);
    let user = json!({"username": "anna", "password": "correct-horse-1", "description": ""});
    api.post("/users", &user).expect(200);
    let mut writer = broker.v5("writer");
    for n in 0..50 {
        writer.publish(
            &Publish::new(&format!("kept/{n}"), format!("value {n}"))
                .qos1(1)
                .retained(),
        );
    }
    let mut away = broker.connect(&Connect::new(V5, "away").persistent(600));
    away.subscribe("later", 1);
    away.bye();
    writer.publish(&Publish::new("later", "waits").qos1(1));

    let (_, plain) = export(&mut api, &json!({}));
    let (_, whole) = export(&mut api, &json!({"secrets": true}));
    assert!(contains(&plain, "kept/49") && contains(&plain, "villain"));
    for secret in ["memory_kib", "correct-horse-1"] {
        assert!(
            !contains(&plain, secret),
            "{secret} is in a backup without secrets"
        );
    }
    assert!(contains(&whole, "memory_kib") && !contains(&whole, "correct-horse-1"));

    let (mut second, mut there) = Broker::signed_in(&[]);
    let mut listener = second.v5("listener");
    listener.subscribe("kept/#", 1);
    bring(&mut there, "moved.export", &whole).expect(204);
    assert_eq!(names(&mut there), ["moved.export"]);
    let body = json!({"filename": "moved.export", "report": true});
    let told = there.post("/data/import", &body).expect(200).json();
    assert_eq!(told["imported"]["retained"], 50, "{told}");
    assert_eq!(told["imported"]["ban"], 1);
    assert_eq!(told["imported"]["setting"], 1);
    assert_eq!(told["left_out"]["session"], 1, "{told}");
    // Nobody is sent what is only put back.
    listener.nothing_from_itself();
    assert_eq!(announced(&second), 300 << 10);
    // The other broker's administrator came along, so who was signed in here signs in again.
    for _ in 0..2 {
        let mut anna = second.api();
        anna.sign_in("anna", "correct-horse-1");
        let mut conn = second.open(V5);
        conn.send(&Connect::new(V5, "villain").bytes());
        assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x8A);
        let mut reader = second.v5("reader");
        reader.subscribe("kept/7", 1);
        assert_eq!(reader.receive_this("kept/7", "value 7").qos, 1);
        second.kill_and_restart();
    }
}

/// The disk is full: a backup of retained messages is taken in whole or not at all, and what its messages
/// would have replaced stays. With room it is taken.
#[cfg(target_os = "linux")]
#[test]
fn a_backup_without_room_changes_nothing() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut writer = broker.v5("writer");
    for n in 0..300 {
        let payload = format!("new {n} {}", "x".repeat(3000));
        writer.publish(
            &Publish::new(&format!("kept/{n}"), payload)
                .qos1(1)
                .retained(),
        );
    }
    let (_, backup) = export(&mut api, &json!({}));
    let Some((full, mut there)) = Broker::on_small_disk(64, &[]) else {
        return;
    };
    let mut writer = full.v5("writer");
    writer.publish(&Publish::new("kept/7", "old").qos1(1).retained());
    bring(&mut there, "large.export", &backup).expect(204);
    let ballast = full.fill_disk();
    let body = json!({"filename": "large.export", "report": true});
    there.post("/data/import", &body).expect(503);
    let listed = |api: &mut Api| {
        let page = api.get("/mqtt/retainer/messages").expect(200).json();
        let rows = page["data"].as_array().unwrap().iter();
        let topics = rows.map(|row| row["topic"].as_str().unwrap().to_owned());
        topics.collect::<Vec<_>>()
    };
    assert_eq!(listed(&mut there), ["kept/7"]);
    let mut reader = full.v5("reader");
    reader.subscribe("kept/#", 1);
    reader.receive_this("kept/7", "old");
    drop(ballast);
    until(
        || (there.post("/data/import", &body).status == 200).then_some(()),
        "room again",
    );
    assert_eq!(listed(&mut there).len(), 100, "a page of them");
}

/// The same backup given to `ternmq store import` with no broker running brings everything back:
/// the session that was away gets what waited for it.
#[test]
fn a_backup_becomes_a_store() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut away = broker.connect(&Connect::new(V5, "away").persistent(600));
    away.subscribe("later", 1);
    away.bye();
    broker
        .v5("writer")
        .publish(&Publish::new("later", "waits").qos1(1));
    let (_, stream) = export(&mut api, &json!({}));
    drop(broker);

    let dir = fresh_dir();
    let file = dir.with_extension("export");
    std::fs::write(&file, stream).unwrap();
    let args = ["store", "import", "--data-dir"].map(std::ffi::OsStr::new);
    let args = [&args[..], &[dir.as_os_str(), file.as_os_str()]].concat();
    let (code, _, said) = run_tool(&args, &[], &[]);
    assert_eq!(code, 0, "{said}");
    let broker = Broker::on(&dir, &[]);
    let mut back = broker.open(V5);
    let again = Connect::new(V5, "away").persistent(600).keep();
    assert!(back.connect(&again).session_present);
    assert_eq!(back.receive_this("later", "waits").qos, 1);
    // No password came along, so the default is there until one is set.
    broker.api().sign_in("admin", "public");
    drop(broker);
    let _ = std::fs::remove_dir_all(dir);
    let _ = std::fs::remove_file(file);
}

/// Row H13. What is no backup is refused before anything of it is written, under whatever name; one that
/// is cut or altered too; and so is one whose records cannot be used, wholly.
#[test]
fn h13_hostile_backups() {
    let (broker, mut api) = Broker::signed_in(&[]);
    api.put("/settings/mqtt.max_inflight", &json!({"value": 70}))
        .expect(200);
    let (made, good) = export(&mut api, &json!({}));
    let before = names(&mut api);
    let root = broker.dir().join("backups");
    let files = || {
        let mut names: Vec<_> = std::fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let there = files();
    // Archives, hostile or not, are not what we read: nothing in them is ever unpacked.
    let mut many = Vec::new();
    for n in 0..1_000 {
        many.extend(tar_entry(&format!("../../{n}"), b'0', b"x"));
    }
    let archives = [
        tar_entry("../../etc/passwd", b'0', b"x"),
        tar_entry("/etc/passwd", b'0', b"x"),
        tar_entry("link", b'2', b""),
        many,
        b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec(),
        vec![0; 3 << 20],
        b"TERNMQ STORE EXPORT 2\n".to_vec(),
        Vec::new(),
    ];
    for archive in &archives {
        bring(&mut api, "hostile.tar.gz", archive).expect(400);
        assert_eq!(files(), there);
    }
    for name in [
        "../up",
        "/etc/up",
        "a/b",
        "..",
        ".hidden",
        "",
        "a\\\\b",
        &"a".repeat(300),
    ] {
        let refused = bring(&mut api, name, &good);
        assert_eq!(refused.status, 400, "{name}: {}", refused.text());
    }
    // The same name, and one that is the same on some systems.
    bring(&mut api, &made, &good).expect(400);
    bring(&mut api, &made.to_ascii_uppercase(), &good).expect(400);
    for cut in [good.len() - 1, good.len() / 2, 30] {
        bring(&mut api, "cut.export", &good[..cut]).expect(400);
    }
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        bring(&mut api, "altered.export", &bad).expect(400);
    }
    assert_eq!((files(), names(&mut api)), (there, before));

    // Well made, but with a record that no release of ours writes: nothing of it is taken.
    let forged = forge(&[
        ("setting", "mqtt.max_inflight", "99"),
        ("setting", "mqtt.no_such_setting", "1"),
    ]);
    bring(&mut api, "forged.export", &forged).expect(204);
    let refused = api
        .post("/data/import", &json!({"filename": "forged.export"}))
        .expect(400);
    assert!(
        refused.text().contains("no_such_setting"),
        "{}",
        refused.text()
    );
    for (bucket, key, value) in [
        ("user", "admin", "{}"),
        ("ban", "clientid\0x", "nonsense"),
        ("policy", "rewrite", "nonsense"),
        ("retained", "a", "nonsense"),
        ("setting", "listeners.tcp.extra.bind", "[\"192.0.2.1:1\"]"),
    ] {
        let forged = forge(&[("setting", "mqtt.max_inflight", "99"), (bucket, key, value)]);
        bring(
            &mut api,
            &format!("forged-{bucket}-{}.export", key.len()),
            &forged,
        )
        .expect(204);
        let name = format!("forged-{bucket}-{}.export", key.len());
        api.post("/data/import", &json!({"filename": name}))
            .expect(400);
    }
    assert_eq!(
        value(&mut api, "mqtt.max_inflight"),
        (json!(70), json!("saved"))
    );
    for name in ["none.export", "../store", "%2e%2e%2fstore", ".partial"] {
        api.post("/data/import", &json!({"filename": name}))
            .expect(404);
        api.delete(&format!("/data/files/{}", name.replace('/', "%2F")))
            .expect(404);
    }
    api.post("/data/import", &json!({"filename": made}))
        .expect(204);
    again(&broker).get("/users").expect(200);
}

/// An entry of a tar archive.
fn tar_entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut head = vec![0; 512];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    head[156] = kind;
    head[257..263].copy_from_slice(b"ustar\0");
    let mut out = head;
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// An export with these keys, by hand: each entry is kind, length, checksum (CRC-32C) and body.
fn forge(keys: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut out = b"TERNMQ STORE EXPORT 1\n".to_vec();
    for (bucket, key, value) in keys {
        let mut body = vec![bucket.len() as u8];
        body.extend_from_slice(bucket.as_bytes());
        body.extend((key.len() as u32).to_le_bytes());
        body.extend_from_slice(key.as_bytes());
        body.extend_from_slice(value.as_bytes());
        entry(4, &body, &mut out);
    }
    entry(1, &[0, 0], &mut out);
    entry(5, &(keys.len() as u64).to_le_bytes(), &mut out);
    out
}

fn entry(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    let mut head = vec![kind];
    head.extend((body.len() as u32).to_le_bytes());
    let sum = crc32c(&[&head[..], body].concat());
    out.extend(head);
    out.extend(sum.to_le_bytes());
    out.extend_from_slice(body);
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// What an API key may: make a backup, but none with secrets, and bring no users in by one.
#[test]
fn h07_keys_and_backups() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let user = json!({"username": "anna", "password": "correct-horse-1", "description": ""});
    api.post("/users", &user).expect(200);
    let (name, _) = export(&mut api, &json!({"secrets": true}));
    let told = api
        .post(
            "/api_key",
            &json!({"name": "ci", "enable": true, "desc": ""}),
        )
        .expect(200)
        .json();
    let pair = format!(
        "{}:{}",
        told["api_key"].as_str().unwrap(),
        told["api_secret"].as_str().unwrap()
    );
    let mut key = broker.api();
    key.headers = vec![(
        "authorization".to_owned(),
        format!("Basic {}", base64(pair.as_bytes())),
    )];
    export(&mut key, &json!({}));
    key.post("/data/export", &json!({"secrets": true}))
        .expect(403);
    key.call("POST", "/mqtt_ticket", None).expect(401);
    api.delete("/users/anna").expect(204);
    let body = json!({"filename": name, "report": true});
    let told = key.post("/data/import", &body).expect(200).json();
    assert_eq!(told["imported"]["user"], Value::Null, "{told}");
    let gone = json!({"username": "anna", "password": "correct-horse-1"});
    broker.api().post("/login", &gone).expect(401);
    api.post("/data/import", &body).expect(200);
    broker.api().post("/login", &gone).expect(200);
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
            out.push(if n <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}
