//! `-D PACKET NAME VALUE`: one property of MQTT 5, by its name in the specification.

use protocol::Property;

use super::said::{Said, said};
use super::settings::{Settings, Value};

/// How many values follow PACKET and NAME: a user property has a name of its own.
pub(super) fn values(name: &str) -> usize {
    if name.eq_ignore_ascii_case("user-property") {
        2
    } else {
        1
    }
}

/// Adds a property to those of a packet, and makes it MQTT 5.
pub(super) fn add(
    settings: &mut Settings,
    packet: &str,
    name: &str,
    values: &[Value<'_>],
) -> Result<(), Said> {
    let name = name.to_ascii_lowercase();
    let packet = packet.to_ascii_lowercase();
    let (block, names) = match packet.as_str() {
        "connect" => (&mut settings.connect, CONNECT),
        "publish" => (&mut settings.publish, PUBLISH),
        "subscribe" => (&mut settings.subscribe, SUBSCRIBE),
        "unsubscribe" => (&mut settings.unsubscribe, UNSUBSCRIBE),
        "disconnect" => (&mut settings.disconnect, DISCONNECT),
        "will" => (&mut settings.will, WILL),
        "auth" | "puback" | "pubrec" | "pubrel" | "pubcomp" => {
            return Err(said(
                format!("{packet} packets are sent without properties here"),
                format!("此处发送的 {packet} 报文不带属性"),
            ));
        }
        _ => {
            return Err(said(
                format!(
                    "{packet} is none of connect, publish, subscribe, unsubscribe, disconnect, will"
                ),
                format!(
                    "{packet} 不是 connect、publish、subscribe、unsubscribe、disconnect、will 之一"
                ),
            ));
        }
    };
    if !names.contains(&name.as_str()) {
        let list = names.join(", ");
        return Err(said(
            format!("{packet} has no property {name}; it may have {list}"),
            format!("{packet} 没有属性 {name}；可用属性：{list}"),
        ));
    }
    put(&name, values, block).map_err(|fault| fault.of(&name))?;
    settings.version = protocol::Version::V5;
    Ok(())
}

const CONNECT: &[&str] = &[
    "authentication-data",
    "authentication-method",
    "maximum-packet-size",
    "receive-maximum",
    "request-problem-information",
    "request-response-information",
    "session-expiry-interval",
    "topic-alias-maximum",
    "user-property",
];
const PUBLISH: &[&str] = &[
    "content-type",
    "correlation-data",
    "message-expiry-interval",
    "payload-format-indicator",
    "response-topic",
    "topic-alias",
    "user-property",
];
const SUBSCRIBE: &[&str] = &["subscription-identifier", "user-property"];
const UNSUBSCRIBE: &[&str] = &["user-property"];
const DISCONNECT: &[&str] = &["session-expiry-interval", "user-property"];
const WILL: &[&str] = &[
    "content-type",
    "correlation-data",
    "message-expiry-interval",
    "payload-format-indicator",
    "response-topic",
    "user-property",
    "will-delay-interval",
];

fn put(name: &str, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Said> {
    let value = values[0];
    let yes = || Ok(value.number(0, 1)? == 1);
    let property = match name {
        "authentication-data" => Property::AuthenticationData(value.text()?.as_bytes()),
        "authentication-method" => Property::AuthenticationMethod(value.text()?),
        "content-type" => Property::ContentType(value.text()?),
        "correlation-data" => Property::CorrelationData(value.text()?.as_bytes()),
        "maximum-packet-size" => Property::MaximumPacketSize(value.number(1, u32::MAX)?),
        "message-expiry-interval" => Property::MessageExpiry(value.number(0, u32::MAX)?),
        "payload-format-indicator" => Property::PayloadFormat(value.number(0, 1)?),
        "receive-maximum" => Property::ReceiveMaximum(value.number(1, u16::MAX)?),
        "request-problem-information" => Property::RequestProblemInformation(yes()?),
        "request-response-information" => Property::RequestResponseInformation(yes()?),
        "response-topic" => Property::ResponseTopic(value.text()?),
        "session-expiry-interval" => Property::SessionExpiry(value.number(0, u32::MAX)?),
        "subscription-identifier" => {
            Property::SubscriptionId(value.number(1, protocol::VARINT_MAX)?)
        }
        "topic-alias" => Property::TopicAlias(value.number(1, u16::MAX)?),
        "topic-alias-maximum" => Property::TopicAliasMaximum(value.number(0, u16::MAX)?),
        "will-delay-interval" => Property::WillDelay(value.number(0, u32::MAX)?),
        _ => Property::UserProperty(value.text()?, values[1].text()?),
    };
    property.put(out);
    Ok(())
}
