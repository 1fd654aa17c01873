//! Chapter 43: what certificates of clients say of them, and what revocation lists say of certificates.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::tls::{Secure, Works, attention, detail, waited};
use crate::wire::{Api, Broker, Connect, Outcome, V5, V311};

/// A certificate gives its holder a client id, whatever it calls itself, and a user name from its alternative
/// names. Who tries to be somebody else is not.
#[test]
fn certificates_name_clients() {
    let works = Works::new("Works");
    works.issue_for("pump-7", &["pump-7.works.example", "localhost"]);
    let at = "listeners.ssl.default.ssl_options";
    let (broker, mut api) = Broker::signed_in(&[
        &format!("{at}.verify=verify_peer"),
        &format!("{at}.cacertfile={}", works.path("ca.pem").display()),
        "mqtt.peer_cert_as_username=san",
        "mqtt.use_username_as_clientid=true",
    ]);
    let from_certificate = |api: &mut Api, value: &str| {
        let body = json!({"value": value});
        api.put("/settings/mqtt.peer_cert_as_clientid", &body)
            .expect(200);
    };
    from_certificate(&mut api, "cn");
    let address = broker.listens("ssl:default");
    let path = |end: &str| works.path(&format!("pump-7.{end}")).display().to_string();
    let (cert, key) = (path("pem"), path("key"));
    let mut other = broker.v5("other");
    for (version, claimed) in [(V311, "other"), (V5, "other"), (V5, "")] {
        let mut pump = Secure::begin(address, &["-cert", &cert, "-key", &key]);
        pump.conn.version = version;
        let connect = Connect::new(version, claimed).user("somebody");
        let connack = pump.conn.connect(&connect);
        assert_eq!(connack.code, 0);
        let client = api.get("/clients/pump-7").expect(200).json();
        assert_eq!(client["username"], "pump-7.works.example");
        pump.conn.ping();
    }
    other.ping();
    // Without a certificate a client is who it says.
    let mut nobody = Secure::begin(address, &[]);
    assert_eq!(nobody.conn.connect(&Connect::new(V311, "else")).code, 0);
    api.get("/clients/else").expect(200);
    // Where the certificate says the user name alone, that is the client id.
    from_certificate(&mut api, "disabled");
    let mut pump = Secure::begin(address, &["-cert", &cert, "-key", &key]);
    let connect = Connect::new(V311, "other").user("somebody");
    assert_eq!(pump.conn.connect(&connect).code, 0);
    let client = api.get("/clients/pump-7.works.example").expect(200).json();
    assert_eq!(client["username"], "pump-7.works.example");
    pump.conn.ping();
}

/// A revocation list that is past its date lets nobody in, because who was revoked since would be; it is
/// told before and after, and a new one in its place helps without a restart.
#[test]
fn a_revocation_list_past_its_date() {
    let works = Works::new("Works");
    works.issue("good", 2090, 1);
    works.revoke_until(3, 2021);
    let at = "listeners.ssl.default.ssl_options";
    let (broker, mut api) = Broker::signed_in(&[
        &format!("{at}.verify=verify_peer"),
        &format!("{at}.cacertfile={}", works.path("ca.pem").display()),
        &format!("{at}.crlfile={}", works.path("crl.pem").display()),
    ]);
    let address = broker.listens("ssl:default");
    let path = |end: &str| works.path(&format!("good.{end}")).display().to_string();
    let (cert, key) = (path("pem"), path("key"));
    let mut client = Secure::begin(address, &["-cert", &cert, "-key", &key]);
    client.conn.send(&Connect::new(V311, "x").bytes());
    client.conn.expect_closed();
    detail(&mut api, "ssl:default", "past its date");
    let item = waited(|| attention(&mut api, "revocation_list_expires"));
    assert_eq!(item["who"], "ssl:default");
    let points = api.get("/security").expect(200).json();
    let mut points = points.as_array().unwrap().iter();
    let point = points
        .find(|point| point["id"] == "revocation_list_ends")
        .unwrap();
    assert_eq!(point["severity"], "warning");
    works.revoke(3);
    waited(|| {
        attention(&mut api, "revocation_list_expires")
            .is_none()
            .then_some(())
    });
    let client = Secure::begin(address, &["-cert", &cert, "-key", &key]);
    assert!(client.comes_in());
}

/// A20: no file descriptor is left when a certificate is replaced: the one that was read before stays in use, the
/// log says why, nobody's connection ends; and once there is a descriptor, the new one is read without
/// another change of the files.
#[test]
fn a20_no_descriptor_left_to_read_a_new_certificate() {
    let works = Works::new("Works");
    let (cert, key) = (works.path("used.pem"), works.path("used.key"));
    let put = |name: &str| {
        works.issue_for(name, &["localhost"]);
        fs::copy(works.path(&format!("{name}.pem")), &cert).unwrap();
        fs::copy(works.path(&format!("{name}.key")), &key).unwrap();
    };
    put("first");
    let at = "listeners.ssl.default.ssl_options";
    let (broker, mut api) = Broker::signed_in(&[
        &format!("{at}.certfile={}", cert.display()),
        &format!("{at}.keyfile={}", key.display()),
    ]);
    let (address, authority) = (broker.listens("ssl:default"), works.path("ca.pem"));
    let mut stays = Secure::connect(address, &authority, &["-tls1_3"]);
    let mut certificate = || {
        let listener = api.get("/listeners/ssl:default").expect(200).json();
        listener["certificate"].clone()
    };
    assert_eq!(certificate()["subject"], "CN=first");
    let files = broker.let_open_nothing();
    put("second");
    let trouble = waited(|| certificate()["trouble"].as_str().map(str::to_owned));
    assert!(
        trouble.contains("used.pem: Too many open files"),
        "{trouble}"
    );
    let line = format!("{at}.certfile");
    let is_told = |said: &str| said.contains(&line) && said.contains("Too many open files");
    let told = broker.finds(is_told, Duration::from_secs(5));
    let told = told.expect("the log says so");
    assert!(
        told.contains("LimitNOFILE") && told.contains("stay in use"),
        "{told}"
    );
    assert_eq!(certificate()["subject"], "CN=first");
    stays.conn.ping();
    broker.let_open(files);
    waited(|| (certificate()["subject"] == "CN=second").then_some(()));
    assert!(certificate()["trouble"].is_null());
    Secure::connect(address, &authority, &["-tls1_2"]);
    stays.conn.ping();
}

/// What clients bring is bounded before it is looked at, and keys are agreed on once: a chain of ten megabytes
/// is not read to its end, and who asks for new keys in an old version is refused (W07).
#[test]
fn w07_chains_without_end_and_second_handshakes() {
    let works = Works::new("Works");
    works.issue_for("client", &["localhost"]);
    let path = |name: &str| works.path(name).display().to_string();
    let at = "listeners.ssl.default.ssl_options";
    let broker = Broker::with(&[
        &format!("{at}.verify=verify_peer"),
        &format!("{at}.cacertfile={}", path("ca.pem")),
    ]);
    let address = broker.listens("ssl:default");
    let (cert, key, chain) = (path("client.pem"), path("client.key"), path("chain.pem"));
    let one = fs::read(&cert).unwrap();
    fs::write(&chain, one.repeat((10 << 20) / one.len())).unwrap();
    let mut own = vec!["-cert", &cert, "-key", &key];
    assert!(Secure::begin(address, &own).comes_in());
    own.extend(["-cert_chain", &chain]);
    for version in ["-tls1_3", "-tls1_2"] {
        let all = [&own[..], &[version]].concat();
        // The other program takes seconds to read it.
        let (outcome, grown) = broker.peak_over(|| {
            let mut secure = Secure::begin(address, &all);
            secure
                .conn
                .read_by(Instant::now() + Duration::from_secs(60))
        });
        assert!(matches!(outcome, Outcome::Closed), "{version}");
        assert!(grown < 4 << 20, "{version}: {grown} bytes");
    }
    let mut again = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is there");
    // To this program a line of it is a command.
    again.stdin.as_mut().unwrap().write_all(b"R\n").unwrap();
    let mut said = String::new();
    again
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    again.wait().unwrap();
    assert!(said.contains("no renegotiation"), "{said}");
    assert!(Secure::begin(address, &own[..4]).comes_in());
}
