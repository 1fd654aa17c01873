//! Redis: requests and answers of its protocol, version 2, which every server speaks first.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    ANSWER_BYTES_MAX, Row, Server, Stream, dial, lost, odd,
    query::{Answers, Command},
    read,
};
use crate::access::remote::Failure;

/// Values of one answer at most, names and values of fields.
const VALUES_MAX: usize = 1_000;

pub(super) struct Conn {
    stream: Stream,
}

/// An answer.
enum Reply {
    /// Of a list, or alone.
    Value(Option<Vec<u8>>),
    List(Vec<Option<Vec<u8>>>),
}

impl Conn {
    pub(super) async fn open(server: &Server) -> Result<Self, Failure> {
        let stream = dial::connect(&server.host, server.port, server.connect_timeout).await?;
        let stream: Stream = match &server.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.secure(stream).await?),
        };
        let mut conn = Self { stream };
        let refused = |what: &str, error| match error {
            Failure::Odd(said) => Failure::Down(format!("{what}: {said}")),
            other => other,
        };
        if !server.password.is_empty() {
            let mut words = vec!["AUTH"];
            if !server.user.is_empty() {
                words.push(&server.user);
            }
            words.push(&server.password);
            let done = conn.ask(&words).await;
            done.map_err(|error| refused("AUTH", error))?;
        }
        if !server.database.is_empty() && server.database != "0" {
            let done = conn.ask(&["SELECT", &server.database]).await;
            done.map_err(|error| refused("SELECT", error))?;
        }
        Ok(conn)
    }

    /// The fields of a hash; none if it is not there.
    pub(super) async fn rows(
        &mut self,
        command: &Command,
        words: &[String],
    ) -> Result<Vec<Row>, Failure> {
        let values = match self.ask(words).await? {
            Reply::Value(value) => vec![value],
            Reply::List(values) => values,
        };
        let mut row = Row::new();
        let text = |value: Vec<u8>| String::from_utf8(value).map_err(|_| odd("no text"));
        match &command.answers {
            Answers::Fields(fields) => {
                if fields.len() != values.len() {
                    return Err(odd("another number of fields"));
                }
                for (name, value) in fields.iter().zip(values) {
                    if let Some(value) = value {
                        row.push((name.clone(), text(value)?));
                    }
                }
            }
            Answers::Pairs => {
                let mut values = values.into_iter().flatten();
                while let (Some(name), Some(value)) = (values.next(), values.next()) {
                    row.push((text(name)?, text(value)?));
                }
            }
        }
        Ok(if row.is_empty() {
            Vec::new()
        } else {
            vec![row]
        })
    }

    async fn ask(&mut self, words: &[impl AsRef<str>]) -> Result<Reply, Failure> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            let word = word.as_ref();
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        let written = self.stream.write_all(request.as_bytes()).await;
        written.map_err(|error| lost(&error))?;
        let line = self.line().await?;
        let Some(count) = line.strip_prefix('*') else {
            return Ok(Reply::Value(self.value(&line).await?));
        };
        let count: i64 = count.parse().map_err(|_| odd("a list of no length"))?;
        let count = usize::try_from(count).unwrap_or(0);
        if count > VALUES_MAX {
            return Err(odd("too many values"));
        }
        let mut list = Vec::new();
        for _ in 0..count {
            let line = self.line().await?;
            list.push(self.value(&line).await?);
        }
        Ok(Reply::List(list))
    }

    /// A value that begins with this line.
    async fn value(&mut self, line: &str) -> Result<Option<Vec<u8>>, Failure> {
        let (kind, rest) = line
            .split_at_checked(1)
            .ok_or_else(|| odd("an empty line"))?;
        match kind {
            "+" | ":" => Ok(Some(rest.as_bytes().to_vec())),
            "-" => Err(Failure::Odd(rest.to_owned())),
            "$" if rest == "-1" => Ok(None),
            "$" => {
                let length: usize = rest.parse().map_err(|_| odd("a value of no length"))?;
                let mut value = read(&mut self.stream, length.saturating_add(2)).await?;
                if !value.ends_with(b"\r\n") {
                    return Err(odd("a value longer than it said"));
                }
                value.truncate(length);
                Ok(Some(value))
            }
            _ => Err(odd("it is no Redis")),
        }
    }

    /// Byte by byte, because what is behind it may be long; these are few.
    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() >= ANSWER_BYTES_MAX {
                return Err(odd("a line without end"));
            }
            let byte = self.stream.read_u8().await;
            line.push(byte.map_err(|error| lost(&error))?);
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(|_| odd("no text"))
    }
}
