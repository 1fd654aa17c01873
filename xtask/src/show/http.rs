//! As much HTTP as asking our own API takes: one connection, one request at a time.

use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const BASE: &str = "/api/v5";
const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "crowded-harbour-4";

/// Somebody who is signed in.
pub(super) struct Caller {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    token: String,
}

impl Caller {
    /// The administrator of a fresh broker, who sets a password first.
    pub(super) fn administrator(address: SocketAddr) -> Result<Self> {
        let mut caller = Self {
            address,
            stream: open(address)?,
            token: String::new(),
        };
        caller.sign_in("public")?;
        let change = format!(r#"{{"old_pwd":"public","new_pwd":"{PASSWORD}"}}"#);
        caller.ask("POST", "/users/admin/change_pwd", &change)?;
        caller.sign_in(PASSWORD)?;
        Ok(caller)
    }

    /// The same person on another connection.
    pub(super) fn again(&self) -> Result<Self> {
        Ok(Self {
            address: self.address,
            stream: open(self.address)?,
            token: self.token.clone(),
        })
    }

    fn sign_in(&mut self, password: &str) -> Result<()> {
        self.token.clear();
        let body = format!(r#"{{"username":"admin","password":"{password}"}}"#);
        let said = self.ask("POST", "/login", &body)?;
        let (_, rest) = said.split_once(r#""token":""#).context("no token")?;
        self.token = rest.split('"').next().unwrap_or_default().to_owned();
        Ok(())
    }

    /// The body of an answer that is a success; an error is one here, too.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<String> {
        let (status, said) = self.answer(method, path, body)?;
        ensure!(
            (200..300).contains(&status),
            "{method} {path}: {status} {said}"
        );
        Ok(said)
    }

    pub(super) fn answer(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        self.request(method, path, body)?;
        let (status, length) = self.head()?;
        let body = match length {
            Length::Known(bytes) => self.bytes(bytes)?,
            Length::Chunked => self.chunks()?,
        };
        Ok((status, String::from_utf8(body)?))
    }

    /// Begins to listen to a stream of events; `self` is that stream from now on.
    pub(super) fn listen(&mut self, path: &str) -> Result<()> {
        self.request("GET", path, "")?;
        let (status, _) = self.head()?;
        ensure!(status == 200, "GET {path}: {status}");
        Ok(())
    }

    /// Some more of the stream; how many bytes.
    pub(super) fn hear(&mut self) -> Result<usize> {
        let heard = self.stream.fill_buf()?.len();
        self.stream.consume(heard);
        Ok(heard)
    }

    fn request(&mut self, method: &str, path: &str, body: &str) -> Result<()> {
        let (token, length) = (&self.token, body.len());
        let request = format!(
            "{method} {BASE}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        // Without a token the line is left out, or it would be an odd one.
        let request = request.replace("Authorization: Bearer \r\n", "");
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }

    fn head(&mut self) -> Result<(u16, Length)> {
        let status = self.line()?;
        let code = status.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = Length::Known(0);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                return Ok((code, length));
            }
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = Length::Known(bytes.trim().parse()?);
            } else if line.starts_with("transfer-encoding:") {
                length = Length::Chunked;
            }
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let bytes = usize::from_str_radix(&self.line()?, 16)?;
            body.extend(self.bytes(bytes)?);
            self.line()?;
            if bytes == 0 {
                return Ok(body);
            }
        }
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let got = self.stream.read_line(&mut line)?;
        ensure!(got > 0, "the broker closed the connection");
        Ok(line.trim_end().to_owned())
    }
}

enum Length {
    Known(usize),
    Chunked,
}

fn open(address: SocketAddr) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}
