//! HTTP/1.1 from the client's side, by hand: requests on a connection that stays, answers whole or in
//! chunks; and the REST API with a token.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::{Broker, fresh_dir};

const PATIENCE: Duration = Duration::from_secs(20);
/// The administrator's password of brokers that are started with one.
pub(crate) const PASSWORD: &str = "black-box-7";

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.text()))
    }

    /// The code of an error; empty if there is none.
    pub(crate) fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Fails unless the answer has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// A connection that speaks HTTP.
pub(crate) struct Http {
    stream: TcpStream,
    /// Read and not yet used.
    buffer: Vec<u8>,
}

impl Http {
    #[track_caller]
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the dashboard accepts"))
    }

    /// From another address of this machine.
    #[track_caller]
    pub(crate) fn open_from(from: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket
            .bind(&SocketAddr::new(IpAddr::V4(from), 0).into())
            .unwrap();
        socket.connect(&address.into()).unwrap();
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next answer; `None` if the connection ended before it began. `to` is the method that it
    /// answers, because HEAD has no body.
    #[track_caller]
    pub(crate) fn receive(&mut self, to: &str) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill() {
                assert!(
                    self.buffer.is_empty(),
                    "cut off in the head: {:?}",
                    self.buffer
                );
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status: u16 = status.and_then(|s| s.parse().ok()).expect("a status line");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        if status == 100 {
            return self.receive(to);
        }
        let mut reply = Reply {
            status,
            headers,
            body: Vec::new(),
        };
        let bare = to == "HEAD" || status == 101 || status == 204 || status == 304;
        if !bare {
            reply.body = self.body(&reply);
        }
        Some(reply)
    }

    #[track_caller]
    fn body(&mut self, reply: &Reply) -> Vec<u8> {
        if reply.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
            return body;
        }
        let length = reply
            .header("content-length")
            .map(|n| n.parse::<usize>().unwrap());
        match length {
            Some(length) => {
                while self.buffer.len() < length {
                    assert!(self.fill(), "cut off in the body");
                }
                self.buffer.drain(..length).collect()
            }
            None => {
                while self.fill() {}
                std::mem::take(&mut self.buffer)
            }
        }
    }

    /// The next chunk of an answer in chunks, after its head; `None` at its end.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                break at;
            }
            assert!(self.fill(), "cut off before a chunk");
        };
        let length = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let length = usize::from_str_radix(length.trim(), 16).expect("the length of a chunk");
        while self.buffer.len() < end + 2 + length + 2 {
            assert!(self.fill(), "cut off in a chunk");
        }
        let chunk = self.buffer[end + 2..end + 2 + length].to_vec();
        self.buffer.drain(..end + 2 + length + 2);
        (length > 0).then_some(chunk)
    }

    /// Only the head of an answer whose body goes on, such as a live feed's.
    #[track_caller]
    pub(crate) fn receive_head(&mut self) -> Reply {
        self.receive("HEAD").expect("an answer")
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                n > 0
            }
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(e) => panic!("no answer: {e}"),
        }
    }

    /// The socket itself, with what was read and not used: after an upgrade.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.buffer)
    }
}

/// The REST API as a program calls it.
pub(crate) struct Api {
    address: SocketAddr,
    from: Option<Ipv4Addr>,
    /// Sent with each call, such as `authorization: Bearer ...`.
    pub(crate) headers: Vec<(String, String)>,
    http: Option<Http>,
}

/// The beginning of the API's paths.
pub(crate) const BASE: &str = "/api/v5";

impl Api {
    /// Of nobody.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            from: None,
            headers: Vec::new(),
            http: None,
        }
    }

    /// The same from another address of this machine.
    pub(crate) fn from(address: SocketAddr, from: Ipv4Addr) -> Self {
        let mut api = Self::new(address);
        api.from = Some(from);
        api
    }

    /// Signs in; from then on each call has the token.
    #[track_caller]
    pub(crate) fn sign_in(&mut self, user: &str, password: &str) -> Value {
        let body = serde_json::json!({"username": user, "password": password});
        let told = self.post("/login", &body).expect(200).json();
        let token = told["token"].as_str().expect("a token").to_owned();
        self.bear(&token);
        told
    }

    /// From now on with this token.
    pub(crate) fn bear(&mut self, token: &str) {
        self.headers = vec![("authorization".to_owned(), format!("Bearer {token}"))];
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body))
    }

    #[track_caller]
    pub(crate) fn put(&mut self, path: &str, body: &Value) -> Reply {
        self.call("PUT", path, Some(body))
    }

    #[track_caller]
    pub(crate) fn delete(&mut self, path: &str) -> Reply {
        self.call("DELETE", path, None)
    }

    /// A path below `/api/v5`, with a body of JSON.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string);
        let kind = body.as_ref().map(|_| "application/json");
        let path = format!("{BASE}{path}");
        self.raw(method, &path, kind, body.unwrap_or_default().as_bytes())
    }

    /// Any path, any body.
    #[track_caller]
    pub(crate) fn raw(
        &mut self,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: &[u8],
    ) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(kind) = kind {
            head += &format!("content-type: {kind}\r\n");
        }
        if kind.is_some() || !body.is_empty() {
            head += &format!("content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        // A connection that stayed may have been ended by the other side meanwhile.
        if let Some(reply) = self
            .http
            .as_mut()
            .and_then(|http| exchange(http, &request, method))
        {
            return self.keep(reply);
        }
        let mut http = match self.from {
            Some(from) => Http::open_from(from, self.address),
            None => Http::open(self.address),
        };
        let reply = exchange(&mut http, &request, method).expect("an answer");
        self.http = Some(http);
        self.keep(reply)
    }

    fn keep(&mut self, reply: Reply) -> Reply {
        if reply.header("connection") == Some("close") {
            self.http = None;
        }
        reply
    }
}

#[track_caller]
fn exchange(http: &mut Http, request: &[u8], method: &str) -> Option<Reply> {
    // Who refuses a body may answer before it was sent whole.
    let sent = http.send(request);
    let reply = http.receive(method)?;
    assert!(sent.is_ok() || reply.status >= 400, "{sent:?}");
    Some(reply)
}

impl Broker {
    /// A broker with these settings whose administrator has a password, and a session of his.
    #[track_caller]
    pub(crate) fn signed_in(settings: &[&str]) -> (Self, Api) {
        let broker = Self::with_password(settings);
        let mut api = broker.api();
        api.sign_in("admin", PASSWORD);
        (broker, api)
    }

    /// A broker whose administrator has [`PASSWORD`].
    #[track_caller]
    pub(crate) fn with_password(settings: &[&str]) -> Self {
        let set = format!("TERNMQ_ADMIN_PASSWORD={PASSWORD}");
        let mut broker = Self::under(vec!["env".to_owned(), set], &fresh_dir(), settings);
        broker.forget_data();
        broker
    }

    /// The API for nobody in particular.
    pub(crate) fn api(&self) -> Api {
        Api::new(self.http)
    }
}
