//! A modelled client: what it knows, how it writes packets, what it does with those it reads.
//!
//! It is a law-abiding one: whatever goes wrong between it and the broker is the broker's fault.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::{
    Options, Packet, PacketId, Property, QoS, Reason, Request, Version,
    packet::ack::{self, AckKind},
    publish, put_binary, put_string, put_u16, put_varint, subscribe, unsubscribe,
};

use crate::{ledger::Announced, net::Line};

/// Packet ids a client uses, few so that they come round soon.
const IDS: u16 = 24;

/// A QoS 1 or 2 message that this client sent and has not finished.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) id: u16,
    pub(crate) msg: usize,
    pub(crate) qos: u8,
    pub(crate) released: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Takes part in shared groups, and has no other subscriptions.
    pub(crate) worker: bool,
    pub(crate) line: Option<Line>,
    pub(crate) connected: bool,
    /// It has forgotten its session, and the broker may not know.
    pub(crate) forgot: bool,
    /// Which session it last knew to be its own.
    pub(crate) era: u32,
    /// The session of the current line, as the broker counts it.
    pub(crate) announced: Announced,
    pub(crate) server_receive_max: usize,
    pub(crate) sent: Vec<Sent>,
    /// QoS 2 ids received and not yet released.
    pub(crate) received: BTreeSet<u16>,
    pub(crate) next_id: u16,
    /// It takes the lowest packet id that is free, so that ids come again soon.
    pub(crate) thrifty: bool,
    /// Ids of SUBSCRIBE and UNSUBSCRIBE without an answer.
    pub(crate) asked: BTreeMap<u16, Asked>,
    /// Answers owed, each kind in its own order; PUBACK with the message.
    pub(crate) owed: [VecDeque<(AckKind, u16, Option<usize>)>; 3],
    pub(crate) aliases: BTreeMap<u16, String>,
    pub(crate) unread: Vec<u8>,
    /// Milliseconds until which it reads, or says, nothing.
    pub(crate) deaf_until: u64,
    pub(crate) mute_until: u64,
    /// Milliseconds until which it sends no acknowledgement.
    pub(crate) lazy_until: u64,
    pub(crate) last_said: u64,
    pub(crate) away_until: u64,
    pub(crate) next_sub_id: u32,
    /// Filters it holds, as far as it knows, with their options.
    pub(crate) filters: BTreeMap<String, Options>,
}

/// A SUBSCRIBE or UNSUBSCRIBE under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    Subscribe,
    Unsubscribe,
}

/// What a client learnt from a packet that the ledger must know.
#[derive(Debug)]
pub(crate) enum Learnt {
    Connected { present: bool },
    Message(Delivery),
    Disconnected,
}

#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// A QoS 2 id that was already received: not for the application.
    pub(crate) repeated: bool,
}

impl Client {
    pub(crate) fn new(name: String, version: Version, worker: bool) -> Self {
        Self {
            thrifty: name.ends_with(['0', '2', '4', '6', '8']),
            name,
            version,
            worker,
            line: None,
            connected: false,
            forgot: false,
            era: 0,
            announced: Announced {
                v5: version.is_v5(),
                clean: true,
                receive_max: 0,
                packet_max: 0,
                alias_max: 0,
                keep_alive_secs: 0,
                expiry_secs: 0,
                will: None,
            },
            server_receive_max: 1,
            sent: Vec::new(),
            received: BTreeSet::new(),
            next_id: 0,
            asked: BTreeMap::new(),
            owed: Default::default(),
            aliases: BTreeMap::new(),
            unread: Vec::new(),
            deaf_until: 0,
            mute_until: 0,
            lazy_until: 0,
            last_said: 0,
            away_until: 0,
            next_sub_id: 0,
            filters: BTreeMap::new(),
        }
    }

    /// The line is gone; what belongs to it is forgotten.
    pub(crate) fn hang_up(&mut self) {
        self.line = None;
        self.connected = false;
        self.asked.clear();
        self.owed.iter_mut().for_each(VecDeque::clear);
        self.aliases.clear();
        self.unread.clear();
        self.deaf_until = 0;
        self.mute_until = 0;
    }

    pub(crate) fn free_id(&mut self) -> Option<u16> {
        if self.thrifty {
            self.next_id = 0;
        }
        (0..IDS).find_map(|_| {
            self.next_id = self.next_id % IDS + 1;
            let id = self.next_id;
            let used = self.sent.iter().any(|s| s.id == id) || self.asked.contains_key(&id);
            (!used).then_some(id)
        })
    }

    /// Whether one more PUBLISH above QoS 0 may be sent [MQTT-3.3.4-7].
    pub(crate) fn has_quota(&self) -> bool {
        self.sent.len() < self.server_receive_max
    }

    /// Whether it is inside a QoS 2 exchange, of either direction.
    pub(crate) fn mid_handshake(&self) -> bool {
        !self.received.is_empty() || self.sent.iter().any(|s| s.qos == 2)
    }

    pub(crate) fn connect_packet(&self, will: Option<(&str, &[u8], QoS, Option<u32>)>) -> Vec<u8> {
        let a = &self.announced;
        let mut body = Vec::new();
        put_string(&mut body, self.version.name());
        let mut flags = u8::from(a.clean) << 1;
        if let Some((.., qos, _)) = will {
            flags |= 1 << 2 | qos.bits() << 3;
        }
        body.extend_from_slice(&[self.version.level(), flags]);
        put_u16(&mut body, a.keep_alive_secs);
        if a.v5 {
            let mut block = Vec::new();
            Property::SessionExpiry(a.expiry_secs).put(&mut block);
            Property::ReceiveMaximum(a.receive_max).put(&mut block);
            if a.alias_max > 0 {
                Property::TopicAliasMaximum(a.alias_max).put(&mut block);
            }
            if a.packet_max < 10_000 {
                let max = u32::try_from(a.packet_max).expect("small");
                Property::MaximumPacketSize(max).put(&mut block);
            }
            put_block(&mut body, &block);
        }
        put_string(&mut body, &self.name);
        if let Some((topic, payload, _, delay)) = will {
            if a.v5 {
                let mut block = Vec::new();
                if let Some(secs) = delay {
                    Property::WillDelay(secs).put(&mut block);
                }
                put_block(&mut body, &block);
            }
            put_string(&mut body, topic);
            put_binary(&mut body, payload);
        }
        let mut out = vec![0x10];
        put_varint(&mut out, u32::try_from(body.len()).expect("small"));
        out.extend_from_slice(&body);
        out
    }

    pub(crate) fn subscribe_packet(
        &self,
        id: u16,
        filters: &[(String, Options)],
        sub_id: Option<u32>,
    ) -> Vec<u8> {
        let mut block = Vec::new();
        if let Some(n) = sub_id {
            Property::SubscriptionId(n).put(&mut block);
        }
        let requests: Vec<Request<'_>> = filters
            .iter()
            .map(|(filter, options)| Request {
                filter,
                options: *options,
            })
            .collect();
        let mut out = Vec::new();
        subscribe::encode(&mut out, self.version, pid(id), &block, &requests);
        out
    }

    pub(crate) fn unsubscribe_packet(&self, id: u16, filters: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        unsubscribe::encode(&mut out, self.version, pid(id), &[], filters);
        out
    }

    pub(crate) fn ack_packet(&self, kind: AckKind, id: u16) -> Vec<u8> {
        let mut out = Vec::new();
        ack::encode(&mut out, self.version, kind, pid(id), Reason::SUCCESS, &[]);
        out
    }

    /// Takes one packet. The broker's tap has found it legal.
    pub(crate) fn take(&mut self, packet: &Packet<'_>, learnt: &mut Vec<Learnt>) {
        match packet {
            Packet::ConnAck(p) => {
                self.connected = true;
                self.forgot = false;
                // With Clean Start it forgot when it asked, and may have sent something since.
                if !p.session_present && !self.announced.clean {
                    self.sent.clear();
                    self.received.clear();
                    self.filters.clear();
                }
                self.server_receive_max = 20;
                for property in p.properties.iter() {
                    if let Property::ReceiveMaximum(n) = property {
                        self.server_receive_max = usize::from(n);
                    }
                }
                let present = p.session_present;
                learnt.push(Learnt::Connected { present });
            }
            Packet::Publish(p) => self.take_publish(p, learnt),
            Packet::PubAck(p) => self.finish(p.id),
            Packet::PubRec(p) => {
                let id = p.id.get();
                if p.reason.is_error() {
                    self.finish(p.id);
                } else if let Some(sent) = self.sent.iter_mut().find(|s| s.id == id) {
                    sent.released = true;
                    self.owed[2].push_back((AckKind::PubRel, id, None));
                }
            }
            Packet::PubRel(p) => {
                let id = p.id.get();
                self.received.remove(&id);
                self.owed[1].push_back((AckKind::PubComp, id, None));
            }
            Packet::PubComp(p) => self.finish(p.id),
            Packet::SubAck(p) => {
                self.asked.remove(&p.id.get());
            }
            Packet::UnsubAck(p) => {
                self.asked.remove(&p.id.get());
            }
            Packet::Disconnect(_) => learnt.push(Learnt::Disconnected),
            _ => {}
        }
    }

    fn finish(&mut self, id: PacketId) {
        self.sent.retain(|s| s.id != id.get());
    }

    fn take_publish(&mut self, p: &publish::Publish<'_>, learnt: &mut Vec<Learnt>) {
        let topic = match p.alias {
            Some(alias) if p.topic.is_empty() => {
                self.aliases.get(&alias).cloned().unwrap_or_default()
            }
            Some(alias) => {
                self.aliases.insert(alias, p.topic.to_owned());
                p.topic.to_owned()
            }
            None => p.topic.to_owned(),
        };
        let msg = number(p.payload);
        let mut repeated = false;
        if let Some(id) = p.id.map(PacketId::get) {
            if p.qos == QoS::ExactlyOnce {
                repeated = !self.received.insert(id);
                self.owed[1].push_back((AckKind::PubRec, id, msg));
            } else {
                self.owed[0].push_back((AckKind::PubAck, id, msg));
            }
        }
        learnt.push(Learnt::Message(Delivery {
            topic,
            payload: p.payload.to_vec(),
            qos: p.qos.bits(),
            retain: p.retain,
            repeated,
        }));
    }
}

pub(crate) fn pid(id: u16) -> PacketId {
    PacketId::new(id).expect("ids begin at 1")
}

fn put_block(out: &mut Vec<u8>, block: &[u8]) {
    put_varint(out, u32::try_from(block.len()).expect("small"));
    out.extend_from_slice(block);
}

/// A payload says which message it is.
pub(crate) fn payload(msg: usize, bytes: usize) -> Vec<u8> {
    let mut text = format!("m{msg}:").into_bytes();
    text.resize(text.len().max(bytes), b'.');
    text
}

/// The message that a payload names.
pub(crate) fn number(payload: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(payload).ok()?;
    text.strip_prefix('m')?.split(':').next()?.parse().ok()
}
