//! PostgreSQL: version 3 of its protocol, one prepared statement, everything as text.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Bytes, ROWS_MAX, Row, Server, Statement, Stream, dial, lost, odd, read, scram::Exchange,
};
use crate::access::remote::Failure;

const VERSION: i32 = 3 << 16;
const TLS_WANTED: i32 = 80_877_103;
/// Under which the statement is prepared.
const NAME: &[u8] = b"q\0";

pub(super) struct Conn {
    stream: Stream,
    columns: Vec<String>,
}

/// A message: its kind and what is in it.
type Message = (u8, Vec<u8>);

impl Conn {
    pub(super) async fn open(server: &Server, statement: &Statement) -> Result<Self, Failure> {
        let stream = dial::connect(&server.host, server.port, server.connect_timeout).await?;
        let mut conn = Self {
            stream: secure(server, stream).await?,
            columns: Vec::new(),
        };
        let mut hello = VERSION.to_be_bytes().to_vec();
        for (name, value) in [
            ("user", &*server.user),
            ("database", &server.database),
            ("client_encoding", "UTF8"),
            ("application_name", "ternmq"),
        ] {
            // Without a name it is the user's.
            if !value.is_empty() {
                hello.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
            }
        }
        hello.push(0);
        conn.write(&framed(None, &hello)).await?;
        conn.prove(&server.password).await?;
        let parse = [NAME, statement.text.as_bytes(), b"\0", &[0, 0]].concat();
        let describe = [&b"S"[..], NAME].concat();
        let mut asked = framed(Some(b'P'), &parse);
        asked.extend(framed(Some(b'D'), &describe));
        asked.extend(framed(Some(b'S'), b""));
        conn.write(&asked).await?;
        conn.prepared().await?;
        Ok(conn)
    }

    /// Says who we are, in whatever way the server asks for.
    async fn prove(&mut self, password: &str) -> Result<(), Failure> {
        let mut exchange = None;
        loop {
            let (kind, body) = self.next().await?;
            match kind {
                b'E' => return Err(Failure::Down(error(&body))),
                b'R' => {}
                // Settings, a key to cancel with.
                b'S' | b'K' | b'N' => continue,
                b'Z' => return Ok(()),
                _ => return Err(odd("no PostgreSQL")),
            }
            let mut body = Bytes(&body);
            let wanted = body.array().map(i32::from_be_bytes);
            let rest = std::str::from_utf8(body.0).unwrap_or_default();
            let answer = match (wanted, &mut exchange) {
                (Some(0), _) => continue,
                (Some(3), _) => [password.as_bytes(), b"\0"].concat(),
                (Some(10), none) => {
                    if !rest.split('\0').any(|name| name == "SCRAM-SHA-256") {
                        return Err(Failure::Down("it wants another kind of SCRAM".to_owned()));
                    }
                    let mut nonce = [0; 18];
                    getrandom::fill(&mut nonce).map_err(|e| Failure::Down(e.to_string()))?;
                    let begun = none.insert(Exchange::new(&nonce));
                    let first = begun.first();
                    let length = i32::try_from(first.len()).unwrap_or(0).to_be_bytes();
                    [&b"SCRAM-SHA-256\0"[..], &length, first.as_bytes()].concat()
                }
                (Some(11), Some(exchange)) => {
                    let answer = exchange.answer(password, rest);
                    answer.ok_or_else(|| odd("no SCRAM"))?.into_bytes()
                }
                (Some(12), Some(exchange)) if exchange.is_genuine(rest) => continue,
                (Some(12), _) => {
                    return Err(Failure::Down(
                        "it does not know the password itself".to_owned(),
                    ));
                }
                _ => {
                    let text = "it wants a password in a way that is not known here; use \
                                scram-sha-256 in pg_hba.conf";
                    return Err(Failure::Down(text.to_owned()));
                }
            };
            self.write(&framed(Some(b'p'), &answer)).await?;
        }
    }

    /// Learns the names of the columns.
    async fn prepared(&mut self) -> Result<(), Failure> {
        let mut failure = None;
        loop {
            let (kind, body) = self.next().await?;
            match kind {
                b'E' => failure = Some(Failure::Down(error(&body))),
                b'T' => {
                    let names = columns(&body);
                    self.columns = names.ok_or_else(|| odd("no columns"))?;
                }
                b'Z' => return failure.map_or(Ok(()), Err),
                _ => {}
            }
        }
    }

    pub(super) async fn rows(&mut self, values: &[String]) -> Result<Vec<Row>, Failure> {
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
        // No portal's name, the statement's, all as text.
        let mut bind = [&b"\0"[..], NAME, &[0, 0], &count(values.len())].concat();
        for value in values {
            let length = i32::try_from(value.len()).map_err(|_| odd("a value too long"))?;
            bind.extend(length.to_be_bytes());
            bind.extend(value.as_bytes());
        }
        bind.extend([0, 0]);
        let mut asked = framed(Some(b'B'), &bind);
        let most = i32::try_from(ROWS_MAX).unwrap_or(0).to_be_bytes();
        asked.extend(framed(Some(b'E'), &[&b"\0"[..], &most].concat()));
        asked.extend(framed(Some(b'S'), b""));
        self.write(&asked).await?;
        let (mut rows, mut failure) = (Vec::new(), None);
        loop {
            let (kind, body) = self.next().await?;
            match kind {
                b'E' => failure = Some(Failure::Odd(error(&body))),
                b'D' => rows.push(fields(&self.columns, &body).ok_or_else(|| odd("no row"))?),
                b'Z' => return failure.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| lost(&error))
    }

    async fn next(&mut self) -> Result<Message, Failure> {
        let head = read(&mut self.stream, 5).await?;
        let mut head = Bytes(&head);
        let kind = head.byte().unwrap_or(0);
        let length = head.array().map_or(0, u32::from_be_bytes);
        let length = usize::try_from(length).unwrap_or(usize::MAX).checked_sub(4);
        let length = length.ok_or_else(|| odd("no PostgreSQL"))?;
        Ok((kind, read(&mut self.stream, length).await?))
    }
}

async fn secure(server: &Server, mut stream: TcpStream) -> Result<Stream, Failure> {
    let Some(tls) = &server.tls else {
        return Ok(Box::new(stream));
    };
    let wanted = stream
        .write_all(&framed(None, &TLS_WANTED.to_be_bytes()))
        .await;
    wanted.map_err(|error| lost(&error))?;
    match stream.read_u8().await.map_err(|error| lost(&error))? {
        b'S' => Ok(Box::new(tls.secure(stream).await?)),
        _ => Err(Failure::Down("it does not speak TLS".to_owned())),
    }
}

/// With its kind, if it has one, and its length.
fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap_or(i32::MAX);
    [kind.as_slice(), &length.to_be_bytes(), body].concat()
}

/// The words of an error: `M` is for people.
fn error(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0);
    let words = fields.filter_map(|field| field.strip_prefix(b"M")).next();
    String::from_utf8_lossy(words.unwrap_or(b"an error without words")).into_owned()
}

fn columns(body: &[u8]) -> Option<Vec<String>> {
    let mut body = Bytes(body);
    let count = body.array().map(u16::from_be_bytes)?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(body.text()?.to_owned());
        body.take(18)?;
    }
    Some(names)
}

fn fields(columns: &[String], body: &[u8]) -> Option<Row> {
    let mut body = Bytes(body);
    let count = body.array().map(u16::from_be_bytes)?;
    if usize::from(count) != columns.len() {
        return None;
    }
    let mut row = Row::new();
    for name in columns {
        let length = body.array().map(i32::from_be_bytes)?;
        // NULL is -1 long.
        if let Ok(length) = usize::try_from(length) {
            let value = std::str::from_utf8(body.take(length)?).ok()?;
            row.push((name.clone(), value.to_owned()));
        }
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_errors() {
        let mut described = vec![0, 2];
        for name in ["a", "b"] {
            described.extend([name.as_bytes(), &[0; 19]].concat());
        }
        let names = columns(&described).unwrap();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(columns(&described[..20]), None);
        let row = [&[0, 2, 0, 0, 0, 1][..], b"x", &[255; 4]].concat();
        let due = vec![("a".to_owned(), "x".to_owned())];
        assert_eq!(fields(&names, &row), Some(due));
        for bad in [&row[..3], &row[..6], &[0, 1], &[]] {
            assert_eq!(fields(&names, bad), None);
        }
        assert_eq!(error(b"SERROR\0Mno such table\0\0"), "no such table");
        assert_eq!(framed(Some(b'S'), b""), [b'S', 0, 0, 0, 4]);
    }
}
