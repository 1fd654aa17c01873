//! Clients that came and went, as JSON on `$SYS/brokers/<node>/clients/<client id>/...` under EMQX's
//! names. Told only to who is subscribed when it happens; nothing is kept.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use engine::{Cause, Ending, Presence};
use protocol::{Reason, Version};

use super::{Worker, conn::Conn, conn::Peer};
use crate::control::sys::NODE;

/// How the topics begin on which nodes tell of themselves.
const ALL: &str = "$SYS/brokers";

/// What is told of one client.
#[derive(Debug)]
pub(super) struct Event {
    client_id: Box<str>,
    peer: Peer,
    port: u16,
    what: What,
}

#[derive(Debug)]
enum What {
    Came {
        user_name: Option<Box<str>>,
        version: Version,
        keep_alive_secs: u16,
        clean_start: bool,
        expiry_secs: u32,
    },
    Went(Ending),
}

impl Event {
    /// Nothing of clients that were not let in.
    pub(super) fn new(client_id: &str, conn: &Conn, what: Presence<'_>) -> Option<Self> {
        let what = match what {
            Presence::Came {
                user_name,
                version,
                keep_alive_secs,
                clean_start,
                expiry_secs,
            } => What::Came {
                user_name: user_name.map(Into::into),
                version,
                keep_alive_secs,
                clean_start,
                expiry_secs,
            },
            Presence::Went { ending, .. } => What::Went(ending),
            Presence::Refused { .. } | Presence::Denied { .. } => return None,
        };
        Some(Self {
            client_id: client_id.into(),
            peer: conn.peer,
            port: conn.stream.local_addr().map_or(0, |a| a.port()),
            what,
        })
    }

    fn topic(&self) -> String {
        let name = match self.what {
            What::Came { .. } => "connected",
            What::Went(_) => "disconnected",
        };
        format!("{ALL}/{NODE}/clients/{}/{name}", escaped(&self.client_id))
    }

    fn json(&self, millis: u128) -> String {
        let mut out = String::from("{\"clientid\":");
        quote(&self.client_id, &mut out);
        let rest = match &self.what {
            What::Came {
                user_name,
                version,
                keep_alive_secs,
                clean_start,
                expiry_secs,
            } => {
                out.push_str(",\"username\":");
                match user_name {
                    Some(name) => quote(name, &mut out),
                    None => out.push_str("null"),
                }
                let (name, level) = match version {
                    Version::V3_1 => ("MQIsdp", 3),
                    Version::V3_1_1 => ("MQTT", 4),
                    Version::V5 => ("MQTT", 5),
                };
                format!(
                    "\"proto_name\":\"{name}\",\"proto_ver\":{level},\"keepalive\":{keep_alive_secs},\
                     \"clean_start\":{clean_start},\"expiry_interval\":{},\"connected_at\":{millis}",
                    u64::from(*expiry_secs) * 1000
                )
            }
            What::Went(ending) => {
                format!(
                    "\"reason\":\"{}\",\"disconnected_at\":{millis}",
                    reason(*ending)
                )
            }
        };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            ",\"ipaddress\":\"{}\",\"sockport\":{},\"protocol\":\"mqtt\",{rest},\"ts\":{millis}}}",
            self.peer.ip(),
            self.port
        );
        out
    }
}

impl Worker {
    /// What is noted costs a call of the system and some copies for each client, so it is noted only
    /// where somebody may be told: one look per pass. A SUBACK leaves at the end of a pass, so who has
    /// it is told from the next pass on.
    pub(super) fn watch_clients(&mut self) {
        self.conns.watched = self.engine.may_want(ALL);
    }

    /// Tells who is subscribed; this costs a look at the router where nobody is.
    pub(super) fn publish_events(&mut self) {
        if self.conns.events.is_empty() {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |d| d.as_millis());
        // What these messages bring about (a receiver may be closed) is told in the next pass.
        for event in std::mem::take(&mut self.conns.events) {
            let topic = event.topic();
            if self.engine.is_wanted(&topic) {
                let json = event.json(millis);
                self.engine.publish_internal(
                    self.now,
                    &topic,
                    json.as_bytes(),
                    false,
                    &mut self.conns,
                );
            }
        }
    }
}

/// A client id as one level of a topic: what would make it more, or a filter, is percent-encoded.
fn escaped(client_id: &str) -> String {
    let mut out = String::with_capacity(client_id.len());
    for c in client_id.chars() {
        match c {
            '%' => out.push_str("%25"),
            '/' => out.push_str("%2F"),
            '+' => out.push_str("%2B"),
            '#' => out.push_str("%23"),
            c => out.push(c),
        }
    }
    out
}

/// EMQX's words where it has one, else the name of the reason code.
fn reason(ending: Ending) -> String {
    let word = match ending {
        Ending::Left(Reason::NORMAL_DISCONNECTION) => "normal",
        Ending::Lost => "tcp_closed",
        Ending::Left(reason) => reason.name(),
        Ending::Expelled(close) => match close.cause {
            Cause::TakenOver => "takenover",
            Cause::KeepAlive => "keepalive_timeout",
            Cause::Kicked => "kicked",
            _ => close.reason.name(),
        },
    };
    word.to_lowercase().replace([' ', '-'], "_")
}

/// Text as JSON (RFC 8259 7).
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail; control characters have at most four digits.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_strangers_stay_texts() {
        let mut out = String::new();
        quote("a\"b\\c\n\u{1}é", &mut out);
        assert_eq!(out, r#""a\"b\\c\u000a\u0001é""#);
        assert_eq!(escaped("a/b+c#d%"), "a%2Fb%2Bc%23d%25");
    }

    #[test]
    fn reasons_are_words() {
        let expelled = |cause: Cause| Ending::Expelled(cause.close());
        let table = [
            (Ending::Left(Reason::NORMAL_DISCONNECTION), "normal"),
            (Ending::Lost, "tcp_closed"),
            (expelled(Cause::TakenOver), "takenover"),
            (expelled(Cause::SessionsMax), "quota_exceeded"),
        ];
        for (ending, word) in table {
            assert_eq!(reason(ending), word);
        }
    }
}
