//! Chapter 43: users and rules in databases: Redis, PostgreSQL and MariaDB, as the system has them, each on a
//! port and in a directory of its own. Each allows, denies, is slow, talks nonsense, is down and comes back,
//! and is spoken to over TLS.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::authenticate::{code, comes, is_back, is_down, only_root_may, run, trouble};
use crate::connection_log::{told, until};
use crate::servers::{DATABASE_PASSWORD as CANARY, Database, Make};
use crate::wire::{Api, Broker, Conn, Connect, Kind, Publish, V5, V311};

/// `public`, as bcrypt keeps it.
const BCRYPT: &str = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.e976yGbTdu8pmoVrMsdP1gB2Qoz3VQS";
/// And as PBKDF2 does with SHA-256, 1,000 rounds and the salt `salt`.
const PBKDF2: &str = "5a21f11c597da1447641c0a5ba58b856a76f1084f674285a5d18776a58a0a32f";
/// How long a database may take to answer.
const LIMIT: Duration = Duration::from_secs(1);
const SOURCES: &str = "/authorization/sources";

fn setup(backend: &str, database: &Database, algorithm: &Value) -> Value {
    json!({"mechanism": "password_based", "backend": backend, "server": database.address(),
           "username": "ternmq", "password": CANARY, "database": "mqtt", "pool_size": 2,
           "request_timeout": "1s", "password_hash_algorithm": algorithm})
}

/// What a client may do, by rows: `sensors` of `anna` are hers to publish to, with QoS 1, and `commands` of
/// each client to subscribe to; of `odd` nobody understands a row, and that of `slow` takes too long. `anna`
/// may not do it while the database is away, but what was said is kept.
fn story_of_rules(database: &mut Database, source: &Value) {
    let (broker, mut api) = Broker::signed_in(&["mqtt.allow_anonymous=true"]);
    let path = format!("{SOURCES}/{}", source["type"].as_str().unwrap());
    deny_but_always(&mut api);
    api.post(SOURCES, source).expect(204);
    assert_eq!(api.get(&path).expect(200).json()["password"], "******");
    let mut anna = broker.v5("anna");
    for (topic, due) in [
        ("sensors/a", true),
        ("sensors/anna", true),
        ("other", false),
        ("always", true),
    ] {
        let is = publishes(&mut anna, topic);
        let status = api.get(&format!("{path}/status")).expect(200).text();
        assert_eq!(is, due, "{topic} {status}");
    }
    for (filter, due) in [
        ("commands/anna", 1),
        ("commands/+", 0x87),
        ("commands/bert", 0x87),
    ] {
        assert_eq!(
            crate::authorize::asks(&mut anna, filter, 1),
            due,
            "{filter}"
        );
    }
    let mut bert = broker.v5("bert");
    assert!(!publishes(&mut bert, "sensors/a"));
    assert_eq!(crate::authorize::asks(&mut bert, "commands/bert", 1), 1);
    for name in ["anna' OR '1'='1", "*"] {
        let mut stranger = broker.v5(name);
        assert!(!publishes(&mut stranger, "sensors/a"), "{name}");
    }
    let mut odd = broker.v5("odd");
    assert!(!publishes(&mut odd, "sensors/a"));
    slow_rules(database, &broker);
    database.stop();
    assert!(publishes(&mut anna, "sensors/a"), "it was said before");
    for n in 0..7 {
        assert!(!publishes(&mut anna, &format!("sensors/{n}")));
    }
    let status = api.get(&format!("{path}/status")).expect(200).json();
    assert_eq!(status["status"], "disconnected");
    database.go_on();
    until(
        || publishes(&mut anna, "sensors/7").then_some(()),
        "it is asked again",
    );
    api.delete(&path).expect(204);
    assert!(!publishes(&mut anna, "sensors/a"));
}

/// Nobody may do anything but publish to `always`.
fn deny_but_always(api: &mut Api) {
    let deny = json!({"no_match": "deny", "deny_action": "ignore"});
    api.put("/authorization/settings", &deny).expect(200);
    let allow = json!({"rules": [{"topic": "always", "permission": "allow", "action": "all"}]});
    api.post(&format!("{SOURCES}/built_in_database/rules/all"), &allow)
        .expect(204);
}

/// An answer that comes after the time that it has is none: whoever asked is denied at that time, not
/// later, and nobody else waits, neither those whom nobody is asked about nor, where only a row is slow, those
/// of whom the same database is asked.
fn slow_rules(database: &Database, broker: &Broker) {
    let (mut slow, mut other, mut quick) =
        (broker.v5("slow"), broker.v5("other"), broker.v5("quick"));
    database.pause();
    let begun = Instant::now();
    slow.send(&Publish::new("sensors/a", "x").qos1(7).bytes(V5));
    assert!(publishes(&mut other, "always"));
    if database.make != Make::Redis {
        assert!(publishes(&mut quick, "sensors/meanwhile"));
    }
    let others = begun.elapsed();
    assert_eq!(slow.read_kind(Kind::PubAck).code, 0x87);
    let took = begun.elapsed();
    println!("figure: others waited {others:?} while a database took {took:?}");
    assert!(others < LIMIT && took >= LIMIT && took < 3 * LIMIT);
    if database.make == Make::Redis {
        until(
            || publishes(&mut slow, "sensors/b").then_some(()),
            "Redis goes on",
        );
    }
}

/// Whether a PUBLISH with QoS 1 is taken.
#[track_caller]
fn publishes(conn: &mut Conn, topic: &str) -> bool {
    conn.send(&Publish::new(topic, "x").qos1(7).bytes(V5));
    conn.read_kind(Kind::PubAck).code != 0x87
}

/// A source of rules over the same database.
fn source(setup: &Value, question: &str, text: &str) -> Value {
    let mut source = setup.clone();
    let fields = source.as_object_mut().unwrap();
    fields.remove("mechanism");
    fields.remove("password_hash_algorithm");
    let backend = fields.remove("backend").unwrap();
    fields.insert("type".to_owned(), backend);
    fields.insert(question.to_owned(), json!(text));
    source
}

/// SQL that makes the rules of the story.
const RULES: &str = "\
    CREATE TABLE mqtt_acl (clientid VARCHAR(100), permission VARCHAR(10), action VARCHAR(10), \
        topic VARCHAR(200), qos INT, pause INT);\
    INSERT INTO mqtt_acl VALUES ('anna', 'allow', 'publish', 'sensors/#', 1, 0), \
        ('anna', 'allow', 'subscribe', 'commands/${clientid}', NULL, 0), \
        ('bert', 'deny', 'publish', 'sensors/#', NULL, 0), \
        ('bert', 'allow', 'subscribe', 'commands/${clientid}', NULL, 0), \
        ('slow', 'allow', 'publish', 'sensors/#', NULL, 5), \
        ('quick', 'allow', 'publish', 'sensors/#', NULL, 0), \
        ('odd', 'perhaps', 'publish', 'sensors/#', NULL, 0);";

/// The story of every database. Users `anna` and `root`, who may everything, have the password `public`; `odd`
/// has no hash, and `slow` takes longer than may be.
fn story(database: &mut Database, setup: &Value) {
    let (broker, mut api) = Broker::signed_in(&[]);
    let path = format!(
        "/authentication/password_based:{}",
        setup["backend"].as_str().unwrap()
    );
    let made = api
        .post("/authentication?anonymous=keep", setup)
        .expect(200)
        .json();
    assert_eq!(made["password"], "******");
    assert!(
        !api.get("/authentication")
            .expect(200)
            .text()
            .contains(CANARY)
    );
    let built_in = json!({"mechanism": "password_based", "backend": "built_in_database"});
    api.post("/authentication", &built_in).expect(200);
    for _ in 0..3 {
        assert_eq!(comes(&broker, "anna", "public"), 0);
        assert_eq!(comes(&broker, "anna", "wrong"), 0x86);
    }
    let connect = Connect::new(V311, "c").user("anna").password(b"public");
    assert_eq!(code(&broker, &connect), 0);
    told(&mut api, "wrong_password", "0x86");
    for nobody in [
        "bert",
        "anna' OR '1'='1",
        "anna\" --",
        "an?na",
        "$1",
        "a b",
        "*",
        "%",
    ] {
        assert_eq!(comes(&broker, nobody, "public"), 0x86, "{nobody}");
    }
    told(&mut api, "unknown_user", "0x86");
    only_root_may(&broker, &mut api);
    // Nonsense, and slow: nobody else waits for that, and who is right still comes in.
    assert_eq!(comes(&broker, "odd", "public"), 0x88);
    told(&mut api, "authenticator_failed", "0x88");
    let mut slow = broker.open(V5);
    slow.send(
        &Connect::new(V5, "slow")
            .user("slow")
            .password(b"public")
            .bytes(),
    );
    assert_eq!(comes(&broker, "anna", "public"), 0);
    assert_eq!(slow.read_kind(Kind::ConnAck).code, 0x88);
    assert_eq!(comes(&broker, "anna", "public"), 0);
    // Down, and there again.
    database.stop();
    is_down(&broker, &mut api, &path);
    database.go_on();
    is_back(&broker, "it is asked again");
    wrong_ways(&broker, &mut api, &path, setup);
}

/// Wrong passwords of the database's own, and set-ups that mean nothing. What is remembered is not asked for.
fn wrong_ways(broker: &Broker, api: &mut Api, path: &str, setup: &Value) {
    let with = |field: &str, value: Value| {
        let mut setup = setup.clone();
        setup[field] = value;
        setup
    };
    for (field, value) in [
        ("server", json!("a/b")),
        ("pool_size", json!(0)),
        ("query", json!("SELECT ${nobody}")),
        ("cmd", json!("FLUSHALL")),
        ("password_hash_algorithm", json!(null)),
        ("ssl", json!({"enable": true, "verify": "verify_none"})),
    ] {
        let is_its_own = setup.get(field).is_some() || field == "ssl";
        if is_its_own {
            api.put(path, &with(field, value)).expect(400);
        }
    }
    // The password is not shown, and stays.
    api.put(path, &with("password", json!("******")))
        .expect(200);
    assert_eq!(comes(broker, "anna", "public"), 0);
    api.put(path, &with("password", json!("wrong"))).expect(200);
    assert_eq!(comes(broker, "anna", "public"), 0x88);
    trouble(api, path, CANARY);
}

/// Over TLS: trusted by its authority and for its name, and not otherwise; without TLS it says nothing.
fn story_over_tls(database: &Database, plain: &Value, rules: &Value) {
    let (broker, mut api) = Broker::signed_in(&[]);
    let path = format!(
        "/authentication/password_based:{}",
        plain["backend"].as_str().unwrap()
    );
    let secure = |setup: &Value| {
        let mut setup = setup.clone();
        setup["server"] = json!(database.secure_address());
        setup["ssl"] = json!({"enable": true, "cacertfile": database.path("own.pem")});
        if database.make == Make::Redis {
            setup["ssl"]["certfile"] = json!(database.path("own.pem"));
            setup["ssl"]["keyfile"] = json!(database.path("own.key"));
        }
        setup
    };
    let good = secure(plain);
    api.post("/authentication?anonymous=keep", &good)
        .expect(200);
    assert_eq!(comes(&broker, "anna", "public"), 0);
    assert_eq!(comes(&broker, "anna", "wrong"), 0x86);
    for (field, value) in [
        ("cacertfile", json!(database.path("stranger.pem"))),
        ("server_name_indication", json!("other.example")),
    ] {
        let mut odd = good.clone();
        odd["ssl"][field] = value;
        api.put(&path, &odd).expect(200);
        assert_eq!(comes(&broker, "anna", "public"), 0x88, "{field}");
        let error = trouble(&mut api, &path, CANARY);
        assert!(error.starts_with("TLS: "), "{error}");
    }
    let mut open = good.clone();
    open["ssl"] = json!({"enable": false});
    api.put(&path, &open).expect(200);
    assert_ne!(comes(&broker, "anna", "public"), 0, "it wants TLS");
    api.put(&path, &good).expect(200);
    assert_eq!(comes(&broker, "anna", "public"), 0);
    deny_but_always(&mut api);
    api.post(SOURCES, &secure(rules)).expect(204);
    let mut anna = broker.v5("anna");
    assert!(publishes(&mut anna, "sensors/a") && !publishes(&mut anna, "other"));
}

/// Redis, with passwords by SHA-256.
#[test]
fn a15_users_and_rules_in_redis() {
    let mut database = Database::start(Make::Redis);
    let hash = run("openssl", &["dgst", "-sha256", "-hex", "-r"], b"saltpublic");
    let hash = String::from_utf8(hash).unwrap();
    let hash = hash.split(' ').next().unwrap();
    let rule = "\"{\\\"action\\\":\\\"publish\\\",\\\"qos\\\":[1]}\"";
    database.fill(&format!(
        "HSET u:anna password_hash {hash} salt salt is_superuser 0\n\
         HSET u:root password_hash {hash} salt salt is_superuser 1\n\
         HSET u:odd password_hash odd salt salt\n\
         HSET u:slow password_hash none salt salt\n\
         HSET r:anna sensors/# {rule} commands/${{clientid}} subscribe\n\
         HSET r:bert commands/${{clientid}} subscribe\n\
         HSET r:slow sensors/# publish\n\
         HSET r:odd sensors/# perhaps"
    ));
    let algorithm = json!({"name": "sha256", "salt_position": "prefix"});
    let mut setup = setup("redis", &database, &algorithm);
    setup["database"] = json!(3);
    setup["cmd"] = json!("HMGET u:${username} password_hash salt is_superuser");
    let rules = source(&setup, "cmd", "HGETALL r:${clientid}");
    redis_is_slow(&database, &setup);
    story_of_rules(&mut database, &rules);
    story(&mut database, &setup);
    story_over_tls(&database, &setup, &rules);
}

/// A server that stands still for a while lets nobody in meanwhile, and everybody afterwards.
fn redis_is_slow(database: &Database, setup: &Value) {
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post("/authentication", setup).expect(200);
    assert_eq!(comes(&broker, "anna", "public"), 0);
    database.pause();
    assert_eq!(comes(&broker, "anna", "public"), 0x88);
    until(
        || (comes(&broker, "anna", "public") == 0).then_some(()),
        "it goes on",
    );
}

/// SQL that makes the users of the story: `HASH` stands for their passwords, `SALT` for the salt.
const USERS: &str = "\
    CREATE TABLE mqtt_user (username VARCHAR(100) PRIMARY KEY, password_hash VARCHAR(200), \
        salt VARCHAR(40), is_superuser BOOLEAN, pause INT);\
    INSERT INTO mqtt_user VALUES \
        ('anna', 'HASH', 'SALT', false, 0), ('root', 'HASH', 'SALT', true, 0), \
        ('odd', 'odd', 'SALT', false, 0), ('slow', 'HASH', 'SALT', false, 5);";

/// PostgreSQL, with passwords by PBKDF2, and SCRAM for the broker's own.
#[test]
fn a15_users_and_rules_in_postgresql() {
    let mut database = Database::start(Make::Postgresql);
    database.fill(&USERS.replace("HASH", PBKDF2).replace("SALT", "salt"));
    database.fill(RULES);
    let algorithm = json!({"name": "pbkdf2", "mac_fun": "sha256", "iterations": 1000});
    let mut setup = setup("postgresql", &database, &algorithm);
    let users = "SELECT password_hash, salt, is_superuser, pg_sleep(pause)::text FROM mqtt_user \
                 WHERE username = ${username}";
    setup["query"] = json!(format!("{users} LIMIT 1"));
    let rules = "SELECT permission, action, topic, qos, pg_sleep(pause)::text FROM mqtt_acl \
                 WHERE clientid = ${clientid}";
    let rules = source(&setup, "query", rules);
    story_of_rules(&mut database, &rules);
    story(&mut database, &setup);
    // Rows are there for whom TLS protects.
    let secure = "AND EXISTS (SELECT 1 FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl)";
    setup["query"] = json!(format!("{users} {secure}"));
    story_over_tls(&database, &setup, &rules);
}

/// MariaDB, with passwords by bcrypt, and a place in quotes, as people write it.
#[test]
fn a15_users_and_rules_in_mysql() {
    let mut database = Database::start(Make::Mariadb);
    database.fill(&USERS.replace("HASH", BCRYPT).replace("'SALT'", "NULL"));
    database.fill(RULES);
    let mut setup = setup("mysql", &database, &json!({"name": "bcrypt"}));
    setup["query"] = json!(
        "SELECT password_hash, salt, is_superuser, SLEEP(pause) AS pause FROM mqtt_user \
         WHERE username = '${username}' LIMIT 1"
    );
    let rules = "SELECT permission, action, topic, qos, SLEEP(pause) AS pause FROM mqtt_acl \
                 WHERE clientid = ${clientid}";
    let mut rules = source(&setup, "query", rules);
    story_of_rules(&mut database, &rules);
    story(&mut database, &setup);
    // A user whom it takes with TLS only.
    setup["username"] = json!("secure");
    rules["username"] = json!("secure");
    story_over_tls(&database, &setup, &rules);
}
