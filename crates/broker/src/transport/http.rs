//! Recognises peers that came with the wrong protocol, by their first bytes, and writes the short
//! page that a browser gets on an MQTT port. Nothing here serves HTTP beyond that page.

/// Where a lost browser is told to go. A port that nothing listens on is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Port of the plain TCP listener.
    pub mqtt: Option<u16>,
    /// Port of the WebSocket listener.
    pub websocket: Option<u16>,
    /// Port of the dashboard, where a browser belongs.
    pub dashboard: Option<u16>,
}

/// Methods with the blank that follows them. Four bytes of any are enough to tell, and none is an
/// MQTT CONNECT, which starts with 0x10.
const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
];

/// Whether these first bytes of a connection open an HTTP/1 request, or HTTP/2's preface. False
/// for fewer than four bytes: ask again when there are more.
pub fn looks_like_http(buf: &[u8]) -> bool {
    let starts = |method: &[u8]| {
        let n = buf.len().min(method.len());
        buf[..n] == method[..n]
    };
    buf.len() >= 4 && (METHODS.iter().any(|m| starts(m)) || starts(b"PRI * HTTP/2"))
}

/// Whether these first bytes open a TLS handshake (record type 22, major version 3), so that the
/// log can say "TLS to a plain port" instead of "malformed packet".
pub fn looks_like_tls(buf: &[u8]) -> bool {
    buf.starts_with(&[0x16, 0x03])
}

/// The answer to HTTP on a plain MQTT port: status 400 and a page that names the right ports. The
/// caller writes it, shuts its sending side and closes.
pub fn http_page(ports: &Ports) -> Vec<u8> {
    page("400 Bad Request", "", ports)
}

/// A whole response: status line, `extra` headers (each ended by CR LF), the page in both
/// languages.
pub(super) fn page(status: &str, extra: &str, ports: &Ports) -> Vec<u8> {
    let mut zh = String::new();
    let mut en = String::new();
    if let Some(port) = ports.mqtt {
        zh.push_str(&format!("<li>MQTT（TCP）：端口 <b>{port}</b></li>"));
        en.push_str(&format!("<li>MQTT over TCP: port <b>{port}</b></li>"));
    }
    if let Some(port) = ports.websocket {
        zh.push_str(&format!(
            "<li>MQTT over WebSocket：<b>ws://本机地址:{port}/mqtt</b>，子协议 <b>mqtt</b></li>"
        ));
        en.push_str(&format!(
            "<li>MQTT over WebSocket: <b>ws://this-host:{port}/mqtt</b>, sub-protocol <b>mqtt</b></li>"
        ));
    }
    if let Some(port) = ports.dashboard {
        zh.push_str(&format!(
            "<li>管理界面（浏览器）：<b>http://本机地址:{port}/</b></li>"
        ));
        en.push_str(&format!(
            "<li>Dashboard, for browsers: <b>http://this-host:{port}/</b></li>"
        ));
    }
    let body = format!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>TernMQ</title>\n\
         <p>这里是 TernMQ，一个 MQTT 服务器，这个端口不提供网页。请用 MQTT 客户端连接：</p>\n\
         <ul>{zh}</ul>\n\
         <p lang=\"en\">This is TernMQ, an MQTT broker; there is no web page on this port. \
         Connect with an MQTT client:</p>\n\
         <ul lang=\"en\">{en}</ul>\n</html>\n"
    );
    let mut response = head(status, extra, body.len());
    response.extend_from_slice(body.as_bytes());
    response
}

/// A response without a body.
pub(super) fn bare(status: &str, extra: &str) -> Vec<u8> {
    head(status, extra, 0)
}

fn head(status: &str, extra: &str, length: usize) -> Vec<u8> {
    let kind = if length == 0 {
        ""
    } else {
        "Content-Type: text/html; charset=utf-8\r\n"
    };
    format!(
        "HTTP/1.1 {status}\r\n{extra}{kind}Content-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes() {
        assert!(looks_like_http(b"GET / HTTP/1.1\r\n"));
        assert!(looks_like_http(b"OPTI"));
        assert!(looks_like_http(b"PRI * HTTP/2.0\r\n"));
        assert!(!looks_like_http(b"GET"), "too short to tell");
        assert!(!looks_like_http(b"GETAWAY"));
        assert!(!looks_like_http(&[0x10, 0x0c, 0x00, 0x04, b'M']));
        assert!(looks_like_tls(&[0x16, 0x03, 0x01, 0x02, 0x00]));
        assert!(!looks_like_tls(&[0x10, 0x0c]));
    }

    #[test]
    fn page_names_the_ports_in_both_languages() {
        let bytes = http_page(&Ports {
            mqtt: Some(1883),
            websocket: Some(8083),
            dashboard: Some(18083),
        });
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(body.contains("端口 <b>1883</b>") && body.contains("port <b>1883</b>"));
        assert!(body.contains("8083/mqtt"));
        assert_eq!(body.matches(":18083/").count(), 2);
        let none = String::from_utf8(http_page(&Ports::default())).unwrap();
        assert!(!none.contains("<li>"));
    }
}
