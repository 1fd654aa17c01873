//! The mountpoint of a listener: what comes through it has its topics below a prefix, and does not know. It
//! lies between MQTT's bytes and the engine, as TLS and WebSocket do: topics and filters of what a client
//! sends get the prefix, and what it is sent loses it. Who has none pays nothing.

use std::sync::Arc;

use engine::{Cause, Ending, Sink as _};
use protocol::{frame, kind};

use super::{Worker, admit, conn::Conn, conn::Flag};

/// What stands for the client in a mountpoint.
const CLIENT_ID: &str = "${clientid}";
const USER_NAME: &str = "${username}";
/// Prefixes of topics and filters that are no part of a topic, and how many levels each has.
const SPECIAL: [(&str, usize); 3] = [("$share/", 2), ("$queue/", 1), ("$delayed/", 2)];
/// The longest text that MQTT can carry.
const TEXT_BYTES_MAX: usize = 65_535;

/// That of a connection.
#[derive(Debug)]
pub(super) struct Mount {
    /// As it is set, with placeholders.
    template: Arc<str>,
    /// Known from CONNECT on.
    prefix: Option<Box<str>>,
    /// The user whose name is in it.
    user_name: Option<Box<str>>,
    is_v5: bool,
    /// Bytes at the front of the out-buffer whose topics have lost the prefix already.
    stripped: usize,
}

/// Why a packet is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// It is for the engine to say what is wrong.
    Malformed,
    TooLong,
    /// A name that stands for more than one level of a topic, or for none.
    Name,
}

/// Where CONNECT has what a mountpoint asks for.
struct Hello<'a> {
    is_v5: bool,
    client_id: &'a str,
    user_name: Option<&'a str>,
    /// Where the will's topic begins, with its length.
    will_topic: Option<usize>,
}

/// What counts more than what a client says of itself.
#[derive(Default)]
struct Certified {
    client_id: Option<String>,
    user_name: Option<String>,
    /// Whether the user name is the client id, where no certificate says it.
    user_is_client_id: bool,
}

impl Mount {
    pub(super) fn new(template: Arc<str>) -> Self {
        Self {
            template,
            prefix: None,
            user_name: None,
            is_v5: false,
            stripped: 0,
        }
    }

    pub(super) fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Whether it may be the place of whoever comes in: where it is some user's, nobody who has proven to be
    /// another. It was made of what CONNECT says, before anybody had looked at that.
    pub(super) fn is_for(&self, proven: Option<&str>) -> bool {
        let named = self.user_name.as_deref();
        named.is_none() || proven.is_none() || named == proven
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.prefix.as_ref().map_or(0, |prefix| prefix.len())
    }

    /// CONNECT, with the topic of its will below the prefix, which is known now. What the certificate of the
    /// client says counts more than what it says itself.
    fn connect(&mut self, first: u8, body: &[u8], certified: &Certified) -> Result<Vec<u8>, Fault> {
        let hello = hello(body).ok_or(Fault::Malformed)?;
        let user_name = certified.user_name.as_deref().or(hello.user_name);
        let by_user = user_name.filter(|name| certified.user_is_client_id && !name.is_empty());
        let client_id = certified.client_id.as_deref().or(by_user);
        let client_id = client_id.unwrap_or(hello.client_id);
        let is_users = self.template.contains(USER_NAME);
        self.user_name = user_name.filter(|_| is_users).map(Into::into);
        let mut prefix = self.template.to_string();
        for (word, name) in [
            (CLIENT_ID, client_id),
            (USER_NAME, user_name.unwrap_or_default()),
        ] {
            if prefix.contains(word) {
                let is_level = !name.is_empty() && !name.contains(['/', '+', '#', '\0']);
                if !is_level || name.starts_with('$') {
                    return Err(Fault::Name);
                }
                prefix = prefix.replace(word, name);
            }
        }
        let mut new = Vec::with_capacity(body.len() + prefix.len());
        match hello.will_topic {
            Some(at) => {
                new.extend_from_slice(&body[..at]);
                let rest = put_mounted(&body[at..], &prefix, &mut new)?;
                new.extend_from_slice(rest);
            }
            None => new.extend_from_slice(body),
        }
        self.is_v5 = hello.is_v5;
        self.prefix = Some(prefix.into());
        packet(first, &new)
    }

    /// A packet of a connected client, with its topics below the prefix.
    fn inbound(&self, first: u8, body: &[u8]) -> Result<Vec<u8>, Fault> {
        // It was connected by a CONNECT that was looked at here.
        let prefix = self.prefix.as_deref().ok_or(Fault::Malformed)?;
        let mut new = Vec::with_capacity(body.len() + prefix.len());
        match first >> 4 {
            kind::PUBLISH => {
                // An alias alone stands for a topic that was mounted when it was given.
                let rest = if body.starts_with(&[0, 0]) {
                    body
                } else {
                    put_mounted(body, prefix, &mut new)?
                };
                new.extend_from_slice(rest);
            }
            kind::SUBSCRIBE | kind::UNSUBSCRIBE => {
                let mut rest = body.get(2..).ok_or(Fault::Malformed)?;
                if self.is_v5 {
                    rest = after_properties(rest).ok_or(Fault::Malformed)?;
                }
                new.extend_from_slice(&body[..body.len() - rest.len()]);
                while !rest.is_empty() {
                    rest = put_mounted(rest, prefix, &mut new)?;
                    if first >> 4 == kind::SUBSCRIBE {
                        let (options, more) = rest.split_first().ok_or(Fault::Malformed)?;
                        new.push(*options);
                        rest = more;
                    }
                }
            }
            _ => new.extend_from_slice(body),
        }
        packet(first, &new)
    }

    /// Takes the prefix off the topics of what waits to be written, as far as that was not done yet.
    pub(super) fn strip(&mut self, out: &mut Vec<u8>) {
        let Some(prefix) = self.prefix.as_deref() else {
            self.stripped = out.len();
            return;
        };
        let new = out.split_off(self.stripped.min(out.len()));
        let mut rest = &new[..];
        while let Ok(Some(packet)) = frame(rest, u32::MAX) {
            let (whole, more) = rest.split_at(packet.len);
            match unmounted(packet.first, packet.body, prefix) {
                Some(bytes) => out.extend_from_slice(&bytes),
                None => out.extend_from_slice(whole),
            }
            rest = more;
        }
        out.extend_from_slice(rest);
        self.stripped = out.len();
    }

    /// So much of the out-buffer is left.
    pub(super) fn left(&mut self, bytes: usize) {
        self.stripped = bytes;
    }
}

/// A PUBLISH to the client without the prefix; `None` if it is none, or has none.
fn unmounted(first: u8, body: &[u8], prefix: &str) -> Option<Vec<u8>> {
    if first >> 4 != kind::PUBLISH {
        return None;
    }
    let (topic, rest) = text(body)?;
    let own = topic.strip_prefix(prefix)?;
    let mut new = Vec::with_capacity(body.len());
    put_text(own, &mut new);
    new.extend_from_slice(rest);
    packet(first, &new).ok()
}

/// Puts the topic or filter at the start of `from` below the prefix; gives what follows it.
fn put_mounted<'a>(from: &'a [u8], prefix: &str, to: &mut Vec<u8>) -> Result<&'a [u8], Fault> {
    let (topic, rest) = text(from).ok_or(Fault::Malformed)?;
    let special = SPECIAL.iter().find(|(begin, _)| topic.starts_with(begin));
    let at = match special {
        Some((_, levels)) => topic
            .match_indices('/')
            .nth(levels - 1)
            .map(|(at, _)| at + 1),
        None => Some(0),
    };
    let Some(at) = at else {
        // It has no topic behind it, which is for the engine to refuse.
        put_text(topic, to);
        return Ok(rest);
    };
    let mounted = [&topic[..at], prefix, &topic[at..]].concat();
    if mounted.len() > TEXT_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    put_text(&mounted, to);
    Ok(rest)
}

/// A text with its length, no longer than one can be.
fn put_text(text: &str, to: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("it is no longer than that");
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// A text at the start, and what follows.
fn text(from: &[u8]) -> Option<(&str, &[u8])> {
    let (bytes, rest) = binary(from)?;
    Some((std::str::from_utf8(bytes).ok()?, rest))
}

fn binary(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = from.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// What follows properties.
fn after_properties(from: &[u8]) -> Option<&[u8]> {
    let mut length = 0usize;
    for (at, byte) in from.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return from.get(at + 1 + length..);
        }
    }
    None
}

/// The fixed header in front of a body.
fn packet(first: u8, body: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut left = body.len();
    if left >= 1 << 28 {
        return Err(Fault::TooLong);
    }
    let mut new = Vec::with_capacity(left + 5);
    new.push(first);
    loop {
        let low = u8::try_from(left & 0x7f).expect("seven bits");
        left >>= 7;
        new.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    new.extend_from_slice(body);
    Ok(new)
}

fn hello(body: &[u8]) -> Option<Hello<'_>> {
    let (_, rest) = binary(body)?;
    let (head, mut rest) = rest.split_at_checked(4)?;
    let (level, flags) = (head[0] & 0x7f, head[1]);
    let is_v5 = level == 5;
    if is_v5 {
        rest = after_properties(rest)?;
    }
    let (client_id, mut rest) = text(rest)?;
    let mut will_topic = None;
    if flags & 0x04 != 0 {
        if is_v5 {
            rest = after_properties(rest)?;
        }
        will_topic = Some(body.len() - rest.len());
        rest = binary(rest)?.1;
        rest = binary(rest)?.1;
    }
    let user_name = if flags & 0x80 != 0 {
        Some(text(rest)?.0)
    } else {
        None
    };
    Some(Hello {
        is_v5,
        client_id,
        user_name,
        will_topic,
    })
}

impl Worker {
    pub(super) fn is_mounted(&self, slot: u32) -> bool {
        let wrap = self.conns.get(slot).and_then(|c| c.wrap.as_ref());
        wrap.is_some_and(|wrap| wrap.mount.is_some())
    }

    /// Bytes of a connection that has a mountpoint, packet by packet. Gives how many were used; `None` if the
    /// connection is over or gone elsewhere.
    pub(super) fn consume_mounted(&mut self, slot: u32, bytes: &[u8]) -> Option<usize> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let session = self.conns.get(slot)?.session;
            let Ok(Some(packet)) = frame(rest, u32::MAX) else {
                // Of half a packet the engine says whether it may become one.
                let seen = match session {
                    Some(session) => self.feed(slot, session, rest)?,
                    None => self.feed_first(slot, rest, rest)?,
                };
                return Some(used + seen);
            };
            let mounted = self.mount_packet(slot, packet.first, packet.body);
            let whole = match mounted? {
                Ok(whole) => whole,
                // CONNECT is answered by the book.
                Err(Fault::Malformed) if session.is_none() => rest[..packet.len].to_vec(),
                Err(fault) => {
                    self.refuse_mounting(slot, fault);
                    return None;
                }
            };
            let (taken, due, length) = match session {
                Some(session) => {
                    let taken = self.feed(slot, session, &whole)?;
                    (taken, whole.len(), packet.len)
                }
                None => {
                    let answer = self.answer_behind(slot, &rest[packet.len..]);
                    let due = [&whole[..], answer].concat();
                    let taken = self.feed_first(slot, &due, rest)?;
                    (taken, due.len(), packet.len + answer.len())
                }
            };
            if taken < due {
                return Some(used);
            }
            used += length;
            let is_held = self.conns.get(slot)?.flags.has(Flag::Held);
            if is_held || used == bytes.len() {
                return Some(used);
            }
        }
    }

    /// What goes with a CONNECT as it is: the answer to what we asked, which has no topics. While that is due,
    /// half a packet does, too, and what is no answer: the engine says what becomes of it, and takes none of it.
    fn answer_behind<'a>(&self, slot: u32, behind: &'a [u8]) -> &'a [u8] {
        let is_due = self.conns.gate.talks.is_challenged(slot);
        match frame(behind, u32::MAX) {
            Ok(Some(packet)) if is_due || packet.kind() == kind::AUTH => &behind[..packet.len],
            Ok(Some(_)) => &[],
            Ok(None) | Err(_) if is_due => behind,
            Ok(None) | Err(_) => &[],
        }
    }

    fn mount_packet(
        &mut self,
        slot: u32,
        first: u8,
        body: &[u8],
    ) -> Option<Result<Vec<u8>, Fault>> {
        let limits = self.limits.clone();
        let conn = self.conns.get_mut(slot)?;
        let certified = if first >> 4 == kind::CONNECT && conn.session.is_none() {
            Some(Certified {
                client_id: admit::certified_id(conn.tls(), limits.client_id_by),
                user_name: admit::certified_id(conn.tls(), limits.named_by),
                user_is_client_id: limits.user_is_client_id,
            })
        } else {
            None
        };
        let mount = mount_of(conn)?;
        Some(match certified {
            Some(certified) => mount.connect(first, body, &certified),
            None => mount.inbound(first, body),
        })
    }

    fn refuse_mounting(&mut self, slot: u32, fault: Fault) {
        let cause = match fault {
            Fault::Malformed => Cause::Malformed("a packet that has no topic where one has to be"),
            Fault::TooLong => Cause::TopicInvalid("too long below the mountpoint of the listener"),
            Fault::Name => Cause::Mountpoint,
        };
        if self.conns.get(slot).is_some_and(|c| c.session.is_some()) {
            self.lose_session_for(slot, cause);
            let ending = Ending::Expelled(cause.close());
            self.conns.close(engine::ConnId(slot), ending);
        } else {
            self.refuse(slot, cause);
        }
    }

    /// What waits to be written loses the prefix, where a connection has one.
    pub(super) fn strip_out(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        if conn.wrap.is_none() {
            return;
        }
        let mut out = conn.take_out();
        if let (Some(mount), Some(out)) = (mount_of(conn), &mut out) {
            mount.strip(out);
        }
        conn.put_back(out);
    }
}

pub(super) fn mount_of(conn: &mut Conn) -> Option<&mut Mount> {
    conn.wrap.as_mut()?.mount.as_deref_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(template: &str) -> Mount {
        Mount::new(template.into())
    }

    /// CONNECT of version 3.1.1 with a will to `a/w`, and a user name.
    fn connect(client_id: &str, user_name: &str) -> Vec<u8> {
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0x86, 0, 60];
        for part in [client_id, "a/w", "gone", user_name] {
            put_text(part, &mut body);
        }
        body
    }

    #[test]
    fn names_in_the_prefix_are_levels() {
        let table = [
            ("t/", "c", "u", Ok("t/a/w")),
            ("${username}/", "c", "u", Ok("u/a/w")),
            ("x/${clientid}/", "c", "u", Ok("x/c/a/w")),
            ("${username}/", "c", "", Err(Fault::Name)),
            ("${clientid}/", "", "u", Err(Fault::Name)),
            ("${clientid}/", "a/b", "u", Err(Fault::Name)),
            ("${clientid}/", "+", "u", Err(Fault::Name)),
            ("${username}/", "c", "#", Err(Fault::Name)),
            ("${username}/", "c", "$SYS", Err(Fault::Name)),
            ("t/", "+", "#", Ok("t/a/w")),
        ];
        for (template, client_id, user_name, due) in table {
            let mut mount = mount(template);
            let body = connect(client_id, user_name);
            let made = mount.connect(0x10, &body, &Certified::default());
            let will = made.map(|packet| {
                let whole = frame(&packet, u32::MAX).unwrap().unwrap();
                let at = hello(whole.body).unwrap().will_topic.unwrap();
                text(&whole.body[at..]).unwrap().0.to_owned()
            });
            assert_eq!(will.as_deref().map_err(|fault| *fault), due, "{template}");
        }
        let mut proven = mount("${username}/");
        let certified = Certified {
            user_name: Some("pump".to_owned()),
            ..Certified::default()
        };
        proven
            .connect(0x10, &connect("c", "somebody"), &certified)
            .unwrap();
        assert_eq!(proven.prefix.as_deref(), Some("pump/"));
        for (client_id, due) in [(None, "somebody/"), (Some("seven".to_owned()), "seven/")] {
            let mut by_user = mount("${clientid}/");
            let certified = Certified {
                client_id,
                user_is_client_id: true,
                ..Certified::default()
            };
            by_user
                .connect(0x10, &connect("c", "somebody"), &certified)
                .unwrap();
            assert_eq!(by_user.prefix.as_deref(), Some(due));
        }
    }

    fn ready(version: u8) -> Mount {
        let mut mount = mount("t/");
        (mount.prefix, mount.is_v5) = (Some("t/".into()), version == 5);
        mount
    }

    #[test]
    fn topics_and_filters_go_below_it() {
        let mount = ready(4);
        let inbound = |first: u8, parts: &[&[u8]]| {
            let packet = mount.inbound(first, &parts.concat()).unwrap();
            frame(&packet, u32::MAX).unwrap().unwrap().body.to_vec()
        };
        assert_eq!(inbound(0x30, &[b"\0\x01apayload"]), b"\0\x03t/apayload");
        assert_eq!(inbound(0x30, &[b"\0\0payload"]), b"\0\0payload");
        assert_eq!(
            inbound(0x30, &[b"\0\x0d$delayed/5/ab"]),
            b"\0\x0f$delayed/5/t/ab"
        );
        let filters = [
            &b"\0\x07"[..],
            b"\0\x01#\x01",
            b"\0\x0a$share/g/a\0",
            b"\0\x08$queue/+\x02",
        ];
        let due = [
            &b"\0\x07"[..],
            b"\0\x03t/#\x01",
            b"\0\x0c$share/g/t/a\0",
            b"\0\x0a$queue/t/+\x02",
        ];
        assert_eq!(inbound(0x82, &filters), due.concat());
        assert_eq!(inbound(0xa2, &[b"\0\x07\0\x01a"]), b"\0\x07\0\x03t/a");
        assert_eq!(inbound(0x40, &[b"\0\x07"]), b"\0\x07");
        assert_eq!(
            mount.inbound(0x82, b"\0\x07\0\x05a\x01"),
            Err(Fault::Malformed)
        );
        assert_eq!(mount.inbound(0x82, b"\0\x07\0\x01a"), Err(Fault::Malformed));
        let long = [&[0xff, 0xff][..], &[b'a'; 65_535]].concat();
        assert_eq!(mount.inbound(0x30, &long), Err(Fault::TooLong));
        let five = ready(5);
        let packet = five
            .inbound(0x82, b"\0\x07\x02\x0b\x05\0\x01a\x01")
            .unwrap();
        assert_eq!(&packet[2..], b"\0\x07\x02\x0b\x05\0\x03t/a\x01");
    }

    #[test]
    fn what_is_sent_loses_it_once() {
        let mut mount = ready(4);
        let mut out = b"\xd0\0\x30\x09\0\x05t/a/bxy\x40\x02\0\x07\x30\x05\0\x02t/z".to_vec();
        mount.strip(&mut out);
        let due = b"\xd0\0\x30\x07\0\x03a/bxy\x40\x02\0\x07\x30\x03\0\0z";
        assert_eq!(out, due);
        // Its socket took all but nine bytes, and more came.
        out.drain(..out.len() - 9);
        mount.left(9);
        out.extend_from_slice(b"\x30\x06\0\x03t/at");
        mount.strip(&mut out);
        assert_eq!(out, b"\x40\x02\0\x07\x30\x03\0\0z\x30\x04\0\x01at");
    }
}
