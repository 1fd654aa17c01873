//! Table 2-4 as a table, and what a server forwards.

use super::*;

const PLACES: [Place; 10] = [
    Place::Connect,
    Place::Will,
    Place::ConnAck,
    Place::Publish,
    Place::Delivery,
    Place::Ack,
    Place::Subscribe,
    Place::Unsubscribe,
    Place::Disconnect,
    Place::Auth,
];

fn all() -> [Property<'static>; 27] {
    [
        Property::PayloadFormat(1),
        Property::MessageExpiry(60),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("answers/1"),
        Property::CorrelationData(b"\x00\xFF"),
        Property::SubscriptionId(268_435_455),
        Property::SessionExpiry(u32::MAX),
        Property::AssignedClientId("c1"),
        Property::ServerKeepAlive(30),
        Property::AuthenticationMethod("SCRAM-SHA-256"),
        Property::AuthenticationData(b"data"),
        Property::RequestProblemInformation(true),
        Property::WillDelay(5),
        Property::RequestResponseInformation(false),
        Property::ResponseInformation("answers/"),
        Property::ServerReference("other:1883"),
        Property::ReasonString("because"),
        Property::ReceiveMaximum(10),
        Property::TopicAliasMaximum(0),
        Property::TopicAlias(65_535),
        Property::MaximumQoS(1),
        Property::RetainAvailable(true),
        Property::UserProperty("k", ""),
        Property::MaximumPacketSize(1),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdAvailable(true),
        Property::SharedSubscriptionAvailable(true),
    ]
}

fn block(properties: &[Property<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for property in properties {
        property.put(&mut bytes);
    }
    let mut out = Vec::new();
    crate::codec::put_block(&mut out, &bytes);
    out
}

fn read(bytes: &[u8], place: Place) -> Result<Properties<'_>, DecodeError> {
    Properties::read(&mut Reader::new(bytes), place, &Limits::default(), |_| {})
}

/// Written down a second time, by property, as the specification has it.
fn places(id: u8) -> &'static [Place] {
    use Place::*;
    match id {
        0x01 | 0x02 | 0x03 | 0x08 | 0x09 => &[Publish, Delivery, Will],
        0x0B => &[Publish, Delivery, Subscribe],
        0x11 => &[Connect, ConnAck, Disconnect],
        0x12 | 0x13 | 0x1A | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => &[ConnAck],
        0x15 | 0x16 => &[Connect, ConnAck, Auth],
        0x17 | 0x19 => &[Connect],
        0x18 => &[Will],
        0x1C => &[ConnAck, Disconnect],
        0x1F => &[ConnAck, Ack, Disconnect, Auth],
        0x21 | 0x22 | 0x27 => &[Connect, ConnAck],
        0x23 => &[Publish, Delivery],
        0x26 => &PLACES,
        _ => &[],
    }
}

#[test]
fn each_identifier_in_each_packet() {
    for place in PLACES {
        for id in 0..=255 {
            let legal = places(id).contains(&place);
            assert_eq!(place.allowed() & bit(id) != 0, legal, "{place:?} {id:#04x}");
        }
    }
}

#[test]
fn each_property_in_each_packet() {
    for place in PLACES {
        for property in all() {
            // Data alone is its own error; the method goes with it.
            let with_method = [Property::AuthenticationMethod("m"), property];
            let shown = match property {
                Property::AuthenticationData(_) => &with_method[..],
                _ => &with_method[1..],
            };
            let bytes = block(shown);
            let legal = places(property.id()).contains(&place);
            match read(&bytes, place) {
                Ok(got) => {
                    assert!(legal, "{place:?} {property:?}");
                    assert_eq!(got.iter().collect::<Vec<_>>(), shown);
                }
                // [MQTT-3.3.4-6]
                Err(DecodeError::Protocol(_)) => {
                    assert_eq!((place, property.id()), (Place::Publish, 0x0B));
                }
                Err(error) => {
                    assert!(matches!(error, DecodeError::Malformed(_)), "{error}");
                    assert!(!legal, "{place:?} {property:?}");
                }
            }
        }
    }
}

#[test]
fn twice() {
    for place in PLACES {
        for property in all() {
            if !places(property.id()).contains(&place) {
                continue;
            }
            let bytes = block(&[Property::UserProperty("", ""), property, property]);
            let may_repeat = match property {
                Property::UserProperty(..) => true,
                Property::SubscriptionId(_) => place == Place::Delivery,
                _ => false,
            };
            let got = read(&bytes, place);
            if may_repeat {
                assert!(got.is_ok(), "{place:?} {property:?}");
            } else {
                assert!(
                    matches!(got, Err(DecodeError::Protocol(_))),
                    "{place:?} {property:?}"
                );
            }
        }
    }
}

#[test]
fn every_cut_is_malformed() {
    for property in all() {
        let bytes = block(&[property]);
        let place = places(property.id())[0];
        for cut in 1..bytes.len() - 1 {
            // The length made true, so that the property itself is cut.
            let mut cut_bytes = bytes[..=cut].to_vec();
            cut_bytes[0] = u8::try_from(cut).unwrap();
            if let Err(error) = read(&cut_bytes, place) {
                assert!(!matches!(error, DecodeError::Quota(_)), "{error}");
            } else {
                panic!("{property:?} cut at {cut}");
            }
            // And the length left a lie.
            assert!(read(&bytes[..=cut], place).is_err());
        }
    }
}

#[test]
fn user_properties_are_bounded() {
    let many = |count: usize| block(&vec![Property::UserProperty("a", "b"); count]);
    assert!(read(&many(64), Place::Publish).is_ok());
    assert!(matches!(
        read(&many(65), Place::Publish),
        Err(DecodeError::Quota(_))
    ));
    let big = |bytes: usize| block(&[Property::UserProperty("a", &"b".repeat(bytes - 1))]);
    assert!(read(&big(8192), Place::Publish).is_ok());
    assert!(matches!(
        read(&big(8193), Place::Publish),
        Err(DecodeError::Quota(_))
    ));
}

#[test]
fn forwarded_in_order_and_nothing_else() {
    let sent = [
        Property::UserProperty("b", "1"),
        Property::TopicAlias(3),
        Property::PayloadFormat(1),
        Property::UserProperty("a", "2"),
        Property::MessageExpiry(10),
        Property::SubscriptionId(7),
        Property::ResponseTopic("r"),
        Property::CorrelationData(b"c"),
        Property::ContentType("t"),
        Property::UserProperty("b", "1"),
    ];
    let bytes = block(&sent);
    let mut out = Vec::new();
    read(&bytes, Place::Delivery)
        .unwrap()
        .put_forwarded(&mut out);
    let expected = [
        sent[0], sent[2], sent[3], sent[6], sent[7], sent[8], sent[9],
    ];
    assert_eq!(out, block(&expected)[1..]);
    let will = [Property::WillDelay(1), Property::ContentType("t")];
    let bytes = block(&will);
    out.clear();
    read(&bytes, Place::Will).unwrap().put_forwarded(&mut out);
    assert_eq!(out, block(&will[1..])[1..]);
}
