//! HTTP/1.1 from the client's side, with a pool of connections that stay.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue},
    rt,
};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;

use super::{
    Failure, Masked, TlsSetup,
    dial::{self, Tls},
};

/// Connections of one pool at most.
pub(crate) const POOL_MAX: usize = 1_000;

type Conn = SendRequest<Full<Bytes>>;

/// A URL: where to connect, and what to ask for there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    pub(crate) is_secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With what begins at `/` or `?`; perhaps nothing.
    pub(crate) target: String,
}

impl Url {
    /// # Errors
    /// If it is no URL of HTTP.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{text} is no URL such as http://host:8080/path");
        let (is_secure, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(bad()),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let port = if is_secure { 443 } else { 80 };
        let (host, port) = match authority.strip_prefix('[') {
            Some(literal) => {
                let (host, port_text) = literal.split_once(']').ok_or_else(bad)?;
                match port_text.strip_prefix(':') {
                    Some(text) => (host, text.parse().map_err(|_| bad())?),
                    None if port_text.is_empty() => (host, port),
                    None => return Err(bad()),
                }
            }
            None => match authority.split_once(':') {
                Some((host, text)) => (host, text.parse().map_err(|_| bad())?),
                None => (authority, port),
            },
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(is_plain) || target.contains('#') {
            return Err(bad());
        }
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port,
            target: target.to_owned(),
        })
    }

    fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.is_secure, self.port) {
            (false, 80) | (true, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// One request. There may be a password in it.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) body: Bytes,
}

/// The answer to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// In small letters, without what follows a semicolon.
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// Connections to one place.
pub(crate) struct Pool {
    url: Url,
    tls: Option<Tls>,
    headers: HeaderMap,
    connect_timeout: Duration,
    body_bytes_max: usize,
    places: Semaphore,
    idle: Mutex<Vec<Conn>>,
}

/// What became of a request on a connection that had been used before.
enum Tried {
    Done(Result<Reply, Failure>),
    /// The other side had closed it meanwhile.
    Stale,
}

impl Pool {
    /// # Errors
    /// If the headers or what is said of TLS cannot be used.
    pub(crate) fn new(
        url: Url,
        tls: Option<&TlsSetup>,
        headers: &[(String, Masked)],
        (size, connect_timeout): (usize, Duration),
        body_bytes_max: usize,
    ) -> Result<Self, String> {
        let default = TlsSetup::default();
        let tls = match url.is_secure {
            true => Some(Tls::new(tls.unwrap_or(&default), &url.host)?),
            false => None,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let bad = || format!("headers: {name} and its value are no header");
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            map.insert(parsed, HeaderValue::from_str(&value.0).map_err(|_| bad())?);
        }
        let host = HeaderValue::from_str(&url.authority());
        map.insert(HOST, host.map_err(|_| "url: no host".to_owned())?);
        Ok(Self {
            url,
            tls,
            headers: map,
            connect_timeout,
            body_bytes_max,
            places: Semaphore::new(size.clamp(1, POOL_MAX)),
            idle: Mutex::default(),
        })
    }

    /// Sends it, on a connection that is there or a new one, once there is a place. Has no end of its own.
    pub(crate) async fn send(&self, ask: &Ask) -> Result<Reply, Failure> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|_| Failure::Down("the pool is closed".to_owned()))?;
        while let Some(conn) = self.take_idle() {
            if let Tried::Done(reply) = self.send_on(conn, ask).await {
                return reply;
            }
        }
        let conn = self.open().await?;
        match self.send_on(conn, ask).await {
            Tried::Done(reply) => reply,
            Tried::Stale => Err(Failure::Down("it closes connections at once".to_owned())),
        }
    }

    fn take_idle(&self) -> Option<Conn> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn put_back(&self, conn: Conn) {
        if !conn.is_closed() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(conn);
        }
    }

    async fn open(&self) -> Result<Conn, Failure> {
        let Url { host, port, .. } = &self.url;
        let stream = dial::connect(host, *port, self.connect_timeout).await?;
        match &self.tls {
            None => shake_hands(TokioIo::new(stream)).await,
            Some(tls) => shake_hands(TokioIo::new(tls.secure(stream).await?)).await,
        }
    }

    async fn send_on(&self, mut conn: Conn, ask: &Ask) -> Tried {
        let down = |error: hyper::Error| Tried::Done(Err(Failure::Down(error.to_string())));
        if conn.ready().await.is_err() {
            return Tried::Stale;
        }
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.headers_mut() = self.headers.clone();
        match ask.target.parse() {
            Ok(target) => *request.uri_mut() = target,
            Err(_) => return Tried::Done(Err(Failure::Odd("no path of a URL".to_owned()))),
        }
        let response = match conn.send_request(request).await {
            Ok(response) => response,
            Err(error) if error.is_canceled() || error.is_incomplete_message() => {
                return Tried::Stale;
            }
            Err(error) => return down(error),
        };
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, self.body_bytes_max).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) => return Tried::Done(Err(Failure::Odd(format!("its answer: {error}")))),
        };
        self.put_back(conn);
        let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
        let content_type = content_type.and_then(Result::ok).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default();
        Tried::Done(Ok(Reply {
            status: head.status.as_u16(),
            content_type: content_type.trim().to_ascii_lowercase(),
            body,
        }))
    }
}

async fn shake_hands(
    io: impl rt::Read + rt::Write + Unpin + Send + 'static,
) -> Result<Conn, Failure> {
    let shaken = http1::handshake(io).await;
    let (conn, driver) = shaken.map_err(|error| Failure::Down(error.to_string()))?;
    // What goes wrong there is told to whoever sends.
    tokio::spawn(async move { drop(driver.await) });
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let table = [
            ("http://h", (false, "h", 80, "", "h")),
            (
                "http://h:8080/a/b?c=d",
                (false, "h", 8080, "/a/b?c=d", "h:8080"),
            ),
            (
                "https://h.example?q",
                (true, "h.example", 443, "?q", "h.example"),
            ),
            ("https://h:80/", (true, "h", 80, "/", "h:80")),
            ("http://[::1]:81/", (false, "::1", 81, "/", "[::1]:81")),
            ("http://[::1]", (false, "::1", 80, "", "[::1]")),
        ];
        for (text, (is_secure, host, port, target, authority)) in table {
            let url = Url::parse(text).unwrap();
            let found = (url.is_secure, &*url.host, url.port, &*url.target);
            assert_eq!(found, (is_secure, host, port, target), "{text}");
            assert_eq!(url.authority(), authority);
        }
        for bad in [
            "",
            "h:80",
            "ftp://h",
            "http://",
            "http:///a",
            "http://u:p@h/",
            "http://h:0x50/",
            "http://${username}/",
            "http://[::1/",
            "http://h/#a",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
