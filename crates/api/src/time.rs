//! Times as the API writes them: RFC 3339 with milliseconds and the machine's offset.

use jiff::{
    Timestamp, Unit,
    tz::{Offset, TimeZone},
};
use serde_json::Value;

/// Milliseconds since 1970 in words, such as `2026-01-01T12:34:56.789+08:00`.
pub(crate) fn rfc3339(millis: u64) -> String {
    let at = i64::try_from(millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .unwrap_or(Timestamp::MAX);
    written(at, &TimeZone::system())
}

fn written(at: Timestamp, zone: &TimeZone) -> String {
    // Offsets of whole minutes only, as RFC 3339 has them.
    let offset = zone
        .to_offset(at)
        .round(Unit::Minute)
        .unwrap_or(Offset::UTC);
    format!("{:.3}", at.display_with_offset(offset))
}

/// Milliseconds since 1970 of an RFC 3339 text, or of a number of milliseconds.
pub(crate) fn parse_millis(text: &str) -> Option<u64> {
    if let Ok(millis) = text.parse() {
        return Some(millis);
    }
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// What stands for a time in a body.
pub(crate) const FORM: &str = "a time such as 2026-01-01T12:34:56+08:00, or seconds since 1970";

/// Milliseconds since 1970 of what stands for a time in a body: RFC 3339, or seconds since 1970.
pub(crate) fn of_json(value: &Value) -> Option<u64> {
    let millis = |secs: u64| secs.checked_mul(1000);
    let at = match value {
        Value::Number(secs) => millis(secs.as_u64()?),
        Value::String(text) => match text.parse() {
            Ok(secs) => millis(secs),
            Err(_) => parse_millis(text),
        },
        _ => None,
    };
    at.filter(|at| i64::try_from(*at).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_an_offset() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let at = Timestamp::from_millisecond(1_704_083_696_789).expect("in range");
        assert_eq!(written(at, &zone), "2024-01-01T12:34:56.789+08:00");
        let whole = Timestamp::from_millisecond(1_704_083_696_000).expect("in range");
        assert_eq!(written(whole, &zone), "2024-01-01T12:34:56.000+08:00");
        assert_eq!(
            parse_millis("2024-01-01T12:34:56.789+08:00"),
            Some(1_704_083_696_789)
        );
        assert_eq!(parse_millis("1704083696789"), Some(1_704_083_696_789));
        assert_eq!(parse_millis("yesterday"), None);
    }

    #[test]
    fn bodies_count_in_seconds() {
        let at = |json: &str| of_json(&serde_json::from_str(json).expect("JSON"));
        let due = Some(1_704_083_696_000);
        assert_eq!(at("1704083696"), due);
        assert_eq!(at("\"1704083696\""), due);
        assert_eq!(at("\"2024-01-01T12:34:56+08:00\""), due);
        for none in [
            "-1",
            "1.5",
            "null",
            "\"soon\"",
            "18446744073709551615",
            "true",
        ] {
            assert_eq!(at(none), None, "{none}");
        }
    }
}
