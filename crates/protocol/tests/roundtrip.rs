//! What we encode, we decode to the same: properties over all values of all packets.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::publish::Out;
use protocol::{
    AckKind, Connect, Limits, Options, Packet, PacketId, Properties, Property, QoS, Reason,
    Request, RetainHandling, Version, Will, ack, auth, connack, decode, decode_from_server,
    disconnect, frame, suback, subscribe, unsuback, unsubscribe,
};

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![
        Just(Version::V3_1),
        Just(Version::V3_1_1),
        Just(Version::V5)
    ]
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ]
}

fn id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap())
}

/// Text with nothing that 1.5.4 refuses.
fn text() -> impl Strategy<Value = String> {
    "[ -~éΩ€😀]{0,20}"
}

fn topic() -> impl Strategy<Value = String> {
    "[a-z$é /]{1,30}"
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..300)
}

fn reason(codes: &'static [u8]) -> impl Strategy<Value = Reason> {
    proptest::sample::select(codes).prop_map(Reason)
}

/// Ready-made properties that acknowledgements may have.
fn answer_properties() -> impl Strategy<Value = Vec<u8>> {
    (option::of(text()), vec((text(), text()), 0..4)).prop_map(|(reason, users)| {
        let mut out = Vec::new();
        if let Some(reason) = &reason {
            Property::ReasonString(reason).put(&mut out);
        }
        for (name, value) in &users {
            Property::UserProperty(name, value).put(&mut out);
        }
        out
    })
}

/// Ready-made properties that are forwarded with a message.
fn message_properties() -> impl Strategy<Value = Vec<u8>> {
    (
        option::of(0..=1u8),
        option::of(text()),
        option::of(topic()),
        option::of(bytes()),
        vec((text(), text()), 0..4),
    )
        .prop_map(|(format, content, response, correlation, users)| {
            let mut out = Vec::new();
            for (name, value) in &users {
                Property::UserProperty(name, value).put(&mut out);
            }
            if let Some(format) = format {
                Property::PayloadFormat(format).put(&mut out);
            }
            if let Some(content) = &content {
                Property::ContentType(content).put(&mut out);
            }
            if let Some(response) = &response {
                Property::ResponseTopic(response).put(&mut out);
            }
            if let Some(correlation) = &correlation {
                Property::CorrelationData(correlation).put(&mut out);
            }
            out
        })
}

/// Decodes as both sides do, and encodes to the same bytes again.
fn read(bytes: &[u8], version: Version) -> Packet<'_> {
    let f = frame(bytes, u32::MAX).unwrap().expect("a whole packet");
    assert_eq!(f.len, bytes.len());
    let got = decode_from_server(&f, version, &Limits::default()).unwrap();
    let mut again = Vec::new();
    got.encode(version, &mut again);
    assert_eq!(again, bytes);
    got
}

proptest! {
    #[test]
    fn publish(
        version in version(), dup in any::<bool>(), qos in qos(), retain in any::<bool>(),
        topic in topic(), id in id(), alias in option::of(1..=u16::MAX),
        expiry_secs in option::of(any::<u32>()), ids in vec(1..=268_435_455u32, 0..4),
        forwarded in message_properties(), payload in bytes(), before in bytes(),
    ) {
        let above = qos != QoS::AtMostOnce;
        let sent = Out {
            dup: dup && above,
            qos,
            retain,
            topic: &topic,
            id: above.then_some(id),
            alias,
            expiry_secs,
            subscription_ids: &ids,
            forwarded: &forwarded,
            payload: &payload,
        };
        // What is in the buffer already stays.
        let mut out = before.clone();
        sent.encode(version, &mut out);
        prop_assert_eq!(&out[..before.len()], &before[..]);
        let bytes = &out[before.len()..];
        prop_assert_eq!(bytes.len(), sent.len(version));
        let Packet::Publish(got) = read(bytes, version) else { panic!("a PUBLISH") };
        prop_assert_eq!((got.dup, got.qos, got.retain), (sent.dup, qos, retain));
        prop_assert_eq!((got.topic, got.id, got.payload), (&topic[..], sent.id, &payload[..]));
        if version.is_v5() {
            prop_assert_eq!((got.alias, got.expiry_secs), (alias, expiry_secs));
            let got_ids: Vec<u32> = got.properties.iter().filter_map(|property| match property {
                Property::SubscriptionId(id) => Some(id),
                _ => None,
            }).collect();
            prop_assert_eq!(got_ids, ids);
            let mut again = Vec::new();
            got.properties.put_forwarded(&mut again);
            prop_assert_eq!(again, forwarded);
        } else {
            prop_assert!(got.properties.is_empty() && got.alias.is_none());
        }
    }

    #[test]
    fn connect(
        version in version(), clean_start in any::<bool>(), keep_alive_secs in any::<u16>(),
        client_id in text(), user_name in option::of(text()), password in option::of(bytes()),
        will in option::of((qos(), any::<bool>(), topic(), bytes(), message_properties())),
        users in vec((text(), text()), 0..4), session_expiry in option::of(any::<u32>()),
    ) {
        // Property blocks exist only as decoded ones, so they are put in by hand.
        let mut properties = Vec::new();
        for (name, value) in &users {
            Property::UserProperty(name, value).put(&mut properties);
        }
        if let Some(secs) = session_expiry {
            Property::SessionExpiry(secs).put(&mut properties);
        }
        let password = password.filter(|_| user_name.is_some() || version.is_v5());
        let sent = Connect {
            version,
            clean_start,
            keep_alive_secs,
            client_id: &client_id,
            properties: Properties::default(),
            will: will.as_ref().map(|(qos, retain, topic, payload, _)| Will {
                qos: *qos,
                retain: *retain,
                topic,
                payload,
                properties: Properties::default(),
            }),
            user_name: user_name.as_deref(),
            password: password.as_deref(),
        };
        let mut out = Vec::new();
        sent.encode(&mut out);
        prop_assert_eq!(read(&out, version), Packet::Connect(sent));
        if version.is_v5() {
            let f = frame(&out, u32::MAX).unwrap().unwrap();
            // Name, level, flags and keep alive are 10 bytes; the block is the eleventh.
            let mut body = f.body[..10].to_vec();
            protocol::put_varint(&mut body, u32::try_from(properties.len()).unwrap());
            body.extend_from_slice(&properties);
            body.extend_from_slice(&f.body[11..]);
            let mut bytes = vec![0x10];
            protocol::put_varint(&mut bytes, u32::try_from(body.len()).unwrap());
            bytes.extend_from_slice(&body);
            let Packet::Connect(got) = read(&bytes, version) else { panic!("a CONNECT") };
            prop_assert_eq!(got.properties.bytes(), &properties[..]);
            prop_assert_eq!(Connect { properties: Properties::default(), ..got }, sent);
        }
    }

    #[test]
    fn acks(
        version in version(), id in id(), properties in answer_properties(),
        of_publish in reason(&[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
        of_release in reason(&[0x00, 0x92]),
    ) {
        let kinds = [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp];
        let reasons = [of_publish, of_publish, of_release, of_release];
        for (kind, reason) in kinds.into_iter().zip(reasons) {
            let mut out = Vec::new();
            ack::encode(&mut out, version, kind, id, reason, &properties);
            let (Packet::PubAck(got) | Packet::PubRec(got) | Packet::PubRel(got)
                | Packet::PubComp(got)) = read(&out, version) else { panic!("an answer") };
            prop_assert_eq!(out[0], kind.first());
            prop_assert_eq!(got.id, id);
            if version.is_v5() {
                prop_assert_eq!((got.reason, got.properties.bytes()), (reason, &properties[..]));
            } else {
                prop_assert_eq!((out.len(), got.reason), (4, Reason::SUCCESS));
            }
        }
    }

    #[test]
    fn subscriptions(
        version in version(), id in id(), subscription_id in option::of(1..=268_435_455u32),
        wishes in vec((text(), qos(), any::<bool>(), any::<bool>(), 0..3u8), 1..8),
        properties in answer_properties(),
    ) {
        let v5 = version.is_v5();
        let requests: Vec<Request<'_>> = wishes.iter().map(|(filter, qos, local, as_is, handling)| {
            Request {
                filter,
                options: Options {
                    qos: *qos,
                    no_local: *local && v5,
                    retain_as_published: *as_is && v5,
                    retain_handling: match handling {
                        1 if v5 => RetainHandling::SendIfNew,
                        2 if v5 => RetainHandling::DoNotSend,
                        _ => RetainHandling::SendAlways,
                    },
                },
            }
        }).collect();
        let mut own = Vec::new();
        if let Some(id) = subscription_id {
            Property::SubscriptionId(id).put(&mut own);
        }
        let mut out = Vec::new();
        subscribe::encode(&mut out, version, id, &own, &requests);
        let Packet::Subscribe(got) = read(&out, version) else { panic!("a SUBSCRIBE") };
        prop_assert_eq!((got.id, got.len()), (id, requests.len()));
        prop_assert_eq!(got.subscription_id, subscription_id.filter(|_| v5));
        prop_assert_eq!(got.requests().collect::<Vec<_>>(), requests);

        let filters: Vec<&str> = wishes.iter().map(|wish| &wish.0[..]).collect();
        out.clear();
        unsubscribe::encode(&mut out, version, id, &[], &filters);
        let Packet::Unsubscribe(got) = read(&out, version) else { panic!("an UNSUBSCRIBE") };
        prop_assert_eq!((got.id, got.len()), (id, filters.len()));
        prop_assert_eq!(got.filters().collect::<Vec<_>>(), filters);

        let codes: Vec<Reason> = wishes.iter().map(|wish| match wish.4 {
            0 => Reason::NOT_AUTHORIZED,
            _ => Reason(wish.1.bits()),
        }).collect();
        out.clear();
        suback::encode(&mut out, version, id, &codes, &properties);
        let Packet::SubAck(got) = read(&out, version) else { panic!("a SUBACK") };
        for (got, sent) in got.codes().zip(&codes) {
            let expected = if !v5 && sent.is_error() { Reason(0x80) } else { *sent };
            prop_assert_eq!(got, expected);
        }
        prop_assert_eq!(got.codes().len(), codes.len());

        let codes = [Reason::SUCCESS, Reason::NO_SUBSCRIPTION_EXISTED];
        out.clear();
        unsuback::encode(&mut out, version, id, &codes, &properties);
        let Packet::UnsubAck(got) = read(&out, version) else { panic!("an UNSUBACK") };
        prop_assert_eq!(got.codes().len(), if v5 { 2 } else { 0 });
    }

    #[test]
    fn connack_disconnect_auth(
        version in version(), session_present in any::<bool>(), properties in answer_properties(),
        refused in reason(&[0x00, 0x80, 0x84, 0x85, 0x86, 0x87, 0x88, 0x8C, 0x97, 0x9F]),
        ended in reason(&[0x00, 0x04, 0x81, 0x8D, 0x8E, 0x93, 0x98, 0xA2]),
        step in reason(&[0x00, 0x18, 0x19]),
    ) {
        let v5 = version.is_v5();
        let mut out = Vec::new();
        connack::encode(&mut out, version, session_present, refused, &properties);
        let Packet::ConnAck(got) = read(&out, version) else { panic!("a CONNACK") };
        let present = session_present && !refused.is_error() && version != Version::V3_1;
        prop_assert_eq!(got.session_present, present);
        prop_assert_eq!(got.reason.connack_v3(), refused.connack_v3());
        if v5 {
            prop_assert_eq!((got.reason, got.properties.bytes()), (refused, &properties[..]));
        }

        out.clear();
        disconnect::encode(&mut out, version, ended, &properties);
        let Packet::Disconnect(got) = read(&out, version) else { panic!("a DISCONNECT") };
        if v5 {
            prop_assert_eq!((got.reason, got.properties.bytes()), (ended, &properties[..]));
            out.clear();
            auth::encode(&mut out, step, &properties);
            let Packet::Auth(got) = read(&out, version) else { panic!("an AUTH") };
            prop_assert_eq!((got.reason, got.properties.bytes()), (step, &properties[..]));
        } else {
            prop_assert_eq!(out, [0xE0, 0]);
        }
    }

    /// From a client, the same but for subscription identifiers [MQTT-3.3.4-6].
    #[test]
    fn any_bytes_decode_alike_on_both_sides(bytes in bytes(), version in version()) {
        let limits = Limits::default();
        let Ok(Some(f)) = frame(&bytes, u32::MAX) else { return Ok(()) };
        if let Ok(got) = decode(&f, version, &limits) {
            prop_assert_eq!(decode_from_server(&f, version, &limits), Ok(got));
        }
    }
}
