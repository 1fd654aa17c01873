//! Names and filters, and the table of what matches what.

use super::*;

fn topic(name: &str) -> Topic<'_> {
    Topic::parse(name, 128).unwrap()
}

fn filter(filter: &str) -> Filter<'_> {
    Filter::parse(filter, 128).unwrap()
}

#[test]
fn topics() {
    for name in [
        "a",
        "/",
        "//",
        "a/b",
        " ",
        "$SYS/x",
        "Straße/Ω",
        "a b",
        "ACCOUNTS",
    ] {
        assert_eq!(topic(name).as_str(), name);
        assert_eq!(Topic::decode(name.as_bytes(), 128), Ok(topic(name)));
    }
    // [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-3.3.2-2]
    for name in ["", "+", "#", "a/+", "a/#", "a+", "a#b", "a\0b"] {
        let got = Topic::parse(name, 128);
        assert!(matches!(got, Err(DecodeError::TopicInvalid(_))), "{name:?}");
    }
    // [MQTT-4.7.3-3]
    assert!(Topic::parse(&"a".repeat(65_535), 128).is_ok());
    assert!(Topic::parse(&"a".repeat(65_536), 128).is_err());
    assert!(topic("$SYS").is_system());
    assert!(!topic("a/$SYS").is_system());
    assert_eq!(
        topic("/a//").levels().collect::<Vec<_>>(),
        ["", "a", "", ""]
    );
}

/// From the wire, bad text is a malformed packet, not a bad topic [MQTT-1.5.4-1] [MQTT-1.5.4-2].
#[test]
fn topics_from_the_wire() {
    for bytes in [&b"a\0"[..], b"\xFF", b"a\x7F", b"\xED\xA0\x80", b"\t"] {
        let got = Topic::decode(bytes, 128);
        assert!(
            matches!(got, Err(DecodeError::Malformed(_))),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn levels_are_bounded() {
    let name = |levels: usize| vec!["a"; levels].join("/");
    assert!(Topic::parse(&name(128), 128).is_ok());
    assert!(matches!(
        Topic::parse(&name(129), 128),
        Err(DecodeError::TopicInvalid(_))
    ));
    assert!(Filter::parse(&name(128), 128).is_ok());
    assert!(matches!(
        Filter::parse(&name(129), 128),
        Err(DecodeError::FilterInvalid(_))
    ));
    // The share name is no level.
    assert!(SharedFilter::parse(&format!("$share/g/{}", name(128)), 128).is_ok());
    assert!(SharedFilter::parse(&format!("$share/g/{}", name(129)), 128).is_err());
}

#[test]
fn filters() {
    for text in [
        "a", "/", "#", "+", "/#", "/+", "+/+", "a/+/b/#", "a//#", "+/#", "$SYS/#",
    ] {
        assert_eq!(filter(text).as_str(), text);
    }
    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2]
    for text in [
        "", "a#", "#a", "a/#/b", "#/", "##", "a/b#", "+a", "a+", "a/+b/c", "++", "+#", "a\0b",
    ] {
        let got = Filter::parse(text, 128);
        assert!(
            matches!(got, Err(DecodeError::FilterInvalid(_))),
            "{text:?}"
        );
    }
    assert!(filter("a/+").is_wildcard());
    assert!(filter("a/#").is_wildcard());
    assert!(!filter("a/b").is_wildcard());
}

#[test]
fn matching() {
    let check = |text: &str, name: &str, expected: bool| {
        assert_eq!(filter(text).matches(topic(name)), expected, "{text} {name}");
    };
    // (4.7.1.2)
    check("sport/tennis/player1/#", "sport/tennis/player1", true);
    check(
        "sport/tennis/player1/#",
        "sport/tennis/player1/ranking",
        true,
    );
    check(
        "sport/tennis/player1/#",
        "sport/tennis/player1/score/wimbledon",
        true,
    );
    check("sport/tennis/player1/#", "sport/tennis/player10", false);
    check("sport/#", "sport", true);
    check("#", "a", true);
    check("#", "/", true);
    // (4.7.1.3)
    check("sport/tennis/+", "sport/tennis/player1", true);
    check("sport/tennis/+", "sport/tennis/player1/ranking", false);
    check("sport/+", "sport", false);
    check("sport/+", "sport/", true);
    check("+/+", "/finance", true);
    check("/+", "/finance", true);
    check("+", "/finance", false);
    check("+/#", "a", true);
    check("a/+/#", "a", false);
    check("a/+/#", "a/b", true);
    check("+/tennis/#", "sport/tennis", true);
    // [MQTT-4.7.2-1]
    check("#", "$SYS/x", false);
    check("+/x", "$SYS/x", false);
    check("$SYS/#", "$SYS/x", true);
    check("$SYS/#", "$SYS", true);
    check("$SYS/monitor/+", "$SYS/monitor/Clients", true);
    check("a/#", "a/$SYS", true);
    check("a/+", "a/$SYS", true);
    // (4.7.3): case, slashes and the lengths of levels count.
    check("ACCOUNTS", "Accounts", false);
    check("a", "/a", false);
    check("a/", "a", false);
    check("a", "a/", false);
    check("a/b", "a/b", true);
    check("a/b", "a/b/c", false);
    check("a/b/c", "a/b", false);
    // [MQTT-4.7.3-4]: bytes are compared, not characters.
    check("\u{e9}", "e\u{301}", false);
}

#[test]
fn shared() {
    let check = |text: &str, group, rest: &str| {
        let got = SharedFilter::parse(text, 128).unwrap();
        assert_eq!((got.group, got.filter.as_str()), (group, rest), "{text}");
    };
    check("a/b", None, "a/b");
    check("$share/g/a/b", Some("g"), "a/b");
    check("$share/g//a", Some("g"), "/a");
    check("$share/g/#", Some("g"), "#");
    check("$share/g/$SYS/#", Some("g"), "$SYS/#");
    check("$queue/a/+", Some("$queue"), "a/+");
    // Neither starts with the whole prefix, so both are plain filters (4.8.2).
    check("$share", None, "$share");
    check("$shared/g/a", None, "$shared/g/a");
    // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    for text in [
        "$share/",
        "$share/g",
        "$share//a",
        "$share/g/",
        "$share/g+/a",
        "$share/#/a",
        "$share/g/a#",
        "$queue/",
        "$queue/#/a",
    ] {
        let got = SharedFilter::parse(text, 128);
        assert!(
            matches!(got, Err(DecodeError::FilterInvalid(_))),
            "{text:?}"
        );
    }
}

/// The deepest name there is, on a stack that recursion would not fit into.
#[test]
fn depth_costs_no_stack() {
    let run = || {
        let deep = "/".repeat(65_535);
        assert!(Topic::parse(&deep, 128).is_err());
        let name = Topic::parse(&deep, u16::MAX);
        assert!(
            name.is_err(),
            "65,536 levels are one too many for any limit"
        );
        let deep = "/".repeat(65_534);
        let name = Topic::parse(&deep, u16::MAX).unwrap();
        let same = Filter::parse(&deep, u16::MAX).unwrap();
        assert!(same.matches(name));
        let pluses = vec!["+"; 32_768].join("/");
        assert!(!Filter::parse(&pluses, u16::MAX).unwrap().matches(name));
    };
    std::thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}
