//! The devices of a scenario and their connections: each connects, publishes what is due, and comes
//! back when its connection is lost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{Crowd, Heard, Options, Tls, Will};
use protocol::{
    AckKind, Frame, Limits, Packet, PacketId, Properties, Publish, QoS, Reason, Version, ack,
    decode_from_server, disconnect, pingreq,
};

use super::scenario::{self, Scenario};
use super::signal::{Chance, Source};
use crate::tools::settings::Settings;

/// Messages of QoS 1 and 2 of a device that may wait for their acknowledgement; more are skipped.
const UNANSWERED_MAX: u32 = 100;
/// Devices that connect at once.
const OPENING_MAX: usize = 64;
/// Until a device tries again: twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What became of what was to be published.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::tools) struct Told {
    pub(in crate::tools) devices: usize,
    pub(in crate::tools) connected: usize,
    pub(in crate::tools) published: u64,
    /// Due while the device was away, or while too much waited.
    pub(in crate::tools) skipped: u64,
    /// The broker did not want them.
    pub(in crate::tools) refused: u64,
    pub(in crate::tools) lost_connections: u64,
}

struct Device {
    hello: Vec<u8>,
    messages: Vec<Timed>,
    link: Link,
    has_begun: bool,
    wait: Duration,
    next_id: u16,
    unanswered: u32,
}

/// A message, filled in for one device.
struct Timed {
    message: scenario::Message,
    topic: String,
    source: Source,
    /// From the first connection to the first message.
    delay: Duration,
    due: Instant,
    every: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Until then.
    Away(Instant),
    Opening(usize),
    Up(usize),
}

pub(super) struct Fleet {
    devices: Vec<Device>,
    /// Whose each connection is.
    owners: Vec<usize>,
    opening: usize,
    /// What is due next: device and message.
    due: BinaryHeap<Reverse<(Instant, usize, usize)>>,
    version: Version,
    keep_alive: Duration,
    pinged_at: Instant,
    begun: Instant,
    /// Seconds since 1970.
    began: f64,
    told: Told,
    fault: String,
    was_up: bool,
    is_leaving: bool,
}

impl Fleet {
    pub(super) fn new(
        scenario: &Scenario,
        settings: &Settings,
        seed: u64,
        began: Duration,
    ) -> Self {
        let begun = Instant::now();
        let mut chance = Chance::new(seed);
        let mut devices = Vec::new();
        for device in &scenario.device {
            for number in 0..device.count * settings.play.times {
                devices.push(Device::new(device, number, settings, &mut chance, begun));
            }
        }
        let options = settings.options();
        Self {
            told: Told {
                devices: devices.len(),
                ..Told::default()
            },
            devices,
            owners: Vec::new(),
            opening: 0,
            due: BinaryHeap::new(),
            version: options.version,
            keep_alive: Duration::from_secs(options.keep_alive_secs.into()),
            pinged_at: begun,
            begun,
            began: began.as_secs_f64(),
            fault: String::new(),
            was_up: false,
            is_leaving: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    pub(super) fn told(&self) -> Told {
        let is_up = |device: &&Device| matches!(device.link, Link::Up(_));
        Told {
            connected: self.devices.iter().filter(is_up).count(),
            ..self.told
        }
    }

    /// Why no device ever connected, once one failed.
    pub(super) fn hopeless(&self) -> Option<&str> {
        (!self.was_up && !self.fault.is_empty()).then_some(&*self.fault)
    }

    /// Connects whoever is away and publishes what is due; gives when there is more to do.
    pub(super) fn turn(
        &mut self,
        crowd: &mut Crowd,
        to: SocketAddr,
        tls: Option<(&Tls, &str)>,
    ) -> Instant {
        let now = Instant::now();
        for at in 0..self.devices.len() {
            let device = &mut self.devices[at];
            if self.opening < OPENING_MAX
                && let Link::Away(until) = device.link
                && until <= now
            {
                let number = self.owners.len();
                self.owners.push(at);
                device.link = Link::Opening(number);
                self.opening += 1;
                if let Err(error) = crowd.open(to, None, tls, device.hello.clone()) {
                    self.lost(number, &error.to_string());
                }
            }
        }
        self.ping(crowd, now);
        while let Some(Reverse((due, at, number))) = self.due.peek().copied() {
            if due > now {
                return due;
            }
            self.due.pop();
            let next = self.publish(crowd, at, number);
            self.due.push(Reverse((next, at, number)));
        }
        now
    }

    /// Publishes one message, and says when it is due again.
    fn publish(&mut self, crowd: &mut Crowd, at: usize, number: usize) -> Instant {
        let device = &mut self.devices[at];
        let timed = &mut device.messages[number];
        let time = timed
            .due
            .saturating_duration_since(self.begun)
            .as_secs_f64();
        let payload = timed.source.payload(&timed.message, time, self.began);
        timed.due += timed.every;
        let next = timed.due;
        let qos = QoS::from_bits(timed.message.qos).expect("the scenario was checked");
        let is_answered = qos != QoS::AtMostOnce;
        let Link::Up(connection) = device.link else {
            self.told.skipped += 1;
            return next;
        };
        if is_answered && device.unanswered == UNANSWERED_MAX {
            self.told.skipped += 1;
            return next;
        }
        device.next_id = device.next_id.checked_add(1).unwrap_or(1);
        let publish = Publish {
            dup: false,
            qos,
            retain: timed.message.retain,
            topic: &timed.topic,
            id: PacketId::new(device.next_id).filter(|_| is_answered),
            properties: Properties::default(),
            alias: None,
            expiry_secs: None,
            payload: &payload,
        };
        let mut packet = Vec::new();
        publish.encode(self.version, &mut packet);
        device.unanswered += u32::from(is_answered);
        self.told.published += 1;
        crowd.say(connection, &packet);
        next
    }

    fn ping(&mut self, crowd: &mut Crowd, now: Instant) {
        if self.keep_alive.is_zero() || now - self.pinged_at < self.keep_alive / 2 {
            return;
        }
        self.pinged_at = now;
        let mut packet = Vec::new();
        pingreq(&mut packet);
        for device in &self.devices {
            if let Link::Up(connection) = device.link {
                crowd.say(connection, &packet);
            }
        }
    }

    pub(super) fn hear(&mut self, number: usize, heard: Heard<'_>, out: &mut Vec<u8>) {
        match heard {
            Heard::Packet(frame) => self.packet(number, &frame, out),
            Heard::Written => {}
            Heard::Closed(why) => {
                let why = why.map_or_else(|| "closed by the broker".to_owned(), |e| e.to_string());
                self.lost(number, &why);
            }
        }
    }

    fn packet(&mut self, number: usize, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let at = self.owners[number];
        let device = &mut self.devices[at];
        match decode_from_server(frame, self.version, &Limits::default()) {
            Ok(Packet::ConnAck(answer)) if answer.reason.is_error() => {
                self.lost(number, &format!("CONNACK: {}", answer.reason));
            }
            Ok(Packet::ConnAck(_)) => {
                device.link = Link::Up(number);
                (device.wait, device.unanswered) = (RETRY_MIN, 0);
                self.opening -= 1;
                self.was_up = true;
                if !std::mem::replace(&mut device.has_begun, true) {
                    // Nothing is due of a device that never was there.
                    let now = Instant::now();
                    for (number, timed) in device.messages.iter_mut().enumerate() {
                        timed.due = now + timed.delay;
                        self.due.push(Reverse((timed.due, at, number)));
                    }
                }
            }
            Ok(Packet::PubRec(answer)) if !answer.reason.is_error() => {
                let kind = AckKind::PubRel;
                ack::encode(out, self.version, kind, answer.id, Reason::SUCCESS, &[]);
            }
            Ok(Packet::PubAck(answer) | Packet::PubRec(answer) | Packet::PubComp(answer)) => {
                device.unanswered = device.unanswered.saturating_sub(1);
                self.told.refused += u64::from(answer.reason.is_error());
            }
            Ok(Packet::Disconnect(packet)) => {
                self.lost(number, &format!("DISCONNECT: {}", packet.reason));
            }
            _ => {}
        }
    }

    /// A connection is over; its device tries again after a while.
    fn lost(&mut self, number: usize, why: &str) {
        let device = &mut self.devices[self.owners[number]];
        match device.link {
            Link::Opening(own) if own == number => self.opening -= 1,
            Link::Up(own) if own == number => {
                self.told.lost_connections += u64::from(!self.is_leaving);
            }
            // Told before.
            _ => return,
        }
        device.link = Link::Away(Instant::now() + device.wait);
        device.wait = (device.wait * 2).min(RETRY_MAX);
        why.clone_into(&mut self.fault);
    }

    /// Says good-bye, so that no will is published for an intended end.
    pub(super) fn leave(&mut self, crowd: &mut Crowd) {
        self.is_leaving = true;
        let mut packet = Vec::new();
        disconnect::encode(&mut packet, self.version, Reason::SUCCESS, &[]);
        for device in &self.devices {
            if let Link::Up(connection) = device.link {
                crowd.say(connection, &packet);
            }
        }
    }

    /// Whether the broker has closed every connection.
    pub(super) fn is_gone(&self) -> bool {
        self.told().connected == 0
    }
}

impl Device {
    fn new(
        device: &scenario::Device,
        number: u32,
        settings: &Settings,
        chance: &mut Chance,
        begun: Instant,
    ) -> Self {
        let fill = |text: &str| text.replace("%i", &number.to_string());
        let will = device.will.as_ref().map(|will| Will {
            topic: fill(&will.topic),
            payload: fill(&will.payload).into_bytes(),
            qos: QoS::from_bits(will.qos).expect("the scenario was checked"),
            retain: will.retain,
            properties: Vec::new(),
        });
        let mut id = fill(&device.id);
        if settings.play.times > 1 && !device.id.contains("%i") {
            id += &format!("-{number}");
        }
        let prefix = settings.id_prefix.as_deref().unwrap_or_default();
        let options = Options {
            client_id: format!("{prefix}{id}"),
            will,
            ..settings.options()
        };
        let timed = |message: &scenario::Message| {
            let every = Duration::from_secs_f64(message.every);
            // Not all at once.
            let first = every.min(Duration::from_secs(1));
            let part = (chance.next() % 1000) as f64 / 1000.0;
            Timed {
                topic: fill(&message.topic),
                source: Source::new(message, chance),
                message: message.clone(),
                delay: first.mul_f64(part),
                due: begun,
                every,
            }
        };
        Self {
            hello: options.connect().expect("the properties were checked"),
            messages: device.message.iter().map(timed).collect(),
            link: Link::Away(begun),
            has_begun: false,
            wait: RETRY_MIN,
            next_id: 0,
            unanswered: 0,
        }
    }
}
