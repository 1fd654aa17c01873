//! Citations of the standards in text: `[MQTT-3.3.1-2]`, `[3.1.1 MQTT-3.3.1-8]`, and the short form
//! `[MQTT-3.3.2-15/16]` for neighbours of one section.

/// A statement's number and the standard it stands in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cite {
    pub(crate) standard: Standard,
    /// As in the standard, with its prefix: `MQTT-3.3.1-2`.
    pub(crate) id: String,
}

impl std::fmt::Display for Cite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.standard {
            Standard::V5 => f.write_str(&self.id),
            Standard::V311 => write!(f, "3.1.1 {}", self.id),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standard {
    V5,
    V311,
}

/// Everything cited in one line of text; what looks like a citation but cannot be read is an `Err`
/// with its text.
pub(crate) fn cites(line: &str) -> Vec<Result<Cite, String>> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.find('[') {
        let inner = &rest[open + 1..];
        let (standard, body) = match inner.strip_prefix("3.1.1 ") {
            Some(body) => (Standard::V311, body),
            None => (Standard::V5, inner),
        };
        rest = inner;
        // `[MQTT-...]` with dots is how this repository's prose names the form itself.
        if !body.starts_with("MQTT-") || body.starts_with("MQTT-.") {
            continue;
        }
        match body.find(']') {
            Some(close) => {
                for part in body[..close]
                    .split([',', ' '])
                    .filter(|part| !is_plain(part))
                {
                    expand(standard, part, &mut found);
                }
            }
            None => found.push(Err(body.to_owned())),
        }
    }
    found
}

fn expand(standard: Standard, part: &str, found: &mut Vec<Result<Cite, String>>) {
    let mut pieces = part.split('/');
    // The standard 3.1.1 itself misprints one id.
    let first = pieces
        .next()
        .unwrap_or_default()
        .replace("MQTT-3-8.3-", "MQTT-3.8.3-");
    let Some((section, number)) = first
        .strip_prefix("MQTT-")
        .and_then(|id| id.split_once('-'))
    else {
        found.push(Err(part.to_owned()));
        return;
    };
    let section_ok = section.split('.').count() == 3 && section.split('.').all(is_number);
    for number in std::iter::once(number).chain(pieces) {
        if section_ok && is_number(number) {
            found.push(Ok(Cite {
                standard,
                id: format!("MQTT-{section}-{number}"),
            }));
        } else {
            found.push(Err(part.to_owned()));
        }
    }
}

/// Words between citations: "and", "and others".
fn is_plain(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_standards_lists_and_the_short_form() {
        let check = |line: &str, expected: &[&str]| {
            let got: Vec<String> = cites(line)
                .into_iter()
                .map(|cite| match cite {
                    Ok(Cite {
                        standard: Standard::V5,
                        id,
                    }) => id,
                    Ok(Cite {
                        standard: Standard::V311,
                        id,
                    }) => format!("3.1.1 {id}"),
                    Err(text) => format!("? {text}"),
                })
                .collect();
            assert_eq!(got, expected, "{line}");
        };
        let open = '[';
        check("nothing here, buf[3], [a link](b)", &[]);
        check(&format!("// {open}MQTT-3.3.1-2]"), &["MQTT-3.3.1-2"]);
        check(
            &format!("x {open}MQTT-3.3.2-15/16] {open}3.1.1 MQTT-3.3.1-8] y"),
            &["MQTT-3.3.2-15", "MQTT-3.3.2-16", "3.1.1 MQTT-3.3.1-8"],
        );
        check(
            &format!("{open}MQTT-1.5.4-1, MQTT-1.5.4-2]"),
            &["MQTT-1.5.4-1", "MQTT-1.5.4-2"],
        );
        check(
            &format!("{open}MQTT-3.9.3-2 and others]"),
            &["MQTT-3.9.3-2"],
        );
        check(
            &format!("{open}3.1.1 MQTT-3-8.3-4]"),
            &["3.1.1 MQTT-3.8.3-4"],
        );
        check(&format!("{open}MQTT-3.3-2]"), &["? MQTT-3.3-2"]);
        check(&format!("{open}MQTT-3.3.1-]"), &["? MQTT-3.3.1-"]);
        check(&format!("{open}MQTT-...] is the form"), &[]);
    }
}
