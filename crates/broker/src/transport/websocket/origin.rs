//! Web pages of strangers: a browser on this network lets any page open a WebSocket to us, and only
//! the Origin header tells which page it is. Programs that are no browsers send none.

/// Stands for every origin in the list of those allowed.
const ANY: &str = "*";

/// Whether the page behind `origin` may connect: it came from the host that the request is for,
/// whatever the port, or is allowed by name. `null` (a sandboxed frame of anybody's, a local file) is
/// allowed by name only.
pub(super) fn is_allowed(origin: &str, host: &str, allowed: &[String]) -> bool {
    let from = origin
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let same = from.is_some_and(|(_, from)| name(from).eq_ignore_ascii_case(name(host)));
    let listed = |a: &String| *a == ANY || a.eq_ignore_ascii_case(origin);
    same || allowed.iter().any(listed)
}

/// A host without its port; IPv6 keeps its brackets.
fn name(authority: &str) -> &str {
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    &authority[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pages_and_listed_ones() {
        let listed = ["https://Tool.example".to_owned(), "file://".to_owned()];
        let table = [
            ("http://10.0.0.2:18083", "10.0.0.2:8083", true),
            ("https://Broker.lan", "broker.lan", true),
            ("http://[fe80::1]:18083", "[fe80::1]:8083", true),
            ("http://[fe80::2]", "[fe80::1]:8083", false),
            ("https://tool.example", "10.0.0.2:8083", true),
            ("https://tool.example:8443", "10.0.0.2:8083", false),
            ("https://tool.example.evil", "10.0.0.2:8083", false),
            ("https://evil.example", "10.0.0.2:8083", false),
            ("http://10.0.0.2.evil", "10.0.0.2:8083", false),
            ("http://10.0.0.2@evil", "10.0.0.2:8083", false),
            ("chrome-extension://10.0.0.2", "10.0.0.2:8083", false),
            ("file://", "10.0.0.2:8083", true),
            ("null", "null", false),
            ("", "", false),
        ];
        for (origin, host, due) in table {
            assert_eq!(is_allowed(origin, host, &listed), due, "{origin} {host}");
        }
        assert!(is_allowed("null", "a", &[ANY.to_owned()]));
    }
}
