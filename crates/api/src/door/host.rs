//! Under which names this machine may be asked, and which pages may ask. A page of anybody can make a
//! browser here call us under a name of that page's own (DNS rebinding); then the Host header gives it
//! away, because nobody but the owner of this network can make names such as `broker` or `pi.local`.

use std::net::IpAddr;

/// Whether a Host header is one of ours. `own` are the machine's names, `allowed` the setting's.
pub(super) fn is_ours(authority: &str, own: &[String], allowed: &[String]) -> bool {
    let Some(name) = name(authority) else {
        return false;
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return true;
    }
    let ends = |end: &str| name.len() > end.len() && name.ends_with(end);
    !name.is_empty() && !name.contains('.')
        || ends(".localhost")
        || ends(".local")
        || ends(".lan")
        || own.contains(&name)
        || is_listed(&name, allowed)
}

/// Whether the page behind an Origin header is our own, or of a host that is allowed by setting.
/// `null` is anybody's.
pub(super) fn is_own_page(origin: &str, authority: &str, allowed: &[String]) -> bool {
    let from = origin
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let Some((_, from)) = from else {
        return false;
    };
    from.eq_ignore_ascii_case(authority) || name(from).is_some_and(|n| is_listed(&n, allowed))
}

fn is_listed(name: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|a| match a.strip_prefix("*.") {
        Some(domain) => name.strip_suffix(domain).is_some_and(|n| n.ends_with('.')),
        None => a == "*" || a == name,
    })
}

/// Without its port and a last dot, in small letters. `None` for what is no authority.
fn name(authority: &str) -> Option<String> {
    let (name, port) = match authority.rfind(']') {
        Some(end) => (&authority[..=end], &authority[end + 1..]),
        None => authority
            .find(':')
            .map_or((authority, ""), |at| authority.split_at(at)),
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    if !is_port || !name.bytes().all(fits) {
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    Some(name.to_ascii_lowercase())
}

/// What this machine calls itself.
pub(super) fn own_names() -> Vec<String> {
    let named = broker::admin::machine_name().to_ascii_lowercase();
    if named.is_empty() {
        Vec::new()
    } else {
        vec![named]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_of_ours() {
        let own = list(&["broker.example.org"]);
        let allowed = list(&["mqtt.example.com", "*.lab.example"]);
        let table = [
            ("127.0.0.1:18083", true),
            ("192.168.1.5", true),
            ("203.0.113.9:18083", true),
            ("[::1]:18083", true),
            ("[fe80::1]", true),
            ("localhost:18083", true),
            ("LocalHost", true),
            ("a.localhost", true),
            ("broker", true),
            ("pi.local:18083", true),
            ("router.lan.", true),
            ("broker.example.org:1", true),
            ("mqtt.example.com", true),
            ("MQTT.example.com:443", true),
            ("a.lab.example", true),
            ("lab.example", false),
            ("xlab.example", false),
            ("evil.com", false),
            ("evil.com:18083", false),
            ("127.0.0.1.evil.com", false),
            ("local", true),
            (".local", false),
            ("localhost.evil.com", false),
            ("mqtt.example.com.evil.com", false),
            ("evil.com:80:80", false),
            ("user@127.0.0.1", false),
            ("127.0.0.1/evil", false),
            ("", false),
            ("[::1]x", false),
        ];
        for (host, due) in table {
            assert_eq!(is_ours(host, &own, &allowed), due, "{host}");
        }
        assert!(is_ours("evil.com", &[], &list(&["*"])));
    }

    #[test]
    fn pages_of_ours() {
        let allowed = list(&["mqtt.example.com"]);
        let table = [
            ("http://10.0.0.2:18083", "10.0.0.2:18083", true),
            ("https://Broker.lan", "broker.lan", true),
            ("http://[::1]:18083", "[::1]:18083", true),
            ("http://10.0.0.2:3000", "10.0.0.2:18083", false),
            ("http://10.0.0.2", "10.0.0.2:18083", false),
            ("https://mqtt.example.com", "127.0.0.1:18083", true),
            ("https://evil.example", "10.0.0.2:18083", false),
            ("null", "null", false),
            ("file://", "", false),
            ("", "", false),
        ];
        for (origin, host, due) in table {
            assert_eq!(is_own_page(origin, host, &allowed), due, "{origin} {host}");
        }
    }
}
