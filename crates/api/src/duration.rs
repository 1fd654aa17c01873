//! Durations as EMQX writes them.

use crate::error::Refusal;

/// Seconds where they are whole.
pub(crate) fn told(millis: u32) -> String {
    if millis >= 1000 && millis.is_multiple_of(1000) {
        format!("{}s", millis / 1000)
    } else {
        format!("{millis}ms")
    }
}

/// # Errors
/// If it is none, none at all, or longer than 49 days.
pub(crate) fn parse(field: &str, text: &str) -> Result<u32, Refusal> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(end);
    let unit = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let number: Option<u32> = number.parse().ok();
    let millis = number.zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    millis.filter(|millis| *millis > 0).ok_or_else(|| {
        Refusal::bad_request(format!("{field} is a duration such as 500ms, 10s or 5m"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis, again) in [
            ("500ms", 500, "500ms"),
            ("1500ms", 1500, "1500ms"),
            ("300s", 300_000, "300s"),
            ("5m", 300_000, "300s"),
            ("2000ms", 2000, "2s"),
        ] {
            assert_eq!(parse("x", text).ok(), Some(millis), "{text}");
            assert_eq!(told(millis), again);
        }
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "0s",
            "odd",
            "5 s",
            "99999999999s",
            "60d",
        ] {
            assert!(parse("x", wrong).is_err(), "{wrong}");
        }
    }
}
