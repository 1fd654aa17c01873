//! Databases that are asked for one row: the wire of each, as little of it as that takes, over a pool of
//! connections on which the question is prepared. What stands in a place of a query travels beside it and
//! is never part of it.

mod mysql;
mod postgresql;
mod query;
mod redis;
mod scram;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use self::query::{Command, Numbering, Statement};
use super::{
    Facts, Failure, Masked, Place, Scope, TlsSetup,
    dial::{self, ANSWER_BYTES_MAX, Stream, Tls, lost, odd, read},
    http::POOL_MAX,
};

/// Rows of an answer at most.
const ROWS_MAX: usize = 1_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    Redis,
    Postgresql,
    Mysql,
}

/// Where a database is, and what it is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DatabaseSetup {
    pub kind: DatabaseKind,
    /// A host, and perhaps a port.
    pub server: String,
    pub database: String,
    pub username: Option<String>,
    pub password: Option<Masked>,
    /// SQL, or a command of Redis, with places for what a client says.
    pub query: String,
    pub pool_size: usize,
    pub connect_timeout_millis: u64,
    pub request_timeout_millis: u64,
    pub tls: Option<TlsSetup>,
}

impl DatabaseSetup {
    /// As the log calls it.
    pub(crate) fn told(&self) -> String {
        let name = match self.kind {
            DatabaseKind::Redis => "Redis",
            DatabaseKind::Postgresql => "PostgreSQL",
            DatabaseKind::Mysql => "MySQL",
        };
        format!("{name} at {}", self.server)
    }
}

/// Columns of a row by their names; what is NULL is left out.
pub(crate) type Row = Vec<(String, String)>;

/// Who is asked, and as whom.
struct Server {
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
    tls: Option<Tls>,
    connect_timeout: Duration,
}

enum Wire {
    Redis(Command),
    Postgresql(Statement),
    Mysql(Statement),
}

enum Conn {
    Redis(redis::Conn),
    Postgresql(postgresql::Conn),
    Mysql(mysql::Conn),
}

pub(crate) struct Database {
    server: Server,
    wire: Wire,
    places: Semaphore,
    idle: Mutex<Vec<Conn>>,
}

impl Database {
    /// # Errors
    /// If something of the setup cannot be used.
    pub(crate) fn new(setup: &DatabaseSetup, scope: Scope) -> Result<Self, String> {
        let (port, user) = match setup.kind {
            DatabaseKind::Redis => (6379, ""),
            DatabaseKind::Postgresql => (5432, "postgres"),
            DatabaseKind::Mysql => (3306, "root"),
        };
        let (host, port) = dial::address(&setup.server, port)?;
        let wire = match setup.kind {
            DatabaseKind::Redis => Wire::Redis(Command::parse(&setup.query, scope)?),
            DatabaseKind::Postgresql => {
                Wire::Postgresql(Statement::parse(&setup.query, Numbering::Dollar, scope)?)
            }
            DatabaseKind::Mysql => {
                Wire::Mysql(Statement::parse(&setup.query, Numbering::Mark, scope)?)
            }
        };
        let tls = setup.tls.as_ref().map(|tls| Tls::new(tls, &host));
        let server = Server {
            tls: tls.transpose()?,
            host,
            port,
            user: setup.username.clone().unwrap_or_else(|| user.to_owned()),
            password: setup.password.clone().map_or_else(String::new, |p| p.0),
            database: setup.database.clone(),
            connect_timeout: Duration::from_millis(setup.connect_timeout_millis),
        };
        let texts = [&server.user, &server.password, &server.database];
        if texts.iter().any(|text| text.contains('\0')) {
            return Err("username, password or database has U+0000 in it".to_owned());
        }
        Ok(Self {
            server,
            wire,
            places: Semaphore::new(setup.pool_size.clamp(1, POOL_MAX)),
            idle: Mutex::default(),
        })
    }

    /// Whether it is told this of a client.
    pub(crate) fn is_told(&self, place: Place) -> bool {
        match &self.wire {
            Wire::Redis(command) => command.has(place),
            Wire::Postgresql(statement) | Wire::Mysql(statement) => statement.has(place),
        }
    }

    /// The values of the places for a client; `None` if what it says is no text.
    pub(crate) fn values(&self, facts: &Facts<'_>) -> Option<Vec<String>> {
        match &self.wire {
            Wire::Redis(command) => command.fill(facts),
            Wire::Postgresql(statement) | Wire::Mysql(statement) => statement.fill(facts),
        }
    }

    /// The rows that answer, `ROWS_MAX` at most. Has no end of its own.
    pub(crate) async fn rows(&self, values: &[String]) -> Result<Vec<Row>, Failure> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|_| Failure::Down("the pool is closed".to_owned()))?;
        loop {
            let idle = self.take_idle();
            let was_used = idle.is_some();
            let mut conn = match idle {
                Some(conn) => conn,
                None => self.open().await?,
            };
            match self.ask(&mut conn, values).await {
                // The other side may have closed it since.
                Err(Failure::Down(_)) if was_used => {}
                Err(failure) => return Err(failure),
                Ok(rows) => {
                    let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                    idle.push(conn);
                    return Ok(rows);
                }
            }
        }
    }

    fn take_idle(&self) -> Option<Conn> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    async fn open(&self) -> Result<Conn, Failure> {
        Ok(match &self.wire {
            Wire::Redis(_) => Conn::Redis(redis::Conn::open(&self.server).await?),
            Wire::Postgresql(statement) => {
                Conn::Postgresql(postgresql::Conn::open(&self.server, statement).await?)
            }
            Wire::Mysql(statement) => {
                Conn::Mysql(mysql::Conn::open(&self.server, statement).await?)
            }
        })
    }

    async fn ask(&self, conn: &mut Conn, values: &[String]) -> Result<Vec<Row>, Failure> {
        match (conn, &self.wire) {
            (Conn::Redis(conn), Wire::Redis(command)) => conn.rows(command, values).await,
            (Conn::Postgresql(conn), _) => conn.rows(values).await,
            (Conn::Mysql(conn), _) => conn.rows(values).await,
            (Conn::Redis(_), _) => Err(Failure::Odd("a connection of another kind".to_owned())),
        }
    }
}

/// Bytes that are taken off in front; `None` past the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Up to a zero, which goes, too.
    fn text(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_end() {
        let mut bytes = Bytes(b"ab\0c");
        assert_eq!(bytes.text(), Some("ab"));
        assert_eq!(bytes.array::<2>(), None);
        assert_eq!(bytes.byte(), Some(b'c'));
        assert_eq!((bytes.byte(), bytes.text()), (None, None));
    }
}
