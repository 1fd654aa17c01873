//! Chapter 34: TLS, spoken by another program (openssl), so that two equal mistakes cannot cancel out.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use serde_json::{Value, json};

use crate::connection_log::{PATIENCE, is_chinese, throw, told, until};
use crate::wire::{
    Api, Broker, Conn, Connect, Frame, Kind, Outcome, Publish, V5, V311, fresh_dir, http,
};

/// What a client that was turned away without a word shows.
const NONE: &str = "closed without an answer";

/// A client that speaks TLS: `openssl s_client` between us and the broker.
pub(crate) struct Secure {
    pub(crate) conn: Conn,
    child: Child,
}

impl Secure {
    /// Begins to connect; `args` are more of the program's.
    pub(crate) fn begin(address: SocketAddr, args: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        let end = || OwnedFd::from(theirs.try_clone().unwrap());
        let child = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-no_ign_eof",
                "-nocommands",
                "-connect",
            ])
            .arg(address.to_string())
            .args(args)
            .stdin(Stdio::from(end()))
            .stdout(Stdio::from(end()))
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is there");
        let conn = Conn::over(ours, V311);
        Self { conn, child }
    }

    /// A connected client that trusts what this file has.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr, authority: &Path, args: &[&str]) -> Self {
        let trust = trusting(authority);
        let all: Vec<&str> = trust
            .iter()
            .map(String::as_str)
            .chain(args.iter().copied())
            .collect();
        let mut secure = Self::begin(address, &all);
        let answer = secure.conn.connect(&Connect::new(V311, &args.join("")));
        assert_eq!(answer.code, 0, "{args:?}");
        secure
    }

    /// Whether a CONNECT is answered.
    pub(crate) fn comes_in(mut self) -> bool {
        self.conn.send(&Connect::new(V311, "tried").bytes());
        match self.conn.read_by(Instant::now() + PATIENCE) {
            Outcome::Packet(packet) => packet.code == 0,
            Outcome::Closed => false,
            Outcome::Late => panic!("neither let in nor turned away"),
        }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Arguments of a client that takes no other authority.
fn trusting(authority: &Path) -> Vec<String> {
    let file = authority.to_str().unwrap();
    [
        "-CAfile",
        file,
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn own_authority(broker: &Broker) -> PathBuf {
    broker.dir().join("tls/ca.pem")
}

/// TLS is there from the first start: in both versions, small messages and large, to and from clients
/// without it; and its keys are for nobody else.
#[test]
fn from_the_first_start() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let address = broker.listens("ssl:default");
    let authority = own_authority(&broker);
    let given = api.get("/certificate").expect(200);
    assert_eq!(given.header("content-type"), Some("application/x-pem-file"));
    assert_eq!(given.text(), fs::read_to_string(&authority).unwrap());
    let mut plain = broker.client(V311, "plain");
    plain.subscribe("to/plain", 1);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut secure = Secure::connect(address, &authority, &[version]);
        secure.conn.subscribe("to/secure", 1);
        let large = "x".repeat(300_000);
        for payload in ["small", &large] {
            secure
                .conn
                .publish(&Publish::new("to/plain", payload).qos1(7));
            plain.receive_this("to/plain", payload);
            plain.publish(&Publish::new("to/secure", payload).qos1(8));
            secure.conn.receive_this("to/secure", payload);
        }
        secure.conn.ping();
        secure.conn.send(&[0xE0, 0]);
        secure.conn.expect_closed();
    }
    let listener = api.get("/listeners/ssl:default").expect(200).json();
    assert_eq!(listener["certificate"]["own"], json!(true));
    assert_eq!(listener["ssl_options"]["verify"], json!("verify_none"));
    assert_eq!(
        listener["ssl_options"]["versions"],
        json!(["tlsv1.3", "tlsv1.2"])
    );
    for key in ["ca.key", "cert.key"] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = fs::metadata(broker.dir().join("tls").join(key)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{key}");
    }
    // It is the same after a restart: clients trust it.
    let before = fs::read(&authority).unwrap();
    let mut broker = broker;
    broker.kill_and_restart();
    assert_eq!(fs::read(&authority).unwrap(), before);
    Secure::connect(broker.listens("ssl:default"), &authority, &["-tls1_3"]);
}

/// Clients of several shards: a connection moves with its keys to where its session lives.
#[test]
fn moves_from_shard_to_shard() {
    let broker = Broker::with(&["shards=4"]);
    let (address, authority) = (broker.listens("ssl:default"), own_authority(&broker));
    let trust = trusting(&authority);
    let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
    let mut clients: Vec<_> = (0..8)
        .map(|n| {
            let mut secure = Secure::begin(address, &trust);
            // SUBSCRIBE comes right behind CONNECT, before its answer.
            let connect = Connect::new(V311, &format!("mover-{n}")).bytes();
            let subscribe = crate::wire::subscribe(V311, 1, &[("all", 1)]);
            secure.conn.send(&[connect, subscribe].concat());
            secure
        })
        .collect();
    for client in &mut clients {
        assert_eq!(client.conn.read_kind(Kind::ConnAck).code, 0);
        client.conn.read_kind(Kind::SubAck);
    }
    clients[0]
        .conn
        .publish(&Publish::new("all", "here").qos1(1));
    for client in &mut clients {
        client.conn.receive_this("all", "here");
    }
}

/// MQTT in WebSocket in TLS.
#[test]
fn web_sockets() {
    let broker = Broker::start();
    let trust = trusting(&own_authority(&broker));
    let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
    let mut secure = Secure::begin(broker.listens("wss:default"), &trust);
    secure.conn.send(
        b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Protocol: mqtt\r\n\r\n",
    );
    secure.conn.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        secure.conn.stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    let connect = Connect::new(V311, "page").bytes();
    secure
        .conn
        .send(&Frame::client(true, Frame::BINARY, &connect));
    let mut came = Vec::new();
    let frame = loop {
        if let Some(frame) = Frame::take(&mut came) {
            break frame;
        }
        let mut bytes = [0; 256];
        let n = secure.conn.stream.read(&mut bytes).unwrap();
        assert!(n > 0, "closed");
        came.extend_from_slice(&bytes[..n]);
    };
    assert_eq!(frame.payload, [0x20, 2, 0, 0]);
}

/// Who comes with the wrong protocol, or cannot agree on TLS, is told apart in the log (W08).
#[test]
fn w08_strangers_are_told_apart() {
    let (broker, mut api) = Broker::signed_in(&[
        "listeners.ssl.default.ssl_options.handshake_timeout=2s",
        "listeners.ssl.new.bind=127.0.0.1:0",
        "listeners.ssl.new.ssl_options.versions=tlsv1.3",
    ]);
    let (ssl, wss) = (broker.listens("ssl:default"), broker.listens("wss:default"));
    throw(ssl, &Connect::new(V311, "c").bytes());
    let row = told(&mut api, "mqtt_on_tls_port", NONE);
    assert_eq!(row["listener"], "ssl:default");
    broker.hears("plain MQTT to a TLS port", PATIENCE);
    throw(wss, &Connect::new(V5, "c").bytes());
    until(
        || {
            let row = told(&mut api, "mqtt_on_tls_port", NONE);
            (row["listener"] == "wss:default").then_some(())
        },
        "the same on wss",
    );
    let (_, head, _) = http(ssl, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    told(&mut api, "http_on_tls_port", "HTTP 400");
    let mut hello = Secure::begin(broker.tcp, &[]);
    hello.conn.expect_closed();
    told(&mut api, "tls_on_plain_port", NONE);
    broker.hears("TLS on a plain MQTT port", PATIENCE);
    throw(ssl, &[22, 3, 1, 0, 4, 1, 0, 0, 0]);
    told(&mut api, "tls_handshake", NONE);
    // Without our authority.
    let mut strict = Secure::begin(ssl, &["-verify_return_error"]);
    strict.conn.expect_closed();
    let row = told(&mut api, "tls_not_trusted", NONE);
    assert!(
        row["remedy"]
            .as_str()
            .unwrap()
            .contains("/api/v5/certificate")
    );
    let mut old = Secure::begin(broker.listens("ssl:new"), &["-tls1_2"]);
    old.conn.expect_closed();
    told(&mut api, "tls_version", NONE);
    // Shakes hands and goes.
    let brief = Secure::begin(ssl, &[]);
    brief
        .conn
        .stream
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    told(&mut api, "tls_closed", NONE);
    let began = Instant::now();
    throw(ssl, &[22, 3, 1]);
    assert!(began.elapsed() >= Duration::from_secs(2));
    told(&mut api, "tls_timeout", NONE);
}

/// A record that was changed on its way ends the connection, and the log says so.
#[test]
fn damage_on_the_way() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut up = TcpStream::connect(broker.listens("ssl:default")).unwrap();
    let mut secure = Secure::begin(between.local_addr().unwrap(), &[]);
    let (down, _) = between.accept().unwrap();
    for (mut from, mut to) in [
        (up.try_clone().unwrap(), down.try_clone().unwrap()),
        (down, up.try_clone().unwrap()),
    ] {
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    }
    assert_eq!(secure.conn.connect(&Connect::new(V311, "victim")).code, 0);
    up.write_all(&[[0x17, 3, 3, 0, 40].to_vec(), vec![7; 40]].concat())
        .unwrap();
    secure.conn.expect_closed();
    told(&mut api, "tls_record", "connection lost");
}

/// Garbage, halves and silence by the hundred: all are gone in time, and whoever means it gets in
/// meanwhile (W07).
#[test]
fn w07_hostile_handshakes() {
    let broker = Broker::with(&["listeners.ssl.default.ssl_options.handshake_timeout=3s"]);
    let (address, authority) = (broker.listens("ssl:default"), own_authority(&broker));
    Secure::connect(address, &authority, &[]);
    let before = broker.settled_memory();
    let began = Instant::now();
    let half_hello = [&[22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f][..], &[7; 9_000]].concat();
    let whole_hello = hello();
    let mut held: Vec<TcpStream> = (0..400)
        .map(|n| {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = match n % 5 {
                0 => Ok(()),
                1 => stream.write_all(&[22, 3, 1, 2, 0, 1]),
                2 => stream.write_all(&half_hello),
                // It is answered, and nobody listens.
                3 => stream.write_all(&whole_hello),
                _ => stream.write_all(&[0x80; 500]),
            };
            stream
        })
        .collect();
    // One-byte records that spell the start of a hello, until the broker has enough of them.
    let mut spelling = TcpStream::connect(address).unwrap();
    let long = [&[1, 0, 0xff, 0][..], &[0; 30_000]].concat();
    let bytes: Vec<u8> = long.iter().flat_map(|b| [22, 3, 1, 0, 1, *b]).collect();
    let _ = spelling.write_all(&bytes);
    held.push(spelling);
    for _ in 0..20 {
        Secure::connect(address, &authority, &[]);
    }
    let each = broker.memory().saturating_sub(before) / 401;
    println!("figure: {each} bytes for each handshake that stands still, 20 KB allowed");
    assert!(each <= 20 << 10, "{each} bytes each");
    for (n, mut stream) in held.into_iter().enumerate() {
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        let late = |e: &std::io::Error| {
            matches!(
                e.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        };
        assert!(!end.is_err_and(|e| late(&e)), "still open");
        if n < 400 && n % 5 == 3 {
            assert_eq!(rest.first(), Some(&22), "a hello is answered");
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    Secure::connect(address, &authority, &[]);
}

/// A whole ClientHello of TLS 1.3, by hand.
fn hello() -> Vec<u8> {
    let extensions = [
        &[0, 43, 0, 3, 2, 3, 4][..],          // TLS 1.3 and no other
        &[0, 10, 0, 4, 0, 2, 0, 29],          // X25519
        &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],     // ECDSA and RSA-PSS with SHA-256
        &[0, 51, 0, 38, 0, 36, 0, 29, 0, 32], // a key of it
        &[9; 32],
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],                  // random
        &[0, 0, 2, 0x13, 1, 1, 0], // no session; AES-128-GCM; not compressed
        &u16::try_from(extensions.len()).unwrap().to_be_bytes(),
        &extensions,
    ]
    .concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let hello = [&[1, 0][..], &length, &body].concat();
    let length = u16::try_from(hello.len()).unwrap().to_be_bytes();
    [&[22, 3, 1][..], &length, &hello].concat()
}

/// An authority of a test's own, and what it issues.
pub(crate) struct Works {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Works {
    pub(crate) fn new(name: &str) -> Self {
        let dir = fresh_dir();
        fs::create_dir_all(&dir).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        fs::write(dir.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { dir, issuer }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes `NAME.pem` and `NAME.key` for `localhost`, valid until the end of this year.
    pub(crate) fn issue(&self, name: &str, until_year: i32, serial: u64) {
        self.issue_with(name, &["localhost"], until_year, serial);
    }

    /// The same for these names, for long.
    pub(crate) fn issue_for(&self, name: &str, names: &[&str]) {
        self.issue_with(name, names, 2090, 1);
    }

    fn issue_with(&self, name: &str, names: &[&str], until_year: i32, serial: u64) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{name}.pem")), made.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Writes `crl.pem`.
    pub(crate) fn revoke(&self, serial: u64) {
        self.revoke_until(serial, 2090);
    }

    /// The same, past its date at the beginning of a year.
    pub(crate) fn revoke_until(&self, serial: u64, year: i32) {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let made = list.signed_by(&self.issuer).unwrap();
        fs::write(self.path("crl.pem"), made.pem().unwrap()).unwrap();
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Who has to show a certificate and shows none, an expired one, one of another authority or a revoked
/// one is refused, over TLS and over WebSocket in it; who shows a good one comes in (A18).
#[test]
fn a18_client_certificates() {
    let (works, others) = (Works::new("Works"), Works::new("Others"));
    works.issue("good", 2090, 1);
    works.issue("late", 2002, 2);
    works.issue("revoked", 2090, 3);
    others.issue("foreign", 2090, 4);
    works.revoke(3);
    let mut settings = Vec::new();
    for kind in ["ssl", "wss"] {
        let at = format!("listeners.{kind}.default.ssl_options");
        settings.push(format!("{at}.verify=verify_peer"));
        settings.push(format!("{at}.fail_if_no_peer_cert=true"));
        for (key, file) in [("cacertfile", "ca.pem"), ("crlfile", "crl.pem")] {
            settings.push(format!("{at}.{key}={}", works.path(file).display()));
        }
    }
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let shown = |works: &Works, name: &str| {
        let path = |end: &str| works.path(&format!("{name}.{end}")).display().to_string();
        [
            "-cert".to_owned(),
            path("pem"),
            "-key".to_owned(),
            path("key"),
        ]
        .to_vec()
    };
    let good = shown(&works, "good");
    let bad = [
        (Vec::new(), "NONE"),
        (shown(&works, "late"), "expired"),
        (
            shown(&others, "foreign"),
            "of an authority that cacertfile does not have",
        ),
        (shown(&works, "revoked"), "revoked"),
    ];
    for version in ["-tls1_2", "-tls1_3"] {
        let (broker, mut api) = Broker::signed_in(&settings);
        for listener in ["ssl:default", "wss:default"] {
            let address = broker.listens(listener);
            let begin = |args: &[String]| {
                let args = args.iter().map(String::as_str).chain([version]);
                Secure::begin(address, &args.collect::<Vec<_>>())
            };
            for (args, why) in &bad {
                let mut client = begin(args);
                client.conn.send(&Connect::new(V311, "x").bytes());
                client.conn.expect_closed();
                if *why == "NONE" {
                    told(&mut api, "tls_no_client_certificate", NONE);
                } else {
                    told(&mut api, "tls_client_certificate", NONE);
                    detail(&mut api, listener, why);
                }
            }
            let mut client = begin(&good);
            if listener == "ssl:default" {
                assert!(client.comes_in(), "{version}");
            } else {
                client
                    .conn
                    .send(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
                let answer = client.conn.read_raw_to_end();
                assert!(answer.starts_with(b"HTTP/1.1 "), "{version}");
            }
        }
    }
}

/// A certificate says whose session it is: nobody else gets it, and no password is needed where anonymous
/// is off.
#[test]
fn certificates_name_users() {
    let works = Works::new("Works");
    works.issue("pump-7", 2090, 1);
    let at = "listeners.ssl.default.ssl_options";
    let (broker, mut api) = Broker::signed_in(&[
        &format!("{at}.verify=verify_peer"),
        &format!("{at}.cacertfile={}", works.path("ca.pem").display()),
        "mqtt.peer_cert_as_username=cn",
        "mqtt.allow_anonymous=false",
    ]);
    let address = broker.listens("ssl:default");
    let path = |end: &str| works.path(&format!("pump-7.{end}")).display().to_string();
    let (cert, key) = (path("pem"), path("key"));
    for version in ["-tls1_2", "-tls1_3"] {
        let mut pump = Secure::begin(address, &[version, "-cert", &cert, "-key", &key]);
        assert_eq!(pump.conn.connect(&Connect::new(V311, "pump")).code, 0);
        let client = api.get("/clients/pump").expect(200).json();
        assert_eq!(client["username"], "pump-7");
        // Without a certificate it is nobody.
        let mut nobody = Secure::begin(address, &[version]);
        nobody.conn.send(&Connect::new(V311, "pump").bytes());
        assert_eq!(nobody.conn.read_kind(Kind::ConnAck).code, 5);
        pump.conn.ping();
    }
}

/// Waits until a refusal of a certificate by this listener says this.
#[track_caller]
pub(crate) fn detail(api: &mut Api, listener: &str, why: &str) {
    let path = "/connection_log?limit=9&cause=tls_client_certificate&lang=en";
    until(
        || {
            let rows = api.get(path).expect(200).json();
            let mut rows = rows["data"].as_array().unwrap().iter();
            let said = |row: &Value| row["detail"].as_str().is_some_and(|d| d.contains(why));
            rows.any(|row| row["listener"] == listener && said(row))
                .then_some(())
        },
        &format!("{listener}: {why}"),
    );
}

/// Certificates are replaced while clients are connected: they stay, the next handshake shows the new
/// one. Files that are no good change nothing but what is told.
#[test]
fn certificates_are_replaced() {
    let (first, second) = (Works::new("First"), Works::new("Second"));
    first.issue("server", 2090, 1);
    second.issue("server", 2090, 1);
    let (cert, key) = (first.path("used.pem"), first.path("used.key"));
    let put = |works: &Works| {
        fs::copy(works.path("server.pem"), &cert).unwrap();
        fs::copy(works.path("server.key"), &key).unwrap();
    };
    put(&first);
    let at = "listeners.ssl.default.ssl_options";
    let (broker, mut api) = Broker::signed_in(&[
        &format!("{at}.certfile={}", cert.display()),
        &format!("{at}.keyfile={}", key.display()),
    ]);
    let address = broker.listens("ssl:default");
    let mut stays = Secure::connect(address, &first.path("ca.pem"), &["-tls1_3"]);
    let knows = |works: &Works| {
        let trust = trusting(&works.path("ca.pem"));
        let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
        Secure::begin(address, &trust).comes_in()
    };
    assert!(!knows(&second));
    fs::write(&cert, "no certificate").unwrap();
    let item = waited(|| attention(&mut api, "certificate_unusable"));
    assert!(
        item["cause"].as_str().unwrap().contains("used.pem"),
        "{item}"
    );
    assert!(knows(&first), "the old one is in use");
    put(&second);
    waited(|| knows(&second).then_some(()));
    waited(|| {
        attention(&mut api, "certificate_unusable")
            .is_none()
            .then_some(())
    });
    assert!(!knows(&first));
    stays.conn.ping();
    // One that ends soon is told, in both languages.
    second.issue("server", 2025, 1);
    put(&second);
    let item = waited(|| attention(&mut api, "certificate_expires"));
    assert_eq!(item["who"], "ssl:default");
    let chinese = api.get("/attention?lang=zh").expect(200).json().to_string();
    assert!(is_chinese(&chinese));
    stays.conn.ping();
}

/// A client gets the certificate of the name that it asks for; a name that none is for gets the
/// listener's own.
#[test]
fn by_the_name_that_is_asked_for() {
    let (north, south) = (Works::new("North"), Works::new("South"));
    north.issue_for("n", &["a.north.example", "*.west.example"]);
    south.issue_for("s", &["south.example"]);
    let dir = fresh_dir();
    fs::create_dir_all(&dir).unwrap();
    for (works, name) in [(&north, "n"), (&south, "s")] {
        for end in ["pem", "key"] {
            let name = format!("{name}.{end}");
            fs::copy(works.path(&name), dir.join(&name)).unwrap();
        }
    }
    let certdir = format!(
        "listeners.ssl.default.ssl_options.certdir={}",
        dir.display()
    );
    let broker = Broker::with(&[&certdir]);
    let address = broker.listens("ssl:default");
    let own = own_authority(&broker);
    for (asked, trusted, due) in [
        ("a.north.example", &north.path("ca.pem"), true),
        ("x.west.example", &north.path("ca.pem"), true),
        ("SOUTH.example", &south.path("ca.pem"), true),
        ("b.north.example", &north.path("ca.pem"), false),
        ("b.north.example", &own, true),
        ("x.y.west.example", &own, true),
    ] {
        let file = trusted.to_str().unwrap();
        let args = [
            "-servername",
            asked,
            "-CAfile",
            file,
            "-verify_return_error",
        ];
        assert_eq!(Secure::begin(address, &args).comes_in(), due, "{asked}");
    }
    fs::remove_dir_all(dir).unwrap();
}

/// Behind a proxy the client's own address counts, for TLS too; who comes past it is refused.
#[test]
fn behind_a_proxy() {
    let (broker, mut api) = Broker::signed_in(&[
        "listeners.tcp.proxied.bind=127.0.0.1:0",
        "listeners.tcp.proxied.proxy_protocol=true",
        "listeners.ssl.proxied.bind=127.0.0.1:0",
        "listeners.ssl.proxied.proxy_protocol=true",
    ]);
    let line = b"PROXY TCP4 192.168.7.8 127.0.0.1 4711 1883\r\n";
    let connect = Connect::new(V311, "behind").bytes();
    // In one piece, and byte by byte.
    for step in [1, 1000] {
        let mut conn = Conn::open(broker.listens("tcp:proxied"), V311);
        for part in [&line[..], &connect].concat().chunks(step) {
            conn.send(part);
        }
        assert_eq!(conn.read_kind(Kind::ConnAck).code, 0);
        let client = api.get("/clients/behind").expect(200).json();
        assert_eq!(client["ip_address"], "192.168.7.8");
        assert_eq!(client["port"], 4711);
        conn.ping();
    }
    // The LAN guard judges the client, not the proxy.
    let far = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 1883\r\n";
    let mut conn = Conn::open(broker.listens("tcp:proxied"), V311);
    conn.send(&[&far[..], &connect].concat());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 5);
    throw(broker.listens("tcp:proxied"), &connect);
    told(&mut api, "proxy_header", NONE);
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut secure = Secure::begin(between.local_addr().unwrap(), &[]);
    let (down, _) = between.accept().unwrap();
    let mut up = TcpStream::connect(broker.listens("ssl:proxied")).unwrap();
    // Version 2, of 192.168.7.9.
    up.write_all(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\xa8\x07\x09\x7f\0\0\x01\x12\x67\x07\x5b")
        .unwrap();
    for (mut from, mut to) in [
        (up.try_clone().unwrap(), down.try_clone().unwrap()),
        (down, up),
    ] {
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    }
    assert_eq!(secure.conn.connect(&Connect::new(V311, "sealed")).code, 0);
    let client = api.get("/clients/sealed").expect(200).json();
    assert_eq!(client["ip_address"], "192.168.7.9");
}

pub(crate) fn attention(api: &mut Api, kind: &str) -> Option<Value> {
    let items = api.get("/attention?lang=en").expect(200).json();
    let mut items = items.as_array().unwrap().iter();
    items.find(|item| item["kind"] == kind).cloned()
}

/// Files are looked at every five seconds, twice before they are read.
#[track_caller]
pub(crate) fn waited<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Listeners with TLS are made and changed by the API; what cannot be used is refused with a reason and
/// changes nothing.
#[test]
fn listeners_by_the_api() {
    let works = Works::new("Works");
    works.issue("server", 2090, 1);
    let path = |name: &str| works.path(name).display().to_string();
    let (broker, mut api) = Broker::signed_in(&[]);
    let body = json!({
        "type": "ssl", "name": "more", "bind": "127.0.0.1:0",
        "ssl_options": { "certfile": path("server.pem"), "keyfile": path("server.key"), "ciphers": [] },
    });
    let made = api.post("/listeners", &body).expect(200).json();
    assert_eq!(made["certificate"]["own"], json!(false));
    assert_eq!(made["certificate"]["names"], json!(["localhost"]));
    let address: SocketAddr = made["addresses"][0].as_str().unwrap().parse().unwrap();
    let mut client = Secure::connect(address, &works.path("ca.pem"), &["-tls1_3"]);
    let wrong = json!({ "ssl_options": { "certfile": path("none.pem") } });
    let refused = api.put("/listeners/ssl:more", &wrong).expect(400).text();
    assert!(refused.contains("none.pem"), "{refused}");
    let old = json!({ "ssl_options": { "certfile": null, "keyfile": null } });
    let changed = api.put("/listeners/ssl:more", &old).expect(200).json();
    assert_eq!(changed["certificate"]["own"], json!(true));
    client.conn.ping();
    Secure::connect(address, &own_authority(&broker), &["-tls1_2"]);
    let types = api.get("/listeners_status").expect(200).json();
    let types: Vec<_> = types
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["type"].clone())
        .collect();
    assert_eq!(types, ["tcp", "ssl", "ws", "wss"]);
}
