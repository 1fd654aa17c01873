//! Chapter 49: who somebody is: what was proven, not what CONNECT says besides. And who is shut out says nothing
//! more, not even what had been left behind.

use serde_json::json;

use crate::authenticate::{code, token};
use crate::connection_log::{told, until};
use crate::operate::{shown, ticket};
use crate::sources::publishes;
use crate::wire::{Api, Broker, Conn, Connect, Kind, Publish, Said, Service, V5, V311, Will, prop};

/// A broker that takes tokens in which the subject is who one is, and a token of eve's.
fn with_tokens(settings: &[&str]) -> (Broker, Api, String) {
    let (broker, mut api) = Broker::signed_in(settings);
    let jwt = json!({"mechanism": "jwt", "algorithm": "hmac-based", "secret": "a shared secret"});
    api.post("/authentication?anonymous=keep", &jwt).expect(200);
    (broker, api, token(&json!({"sub": "eve"})))
}

fn as_user(id: &str, user: &str, secret: &str) -> Connect {
    Connect::new(V5, id).user(user).password(secret.as_bytes())
}

/// Whoever calls itself something else in CONNECT is known by the name that it has proven: in the list of
/// clients, to bans, and to the places of names.
#[test]
fn banned_by_the_name_that_was_proven() {
    let (broker, mut api, token) = with_tokens(&[]);
    let auto = json!([{"topic": "to/${username}", "qos": 0}]);
    api.put("/mqtt/auto_subscribe", &auto).expect(200);
    let mut eve = broker.connect(&as_user("e", "adam", &token));
    let client = api.get("/clients/e").expect(200).json();
    assert_eq!(client["username"], "eve");
    eve.publish(&Publish::new("to/adam", "not hers"));
    eve.publish(&Publish::new("to/eve", "hers"));
    eve.receive_this("to/eve", "hers");
    let ban = json!({"as": "username", "who": "eve"});
    api.post("/banned", &ban).expect(200);
    eve.expect_closed_for(0x98);
    assert_eq!(code(&broker, &as_user("e", "adam", &token)), 0x8a);
    told(&mut api, "banned", "0x8a");
    // Who calls itself so is shut out before anybody looks at what it brings.
    assert_eq!(code(&broker, &Connect::new(V311, "f").user("eve")), 5);
    api.delete("/banned/username/eve").expect(204);
    assert_eq!(code(&broker, &as_user("e", "adam", &token)), 0);
}

/// A place of each user's own is that of who has proven to be that user.
#[test]
fn a_place_is_not_for_who_calls_itself_so() {
    let (broker, mut api, token) = with_tokens(&[
        "listeners.tcp.own.bind=127.0.0.1:0",
        "listeners.tcp.own.mountpoint=users/${username}/",
    ]);
    let at = broker.listens("tcp:own");
    for (user, due) in [("adam", 0x86), ("eve", 0)] {
        let will = Will::new("last", "gone");
        let mut conn = Conn::open(at, V5);
        conn.send(&as_user("e", user, &token).will(will).bytes());
        assert_eq!(conn.read_kind(Kind::ConnAck).code, due, "{user}");
    }
    told(&mut api, "wrong_password", "0x86");
}

/// Where the user name is the client id, it is that to whoever looks: the list of clients, mountpoints, bans, the
/// connection log, and the next client of the same user, which takes over. Who gives no user name keeps its own.
#[test]
fn user_names_as_client_ids() {
    let (broker, mut api) = Broker::signed_in(&[
        "shards=2",
        "mqtt.max_clientid_len=23",
        "listeners.tcp.own.bind=127.0.0.1:0",
        "listeners.tcp.own.mountpoint=of/${clientid}/",
    ]);
    let setting = "/settings/mqtt.use_username_as_clientid";
    api.put(setting, &json!({"value": true})).expect(200);
    let anna = |version, claimed: &str| Connect::new(version, claimed).user("anna");
    let (mut first, connack) = broker.connect_told(&anna(V5, "bert"));
    assert_eq!(connack.props.text(prop::ASSIGNED_CLIENT_ID), None);
    let client = api.get("/clients/anna").expect(200).json();
    assert_eq!(
        (&client["clientid"], &client["username"]),
        (&json!("anna"), &json!("anna"))
    );
    api.get("/clients/bert").expect(404);
    let (mut bert, _) = broker.connect_told(&Connect::new(V311, "bert"));
    first.ping();
    // It takes over, and is told its client id if it brings none.
    let (mut second, connack) = broker.connect_told(&anna(V5, ""));
    assert_eq!(connack.props.text(prop::ASSIGNED_CLIENT_ID), Some("anna"));
    first.expect_closed_for(0x8e);
    bert.ping();
    // So does one that may not keep a session without a client id.
    broker.connect(&anna(V311, "").keep()).ping();
    second.expect_closed_for(0x8e);
    let mut own = Conn::open(broker.listens("tcp:own"), V5);
    own.connect(&anna(V5, "carla"));
    assert_eq!(
        api.get("/clients/anna").expect(200).json()["mountpoint"],
        "of/anna/"
    );
    // A user name that is no client id is refused as one would be; one that is empty is none.
    let long = "a".repeat(24);
    assert_eq!(code(&broker, &Connect::new(V5, "x").user(&long)), 0x85);
    let row = told(&mut api, "client_id_too_long", "0x85");
    assert_eq!(row["clientid"], long);
    let mut nameless = broker.connect(&Connect::new(V5, "nameless").user(""));
    api.get("/clients/nameless").expect(200);
    nameless.ping();
    let ban = json!({"as": "clientid", "who": "anna"});
    api.post("/banned", &ban).expect(200);
    own.expect_closed_for(0x98);
    assert_eq!(code(&broker, &anna(V5, "other")), 0x8a);
    let row = told(&mut api, "banned", "0x8a");
    assert_eq!(row["clientid"], "anna");
    // A page of the dashboard, of which a user may look at several, keeps its own.
    for id in ["page-1", "page-2"] {
        let held = ticket(&mut api);
        let mut page = Conn::open_web(broker.http, V5);
        page.connect(&shown(id, &held));
        api.get(&format!("/clients/{id}")).expect(200);
    }
    api.delete("/banned/clientid/anna").expect(204);
    api.put(setting, &json!({"value": false})).expect(200);
    let mut other = broker.connect(&anna(V5, "other"));
    api.get("/clients/other").expect(200);
    other.ping();
}

/// A service that is told the client id alone has said nothing of the user name: whoever it lets in is known by
/// the client id, and what is denied to that is denied.
#[test]
fn known_by_what_was_asked() {
    let service = Service::start(|asked| {
        let is_known = asked.json()["id"] == "pump";
        Said::json(&json!({"result": if is_known { "allow" } else { "deny" }}))
    });
    let (broker, mut api) = Broker::signed_in(&[]);
    let asks = json!({"mechanism": "password_based", "backend": "http", "method": "post",
                      "url": service.url("/auth"),
                      "body": {"id": "${clientid}", "password": "${password}"}});
    api.post("/authentication?anonymous=keep", &asks)
        .expect(200);
    let rules = json!([
        {"username": "pump", "rules": [{"topic": "t", "permission": "deny", "action": "publish"}]}]);
    let users = "/authorization/sources/built_in_database/rules/users";
    api.post(users, &rules).expect(204);
    let mut pump = broker.connect(&as_user("pump", "root", "p"));
    assert!(!publishes(&mut pump, "t"));
    let client = api.get("/clients/pump").expect(200).json();
    assert_eq!(client["username"], "pump");
    assert_eq!(code(&broker, &as_user("other", "root", "p")), 0x87);
}

/// What a client has left behind does not go out once it is banned: its will, at once or with a delay, and what
/// it wanted to be published later. Others' does.
#[test]
fn who_is_banned_says_nothing_more() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut witness = broker.v5("witness");
    witness.subscribe("last/#", 1);
    let mut here = broker.connect(&Connect::new(V5, "here").will(Will::new("last/here", "x")));
    let delay = prop::four(prop::WILL_DELAY, 2);
    let will = Will::new("last/away", "x").qos(1).prop(delay);
    let away = Connect::new(V5, "away").persistent(600).will(will);
    broker.connect(&away).cut();
    let mut other = broker.v5("other");
    for (conn, topic) in [
        (&mut here, "$delayed/2/last/later"),
        (&mut other, "$delayed/4/last/other"),
    ] {
        assert_eq!(conn.publish(&Publish::new(topic, "x").qos1(1)), 0);
    }
    let denied = |api: &mut Api| {
        let all = api.get("/metrics?aggregate=true").expect(200).json();
        all["authorization.deny"].as_u64().unwrap()
    };
    let before = denied(&mut api);
    for who in ["here", "away"] {
        api.post("/banned", &json!({"as": "clientid", "who": who}))
            .expect(200);
    }
    here.expect_closed_for(0x98);
    witness.receive_this("last/other", "x");
    witness.nothing_from_itself();
    let counted = || (denied(&mut api) == before + 2).then_some(());
    until(
        counted,
        "the delayed will and the delayed message are counted",
    );
}

/// With a client's token its rights end: its connection, and then its will, at once or with a delay, reaches
/// nobody; it is counted, and the connection log says why. The will of one whose token is good goes out.
#[test]
fn a_will_ends_with_the_token() {
    let (broker, mut api, _) = with_tokens(&[]);
    let mut witness = broker.v5("witness");
    witness.subscribe("last/#", 1);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let come = |name: &str, secs: u64, delay: u32| {
        let claims = json!({"sub": name, "exp": now + secs});
        let delay = prop::four(prop::WILL_DELAY, delay);
        let will = Will::new(&format!("last/{name}"), "x").qos(1).prop(delay);
        let connect = as_user(name, name, &token(&claims)).will(will);
        broker.connect(&connect.persistent(600))
    };
    let denied = |api: &mut Api| {
        let all = api.get("/metrics?aggregate=true").expect(200).json();
        all["authorization.deny"].as_u64().unwrap()
    };
    let before = denied(&mut api);
    come("away", 4, 5).cut();
    come("good", 600, 6).cut();
    let mut here = come("here", 4, 0);
    here.expect_closed_for(0x87);
    let row = told(&mut api, "will_denied", "nothing");
    assert_eq!(row["topic"], "last/here");
    assert!(row["rule"].as_str().unwrap().contains("token"), "{row}");
    witness.receive_this("last/good", "x");
    witness.nothing_from_itself();
    let counted = || (denied(&mut api) == before + 2).then_some(());
    until(counted, "both are counted");
}
