//! The opening handshake (RFC 6455 4.2): bytes of a request in, 101 or a refusal out. Strict where
//! two readers of one request could disagree (bare line ends, folded lines, bodies, doubled
//! headers), because a proxy may stand in front.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use engine::Cause;

use super::origin::is_allowed;
use crate::transport::http::{Ports, bare, looks_like_http, looks_like_tls, page};

/// Request line and headers together may be this long.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// What RFC 6455 1.3 has the server append to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const PATHS: [&str; 3] = ["/mqtt", "/ws", "/"];

/// Some clients set the two unused bits of the key's last digit; browsers do not mind, nor do we.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A handshake that succeeded.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Length of the request; what follows in the buffer is already WebSocket frames.
    pub consumed: usize,
    /// The 101 response, to be sent before anything else.
    pub response: Vec<u8>,
    /// What a proxy in front says that it saw, if one says so: an address, if that can be read. Anybody can
    /// say so.
    pub forwarded: Option<Option<IpAddr>>,
}

/// A handshake that failed. The caller logs the cause, sends the response if there is one, shuts
/// its sending side and closes.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A whole HTTP response; empty when the peer does not speak HTTP at all.
    pub response: Vec<u8>,
    pub cause: Cause,
}

/// Reads an opening handshake from the start of a connection. `Ok(None)` means that more bytes are
/// needed; the buffer that brings them has to start with the same ones. `ports` are named on the
/// page that a plain HTTP request gets; pages of `origins` may connect besides our host's own. No
/// extension (compression) is ever agreed to.
pub fn upgrade(buf: &[u8], ports: &Ports, origins: &[String]) -> Result<Option<Upgrade>, Refusal> {
    if looks_like_tls(buf) {
        return Err(Refusal {
            response: Vec::new(),
            cause: Cause::TlsOnWebSocket,
        });
    }
    if buf.len() >= 4 && !looks_like_http(buf) {
        let cause = if buf[0] == 0x10 {
            Cause::MqttOnWebSocket
        } else {
            Cause::NotHttp
        };
        return Err(Refusal {
            response: Vec::new(),
            cause,
        });
    }
    // The search is bounded, so a peer that sends one byte at a time costs a bounded amount too.
    let window = &buf[..buf.len().min(HEADER_BYTES_MAX)];
    let Some(end) = window.windows(4).position(|w| w == b"\r\n\r\n") else {
        if buf.len() >= HEADER_BYTES_MAX {
            return Err(refuse(
                "431 Request Header Fields Too Large",
                "header over 16 KB",
            ));
        }
        return Ok(None);
    };
    let text = str::from_utf8(&buf[..end]).map_err(|_| bad("header is not UTF-8"))?;
    let request = Request::parse(text)?;
    let response = request.answer(ports, origins)?;
    Ok(Some(Upgrade {
        consumed: end + 4,
        response,
        forwarded: request.forwarded,
    }))
}

/// What both sides agreed on.
#[derive(Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The proof that we understood.
    pub accept: String,
    pub protocol: &'static str,
}

/// The same for a request that somebody else has read: a GET of HTTP/1.1 to the right path, with these
/// headers. Pages of other hosts are refused.
///
/// # Errors
/// The cause, if it is no handshake for MQTT.
pub fn agree<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Agreed, Cause> {
    let mut request = Request {
        method: "GET",
        path: PATHS[0],
        http_1_1: true,
        ..Request::default()
    };
    for (name, value) in headers {
        request.header(name, value).map_err(|r| r.cause)?;
    }
    request.agree(&Ports::default(), &[]).map_err(|r| r.cause)
}

/// The parts of a request that decide.
#[derive(Default)]
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    http_1_1: bool,
    host: Option<&'a str>,
    origin: Option<&'a str>,
    key: Option<&'a str>,
    version: Option<&'a str>,
    upgrade: bool,
    websocket: bool,
    connection: bool,
    protocol: Option<&'static str>,
    body: bool,
    forwarded: Option<Option<IpAddr>>,
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Result<Self, Refusal> {
        let mut lines = text.split("\r\n");
        let mut request = Self::default();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad("malformed request line"));
        };
        if text.bytes().any(|b| b == 0 || b == 0x7f) {
            return Err(bad("control character in header"));
        }
        request.method = method;
        request.path = target.split(['?', '#']).next().unwrap_or_default();
        request.http_1_1 = match version {
            "HTTP/1.1" => true,
            "HTTP/1.0" => false,
            _ => return Err(refuse("505 HTTP Version Not Supported", "not HTTP/1.1")),
        };
        for line in lines {
            // A lone CR or LF is a line end to some readers and not to others.
            if line.contains(['\r', '\n']) {
                return Err(bad("bare line end in header"));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| bad("header without colon"))?;
            if name.is_empty() || name.contains([' ', '\t']) {
                return Err(bad("folded line or blank in header name"));
            }
            request.header(name, value.trim_matches([' ', '\t']))?;
        }
        Ok(request)
    }

    fn header(&mut self, name: &str, value: &'a str) -> Result<(), Refusal> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("Host") {
            once(&mut self.host, value, "more than one Host")?;
        } else if is("Origin") {
            once(&mut self.origin, value, "more than one Origin")?;
        } else if is("Sec-WebSocket-Key") {
            once(&mut self.key, value, "more than one Sec-WebSocket-Key")?;
        } else if is("Sec-WebSocket-Version") {
            once(
                &mut self.version,
                value,
                "more than one Sec-WebSocket-Version",
            )?;
        } else if is("Upgrade") {
            self.upgrade = true;
            self.websocket |= tokens(value).any(|t| t.eq_ignore_ascii_case("websocket"));
        } else if is("Connection") {
            self.connection |= tokens(value).any(|t| t.eq_ignore_ascii_case("upgrade"));
        } else if is("Sec-WebSocket-Protocol") {
            for token in tokens(value) {
                match token {
                    // Before all others: the name that the specification gives [MQTT-6.0.0-4].
                    "mqtt" => self.protocol = Some("mqtt"),
                    // What clients of MQTT 3.1 ask for.
                    "mqttv3.1" => self.protocol = self.protocol.or(Some("mqttv3.1")),
                    _ => {}
                }
            }
        } else if is("X-Forwarded-For") {
            // The last is the one that the proxy itself has seen; others may be made up.
            let last = value.rsplit(',').next().unwrap_or_default().trim();
            let address = last.trim_matches(['[', ']']).parse().ok();
            let address = address.or_else(|| last.parse().map(|a: SocketAddr| a.ip()).ok());
            self.forwarded = Some(address);
        } else if is("Forwarded") {
            // Nobody's but a proxy's, and not read.
            self.forwarded.get_or_insert(None);
        } else if is("Transfer-Encoding") || (is("Content-Length") && value != "0") {
            self.body = true;
        }
        Ok(())
    }

    fn answer(&self, ports: &Ports, origins: &[String]) -> Result<Vec<u8>, Refusal> {
        let Agreed { accept, protocol } = self.agree(ports, origins)?;
        Ok(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        )
        .into_bytes())
    }

    fn agree(&self, ports: &Ports, origins: &[String]) -> Result<Agreed, Refusal> {
        if self.method != "GET" {
            let response = bare("405 Method Not Allowed", "Allow: GET\r\n");
            return Err(Refusal {
                response,
                cause: Cause::WebSocketHandshake("method is not GET"),
            });
        }
        if !PATHS.contains(&self.path) {
            // Whoever mistyped the path is told the right one.
            let response = page("404 Not Found", "", ports);
            return Err(Refusal {
                response,
                cause: Cause::WebSocketPath,
            });
        }
        if self.body {
            return Err(bad("request with a body"));
        }
        if !self.upgrade {
            let extra = "Upgrade: websocket\r\n";
            let response = page("426 Upgrade Required", extra, ports);
            return Err(Refusal {
                response,
                cause: Cause::HttpOnWebSocket,
            });
        }
        let Some(host) = self.host.filter(|_| self.http_1_1) else {
            return Err(bad("not HTTP/1.1 with Host"));
        };
        // Everybody here is anonymous so far, so where a page came from is all there is to go by.
        if self.origin.is_some_and(|o| !is_allowed(o, host, origins)) {
            return Err(Refusal {
                response: bare("403 Forbidden", ""),
                cause: Cause::WebSocketOrigin,
            });
        }
        if !self.websocket || !self.connection {
            return Err(bad("Upgrade or Connection header is not for WebSocket"));
        }
        if self.version != Some("13") {
            let response = bare("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n");
            return Err(Refusal {
                response,
                cause: Cause::WebSocketHandshake("WebSocket version is not 13"),
            });
        }
        let key = self.key.ok_or_else(|| bad("no Sec-WebSocket-Key"))?;
        if !BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
            return Err(bad("Sec-WebSocket-Key is not 16 bytes in base64"));
        }
        // A client has to offer `mqtt` [MQTT-6.0.0-3]; one that does not is no MQTT client.
        let protocol = self.protocol.ok_or_else(|| Refusal {
            response: bare("400 Bad Request", ""),
            cause: Cause::WebSocketProtocol,
        })?;
        Ok(Agreed {
            accept: accept(key),
            protocol,
        })
    }
}

/// The proof that we understood: base64 of SHA-1 over key and GUID (RFC 6455 4.2.2).
fn accept(key: &str) -> String {
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(key.as_bytes());
    sha1.update(GUID);
    BASE64.encode(sha1.digest().bytes())
}

fn once<'a>(
    slot: &mut Option<&'a str>,
    value: &'a str,
    cause: &'static str,
) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad(cause)),
    }
}

fn tokens(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|token| token.trim_matches([' ', '\t']))
}

fn bad(cause: &'static str) -> Refusal {
    refuse("400 Bad Request", cause)
}

fn refuse(status: &str, place: &'static str) -> Refusal {
    Refusal {
        response: bare(status, ""),
        cause: Cause::WebSocketHandshake(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports {
        mqtt: Some(1883),
        websocket: Some(8083),
        dashboard: None,
    };
    const GOOD: &str = "GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: chat, mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn text(bytes: &[u8]) -> &str {
        str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_a_proxy_has_seen() {
        let forwarded = |headers: &str| {
            let text = GOOD.replace(
                "Upgrade: websocket\r\n",
                &format!("Upgrade: websocket\r\n{headers}"),
            );
            let upgrade = upgrade(text.as_bytes(), &PORTS, &[]).unwrap().unwrap();
            let said = upgrade.forwarded;
            said.map(|address| address.map_or_else(|| "?".to_owned(), |ip| ip.to_string()))
        };
        for (headers, due) in [
            ("", None),
            ("X-Forwarded-For: 203.0.113.9\r\n", Some("203.0.113.9")),
            (
                "x-forwarded-for: 10.0.0.1, 203.0.113.9\r\n",
                Some("203.0.113.9"),
            ),
            (
                "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 2001:db8::7\r\n",
                Some("2001:db8::7"),
            ),
            (
                "X-Forwarded-For: [2001:db8::7]:443\r\n",
                Some("2001:db8::7"),
            ),
            (
                "X-Forwarded-For: 198.51.100.4:5050\r\n",
                Some("198.51.100.4"),
            ),
            ("X-Forwarded-For: unknown\r\n", Some("?")),
            // What stands before the proxy's own word may be made up.
            (
                "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: fe80::1%eth0\r\n",
                Some("?"),
            ),
            ("Forwarded: for=203.0.113.9\r\n", Some("?")),
            (
                "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n",
                Some("10.0.0.1"),
            ),
        ] {
            assert_eq!(forwarded(headers).as_deref(), due, "{headers}");
        }
    }

    /// The key and the answer are RFC 6455 1.3's own. [MQTT-6.0.0-3] [MQTT-6.0.0-4]
    #[test]
    fn accepts_at_the_last_byte_and_not_before() {
        for n in 0..GOOD.len() {
            assert_eq!(
                upgrade(&GOOD.as_bytes()[..n], &PORTS, &[]),
                Ok(None),
                "{n} bytes"
            );
        }
        let mut more = GOOD.as_bytes().to_vec();
        more.extend_from_slice(&[0x82, 0x80]);
        let upgrade = upgrade(&more, &PORTS, &[]).unwrap().unwrap();
        assert_eq!(upgrade.consumed, GOOD.len());
        assert_eq!(
            text(&upgrade.response),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
    }

    #[test]
    fn accepts_variations() {
        let cases = [
            ("/mqtt", "/ws"),
            ("/mqtt", "/"),
            ("/mqtt", "/mqtt?token=1"),
            ("Upgrade: websocket", "UPGRADE:WebSocket"),
            ("chat, mqtt", "mqttv3.1,mqtt"),
            (
                "Sec-WebSocket-Version",
                "Sec-WebSocket-Extensions: permessage-deflate\r\nsec-websocket-version",
            ),
            ("chat, mqtt", "chat\r\nSec-WebSocket-Protocol: mqtt"),
            ("Host: a", "Host: a\r\nContent-Length: 0"),
            ("Host: a", "Host: a:8083\r\nOrigin: http://a:18083"),
        ];
        for (from, to) in cases {
            let request = GOOD.replacen(from, to, 1);
            let upgrade = upgrade(request.as_bytes(), &PORTS, &[]).unwrap().unwrap();
            let response = text(&upgrade.response);
            assert!(response.contains("Protocol: mqtt\r\n"), "{to}");
            assert!(!response.contains("Extensions"), "{to}");
        }
        let old = GOOD.replace("chat, mqtt", "mqttv3.1");
        let response = upgrade(old.as_bytes(), &PORTS, &[])
            .unwrap()
            .unwrap()
            .response;
        assert!(text(&response).contains("Protocol: mqttv3.1\r\n"));
    }

    #[test]
    fn refuses_with_status_and_cause() {
        let cases = [
            ("/mqtt", "/other", "404", "path"),
            ("/mqtt", "http://a/mqtt", "404", "path"),
            ("GET", "POST", "405", "method"),
            ("HTTP/1.1", "HTTP/1.0", "400", "HTTP/1.1"),
            ("HTTP/1.1", "HTTP/3", "505", "HTTP/1.1"),
            (" HTTP/1.1", "", "400", "request line"),
            ("GET /", "GET  /", "400", "request line"),
            ("Upgrade: websocket", "Upgrade: h2c", "400", "Upgrade"),
            ("keep-alive, Upgrade", "close", "400", "Connection"),
            ("Version: 13", "Version: 8", "426", "version"),
            ("Sec-WebSocket-Version: 13", "A: b", "426", "version"),
            ("dGhl", "dGh", "400", "base64"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "", "400", "base64"),
            ("Sec-WebSocket-Key", "X-Key", "400", "no Sec-WebSocket-Key"),
            ("chat, mqtt", "chat, MQTT", "400", "sub-protocol"),
            ("Sec-WebSocket-Protocol", "X", "400", "sub-protocol"),
            ("Host: a", "Host: a\r\nHost: b", "400", "more than one Host"),
            ("Host: a", "X: a", "400", "Host"),
            (
                "Host: a",
                "Host: a\r\nOrigin: http://b",
                "403",
                "allowed_origins",
            ),
            (
                "Host: a",
                "Host: a\r\nOrigin: http://a\r\nOrigin: http://b",
                "400",
                "more than one Origin",
            ),
            (
                "Host: a",
                "Host: a\r\nTransfer-Encoding: chunked",
                "400",
                "body",
            ),
            ("Host: a", "Host: a\r\nContent-Length: 7", "400", "body"),
            ("Host: a", "Host : a", "400", "blank"),
            ("Host: a", "Host: a\r\n folded", "400", "colon"),
            ("Host: a", "Host: a\r\n folded: b", "400", "folded"),
            ("Host: a", "Host: a\nX: b", "400", "bare"),
            ("Host: a", "Host: a\0", "400", "control"),
        ];
        for (from, to, status, cause) in cases {
            let request = GOOD.replacen(from, to, 1);
            let refusal = upgrade(request.as_bytes(), &PORTS, &[]).unwrap_err();
            let said = refusal.cause.text();
            assert!(said.contains(cause), "{to:?}: {said}");
            let line = format!("HTTP/1.1 {status} ");
            assert!(text(&refusal.response).starts_with(&line), "{to:?}");
            assert!(
                text(&refusal.response).contains("Connection: close"),
                "{to:?}"
            );
        }
    }

    #[test]
    fn plain_request_gets_the_page() {
        for path in ["/", "/mqtt"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let refusal = upgrade(request.as_bytes(), &PORTS, &[]).unwrap_err();
            assert!(text(&refusal.response).starts_with("HTTP/1.1 426 "));
            assert!(text(&refusal.response).contains("port <b>1883</b>"));
        }
    }

    /// Fault W04: a header without end is refused at 16 KB, whatever it holds.
    #[test]
    fn long_header() {
        let mut request = b"GET / HTTP/1.1\r\n".to_vec();
        while request.len() < HEADER_BYTES_MAX - 6 {
            request.extend_from_slice(b"A: b\r\n");
        }
        assert_eq!(upgrade(&request, &PORTS, &[]), Ok(None));
        request.extend_from_slice(b"A: b\r\nA: b\r\n\r\n");
        let refusal = upgrade(&request, &PORTS, &[]).unwrap_err();
        assert!(text(&refusal.response).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn other_protocols_are_named() {
        let cases: [(&[u8], &str); 3] = [
            (&[0x16, 0x03, 0x01], "TLS"),
            (&[0x10, 0x0c, 0x00, 0x04], "MQTT"),
            (b"\0\0\0\0", "not HTTP"),
        ];
        for (bytes, cause) in cases {
            let refusal = upgrade(bytes, &PORTS, &[]).unwrap_err();
            assert!(refusal.cause.text().contains(cause) && refusal.response.is_empty());
        }
    }
}
