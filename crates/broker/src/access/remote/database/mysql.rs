//! MySQL and MariaDB: version 10 of their protocol, one prepared statement.

use sha1_smol::Sha1;
use sha2::{Digest as _, Sha256};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{Bytes, ROWS_MAX, Row, Server, Statement, Stream, dial, lost, odd, read};
use crate::access::remote::Failure;

/// What we can: long passwords and columns, a database to begin with, 4.1, transactions, passwords of
/// 4.1, plug-ins for them.
const ABLE: u32 = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const TLS: u32 = 0x800;
/// utf8mb4
const CHARSET: u8 = 45;
const NATIVE: &str = "mysql_native_password";
const CACHING: &str = "caching_sha2_password";

pub(super) struct Conn {
    wire: Wire,
    statement: u32,
    columns: Vec<Column>,
}

struct Wire {
    stream: Stream,
    sequence: u8,
}

struct Column {
    name: String,
    kind: u8,
}

impl Conn {
    pub(super) async fn open(server: &Server, statement: &Statement) -> Result<Self, Failure> {
        let stream = dial::connect(&server.host, server.port, server.connect_timeout).await?;
        let mut wire = sign_in(server, stream).await?;
        let prepare = [&[0x16][..], statement.text.as_bytes()].concat();
        let answer = wire.ask(&prepare).await;
        // That it cannot be prepared is nothing that a client has said.
        let answer = answer.map_err(|failure| Failure::Down(failure.to_string()))?;
        let head = prepared(&answer).ok_or_else(|| odd("no statement"))?;
        let (statement, columns, parameters) = head;
        for _ in 0..parameters {
            wire.next().await?;
        }
        if parameters > 0 {
            wire.next().await?;
        }
        let columns = wire.columns(columns).await?;
        Ok(Self {
            wire,
            statement,
            columns,
        })
    }

    pub(super) async fn rows(&mut self, values: &[String]) -> Result<Vec<Row>, Failure> {
        let mut execute = vec![0x17];
        execute.extend(self.statement.to_le_bytes());
        execute.extend([0, 1, 0, 0, 0]);
        if !values.is_empty() {
            // None of them is NULL, and each is a text.
            execute.extend(vec![0; values.len().div_ceil(8)]);
            execute.push(1);
            execute.extend([0xfd, 0].repeat(values.len()));
            for value in values {
                put_text(&mut execute, value.as_bytes());
            }
        }
        let answer = self.wire.ask(&execute).await?;
        // A statement that selects nothing.
        if answer.first() == Some(&0) {
            return Ok(Vec::new());
        }
        let count = length(&mut Bytes(&answer)).ok_or_else(|| odd("no columns"))?;
        self.columns = self.wire.columns(count).await?;
        let mut rows = Vec::new();
        for _ in 0..=ROWS_MAX {
            let answer = self.wire.next().await?;
            if is_end(&answer) {
                return Ok(rows);
            }
            let row = fields(&self.columns, &answer);
            rows.push(row.ok_or_else(|| odd("a column of an unknown kind"))?);
        }
        Err(odd("too many rows"))
    }
}

impl Wire {
    /// A command, and the first packet that answers it.
    async fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>, Failure> {
        self.sequence = 0;
        self.write(command).await?;
        self.next().await
    }

    async fn write(&mut self, body: &[u8]) -> Result<(), Failure> {
        let length = u32::try_from(body.len()).ok().filter(|n| *n < 0xff_ffff);
        let length = length
            .ok_or_else(|| odd("a question too long"))?
            .to_le_bytes();
        let head = [length[0], length[1], length[2], self.sequence];
        self.sequence = self.sequence.wrapping_add(1);
        let written = self.stream.write_all(&[&head[..], body].concat()).await;
        written.map_err(|error| lost(&error))
    }

    /// The next packet; an error is one.
    async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        let head = read(&mut self.stream, 4).await?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        self.sequence = head[3].wrapping_add(1);
        let body = read(
            &mut self.stream,
            usize::try_from(length).unwrap_or(usize::MAX),
        )
        .await?;
        match body.first() {
            Some(0xff) => Err(Failure::Odd(error(&body))),
            Some(_) => Ok(body),
            None => Err(odd("an empty packet")),
        }
    }

    /// Descriptions of so many columns.
    async fn columns(&mut self, count: usize) -> Result<Vec<Column>, Failure> {
        let mut columns = Vec::new();
        for _ in 0..count {
            let body = self.next().await?;
            columns.push(column(&body).ok_or_else(|| odd("no column"))?);
        }
        if count > 0 && !is_end(&self.next().await?) {
            return Err(odd("more columns than it said"));
        }
        Ok(columns)
    }
}

/// What a server says first.
struct Hello {
    nonce: Vec<u8>,
    able: u32,
    plugin: String,
}

fn hello(body: &[u8]) -> Option<Hello> {
    let mut body = Bytes(body);
    if body.byte()? != 10 {
        return None;
    }
    body.text()?;
    body.take(4)?;
    let mut nonce = body.take(8)?.to_vec();
    body.take(1)?;
    let [low, high] = body.array()?;
    body.take(3)?;
    let [third, fourth] = body.array()?;
    let length = usize::from(body.byte()?);
    body.take(10)?;
    // With a zero behind it.
    let rest = body.take(length.saturating_sub(8).max(13))?;
    nonce.extend(&rest[..rest.len() - 1]);
    Some(Hello {
        nonce,
        able: u32::from_le_bytes([low, high, third, fourth]),
        plugin: body.text().unwrap_or(NATIVE).to_owned(),
    })
}

async fn sign_in(server: &Server, stream: TcpStream) -> Result<Wire, Failure> {
    let mut wire = Wire {
        stream: Box::new(stream),
        sequence: 0,
    };
    let refused = |failure| match failure {
        Failure::Odd(words) => Failure::Down(words),
        other => other,
    };
    let first = wire.next().await.map_err(refused)?;
    let first = hello(&first).ok_or_else(|| Failure::Down("it is no MySQL".to_owned()))?;
    let mut able = ABLE;
    if server.database.is_empty() {
        able &= !0x8;
    }
    if let Some(tls) = &server.tls {
        if first.able & TLS == 0 {
            return Err(Failure::Down("it does not speak TLS".to_owned()));
        }
        able |= TLS;
        wire.write(&able_of(able)).await?;
        wire.stream = Box::new(tls.secure(wire.stream).await?);
    }
    let known = [NATIVE, CACHING].contains(&&*first.plugin);
    let plugin = if known { &*first.plugin } else { NATIVE };
    let first_proof = proof(plugin, &server.password, &first.nonce).unwrap_or_default();
    let mut answer = able_of(able);
    answer.extend(server.user.as_bytes());
    answer.push(0);
    answer.push(u8::try_from(first_proof.len()).unwrap_or(0));
    answer.extend(&first_proof);
    if !server.database.is_empty() {
        answer.extend(server.database.as_bytes());
        answer.push(0);
    }
    answer.extend(plugin.as_bytes());
    answer.push(0);
    wire.write(&answer).await?;
    loop {
        let said = wire.next().await.map_err(refused)?;
        let mut rest = Bytes(&said);
        match rest.byte() {
            Some(0) => return Ok(wire),
            // Another plug-in, with a nonce of its own.
            Some(0xfe) => {
                let plugin = rest.text().unwrap_or_default();
                let nonce = rest.0.strip_suffix(&[0]).unwrap_or(rest.0);
                let proof = proof(plugin, &server.password, nonce).ok_or_else(|| {
                    Failure::Down(format!("it wants a password by {plugin}; use {NATIVE}"))
                })?;
                wire.write(&proof).await?;
            }
            // It remembers the password; or wants it whole, which is for TLS alone.
            Some(1) => match rest.byte() {
                Some(3) => {}
                Some(4) if server.tls.is_some() => {
                    let whole = [server.password.as_bytes(), &[0]].concat();
                    wire.write(&whole).await?;
                }
                _ => {
                    let text = format!("{CACHING} needs TLS here: set ssl.enable, or use {NATIVE}");
                    return Err(Failure::Down(text));
                }
            },
            _ => return Err(Failure::Down("it is no MySQL".to_owned())),
        }
    }
}

fn able_of(able: u32) -> Vec<u8> {
    let mut bytes = able.to_le_bytes().to_vec();
    bytes.extend((1u32 << 24).to_le_bytes());
    bytes.push(CHARSET);
    bytes.extend([0; 23]);
    bytes
}

/// That we know the password; `None` for a plug-in that is not known here.
fn proof(plugin: &str, password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    let password = password.as_bytes();
    let xor = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a ^ b).collect();
    if password.is_empty() {
        return [NATIVE, CACHING].contains(&plugin).then(Vec::new);
    }
    match plugin {
        NATIVE => {
            let sha1 = |parts: &[&[u8]]| Sha1::from(parts.concat()).digest().bytes();
            let once = sha1(&[password]);
            Some(xor(&once, &sha1(&[nonce, &sha1(&[&once])])))
        }
        CACHING => {
            let once = Sha256::digest(password);
            let twice = Sha256::digest(once);
            let salted = Sha256::digest([&twice[..], nonce].concat());
            Some(xor(&once, &salted))
        }
        _ => None,
    }
}

/// The words of an error, behind its number and state.
fn error(body: &[u8]) -> String {
    let words = body.get(3..).unwrap_or_default();
    let words = match words.strip_prefix(b"#") {
        Some(with_state) => with_state.get(5..).unwrap_or_default(),
        None => words,
    };
    String::from_utf8_lossy(words).into_owned()
}

fn is_end(body: &[u8]) -> bool {
    body.first() == Some(&0xfe) && body.len() < 9
}

/// Of the answer to a statement that was prepared: its number, columns and parameters.
fn prepared(body: &[u8]) -> Option<(u32, usize, usize)> {
    let mut body = Bytes(body);
    if body.byte()? != 0 {
        return None;
    }
    let statement = u32::from_le_bytes(body.array()?);
    let columns = u16::from_le_bytes(body.array()?);
    let parameters = u16::from_le_bytes(body.array()?);
    Some((statement, columns.into(), parameters.into()))
}

fn column(body: &[u8]) -> Option<Column> {
    let mut body = Bytes(body);
    for _ in 0..4 {
        text(&mut body)?;
    }
    let name = String::from_utf8(text(&mut body)?.to_vec()).ok()?;
    text(&mut body)?;
    // The length of what follows, a character set, a width.
    body.take(7)?;
    let kind = body.byte()?;
    Some(Column { name, kind })
}

/// A number of as many bytes as it needs.
fn length(bytes: &mut Bytes<'_>) -> Option<usize> {
    let wide = match bytes.byte()? {
        0xfc => u64::from(u16::from_le_bytes(bytes.array()?)),
        0xfd => {
            let [a, b, c] = bytes.array()?;
            u64::from(u32::from_le_bytes([a, b, c, 0]))
        }
        0xfe => u64::from_le_bytes(bytes.array()?),
        small @ 0..=0xfa => u64::from(small),
        _ => return None,
    };
    usize::try_from(wide).ok()
}

fn text<'a>(bytes: &mut Bytes<'a>) -> Option<&'a [u8]> {
    let length = length(bytes)?;
    bytes.take(length)
}

fn put_text(out: &mut Vec<u8>, value: &[u8]) {
    match u16::try_from(value.len()) {
        Ok(short @ 0..=0xfa) => out.extend(short.to_le_bytes().first()),
        Ok(length) => {
            out.push(0xfc);
            out.extend(length.to_le_bytes());
        }
        Err(_) => {
            out.push(0xfe);
            out.extend((value.len() as u64).to_le_bytes());
        }
    }
    out.extend(value);
}

/// A row as a prepared statement brings it; `None` for kinds of columns that are of no use here.
fn fields(columns: &[Column], body: &[u8]) -> Option<Row> {
    let mut body = Bytes(body);
    body.take(1)?;
    let nulls = body.take((columns.len() + 2).div_ceil(8))?;
    let mut row = Row::new();
    for (at, column) in columns.iter().enumerate() {
        let bit = at + 2;
        if nulls[bit / 8] & (1 << (bit % 8)) != 0 {
            continue;
        }
        let value = match column.kind {
            1 => i64::from(i8::from_le_bytes(body.array()?)).to_string(),
            2 | 13 => i64::from(i16::from_le_bytes(body.array()?)).to_string(),
            3 | 9 => i64::from(i32::from_le_bytes(body.array()?)).to_string(),
            8 => i64::from_le_bytes(body.array()?).to_string(),
            // A flag of one bit.
            16 => match text(&mut body)? {
                [0] => "0".to_owned(),
                [1] => "1".to_owned(),
                _ => return None,
            },
            // Texts of every length, and numbers that are written as such.
            0 | 15 | 246..=254 => String::from_utf8(text(&mut body)?.to_vec()).ok()?,
            _ => return None,
        };
        row.push((column.name.clone(), value));
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(kinds: &[u8]) -> Vec<Column> {
        let named = (b'a'..).zip(kinds);
        let each = named.map(|(name, kind)| Column {
            name: char::from(name).to_string(),
            kind: *kind,
        });
        each.collect()
    }

    #[test]
    fn rows() {
        let kinds = columns(&[253, 1, 3, 8, 16, 252]);
        let nulls = 1 << (2 + 2);
        let row = [
            &[0, nulls, 2][..],
            b"xy",
            &[0xff],
            &7i64.to_le_bytes(),
            &[1, 1],
            &[0],
        ]
        .concat();
        let due = [("a", "xy"), ("b", "-1"), ("d", "7"), ("e", "1"), ("f", "")];
        let due = due.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(&kinds, &row), Some(due.into()));
        for end in 0..row.len() {
            assert_eq!(fields(&kinds, &row[..end]), None, "{end}");
        }
        assert_eq!(fields(&columns(&[10]), &[0, 0, 0]), None, "a date");
    }

    #[test]
    fn lengths() {
        for wide in [0, 250, 251, 65_535, 65_536, 70_000] {
            let mut out = Vec::new();
            put_text(&mut out, &vec![b'x'; wide]);
            let mut bytes = Bytes(&out);
            assert_eq!(text(&mut bytes).map(<[u8]>::len), Some(wide));
            assert!(bytes.0.is_empty());
        }
        assert_eq!(length(&mut Bytes(&[0xfb])), None);
        assert_eq!(error(b"\xff\x15\x04#28000Access denied"), "Access denied");
    }

    /// The proof of an empty password is empty; others are as MySQL's documents compute them.
    #[test]
    fn proofs() {
        assert_eq!(proof(NATIVE, "", b"n"), Some(Vec::new()));
        assert_eq!(proof("dialog", "p", b"n"), None);
        let nonce = [7; 20];
        for (plugin, length) in [(NATIVE, 20), (CACHING, 32)] {
            let made = proof(plugin, "p", &nonce).unwrap();
            assert_eq!(made.len(), length);
            assert_ne!(Some(made), proof(plugin, "q", &nonce));
        }
    }
}
