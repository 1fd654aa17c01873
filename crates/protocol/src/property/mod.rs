//! Version 5's properties (2.2.2): one property, its bytes and the legality of its value.
//! Which packet may carry which, and how often, is in `block`.

mod block;

pub use block::{Place, Properties};

use crate::codec::{Reader, put_binary, put_string, put_u16, put_u32, put_varint};
use crate::error::DecodeError;

/// One property; named and typed as in table 2-4. Durations are in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property<'a> {
    /// 0: bytes, 1: UTF-8 text.
    PayloadFormat(u8),
    MessageExpiry(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionId(u32),
    SessionExpiry(u32),
    AssignedClientId(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelay(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    /// 0 or 1; a server of QoS 2 does not send it.
    MaximumQoS(u8),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

impl<'a> Property<'a> {
    /// The identifier it has on the wire.
    pub fn id(&self) -> u8 {
        match self {
            Self::PayloadFormat(_) => id::PAYLOAD_FORMAT,
            Self::MessageExpiry(_) => id::MESSAGE_EXPIRY,
            Self::ContentType(_) => id::CONTENT_TYPE,
            Self::ResponseTopic(_) => id::RESPONSE_TOPIC,
            Self::CorrelationData(_) => id::CORRELATION_DATA,
            Self::SubscriptionId(_) => id::SUBSCRIPTION_ID,
            Self::SessionExpiry(_) => id::SESSION_EXPIRY,
            Self::AssignedClientId(_) => id::ASSIGNED_CLIENT_ID,
            Self::ServerKeepAlive(_) => id::SERVER_KEEP_ALIVE,
            Self::AuthenticationMethod(_) => id::AUTHENTICATION_METHOD,
            Self::AuthenticationData(_) => id::AUTHENTICATION_DATA,
            Self::RequestProblemInformation(_) => id::REQUEST_PROBLEM_INFORMATION,
            Self::WillDelay(_) => id::WILL_DELAY,
            Self::RequestResponseInformation(_) => id::REQUEST_RESPONSE_INFORMATION,
            Self::ResponseInformation(_) => id::RESPONSE_INFORMATION,
            Self::ServerReference(_) => id::SERVER_REFERENCE,
            Self::ReasonString(_) => id::REASON_STRING,
            Self::ReceiveMaximum(_) => id::RECEIVE_MAXIMUM,
            Self::TopicAliasMaximum(_) => id::TOPIC_ALIAS_MAXIMUM,
            Self::TopicAlias(_) => id::TOPIC_ALIAS,
            Self::MaximumQoS(_) => id::MAXIMUM_QOS,
            Self::RetainAvailable(_) => id::RETAIN_AVAILABLE,
            Self::UserProperty(..) => id::USER_PROPERTY,
            Self::MaximumPacketSize(_) => id::MAXIMUM_PACKET_SIZE,
            Self::WildcardSubscriptionAvailable(_) => id::WILDCARD_SUBSCRIPTION_AVAILABLE,
            Self::SubscriptionIdAvailable(_) => id::SUBSCRIPTION_ID_AVAILABLE,
            Self::SharedSubscriptionAvailable(_) => id::SHARED_SUBSCRIPTION_AVAILABLE,
        }
    }

    /// Appends identifier and value.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(self.id());
        match *self {
            Self::PayloadFormat(value) | Self::MaximumQoS(value) => out.push(value),
            Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdAvailable(value)
            | Self::SharedSubscriptionAvailable(value) => out.push(u8::from(value)),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => put_u16(out, value),
            Self::MessageExpiry(value)
            | Self::SessionExpiry(value)
            | Self::WillDelay(value)
            | Self::MaximumPacketSize(value) => put_u32(out, value),
            Self::SubscriptionId(value) => put_varint(out, value),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientId(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => put_string(out, text),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                put_binary(out, bytes);
            }
            Self::UserProperty(name, value) => {
                put_string(out, name);
                put_string(out, value);
            }
        }
    }

    /// Reads one property and checks its value, not its place.
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // Identifiers are variable byte integers, but all are below 128 (2.2.2.2).
        Ok(match r.u8()? {
            id::PAYLOAD_FORMAT => Self::PayloadFormat(u8::from(flag(r)?)),
            id::MESSAGE_EXPIRY => Self::MessageExpiry(r.u32()?),
            // [MQTT-3.3.2-19]
            id::CONTENT_TYPE => Self::ContentType(r.string()?),
            id::RESPONSE_TOPIC => Self::ResponseTopic(response_topic(r)?),
            id::CORRELATION_DATA => Self::CorrelationData(r.binary()?),
            id::SUBSCRIPTION_ID => Self::SubscriptionId(not_zero(r.varint()?)?),
            id::SESSION_EXPIRY => Self::SessionExpiry(r.u32()?),
            id::ASSIGNED_CLIENT_ID => Self::AssignedClientId(r.string()?),
            id::SERVER_KEEP_ALIVE => Self::ServerKeepAlive(r.u16()?),
            id::AUTHENTICATION_METHOD => Self::AuthenticationMethod(r.string()?),
            id::AUTHENTICATION_DATA => Self::AuthenticationData(r.binary()?),
            id::REQUEST_PROBLEM_INFORMATION => Self::RequestProblemInformation(flag(r)?),
            id::WILL_DELAY => Self::WillDelay(r.u32()?),
            id::REQUEST_RESPONSE_INFORMATION => Self::RequestResponseInformation(flag(r)?),
            id::RESPONSE_INFORMATION => Self::ResponseInformation(r.string()?),
            id::SERVER_REFERENCE => Self::ServerReference(r.string()?),
            id::REASON_STRING => Self::ReasonString(r.string()?),
            // Zero would stop the other side for good (3.1.2.11.3).
            id::RECEIVE_MAXIMUM => Self::ReceiveMaximum(not_zero(r.u16()?)?),
            id::TOPIC_ALIAS_MAXIMUM => Self::TopicAliasMaximum(r.u16()?),
            id::TOPIC_ALIAS => match r.u16()? {
                // [MQTT-3.3.2-8]
                0 => return Err(DecodeError::TopicAliasInvalid("topic alias 0")),
                alias => Self::TopicAlias(alias),
            },
            id::MAXIMUM_QOS => Self::MaximumQoS(u8::from(flag(r)?)),
            id::RETAIN_AVAILABLE => Self::RetainAvailable(flag(r)?),
            // [MQTT-1.5.7-1]
            id::USER_PROPERTY => Self::UserProperty(r.string()?, r.string()?),
            id::MAXIMUM_PACKET_SIZE => Self::MaximumPacketSize(not_zero(r.u32()?)?),
            id::WILDCARD_SUBSCRIPTION_AVAILABLE => Self::WildcardSubscriptionAvailable(flag(r)?),
            id::SUBSCRIPTION_ID_AVAILABLE => Self::SubscriptionIdAvailable(flag(r)?),
            id::SHARED_SUBSCRIPTION_AVAILABLE => Self::SharedSubscriptionAvailable(flag(r)?),
            _ => return Err(DecodeError::Malformed("unknown property")),
        })
    }
}

/// A byte that may be 0 or 1 only; other values are Protocol Errors wherever they are named.
fn flag(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Protocol("property value is not 0 or 1")),
    }
}

fn not_zero<T: Default + PartialEq>(value: T) -> Result<T, DecodeError> {
    if value == T::default() {
        return Err(DecodeError::Protocol("property value is 0"));
    }
    Ok(value)
}

/// A topic name [MQTT-4.7.3-1] that is UTF-8 [MQTT-3.3.2-13] without wildcards [MQTT-3.3.2-14].
fn response_topic<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let topic = r.string()?;
    if topic.is_empty() {
        return Err(DecodeError::Protocol("empty response topic"));
    }
    if topic.contains(['+', '#']) {
        return Err(DecodeError::Protocol("wildcard in the response topic"));
    }
    Ok(topic)
}

/// Identifiers of table 2-4.
mod id {
    pub(super) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(super) const CONTENT_TYPE: u8 = 0x03;
    pub(super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(super) const CORRELATION_DATA: u8 = 0x09;
    pub(super) const SUBSCRIPTION_ID: u8 = 0x0B;
    pub(super) const SESSION_EXPIRY: u8 = 0x11;
    pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(super) const AUTHENTICATION_DATA: u8 = 0x16;
    pub(super) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub(super) const WILL_DELAY: u8 = 0x18;
    pub(super) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub(super) const RESPONSE_INFORMATION: u8 = 0x1A;
    pub(super) const SERVER_REFERENCE: u8 = 0x1C;
    pub(super) const REASON_STRING: u8 = 0x1F;
    pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(super) const TOPIC_ALIAS: u8 = 0x23;
    pub(super) const MAXIMUM_QOS: u8 = 0x24;
    pub(super) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(super) const USER_PROPERTY: u8 = 0x26;
    pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(super) const WILDCARD_SUBSCRIPTION_AVAILABLE: u8 = 0x28;
    pub(super) const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
    pub(super) const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;
}
