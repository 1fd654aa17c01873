//! Databases as the system has them: Redis, PostgreSQL and MariaDB, each on ports and in a directory of its
//! own, for a user `ternmq`, and with a certificate for 127.0.0.1.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::authenticate::run;
use crate::connection_log::until;

use super::{certify, free_port};

/// The password of `ternmq`.
pub(crate) const DATABASE_PASSWORD: &str = "canary-5e";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Make {
    Redis,
    Postgresql,
    Mariadb,
}

/// A server that ends with the test.
pub(crate) struct Database {
    pub(crate) make: Make,
    dir: PathBuf,
    port: u16,
    /// Where Redis speaks TLS; the others do on the same port.
    secure_port: u16,
    child: Option<Child>,
    /// What Redis, which keeps nothing here, is told again.
    filled: String,
}

/// A directory that other users may go into, unlike that of the build perhaps.
pub(super) fn open_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ternmq-database-{}-{n}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

/// Runs what sets a server up; tells what it said if that fails.
pub(super) fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("it is installed: cargo xtask ci does that");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

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

fn own_user() -> String {
    let name = String::from_utf8(run("id", &["-un"], b"")).unwrap();
    format!("--user={}", name.trim())
}

impl Database {
    /// With an empty database `mqtt`, which in Redis is called 3.
    pub(crate) fn start(make: Make) -> Self {
        let mut made = Self {
            make,
            dir: open_dir(),
            port: free_port(),
            secure_port: free_port(),
            child: None,
            filled: String::new(),
        };
        for name in ["own", "stranger"] {
            certify(&made.dir, name, "127.0.0.1");
        }
        match make {
            Make::Redis => made.filled = made.owner(),
            Make::Postgresql => made.install_postgresql(),
            Make::Mariadb => made.install_mariadb(),
        }
        made.go_on();
        let mut first = String::from("CREATE DATABASE mqtt;");
        if make == Make::Mariadb {
            for host in ["127.0.0.1", "localhost"] {
                first += &format!(
                    "CREATE USER ternmq@'{host}' IDENTIFIED BY '{DATABASE_PASSWORD}'; \
                     CREATE USER secure@'{host}' IDENTIFIED BY '{DATABASE_PASSWORD}' REQUIRE SSL; \
                     GRANT SELECT ON mqtt.* TO ternmq@'{host}', secure@'{host}';"
                );
            }
        }
        assert!(make == Make::Redis || made.sql(made.system(), &first));
        made
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The same where a command line wants it.
    fn named(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it speaks TLS.
    pub(crate) fn secure_address(&self) -> String {
        let port = match self.make {
            Make::Redis => self.secure_port,
            Make::Postgresql | Make::Mariadb => self.port,
        };
        format!("127.0.0.1:{port}")
    }

    fn install_postgresql(&self) {
        fs::write(self.path("password"), DATABASE_PASSWORD).unwrap();
        done(
            as_postgres(&postgresql_programs().join("initdb"))
                .args(["-A", "scram-sha-256", "-U", "ternmq", "-E", "UTF8"])
                .args(["--locale=C", "--no-sync"])
                .arg(format!("--pwfile={}", self.named("password")))
                .arg("-D")
                .arg(self.path("data")),
        );
        // It takes a key that is its own alone.
        done(
            as_postgres(Path::new("install"))
                .args(["-m", "600"])
                .arg(self.path("own.key"))
                .arg(self.path("data/own.key")),
        );
    }

    fn install_mariadb(&self) {
        done(
            Command::new("mariadb-install-db")
                .args(["--no-defaults", "--skip-test-db"])
                .arg("--auth-root-authentication-method=normal")
                .arg(own_user())
                .arg(format!("--datadir={}", self.named("data"))),
        );
    }

    /// How it is started.
    fn command(&self) -> Command {
        match self.make {
            Make::Redis => {
                let mut command = Command::new("redis-server");
                command
                    .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
                    .args(["--save", "", "--appendonly", "no"])
                    .args(["--requirepass", DATABASE_PASSWORD])
                    .args(["--tls-port", &self.secure_port.to_string()])
                    .args(["--tls-cert-file", "own.pem", "--tls-key-file", "own.key"])
                    .args(["--tls-ca-cert-file", "own.pem", "--tls-auth-clients", "yes"])
                    .current_dir(&self.dir);
                command
            }
            Make::Postgresql => {
                let mut command = as_postgres(&postgresql_programs().join("postgres"));
                command
                    .args(["-p", &self.port.to_string(), "-c", "fsync=off"])
                    .args(["-c", "listen_addresses=127.0.0.1"])
                    .args(["-c", "unix_socket_directories=", "-c", "ssl=on"])
                    .args(["-c", &format!("ssl_cert_file={}", self.named("own.pem"))])
                    .args(["-c", "ssl_key_file=own.key", "-D"])
                    .arg(self.path("data"));
                command
            }
            Make::Mariadb => {
                let mut command = Command::new("/usr/sbin/mariadbd");
                command
                    .args(["--no-defaults", "--bind-address=127.0.0.1"])
                    .args(["--skip-log-bin", "--innodb-buffer-pool-size=16M"])
                    .arg("--innodb-flush-log-at-trx-commit=0")
                    .arg(own_user())
                    .arg(format!("--port={}", self.port))
                    .arg(format!("--socket={}", self.named("s.sock")))
                    .arg(format!("--datadir={}", self.named("data")))
                    .arg(format!("--ssl-cert={}", self.named("own.pem")))
                    .arg(format!("--ssl-key={}", self.named("own.key")));
                command
            }
        }
    }

    /// Starts it on what it kept, and waits until it answers.
    pub(crate) fn go_on(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let child = self
            .command()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("it is installed: cargo xtask ci does that"));
        let answers = || match self.make {
            Make::Redis => TcpStream::connect(self.address()).is_ok(),
            Make::Postgresql | Make::Mariadb => self.sql(self.system(), "SELECT 1"),
        };
        until(|| answers().then_some(()), "the database answers");
        if self.make == Make::Redis {
            self.redis(&self.filled);
        }
    }

    /// Ends it as a fault would, and its processes with it. Redis has no handler of its own, and so may have
    /// been started with a signal ignored.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let signal = match self.make {
                Make::Redis => "-KILL",
                Make::Postgresql | Make::Mariadb => "-QUIT",
            };
            run("kill", &[signal, &child.id().to_string()], b"");
            let _ = child.wait();
        }
    }

    /// Gives it data: SQL, or commands of Redis, one in each line.
    pub(crate) fn fill(&mut self, text: &str) {
        if self.make == Make::Redis {
            self.filled += &format!("\nSELECT 3\n{text}");
            self.redis(&self.filled);
        } else {
            assert!(self.sql("mqtt", text), "{text}");
        }
    }

    /// Redis stands still for longer than it may. In the others a row is what takes its time.
    pub(crate) fn pause(&self) {
        if self.make == Make::Redis {
            self.redis(&format!("AUTH {DATABASE_PASSWORD}\nCLIENT PAUSE 1500 ALL"));
        }
    }

    /// What makes `ternmq` in Redis.
    fn owner(&self) -> String {
        format!("AUTH {DATABASE_PASSWORD}\nACL SETUSER ternmq on >{DATABASE_PASSWORD} ~* +@all")
    }

    /// The database that was there first.
    fn system(&self) -> &'static str {
        match self.make {
            Make::Mariadb => "mysql",
            Make::Redis | Make::Postgresql => "postgres",
        }
    }

    /// Whether it did that.
    fn sql(&self, database: &str, sql: &str) -> bool {
        let mut command = if self.make == Make::Mariadb {
            let mut command = Command::new("mariadb");
            command
                .args(["--no-defaults", "-u", "root", "-e", sql, "-D", database])
                .arg(format!("--socket={}", self.named("s.sock")));
            command
        } else {
            let mut command = Command::new("psql");
            command
                .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
                .args(["-U", "ternmq", "-q", "-c", sql, database])
                .env("PGPASSWORD", DATABASE_PASSWORD);
            command
        };
        command
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .status
            .success()
    }

    /// Commands of Redis, on a connection of its own.
    fn redis(&self, commands: &str) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
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
}

impl Drop for Database {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
