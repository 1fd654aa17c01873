//! Rules in a text: our own form in TOML, EMQX's `acl.conf` and mosquitto's `acl_file`. Which one it is
//! shows in its first line.

mod acl_conf;
mod mosquitto;
mod own;
mod term;

use engine::acl::{Network, Rule};

/// The longest text.
pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;

/// Rules in their order.
pub(crate) fn parse(text: &str) -> Result<Vec<Rule>, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("the rules are longer than {TEXT_BYTES_MAX} bytes"));
    }
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', '%']));
    let Some(first) = first else {
        // An empty file once meant that everybody may everything, elsewhere.
        return Err("there are no rules in it; delete or disable the source instead".to_owned());
    };
    let word = first.split_whitespace().next().unwrap_or_default();
    if first.starts_with('{') {
        acl_conf::parse(text)
    } else if ["user", "topic", "pattern"].contains(&word) {
        mosquitto::parse(text)
    } else {
        own::parse(text)
    }
}

/// An address, or a network such as `10.0.0.0/8`.
fn network(text: &str) -> Result<Network, String> {
    let wrong = || format!("{text:?} is no address and no network such as 10.0.0.0/8");
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(whole), str::parse).map_err(|_| wrong())?;
    if length > whole {
        return Err(wrong());
    }
    Ok(Network::new(address, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_apart_by_the_first_line() {
        let own = "# ours\n[[rule]]\npermission = \"deny\"\ntopics = [\"a\"]\n";
        assert_eq!(parse(own).unwrap().len(), 1);
        let conf = "%% theirs\n{allow, all}.\n";
        assert_eq!(parse(conf).unwrap().len(), 1);
        let mosquitto = "# theirs\ntopic read a\n";
        assert!(parse(mosquitto).is_ok());
        for nothing in ["", "\n\n", "# nothing\n", "%% nothing"] {
            assert!(parse(nothing).is_err(), "{nothing:?}");
        }
        for junk in ["\u{0}", "junk", "}", "{", "user", "[[rule]]", "[[rules]]"] {
            assert!(parse(junk).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn networks() {
        for good in ["10.0.0.1", "10.0.0.0/8", "::1", "fe80::/10"] {
            assert!(network(good).is_ok(), "{good}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/", "x", "10.0.0/8"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }
}
