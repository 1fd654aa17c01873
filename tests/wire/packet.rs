//! Reads what a server sends, and judges it: kinds, flags, lengths, properties, reason codes and
//! strings must be what the specification lets a server send in this version.

use super::Version;
use super::prop::{self, Props, Value};

/// The packets a server may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    SubAck = 9,
    UnsubAck = 11,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

/// A packet from the server, taken apart. What a kind does not have stays empty or 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    pub(crate) id: u16,
    /// CONNACK return or reason code; reason of an acknowledgement or DISCONNECT; 0 if left out.
    pub(crate) code: u8,
    pub(crate) session_present: bool,
    /// One per filter, SUBACK and UNSUBACK.
    pub(crate) codes: Vec<u8>,
    pub(crate) props: Props,
    pub(crate) publish: Option<Received>,
    /// The whole packet's length, header included.
    pub(crate) len: usize,
}

/// What is particular to a received PUBLISH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Received {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) id: u16,
    pub(crate) props: Props,
}

impl Received {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("a test's payload is text")
    }
}

/// Takes the first whole packet off the buffer; None while bytes are missing.
pub(crate) fn take(buffer: &mut Vec<u8>, version: Version) -> Option<Packet> {
    let (length, used) = remaining_length(buffer.get(1..)?)?;
    let len = 1 + used + length;
    if buffer.len() < len {
        return None;
    }
    let whole: Vec<u8> = buffer.drain(..len).collect();
    Some(judge(&whole, 1 + used, version))
}

fn remaining_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (i, b) in bytes.iter().take(4).enumerate() {
        value |= usize::from(b & 0x7F) << (7 * i);
        if b & 0x80 == 0 {
            assert!(
                i == 0 || *b != 0,
                "over-long variable byte integer [MQTT-1.5.5-1]"
            );
            return Some((value, i + 1));
        }
    }
    assert!(bytes.len() < 4, "remaining length of more than four bytes");
    None
}

fn judge(whole: &[u8], header: usize, version: Version) -> Packet {
    let kind = match whole[0] >> 4 {
        2 => Kind::ConnAck,
        3 => Kind::Publish,
        4 => Kind::PubAck,
        5 => Kind::PubRec,
        6 => Kind::PubRel,
        7 => Kind::PubComp,
        9 => Kind::SubAck,
        11 => Kind::UnsubAck,
        13 => Kind::PingResp,
        14 if version == Version::V5 => Kind::Disconnect,
        15 if version == Version::V5 => Kind::Auth,
        other => panic!("the server sent a packet of kind {other}: {whole:02x?}"),
    };
    let flags = whole[0] & 0x0F;
    if kind != Kind::Publish {
        let due = if kind == Kind::PubRel { 2 } else { 0 };
        assert_eq!(flags, due, "reserved flags [MQTT-2.1.3-1] in {whole:02x?}");
    }
    let mut body = Body {
        whole,
        bytes: &whole[header..],
        kind: whole[0] >> 4,
    };
    let v5 = version == Version::V5;
    let mut packet = Packet {
        kind,
        id: 0,
        code: 0,
        session_present: false,
        codes: Vec::new(),
        props: Props::default(),
        publish: None,
        len: whole.len(),
    };
    match kind {
        Kind::ConnAck => {
            let ack_flags = body.byte();
            assert!(ack_flags <= 1, "CONNACK flags {ack_flags} [MQTT-3.2.2-1]");
            packet.session_present = ack_flags == 1;
            packet.code = body.byte();
            assert!(
                packet.code == 0 || ack_flags == 0,
                "session present in a refusal"
            );
            if v5 {
                packet.props = body.properties();
            }
        }
        Kind::Publish => body.publish(flags, v5, &mut packet),
        Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp => {
            packet.id = body.id();
            if v5 && !body.bytes.is_empty() {
                packet.code = body.byte();
                if !body.bytes.is_empty() {
                    packet.props = body.properties();
                }
            }
        }
        Kind::SubAck | Kind::UnsubAck => {
            packet.id = body.id();
            if v5 {
                packet.props = body.properties();
            }
            if v5 || kind == Kind::SubAck {
                packet.codes = std::mem::take(&mut body.bytes).to_vec();
            }
        }
        Kind::Disconnect | Kind::Auth => {
            if !body.bytes.is_empty() {
                packet.code = body.byte();
            }
            if !body.bytes.is_empty() {
                packet.props = body.properties();
            }
        }
        Kind::PingResp => {}
    }
    assert!(body.bytes.is_empty(), "bytes left over in {whole:02x?}");
    let legal = legal_codes(kind, v5);
    for code in packet.codes.iter().chain([&packet.code]) {
        assert!(
            legal.contains(code),
            "code {code:#04x} in {kind:?} [MQTT-3.9.3-2 and others]"
        );
    }
    packet
}

/// The codes a server may put into a packet of this kind, by the tables of chapter 3.
fn legal_codes(kind: Kind, v5: bool) -> &'static [u8] {
    match (kind, v5) {
        (Kind::ConnAck, false) => &[0, 1, 2, 3, 4, 5],
        (Kind::ConnAck, true) => &[
            0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
            0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
        (Kind::PubAck | Kind::PubRec, true) => &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        (Kind::PubRel | Kind::PubComp, true) => &[0, 0x92],
        (Kind::SubAck, false) => &[0, 1, 2, 0x80],
        (Kind::SubAck, true) => &[
            0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ],
        (Kind::UnsubAck, true) => &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        (Kind::Auth, true) => &[0, 0x18],
        (Kind::Disconnect, true) => &[
            0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95,
            0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ],
        _ => &[0],
    }
}

struct Body<'a> {
    /// For the words of a failure.
    whole: &'a [u8],
    bytes: &'a [u8],
    kind: u8,
}

impl<'a> Body<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        assert!(
            n <= self.bytes.len(),
            "a length runs past the end of the packet: {:02x?}",
            self.whole
        );
        let (head, tail) = self.bytes.split_at(n);
        self.bytes = tail;
        head
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn id(&mut self) -> u16 {
        let id = self.two();
        assert_ne!(id, 0, "packet id 0 [MQTT-2.2.1-4]");
        id
    }

    fn text(&mut self) -> String {
        let n = usize::from(self.two());
        let text = String::from_utf8(self.take(n).to_vec()).expect("[MQTT-1.5.4-1]");
        assert!(!text.contains('\0'), "U+0000 in a string [MQTT-1.5.4-2]");
        text
    }

    fn varint(&mut self) -> u32 {
        let (value, used) = remaining_length(self.bytes).expect("a variable byte integer");
        self.take(used);
        value as u32
    }

    fn publish(&mut self, flags: u8, v5: bool, packet: &mut Packet) {
        let qos = (flags >> 1) & 3;
        let dup = flags & 8 != 0;
        assert_ne!(qos, 3, "QoS 3 [MQTT-3.3.1-4]");
        assert!(!(dup && qos == 0), "DUP on QoS 0 [MQTT-3.3.1-2]");
        let topic = self.text();
        assert!(
            !topic.contains(['+', '#']),
            "wildcard in {topic:?} [MQTT-3.3.2-2]"
        );
        if qos > 0 {
            packet.id = self.id();
        }
        if v5 {
            packet.props = self.properties();
        }
        let aliased = packet.props.number(prop::TOPIC_ALIAS);
        assert_ne!(aliased, Some(0), "topic alias 0 [MQTT-3.3.2-8]");
        assert!(
            !topic.is_empty() || aliased.is_some(),
            "no topic and no alias"
        );
        packet.publish = Some(Received {
            dup,
            qos,
            retain: flags & 1 != 0,
            topic,
            payload: std::mem::take(&mut self.bytes).to_vec(),
            id: packet.id,
            props: packet.props.clone(),
        });
    }

    fn properties(&mut self) -> Props {
        let n = self.varint() as usize;
        let mut block = Body {
            whole: self.whole,
            bytes: self.take(n),
            kind: self.kind,
        };
        let mut props = Props::default();
        while !block.bytes.is_empty() {
            let id = block.byte();
            assert!(
                prop::allowed(self.kind).contains(&id),
                "property {id} in kind {}",
                self.kind
            );
            let twice = props.0.iter().any(|(i, _)| *i == id);
            let may_repeat = matches!(id, prop::USER_PROPERTY | prop::SUBSCRIPTION_ID);
            assert!(!twice || may_repeat, "property {id} twice");
            props.0.push((id, block.value(id)));
        }
        props
    }

    fn value(&mut self, id: u8) -> Value {
        match id {
            1 | 23 | 25 | 36 | 37 | 40 | 41 | 42 => {
                let value = self.byte();
                assert!(value <= 1, "property {id} is {value}");
                Value::Number(u32::from(value))
            }
            19 | 33 | 34 | 35 => Value::Number(u32::from(self.two())),
            2 | 17 | 24 | 39 => Value::Number(u32::from_be_bytes(self.take(4).try_into().unwrap())),
            11 => Value::Number(self.varint()),
            9 | 22 => {
                let n = usize::from(self.two());
                Value::Data(self.take(n).to_vec())
            }
            38 => Value::Pair(self.text(), self.text()),
            _ => Value::Text(self.text()),
        }
    }
}
