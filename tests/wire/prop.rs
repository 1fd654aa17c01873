//! MQTT 5 properties (2.2.2): their numbers, their bytes, and what may stand in which packet.

use super::bytes::{binary, string, varint};

pub(crate) const PAYLOAD_FORMAT: u8 = 1;
pub(crate) const MESSAGE_EXPIRY: u8 = 2;
pub(crate) const CONTENT_TYPE: u8 = 3;
pub(crate) const RESPONSE_TOPIC: u8 = 8;
pub(crate) const CORRELATION_DATA: u8 = 9;
pub(crate) const SUBSCRIPTION_ID: u8 = 11;
pub(crate) const SESSION_EXPIRY: u8 = 17;
pub(crate) const ASSIGNED_CLIENT_ID: u8 = 18;
pub(crate) const SERVER_KEEP_ALIVE: u8 = 19;
pub(crate) const AUTHENTICATION_METHOD: u8 = 21;
pub(crate) const AUTHENTICATION_DATA: u8 = 22;
pub(crate) const REQUEST_PROBLEM_INFORMATION: u8 = 23;
pub(crate) const WILL_DELAY: u8 = 24;
pub(crate) const REQUEST_RESPONSE_INFORMATION: u8 = 25;
pub(crate) const RESPONSE_INFORMATION: u8 = 26;
pub(crate) const SERVER_REFERENCE: u8 = 28;
pub(crate) const REASON_STRING: u8 = 31;
pub(crate) const RECEIVE_MAXIMUM: u8 = 33;
pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 34;
pub(crate) const TOPIC_ALIAS: u8 = 35;
pub(crate) const MAXIMUM_QOS: u8 = 36;
pub(crate) const RETAIN_AVAILABLE: u8 = 37;
pub(crate) const USER_PROPERTY: u8 = 38;
pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 39;
pub(crate) const WILDCARD_AVAILABLE: u8 = 40;
pub(crate) const SUBSCRIPTION_ID_AVAILABLE: u8 = 41;
pub(crate) const SHARED_AVAILABLE: u8 = 42;

/// A property of one byte.
pub(crate) fn byte(id: u8, value: u8) -> Vec<u8> {
    vec![id, value]
}

/// A property of two bytes.
pub(crate) fn two(id: u8, value: u16) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

/// A property of four bytes.
pub(crate) fn four(id: u8, value: u32) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

/// A property that is a variable byte integer; only the Subscription Identifier is one.
pub(crate) fn variable(id: u8, value: u32) -> Vec<u8> {
    [vec![id], varint(value)].concat()
}

/// A property that is a string.
pub(crate) fn text(id: u8, value: &str) -> Vec<u8> {
    [vec![id], string(value)].concat()
}

/// A property that is binary data.
pub(crate) fn data(id: u8, value: &[u8]) -> Vec<u8> {
    [vec![id], binary(value)].concat()
}

/// A User Property.
pub(crate) fn user(name: &str, value: &str) -> Vec<u8> {
    [vec![USER_PROPERTY], string(name), string(value)].concat()
}

/// What a property holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Number(u32),
    Text(String),
    Data(Vec<u8>),
    Pair(String, String),
}

/// The properties of a received packet, in the order they came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Props(pub(crate) Vec<(u8, Value)>);

impl Props {
    /// The number behind an id, if it is there.
    pub(crate) fn number(&self, id: u8) -> Option<u32> {
        self.0.iter().find_map(|(i, v)| match v {
            Value::Number(n) if *i == id => Some(*n),
            _ => None,
        })
    }

    /// The text behind an id, if it is there.
    pub(crate) fn text(&self, id: u8) -> Option<&str> {
        self.0.iter().find_map(|(i, v)| match v {
            Value::Text(t) if *i == id => Some(t.as_str()),
            _ => None,
        })
    }

    /// The binary data behind an id, if it is there.
    pub(crate) fn data(&self, id: u8) -> Option<&[u8]> {
        self.0.iter().find_map(|(i, v)| match v {
            Value::Data(d) if *i == id => Some(d.as_slice()),
            _ => None,
        })
    }

    /// The User Properties, in order.
    pub(crate) fn users(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .filter_map(|(_, v)| match v {
                Value::Pair(n, v) => Some((n.as_str(), v.as_str())),
                _ => None,
            })
            .collect()
    }

    /// The Subscription Identifiers, sorted: their order is not significant.
    pub(crate) fn subscription_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .0
            .iter()
            .filter_map(|(i, v)| match v {
                Value::Number(n) if *i == SUBSCRIPTION_ID => Some(*n),
                _ => None,
            })
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// The properties a server may put into a packet of this kind (2.2.2.2, table 2-4).
pub(crate) fn allowed(kind: u8) -> &'static [u8] {
    match kind {
        2 => &[
            SESSION_EXPIRY,
            ASSIGNED_CLIENT_ID,
            SERVER_KEEP_ALIVE,
            AUTHENTICATION_METHOD,
            AUTHENTICATION_DATA,
            RESPONSE_INFORMATION,
            SERVER_REFERENCE,
            REASON_STRING,
            RECEIVE_MAXIMUM,
            TOPIC_ALIAS_MAXIMUM,
            MAXIMUM_QOS,
            RETAIN_AVAILABLE,
            USER_PROPERTY,
            MAXIMUM_PACKET_SIZE,
            WILDCARD_AVAILABLE,
            SUBSCRIPTION_ID_AVAILABLE,
            SHARED_AVAILABLE,
        ],
        3 => &[
            PAYLOAD_FORMAT,
            MESSAGE_EXPIRY,
            CONTENT_TYPE,
            RESPONSE_TOPIC,
            CORRELATION_DATA,
            SUBSCRIPTION_ID,
            TOPIC_ALIAS,
            USER_PROPERTY,
        ],
        4..=7 | 9 | 11 => &[REASON_STRING, USER_PROPERTY],
        14 => &[SERVER_REFERENCE, REASON_STRING, USER_PROPERTY],
        15 => &[
            AUTHENTICATION_METHOD,
            AUTHENTICATION_DATA,
            REASON_STRING,
            USER_PROPERTY,
        ],
        _ => &[],
    }
}
