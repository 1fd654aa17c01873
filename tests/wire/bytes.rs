//! Packets a client sends, put together byte by byte. Nothing here is checked: a test may ask for
//! any nonsense. What is never said gets the plainest legal value.

use super::Version;

/// A variable byte integer (1.5.5) in its shortest form.
pub(crate) fn varint(mut value: u32) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// Two bytes of length, then the bytes (1.5.6).
pub(crate) fn binary(value: &[u8]) -> Vec<u8> {
    [&(value.len() as u16).to_be_bytes()[..], value].concat()
}

/// A UTF-8 Encoded String (1.5.4).
pub(crate) fn string(value: &str) -> Vec<u8> {
    binary(value.as_bytes())
}

/// A whole packet: first byte, remaining length, and the parts of its body.
pub(crate) fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [vec![first], varint(body.len() as u32), body].concat()
}

fn properties(version: Version, list: &[Vec<u8>]) -> Vec<u8> {
    if version != Version::V5 {
        return Vec::new();
    }
    let all = list.concat();
    [varint(all.len() as u32), all].concat()
}

/// A will (3.1.3.2 to 3.1.3.4).
#[derive(Clone, Debug)]
pub(crate) struct Will {
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    properties: Vec<Vec<u8>>,
}

impl Will {
    pub(crate) fn new(topic: &str, payload: &str) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    pub(crate) fn topic_bytes(mut self, topic: &[u8]) -> Self {
        self.topic = topic.to_vec();
        self
    }

    pub(crate) fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(crate) fn prop(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }
}

/// A CONNECT (3.1): a clean session, keep-alive 60 s, no will, nobody's name.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    name: Vec<u8>,
    level: u8,
    flags: u8,
    keep_alive: u16,
    client_id: Vec<u8>,
    properties: Vec<Vec<u8>>,
    will: Option<Will>,
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
}

impl Connect {
    pub(crate) fn new(version: Version, client_id: &str) -> Self {
        let name = if version == Version::V31 {
            "MQIsdp"
        } else {
            "MQTT"
        };
        Self {
            version,
            name: name.into(),
            level: version as u8,
            flags: 0x02,
            keep_alive: 60,
            client_id: client_id.into(),
            properties: Vec::new(),
            will: None,
            user: None,
            password: None,
        }
    }

    /// Clean Start (5) or Clean Session (3.x) off.
    pub(crate) fn keep(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    /// A session that outlives the connection, in every version: version 5 asks for `secs`.
    pub(crate) fn persistent(self, secs: u32) -> Self {
        self.keep()
            .prop(super::prop::four(super::prop::SESSION_EXPIRY, secs))
    }

    pub(crate) fn keep_alive(mut self, secs: u16) -> Self {
        self.keep_alive = secs;
        self
    }

    pub(crate) fn prop(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }

    pub(crate) fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    pub(crate) fn user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }

    pub(crate) fn password(mut self, password: &[u8]) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The bytes of the user name as they are, for what is no UTF-8.
    pub(crate) fn user_bytes(mut self, user: &[u8]) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The bytes of the client id as they are.
    pub(crate) fn client_id_bytes(mut self, id: &[u8]) -> Self {
        self.client_id = id.into();
        self
    }

    /// Another protocol name.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Another protocol level.
    pub(crate) fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    /// Flag bits set on top of those that the rest calls for.
    pub(crate) fn flag(mut self, bits: u8) -> Self {
        self.flags |= bits;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut flags = self.flags;
        let mut tail = binary(&self.client_id);
        if let Some(will) = &self.will {
            flags |= 0x04 | (will.qos << 3) | if will.retain { 0x20 } else { 0 };
            tail.extend(properties(self.version, &will.properties));
            tail.extend(binary(&will.topic));
            tail.extend(binary(&will.payload));
        }
        if let Some(user) = &self.user {
            flags |= 0x80;
            tail.extend(binary(user));
        }
        if let Some(password) = &self.password {
            flags |= 0x40;
            tail.extend(binary(password));
        }
        packet(
            0x10,
            &[
                &binary(&self.name),
                &[self.level, flags],
                &self.keep_alive.to_be_bytes(),
                &properties(self.version, &self.properties),
                &tail,
            ],
        )
    }
}

/// A PUBLISH (3.3): QoS 0, not retained.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    topic: String,
    payload: Vec<u8>,
    pub(crate) qos: u8,
    retain: bool,
    dup: bool,
    pub(crate) id: u16,
    properties: Vec<Vec<u8>>,
}

impl Publish {
    pub(crate) fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.as_ref().to_vec(),
            qos: 0,
            retain: false,
            dup: false,
            id: 0,
            properties: Vec::new(),
        }
    }

    /// QoS 1 with this packet id.
    pub(crate) fn qos1(mut self, id: u16) -> Self {
        (self.qos, self.id) = (1, id);
        self
    }

    /// QoS 2 with this packet id.
    pub(crate) fn qos2(mut self, id: u16) -> Self {
        (self.qos, self.id) = (2, id);
        self
    }

    /// Any QoS; the id is used unless it is 0.
    pub(crate) fn qos(mut self, qos: u8, id: u16) -> Self {
        (self.qos, self.id) = (qos, id);
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(crate) fn dup(mut self) -> Self {
        self.dup = true;
        self
    }

    pub(crate) fn prop(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }

    pub(crate) fn bytes(&self, version: Version) -> Vec<u8> {
        let first = 0x30 | (u8::from(self.dup) << 3) | (self.qos << 1) | u8::from(self.retain);
        let id = self.id.to_be_bytes();
        packet(
            first,
            &[
                &string(&self.topic),
                if self.qos > 0 { &id } else { &[] },
                &properties(version, &self.properties),
                &self.payload,
            ],
        )
    }
}

/// A PUBLISH whose topic is any bytes; version 5 gets an empty property block.
pub(crate) fn raw_publish(version: Version, first: u8, topic: &[u8], id: u16) -> Vec<u8> {
    let id = id.to_be_bytes();
    packet(
        first,
        &[
            &binary(topic),
            if first & 0x06 != 0 { &id } else { &[] },
            &properties(version, &[]),
            b"x",
        ],
    )
}

/// A SUBSCRIBE (3.8); each filter with its options byte (3.x: the QoS).
pub(crate) fn subscribe(version: Version, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    subscribe_with(version, id, &[], filters)
}

/// A SUBSCRIBE with properties.
pub(crate) fn subscribe_with(
    version: Version,
    id: u16,
    props: &[Vec<u8>],
    filters: &[(&str, u8)],
) -> Vec<u8> {
    let list: Vec<u8> = filters
        .iter()
        .flat_map(|(f, o)| [string(f), vec![*o]].concat())
        .collect();
    packet(
        0x82,
        &[&id.to_be_bytes(), &properties(version, props), &list],
    )
}

/// An UNSUBSCRIBE (3.10).
pub(crate) fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = filters.iter().flat_map(|f| string(f)).collect();
    packet(0xA2, &[&id.to_be_bytes(), &properties(version, &[]), &list])
}

/// PUBACK 0x40, PUBREC 0x50, PUBREL 0x62 or PUBCOMP 0x70, success, in the four-byte form.
pub(crate) fn ack(first: u8, id: u16) -> Vec<u8> {
    packet(first, &[&id.to_be_bytes()])
}

/// The same with a reason code (version 5 only).
pub(crate) fn reply(first: u8, id: u16, reason: u8) -> Vec<u8> {
    packet(first, &[&id.to_be_bytes(), &[reason]])
}

/// PINGREQ.
pub(crate) fn pingreq() -> Vec<u8> {
    vec![0xC0, 0]
}

/// DISCONNECT: in 3.x without a body, in 5 with reason and properties.
pub(crate) fn disconnect(version: Version, reason: u8, props: &[Vec<u8>]) -> Vec<u8> {
    if version != Version::V5 || (reason == 0 && props.is_empty()) {
        return vec![0xE0, 0];
    }
    packet(0xE0, &[&[reason], &properties(version, props)])
}
