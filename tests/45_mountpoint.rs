//! Chapter 45: mountpoints. What comes through a listener has its topics below a prefix, and its clients do
//! not see it.

use serde_json::json;

use crate::connection_log::told;
use crate::wire::{
    Api, BOTH, Broker, Conn, Connect, Kind, PASSWORD, Publish, V5, V311, Will, prop, subscribe,
};

fn mounted() -> (Broker, Api) {
    Broker::signed_in(&[
        "listeners.tcp.lab.bind=127.0.0.1:0",
        "listeners.tcp.lab.mountpoint=lab/",
        "listeners.ws.lab.bind=127.0.0.1:0",
        "listeners.ws.lab.mountpoint=lab/",
    ])
}

fn inside(broker: &Broker, connect: &Connect) -> Conn {
    let mut conn = Conn::open(broker.listens("tcp:lab"), connect.version);
    conn.connect(connect);
    conn
}

/// Clients of the same mountpoint talk as if they were alone, over TCP and WebSocket, in every QoS, with
/// retained messages, wills, aliases and shared subscriptions; who is outside sees where they really are.
#[test]
fn inside_and_outside() {
    let (broker, mut api) = mounted();
    for version in BOTH {
        let name = format!("in-{version:?}");
        let mut outside = broker.client(version, "outside");
        outside.subscribe("lab/#", 1);
        let mut web = Conn::open_web(broker.listens("ws:lab"), version);
        web.connect(&Connect::new(version, "web"));
        web.subscribe("#", 2);
        let will = Will::new("t/will", "gone");
        let mut conn = inside(&broker, &Connect::new(version, &name).will(will));
        for qos in 0..3 {
            conn.publish(&Publish::new("t/a", "x").qos(qos, 7));
            web.receive_this("t/a", "x");
            outside.receive_this("lab/t/a", "x");
        }
        outside.publish(&Publish::new("lab/t/b", "y"));
        web.receive_this("t/b", "y");
        outside.receive_this("lab/t/b", "y");
        // What is not below it is not there.
        outside.publish(&Publish::new("other", "z"));
        outside.ping();
        conn.publish(&Publish::new("t/c", "c"));
        web.receive_this("t/c", "c");
        outside.receive_this("lab/t/c", "c");
        conn.publish(&Publish::new("t/kept", "k").retained().qos1(8));
        web.receive_this("t/kept", "k");
        outside.receive_this("lab/t/kept", "k");
        let mut late = inside(&broker, &Connect::new(version, "late"));
        late.subscribe("t/kept", 0);
        assert!(late.receive_this("t/kept", "k").retain);
        late.subscribe("$share/g/yard/+", 1);
        conn.publish(&Publish::new("yard/1", "w").qos1(9));
        late.receive_this("yard/1", "w");
        web.receive_this("yard/1", "w");
        outside.receive_this("lab/yard/1", "w");
        late.unsubscribe("$share/g/yard/+");
        let found = api
            .get(&format!("/subscriptions?clientid={name}"))
            .expect(200);
        assert_eq!(found.json()["meta"]["count"], json!(0));
        let mut mountpoint = |id: &str| {
            let client = api.get(&format!("/clients/{id}")).expect(200).json();
            client["mountpoint"].as_str().unwrap().to_owned()
        };
        assert_eq!(mountpoint("late"), "lab/");
        assert_eq!(
            (mountpoint("web"), mountpoint("outside")),
            ("lab/".into(), String::new())
        );
        let found = api.get("/subscriptions?clientid=late").expect(200).json();
        assert_eq!(found["data"][0]["topic"], json!("lab/t/kept"));
        conn.cut();
        web.receive_this("t/will", "gone");
        outside.receive_this("lab/t/will", "gone");
        outside.publish(&Publish::new("lab/t/kept", "").retained());
        web.receive_this("t/kept", "");
        outside.receive_this("lab/t/kept", "");
    }
}

/// What waited for a client, of its own and of its group's, and the will that is retained, come to it below its
/// mountpoint; where it comes back through a listener that has none, with the topics that they really have.
#[test]
fn what_waited() {
    let (broker, mut api) = mounted();
    let mut outside = broker.v5("outside");
    let lasting = || Connect::new(V5, "lasting").persistent(3600);
    let mut conn = inside(&broker, &lasting());
    for filter in ["t/#", "$share/g/yard/+", "$queue/shed/+"] {
        conn.subscribe(filter, 1);
    }
    let will = Will::new("t/will", "gone").retained();
    let dying = inside(&broker, &Connect::new(V5, "dying").will(will));
    dying.cut();
    assert_eq!(conn.receive_this("t/will", "gone").qos, 0);
    for back_inside in [true, false] {
        conn.cut();
        crate::connection_log::until(
            || {
                let client = api.get("/clients/lasting").expect(200).json();
                (client["connected"] == false && client["mountpoint"] == "").then_some(())
            },
            "it is away",
        );
        for topic in ["t/1", "yard/1", "shed/1"] {
            outside.publish(&Publish::new(&format!("lab/{topic}"), "x").qos1(7));
        }
        let prefix = if back_inside {
            conn = inside(&broker, &lasting());
            ""
        } else {
            conn = broker.open(V5);
            conn.connect(&lasting());
            "lab/"
        };
        let mut topics: Vec<String> = (0..3).map(|_| conn.receive().topic).collect();
        topics.sort();
        let due = ["shed/1", "t/1", "yard/1"].map(|topic| format!("{prefix}{topic}"));
        assert_eq!(topics, due);
    }
    let mut late = inside(&broker, &Connect::new(V5, "late"));
    late.subscribe("+/will", 0);
    assert!(late.receive_this("t/will", "gone").retain);
}

/// A large message and many small ones in one go, to somebody who reads slowly: all whole and in order.
#[test]
fn many_at_once() {
    let (broker, _api) = mounted();
    let mut reader = inside(&broker, &Connect::new(V5, "reader").keep_alive(0));
    reader.subscribe("flow/+", 0);
    let mut writer = inside(&broker, &Connect::new(V5, "writer").keep_alive(0));
    let large = "l".repeat(300_000);
    let mut bytes = Vec::new();
    for n in 0..2_000 {
        let payload = if n % 500 == 0 {
            large.clone()
        } else {
            n.to_string()
        };
        bytes.extend(Publish::new("flow/x", &payload).bytes(V5));
    }
    let mut stream = writer.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut stream, &bytes));
    for n in 0..2_000 {
        let got = reader.receive();
        assert_eq!(got.topic, "flow/x");
        if n % 500 == 0 {
            assert_eq!(got.payload.len(), large.len());
        } else {
            assert_eq!(got.text(), n.to_string());
        }
    }
    sending.join().unwrap().unwrap();
    writer.ping();
}

/// An alias of a client stands for what it said, below the prefix.
#[test]
fn aliases() {
    let (broker, _api) = mounted();
    let mut reader = broker.v5("reader");
    reader.subscribe("lab/t", 0);
    let mut conn = inside(&broker, &Connect::new(V5, "alias"));
    let alias = || prop::two(prop::TOPIC_ALIAS, 1);
    conn.publish(&Publish::new("t", "1").prop(alias()));
    conn.publish(&Publish::new("", "2").prop(alias()));
    reader.receive_this("lab/t", "1");
    reader.receive_this("lab/t", "2");
}

/// A place of each user's own: a user sees nothing of another's, whatever filter is asked for; rules are
/// asked about the real topic (A14); and names that are no single level are refused.
#[test]
fn a14_each_user_has_a_place() {
    let (broker, mut api) = Broker::signed_in(&[
        "listeners.tcp.own.bind=127.0.0.1:0",
        "listeners.tcp.own.mountpoint=users/${username}/",
    ]);
    let own = json!({"mechanism": "password_based", "backend": "built_in_database"});
    api.post("/authentication?anonymous=keep", &own).expect(200);
    let users = "/authentication/password_based:built_in_database/users";
    for name in ["anna", "bert", "a/b"] {
        let user = json!({"user_id": name, "password": PASSWORD});
        api.post(users, &user).expect(201);
    }
    let at = broker.listens("tcp:own");
    let come = |id: &str, user: &str| {
        let connect = Connect::new(V311, id)
            .user(user)
            .password(PASSWORD.as_bytes());
        let mut conn = Conn::open(at, V311);
        conn.send(&connect.bytes());
        let code = conn.read_kind(Kind::ConnAck).code;
        (conn, code)
    };
    let ((mut anna, ok), (mut bert, fine)) = (come("a", "anna"), come("b", "bert"));
    assert_eq!((ok, fine), (0, 0));
    let found = api.get("/clients/a").expect(200).json();
    assert_eq!(found["mountpoint"], "users/anna/");
    anna.subscribe("#", 0);
    bert.subscribe("#", 0);
    bert.publish(&Publish::new("t", "bert's"));
    bert.receive_this("t", "bert's");
    anna.publish(&Publish::new("t", "anna's"));
    anna.receive_this("t", "anna's");
    let rule = json!({"topic": "users/anna/secret", "permission": "deny", "action": "publish"});
    let rules = "/authorization/sources/built_in_database/rules/all";
    api.post(rules, &json!({"rules": [rule]})).expect(204);
    let mut outside = broker.v5("outside");
    outside.subscribe("users/anna/#", 0);
    anna.publish(&Publish::new("secret", "s"));
    anna.publish(&Publish::new("open", "o"));
    outside.receive_this("users/anna/open", "o");

    let mut conn = Conn::open(at, V311);
    conn.send(
        &Connect::new(V311, "c")
            .user("a/b")
            .password(PASSWORD.as_bytes())
            .bytes(),
    );
    conn.expect_closed();
    told(&mut api, "mountpoint", "");
    let mut conn = Conn::open(at, V5);
    conn.send(&Connect::new(V5, "nobody").bytes());
    conn.expect_closed();
    // Filters that mean nothing are refused as ever.
    anna.send(&subscribe(V311, 3, &[("$share/g", 0)]));
    assert_eq!(anna.read_kind(Kind::SubAck).codes, [0x80]);
}

/// What a client is subscribed to by others is below its mountpoint, as its own is: what everybody gets, and what
/// the API makes, also while it is away. It is listed with its real topic, and ended by that or by the client's.
#[test]
fn subscribed_by_others() {
    let (broker, mut api) = mounted();
    let automatic = json!([{"topic": "to/${clientid}"}, {"topic": "$share/g/work", "qos": 1}]);
    api.put("/mqtt/auto_subscribe", &automatic).expect(200);
    let lasting = || Connect::new(V5, "c").persistent(600);
    let mut conn = inside(&broker, &lasting());
    let mut outside = broker.v5("outside");
    let subscribe = |api: &mut Api, topic: &str| {
        let wanted = json!({"topic": topic, "qos": 1});
        let made = api.post("/clients/c/subscribe", &wanted).expect(200).json();
        made["topic"].as_str().unwrap().to_owned()
    };
    assert_eq!(subscribe(&mut api, "here"), "lab/here");
    assert_eq!(
        subscribe(&mut api, "$share/g/here/+"),
        "$share/g/lab/here/+"
    );
    for topic in ["to/c", "here", "here/1"] {
        outside.publish(&Publish::new(topic, "theirs"));
        outside.publish(&Publish::new(&format!("lab/{topic}"), topic));
        conn.receive_this(topic, topic);
    }
    conn.cut();
    assert_eq!(subscribe(&mut api, "away"), "lab/away");
    let mut conn = inside(&broker, &lasting());
    outside.publish(&Publish::new("lab/away", "x").qos1(7));
    conn.receive_this("away", "x");
    let filters = |api: &mut Api| {
        let listed = api.get("/clients/c/subscriptions").expect(200).json();
        let rows = listed.as_array().unwrap().iter();
        let topics = rows.map(|row| row["topic"].as_str().unwrap().to_owned());
        topics.collect::<std::collections::BTreeSet<_>>()
    };
    let all = filters(&mut api);
    assert!(
        all.contains("$share/g/lab/work") && all.len() == 5,
        "{all:?}"
    );
    for topic in ["lab/here", "away", "$share/g/here/+"] {
        let unwanted = json!({"topic": topic});
        api.post("/clients/c/unsubscribe", &unwanted).expect(204);
    }
    let left: Vec<_> = filters(&mut api).into_iter().collect();
    assert_eq!(left, ["$share/g/lab/work", "lab/to/c"]);
}

/// A session is for who sees all of its topics. Who comes with its client id below another mountpoint begins a new
/// one: with nothing that is subscribed to, waits or is under way there. So it is after a restart, too.
#[test]
fn a_session_stays_in_its_place() {
    let places = ["lab", "yard", "lab/room", "none"];
    let mut settings = Vec::new();
    for (n, place) in places.iter().enumerate() {
        settings.push(format!("listeners.tcp.p{n}.bind=127.0.0.1:0"));
        if *place != "none" {
            settings.push(format!("listeners.tcp.p{n}.mountpoint={place}/"));
        }
    }
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let (mut broker, _api) = Broker::signed_in(&settings);
    let lasting = || Connect::new(V5, "c").persistent(600);
    // From where to where, and whether it goes on with its session.
    for (from, to, goes_on) in [
        (0, 0, true),
        (0, 1, false),
        (0, 2, false),
        (2, 0, true),
        (0, 3, true),
        (3, 0, false),
        (1, 0, false),
    ] {
        for restarted in [false, true] {
            let expiry = prop::four(prop::SESSION_EXPIRY, 600);
            let clean = Connect::new(V5, "c").prop(expiry);
            let mut conn = Conn::open(broker.listens(&format!("tcp:p{from}")), V5);
            conn.connect(&clean);
            conn.subscribe("t/#", 1);
            conn.cut();
            let mut outside = broker.v5("outside");
            let prefix = if from == 3 {
                String::new()
            } else {
                format!("{}/", places[from])
            };
            let topic = format!("{prefix}t/1");
            outside.publish(&Publish::new(&topic, "waits").qos1(7));
            if restarted {
                broker.kill_and_restart();
            }
            let mut conn = Conn::open(broker.listens(&format!("tcp:p{to}")), V5);
            conn.send(&lasting().bytes());
            let answer = conn.read_kind(Kind::ConnAck);
            let told = (from, to, restarted);
            assert_eq!(
                (answer.code, answer.session_present),
                (0, goes_on),
                "{told:?}"
            );
            if goes_on {
                let own = if to == 3 { "" } else { places[to] };
                let topic = topic.strip_prefix(own).unwrap().trim_start_matches('/');
                assert_eq!(conn.receive().topic, topic, "{told:?}");
            } else {
                let mut outside = broker.v5("outside");
                outside.publish(&Publish::new(&topic, "live").qos1(8));
                conn.nothing_from_itself();
            }
        }
    }
}
