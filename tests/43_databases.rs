//! Chapter 43: users in databases: Redis, PostgreSQL and MariaDB, as the system has them, each on a port
//! and in a directory of its own. Each allows, denies, is slow, talks nonsense, is down and comes back.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::authenticate::{code, run};
use crate::connection_log::{told, until};
use crate::wire::{Api, Broker, Conn, Connect, Kind, Publish, V5, V311};

/// Of the databases themselves.
const CANARY: &str = "canary-5e";
/// `public`, as bcrypt keeps it.
const BCRYPT: &str = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.e976yGbTdu8pmoVrMsdP1gB2Qoz3VQS";
/// And as PBKDF2 does with SHA-256, 1,000 rounds and the salt `salt`.
const PBKDF2: &str = "5a21f11c597da1447641c0a5ba58b856a76f1084f674285a5d18776a58a0a32f";

/// A server that ends with the test.
struct Server {
    dir: PathBuf,
    port: u16,
    child: Option<Child>,
    /// The signal that ends it at once, and its processes with it. Redis has no handler of its own, and so
    /// may have been started with a signal ignored.
    end: &'static str,
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// A directory that other users may go into, unlike that of the build perhaps.
fn open_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ternmq-database-{}-{n}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

impl Server {
    fn ended_by(end: &'static str) -> Self {
        Self {
            dir: open_dir(),
            port: free_port(),
            child: None,
            end,
        }
    }

    fn launch(&mut self, command: &mut Command) {
        let log = fs::File::create(self.dir.join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("it is installed: cargo xtask ci does that"));
    }

    /// Ends it as a fault would.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            run("kill", &[self.end, &child.id().to_string()], b"");
            let _ = child.wait();
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Runs what sets a server up; tells what it said if that fails.
fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("it is installed: cargo xtask ci does that");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn setup(backend: &str, server: &Server, algorithm: &Value) -> Value {
    json!({"mechanism": "password_based", "backend": backend, "server": server.address(),
           "username": "ternmq", "password": CANARY, "database": "mqtt", "pool_size": 2,
           "request_timeout": "1s", "password_hash_algorithm": algorithm})
}

fn comes(broker: &Broker, user: &str, password: &str) -> u8 {
    let connect = Connect::new(V5, "c").user(user);
    code(broker, &connect.password(password.as_bytes()))
}

/// What a client may do, by rows: `sensors` of `anna` are hers to publish to, with QoS 1, and `commands` of
/// each client to subscribe to; of `odd` nobody understands a row. `anna` may not do it while the database is
/// away, but what was said is kept.
fn story_of_rules(source: &Value, mut stop: impl FnMut(), mut start: impl FnMut()) {
    let (broker, mut api) = Broker::signed_in(&["mqtt.allow_anonymous=true"]);
    let sources = "/authorization/sources";
    let path = format!("{sources}/{}", source["type"].as_str().unwrap());
    let deny = json!({"no_match": "deny", "deny_action": "ignore"});
    api.put("/authorization/settings", &deny).expect(200);
    let allow = json!({"rules": [{"topic": "always", "permission": "allow", "action": "all"}]});
    api.post(&format!("{sources}/built_in_database/rules/all"), &allow)
        .expect(204);
    api.post(sources, source).expect(204);
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
    stop();
    assert!(publishes(&mut anna, "sensors/a"), "it was said before");
    for n in 0..7 {
        assert!(!publishes(&mut anna, &format!("sensors/{n}")));
    }
    let status = api.get(&format!("{path}/status")).expect(200).json();
    assert_eq!(status["status"], "disconnected");
    start();
    until(
        || publishes(&mut anna, "sensors/7").then_some(()),
        "it is asked again",
    );
    api.delete(&path).expect(204);
    assert!(!publishes(&mut anna, "sensors/a"));
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

/// SQL that makes the rules of the story, and the query for them.
const RULES: &str = "\
    CREATE TABLE mqtt_acl (clientid VARCHAR(100), permission VARCHAR(10), action VARCHAR(10), \
        topic VARCHAR(200), qos INT);\
    INSERT INTO mqtt_acl VALUES ('anna', 'allow', 'publish', 'sensors/#', 1), \
        ('anna', 'allow', 'subscribe', 'commands/${clientid}', NULL), \
        ('bert', 'deny', 'publish', 'sensors/#', NULL), \
        ('bert', 'allow', 'subscribe', 'commands/${clientid}', NULL), \
        ('odd', 'perhaps', 'publish', 'sensors/#', NULL);";
const RULES_OF: &str =
    "SELECT permission, action, topic, qos FROM mqtt_acl WHERE clientid = ${clientid}";

/// The story of every database: `stop` and `start` are of its server. Users `anna` and `root`, who may
/// everything, have the password `public`; `odd` has no hash, and `slow` takes longer than may be.
fn story(setup: &Value, mut stop: impl FnMut(), mut start: impl FnMut()) {
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
    // What the row grants.
    let deny = json!({"rules": [{"topic": "#", "permission": "deny", "action": "all"}]});
    api.post("/authorization/sources/built_in_database/rules/all", &deny)
        .expect(204);
    for (user, due) in [("anna", 0x87), ("root", 1)] {
        let connect = Connect::new(V5, user).user(user).password(b"public");
        let mut conn = broker.connect(&connect);
        assert_eq!(crate::authorize::asks(&mut conn, "t", 1), due, "{user}");
    }
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
    stop();
    for _ in 0..7 {
        assert_eq!(comes(&broker, "anna", "public"), 0x88);
    }
    let status = api.get(&format!("{path}/status")).expect(200).json();
    assert_eq!(status["status"], "disconnected");
    start();
    until(
        || (comes(&broker, "anna", "public") == 0).then_some(()),
        "it is asked again",
    );
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
    let status = api.get(&format!("{path}/status")).expect(200).json();
    let error = status["node_error"][0]["error"].as_str().unwrap();
    assert!(!error.is_empty() && !error.contains(CANARY), "{error}");
}

/// Commands of Redis, one in each line, on a connection of its own.
fn redis(port: u16, commands: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut answers = String::new();
    for command in commands.lines() {
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .unwrap();
        let mut bytes = [0; 512];
        let read = stream.read(&mut bytes).unwrap();
        answers.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert!(!answers.contains("-ERR"), "{answers}");
}

/// Users in Redis, with a password by SHA-256.
#[test]
fn users_in_redis() {
    let mut server = Server::ended_by("-KILL");
    let port = server.port;
    let hash = run("openssl", &["dgst", "-sha256", "-hex", "-r"], b"saltpublic");
    let hash = String::from_utf8(hash).unwrap();
    let hash = hash.split(' ').next().unwrap();
    let json = "{\\\"action\\\":\\\"publish\\\",\\\"qos\\\":[1]}";
    let json = format!("\"{json}\"");
    let fill = format!(
        "AUTH {CANARY}\n\
         ACL SETUSER ternmq on >{CANARY} ~* +@all\n\
         SELECT 3\n\
         HSET u:anna password_hash {hash} salt salt is_superuser 0\n\
         HSET u:root password_hash {hash} salt salt is_superuser 1\n\
         HSET u:odd password_hash odd salt salt\n\
         HSET u:slow salt salt\n\
         HSET r:anna sensors/# {json} commands/${{clientid}} subscribe\n\
         HSET r:bert commands/${{clientid}} subscribe\n\
         HSET r:odd sensors/# perhaps"
    );
    let launch = move |server: &mut Server| {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--requirepass", CANARY])
            .current_dir(&server.dir);
        server.launch(&mut command);
        until(
            || TcpStream::connect(("127.0.0.1", port)).ok(),
            "Redis listens",
        );
        redis(port, &fill);
    };
    launch(&mut server);
    let algorithm = json!({"name": "sha256", "salt_position": "prefix"});
    let mut setup = setup("redis", &server, &algorithm);
    setup["database"] = json!(3);
    setup["cmd"] = json!("HMGET u:${username} password_hash salt is_superuser");
    // Of nobody else's fields is there one that takes its time.
    let server = std::cell::RefCell::new(server);
    let pause = format!("AUTH {CANARY}\nCLIENT PAUSE 1500 ALL");
    redis_is_slow(&setup, port, &pause);
    redis(
        port,
        &format!("AUTH {CANARY}\nSELECT 3\nHSET u:slow password_hash none"),
    );
    story(
        &setup,
        || server.borrow_mut().stop(),
        || launch(&mut server.borrow_mut()),
    );
}

/// A server that stands still for a while lets nobody in meanwhile, and everybody afterwards.
fn redis_is_slow(setup: &Value, port: u16, pause: &str) {
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post("/authentication", setup).expect(200);
    assert_eq!(comes(&broker, "anna", "public"), 0);
    redis(port, pause);
    assert_eq!(comes(&broker, "anna", "public"), 0x88);
    until(
        || (comes(&broker, "anna", "public") == 0).then_some(()),
        "it goes on",
    );
    // A row that lacks what counts.
    assert_eq!(comes(&broker, "slow", "public"), 0x88);
}

/// SQL that makes the users of the story: `HASH` stands for their passwords, `SALT` for the salt.
const USERS: &str = "\
    CREATE TABLE mqtt_user (username VARCHAR(100) PRIMARY KEY, password_hash VARCHAR(200), \
        salt VARCHAR(40), is_superuser BOOLEAN, pause INT);\
    INSERT INTO mqtt_user VALUES \
        ('anna', 'HASH', 'SALT', false, 0), ('root', 'HASH', 'SALT', true, 0), \
        ('odd', 'odd', 'SALT', false, 0), ('slow', 'HASH', 'SALT', false, 5);";

/// A program as the user whom PostgreSQL wants, if we are root.
fn as_postgres(program: &Path) -> Command {
    let id = run("id", &["-u"], b"");
    if id != b"0\n" {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

fn postgresql_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let found = versions.map(|version| version.unwrap().path().join("bin"));
    found.max().expect("PostgreSQL is installed")
}

/// Users in PostgreSQL, with passwords by PBKDF2, and SCRAM for the broker's own.
#[test]
fn users_in_postgresql() {
    let mut server = Server::ended_by("-QUIT");
    let (programs, port) = (postgresql_programs(), server.port);
    fs::write(server.dir.join("password"), CANARY).unwrap();
    let data = server.dir.join("data");
    done(
        as_postgres(&programs.join("initdb"))
            .args([
                "-A",
                "scram-sha-256",
                "-U",
                "ternmq",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg(format!(
                "--pwfile={}",
                server.dir.join("password").display()
            ))
            .arg("-D")
            .arg(&data),
    );
    let sql = move |database: &str, sql: &str| {
        let output = Command::new("psql")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-U",
                "ternmq",
                "-q",
                "-c",
                sql,
            ])
            .arg(database)
            .env("PGPASSWORD", CANARY)
            .stdin(Stdio::null())
            .output();
        output.unwrap().status.success()
    };
    let launch = move |server: &mut Server| {
        let mut command = as_postgres(&programs.join("postgres"));
        command
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-D"])
            .arg(&data);
        server.launch(&mut command);
        until(
            || sql("postgres", "SELECT 1").then_some(()),
            "PostgreSQL answers",
        );
    };
    launch(&mut server);
    assert!(sql("postgres", "CREATE DATABASE mqtt"));
    assert!(sql(
        "mqtt",
        &USERS.replace("HASH", PBKDF2).replace("SALT", "salt")
    ));
    assert!(sql("mqtt", RULES));
    let algorithm = json!({"name": "pbkdf2", "mac_fun": "sha256", "iterations": 1000});
    let mut setup = setup("postgresql", &server, &algorithm);
    setup["query"] = json!(
        "SELECT password_hash, salt, is_superuser, pg_sleep(pause)::text FROM \
                            mqtt_user WHERE username = ${username} LIMIT 1"
    );
    let server = std::cell::RefCell::new(server);
    story_of_rules(
        &source(&setup, "query", RULES_OF),
        || server.borrow_mut().stop(),
        || launch(&mut server.borrow_mut()),
    );
    story(
        &setup,
        || server.borrow_mut().stop(),
        || launch(&mut server.borrow_mut()),
    );
}

/// Users in MariaDB, with passwords by bcrypt, and a place in quotes, as people write it.
#[test]
fn users_in_mysql() {
    let mut server = Server::ended_by("-QUIT");
    let port = server.port;
    let (data, socket) = (server.dir.join("data"), server.dir.join("s.sock"));
    let user = String::from_utf8(run("id", &["-un"], b"")).unwrap();
    let user = format!("--user={}", user.trim());
    done(
        Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
            ])
            .arg(&user)
            .arg(format!("--datadir={}", data.display())),
    );
    let path = socket.clone();
    let sql = move |sql: &str| {
        let output = Command::new("mariadb")
            .args(["--no-defaults", "-u", "root", "-e", sql])
            .arg(format!("--socket={}", path.display()))
            .stdin(Stdio::null())
            .output();
        output.unwrap().status.success()
    };
    let answers = sql.clone();
    let launch = move |server: &mut Server| {
        let mut command = Command::new("/usr/sbin/mariadbd");
        command
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-log-bin",
            ])
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=16M",
            ])
            .arg(&user)
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--datadir={}", data.display()));
        server.launch(&mut command);
        until(|| answers("SELECT 1").then_some(()), "MariaDB answers");
    };
    launch(&mut server);
    let users = USERS.replace("HASH", BCRYPT).replace("'SALT'", "NULL");
    assert!(sql(&format!(
        "CREATE DATABASE mqtt; USE mqtt; {users} {RULES} \
         CREATE USER ternmq@'127.0.0.1' IDENTIFIED BY '{CANARY}'; \
         CREATE USER ternmq@localhost IDENTIFIED BY '{CANARY}'; \
         GRANT SELECT ON mqtt.* TO ternmq@'127.0.0.1'; GRANT SELECT ON mqtt.* TO ternmq@localhost;"
    )));
    let mut setup = setup("mysql", &server, &json!({"name": "bcrypt"}));
    setup["query"] = json!(
        "SELECT password_hash, salt, is_superuser, SLEEP(pause) AS pause FROM \
                            mqtt_user WHERE username = '${username}' LIMIT 1"
    );
    let server = std::cell::RefCell::new(server);
    story_of_rules(
        &source(&setup, "query", RULES_OF),
        || server.borrow_mut().stop(),
        || launch(&mut server.borrow_mut()),
    );
    story(
        &setup,
        || server.borrow_mut().stop(),
        || launch(&mut server.borrow_mut()),
    );
}
