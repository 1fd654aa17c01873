//! Questions to the REST API, one connection each: little is asked, and rarely.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use client::resolve;
use serde_json::{Value, json};

use crate::text::Text;

const PATIENCE: Duration = Duration::from_secs(10);
/// An answer may be this long.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

pub(super) struct Api {
    host: String,
    port: u16,
    token: String,
    text: Text,
}

/// Why there is no answer.
pub(super) enum Fault {
    /// Nobody to ask, or nobody who speaks HTTP.
    Lost(String),
    /// A status other than success, and what the broker says.
    Status(u16, String),
}

impl Api {
    /// Signs in.
    pub(super) fn open(
        host: &str,
        port: u16,
        user: &str,
        password: &str,
        text: Text,
    ) -> Result<Self, Fault> {
        let mut api = Self {
            host: host.to_owned(),
            port,
            token: String::new(),
            text,
        };
        let who = json!({ "username": user, "password": password }).to_string();
        let signed_in = api.ask("POST", "/api/v5/login", &who)?;
        api.token = signed_in["token"].as_str().unwrap_or_default().to_owned();
        Ok(api)
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask("GET", path, "")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Fault> {
        let lost = |error: std::io::Error| Fault::Lost(error.to_string());
        let found = resolve(&self.host, self.port);
        let found = found.map_err(|error| Fault::Lost(self.text.client_error(&error)))?;
        let mut stream = TcpStream::connect_timeout(&found[0], PATIENCE).map_err(|source| {
            let address = found[0];
            Fault::Lost(self.text.no_dashboard_there(&address, &source))
        })?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
        let bearer = if self.token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {}\r\n", self.token)
        };
        // Version 1.0 ends an answer with the connection.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}:{}\r\n{bearer}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            self.port,
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(lost)?;
        let mut answer = Vec::new();
        let mut bounded = stream.take(ANSWER_BYTES_MAX);
        bounded.read_to_end(&mut answer).map_err(lost)?;
        read(&answer).unwrap_or_else(|| {
            let told = self.text.pick(
                "the answer is not what a TernMQ dashboard says; its port is 18083 by default (-p)",
                "应答不像 TernMQ 控制台；其默认端口为 18083（-p）",
            );
            Err(Fault::Lost(told.to_owned()))
        })
    }
}

/// `None` for what is no answer of the API.
fn read(answer: &[u8]) -> Option<Result<Value, Fault>> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = str::from_utf8(&answer[..end]).ok()?;
    let mut words = head.lines().next()?.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    let status = words.next()?;
    let status: u16 = status.parse().ok()?;
    let body: Value = serde_json::from_slice(&answer[end + 4..]).ok()?;
    if status / 100 == 2 {
        return Some(Ok(body));
    }
    let told = body["message"].as_str().unwrap_or_default().to_owned();
    Some(Err(Fault::Status(status, told)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let told = |answer: &str| match read(answer.as_bytes()) {
            None => "none".to_owned(),
            Some(Ok(value)) => value.to_string(),
            Some(Err(Fault::Status(status, told))) => format!("{status} {told}"),
            Some(Err(Fault::Lost(told))) => told,
        };
        assert_eq!(told("HTTP/1.0 200 OK\r\nA: b\r\n\r\n[1]"), "[1]");
        assert_eq!(
            told("HTTP/1.1 401 No\r\n\r\n{\"message\":\"who?\"}"),
            "401 who?"
        );
        assert_eq!(told("HTTP/1.0 500 No\r\n\r\n{}"), "500 ");
        for bad in [
            "",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n<html>",
            "HTTP/1.1 400 No\r\n\r\nthis port speaks MQTT",
        ] {
            assert_eq!(told(bad), "none", "{bad}");
        }
    }
}
