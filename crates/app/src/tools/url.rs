//! Addresses that are one text: `-L` with user, host and topic, and `--proxy`.

use client::Proxy;

use super::Tool;
use super::said::{Said, said};
use super::settings::{Settings, Value};

const PROXY_PORT: u16 = 1080;

/// `mqtt://[user[:password]@]host[:port]/topic`; `ws://` for WebSocket, with an s for TLS.
pub(super) fn broker(settings: &mut Settings, url: &str) -> Result<(), Said> {
    let (scheme, rest) = url.split_once("://").ok_or_else(no_url)?;
    let (port, websocket, tls) = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" => (1883, false, false),
        "mqtts" => (8883, false, true),
        "ws" => (8083, true, false),
        "wss" => (8084, true, true),
        _ => return Err(no_url()),
    };
    settings.websocket |= websocket;
    settings.wants_tls |= tls;
    let (place, topic) = rest.split_once('/').ok_or_else(no_url)?;
    let topic = Value(topic.as_ref());
    if settings.tool == Tool::Subscribe {
        settings.filters.push(topic.filter()?);
    } else {
        settings.topic = Some(topic.topic()?);
    }
    let host = match place.split_once('@') {
        None => place,
        Some((who, host)) => {
            let (user, password) = match who.split_once(':') {
                Some((user, password)) => (user, Some(password.as_bytes().to_vec())),
                None => (who, None),
            };
            settings.user_name = Some(user.to_owned());
            settings.password = password.or_else(|| settings.password.take());
            host
        }
    };
    let (host, given) = host_and_port(host)?;
    settings.host = Some(host);
    settings.port = Some(given.unwrap_or(port));
    Ok(())
}

/// `socks5h://[user[:password]@]host[:port]`.
pub(super) fn proxy(url: &str) -> Result<Proxy, Said> {
    let bad = || {
        said(
            "a proxy is socks5h://[USER[:PASSWORD]@]HOST[:PORT]",
            "代理的格式为 socks5h://[用户[:密码]@]主机[:端口]",
        )
    };
    let rest = url.strip_prefix("socks5h://").ok_or_else(bad)?;
    let (credentials, host) = match rest.split_once('@') {
        None => (None, rest),
        Some((who, host)) => {
            let (user, password) = who.split_once(':').unwrap_or((who, ""));
            let decode = |text: &str| decoded(text).filter(|text| text.len() < 256);
            let user = decode(user).filter(|user| !user.is_empty());
            let both = user.zip(decode(password)).ok_or_else(bad)?;
            (Some(both), host)
        }
    };
    let (host, port) = host_and_port(host)?;
    let port = port.unwrap_or(PROXY_PORT);
    Ok(Proxy {
        host,
        port,
        credentials,
    })
}

fn no_url() -> Said {
    said(
        "a broker with a topic is mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC, or mqtts://, ws://, wss://",
        "带主题的地址格式为 mqtt://[用户[:密码]@]主机[:端口]/主题，或 mqtts://、ws://、wss://",
    )
}

/// An IPv6 address stands in brackets.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), Said> {
    let colon = match text.rfind(']') {
        Some(end) => text[end..].find(':').map(|at| end + at),
        None => text.find(':'),
    };
    let (host, port) = match colon {
        None => (text, None),
        Some(at) => {
            let port = Value(text[at + 1..].as_ref()).number(1, u16::MAX)?;
            (&text[..at], Some(port))
        }
    };
    if host.is_empty() {
        return Err(no_url());
    }
    Ok((host.to_owned(), port))
}

/// `%25`, `%3A` and `%40` stand for what would end the part.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let code = part.get(..2)?;
        out.push(match code {
            "25" => '%',
            "3a" | "3A" => ':',
            "40" => '@',
            _ => return None,
        });
        out.push_str(&part[2..]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_one_text() {
        let read = |url: &str| {
            let mut s = Settings::new(Tool::Publish);
            broker(&mut s, url).map(|()| {
                let password = s.password.map(|p| String::from_utf8(p).unwrap());
                (
                    s.host.unwrap(),
                    s.port.unwrap(),
                    s.topic.unwrap(),
                    s.user_name,
                    password,
                )
            })
        };
        let own = |text: &str| Some(text.to_owned());
        let all = ("h".to_owned(), 1883, "a/b".to_owned(), None, None);
        assert_eq!(read("mqtt://h/a/b"), Ok(all.clone()));
        let (host, _, topic, ..) = all;
        let full = (host, 9, topic, own("u"), own("p"));
        assert_eq!(read("MQTT://u:p@h:9/a/b"), Ok(full));
        assert_eq!(read("ws://[::1]:9/a").unwrap().0, "[::1]");
        assert_eq!(read("ws://[::1]/a").unwrap().1, 8083);
        assert_eq!(read("mqtts://h/a").unwrap().1, 8883);
        assert_eq!(read("wss://h/a").unwrap().1, 8084);
        for bad in [
            "h/a",
            "mqtt://h",
            "mqtt:///a",
            "mqtt://h:x/a",
            "mqttx://h/a",
            "mqtt://h/a/#",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies() {
        let all = proxy("socks5h://u%40x:p%3a%25@h:9").unwrap();
        assert_eq!(all.credentials, Some(("u@x".to_owned(), "p:%".to_owned())));
        assert_eq!((all.host.as_str(), all.port), ("h", 9));
        assert_eq!(proxy("socks5h://h").unwrap().port, 1080);
        for bad in [
            "socks5://h",
            "socks5h://",
            "socks5h://@h",
            "socks5h://a%zz@h",
            "socks5h://h:0",
        ] {
            assert!(proxy(bad).is_err(), "{bad}");
        }
    }
}
