//! Runs: consecutive QoS 0 PUBLISHes with one topic are one event and one copy per receiver.
//!
//! What a run may skip is only what is the same for each of its packets: topic, flags, rights. In bulk
//! this is worth a factor of 1.6 over one packet at a time.

use protocol::{QoS, Topic, Version, packet::publish, run as frames};

use super::{Mail, Run, Shard, Sink, Verdict, deliver::Shot};
use crate::{
    Counter, SessionRef,
    limits::RUN_BYTES_MAX,
    message::View,
    router::{Route, Target},
};

/// The packets of a run, cut out again where a receiver needs them one by one.
#[derive(Clone, Copy, Debug)]
struct Packets<'a> {
    publisher: SessionRef,
    version: Version,
    topic: Topic<'a>,
    bytes: &'a [u8],
    count: u64,
    /// The largest packet.
    longest: usize,
}

impl Shard {
    /// `packet` is the first of what may be a run at the start of `bytes`.
    #[inline]
    pub(super) fn on_run(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        len: usize,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Verdict<usize> {
        self.check_payload(packet.payload.len())?;
        let s = self.session(slot);
        let (version, hint) = (s.version, s.hint);
        let topic = Topic::trusted(packet.topic);
        let max = self.settings.limits.packet_bytes_max as usize;
        let payload_max = self.settings.payload_bytes_max as usize;
        let mut packets = Packets {
            publisher: self.reference(slot),
            version,
            topic,
            bytes,
            count: 1,
            longest: len,
        };
        let mut end = len;
        while end < RUN_BYTES_MAX {
            let Some((next, payload)) = frames::same_topic(&bytes[end..], packet.topic, version)
            else {
                break;
            };
            if next > max || payload > payload_max {
                break;
            }
            packets.longest = packets.longest.max(next);
            packets.count += 1;
            end += next;
        }
        packets.bytes = &bytes[..end];
        let run = packets;
        self.metrics.add(Counter::PacketsReceived, run.count);
        self.metrics.received(QoS::AtMostOnce, run.count);
        let view = view(&run, packet.payload);
        if self.acl.publish(&self.session(slot).owner, view).is_none() {
            self.metrics.add(Counter::PublishDenied, run.count);
            return Ok(end);
        }
        let hint = self.route_run(&run, hint, sink);
        if let Some(s) = self.sessions.get_mut(slot) {
            s.hint = hint;
        }
        Ok(end)
    }

    fn route_run(&mut self, run: &Packets<'_>, hint: u32, sink: &mut impl Sink) -> u32 {
        if self.settings.upgrade_qos {
            // Each may have to be logged for itself.
            return self.one_by_one(run, hint, sink);
        }
        let (at, route) = self.routes.take(&mut self.router, run.topic, hint);
        if route.is_empty() {
            self.metrics.add(Counter::NoSubscriber, run.count);
        }
        self.deliver_run(run, &route, sink);
        let mut live = route.interest.live;
        while live != 0 {
            let to = u16::try_from(live.trailing_zeros()).expect("at most 32");
            live &= live - 1;
            let (publisher, version) = (run.publisher, run.version);
            let copy = Run {
                publisher,
                version,
                bytes: run.bytes.into(),
            };
            self.mail(to, Mail::Run(Box::new(copy)));
        }
        self.routes.put(at, route);
        at
    }

    fn deliver_run(&mut self, run: &Packets<'_>, route: &Route, sink: &mut impl Sink) {
        for target in &route.targets {
            if !self.copy_run(run, target, sink) {
                for payload in frames::payloads(run.bytes, run.version) {
                    self.deliver(target, &mut Shot::new(view(run, payload)), false, sink);
                }
            }
        }
        if !route.groups.is_empty() {
            for payload in frames::payloads(run.bytes, run.version) {
                let message = Shot::new(view(run, payload)).arc();
                for group in &route.groups {
                    self.dispatch(*group, &message, sink);
                }
            }
        }
    }

    /// Copies the run as it is, if the receiver would get each packet unchanged.
    #[inline]
    fn copy_run(&mut self, run: &Packets<'_>, target: &Target, sink: &mut impl Sink) -> bool {
        let Some(s) = self.sessions.get(target.session) else {
            return true;
        };
        let own = target.flags.no_local() && self.is_publisher(run.publisher, target.session);
        let same_form = s.version.is_v5() == run.version.is_v5();
        let plain = target.ids.is_empty() && s.aliases.is_none();
        let fits = run.longest <= s.packet_max as usize;
        if own
            || !same_form
            || !plain
            || !fits
            || s.bits.blocked
            || !s.is_online()
            || s.has_queued_qos_0()
        {
            return false;
        }
        let out = sink.out(s.conn);
        if out.len() + run.bytes.len() > self.settings.out_bytes_max {
            return false;
        }
        out.extend_from_slice(run.bytes);
        self.metrics.add(Counter::PacketsSent, run.count);
        self.metrics.sent(QoS::AtMostOnce, run.count);
        true
    }

    pub(super) fn on_remote_run(&mut self, run: &Run, sink: &mut impl Sink) {
        let whole = frames::payloads(&run.bytes, run.version);
        let Some(topic) = whole.topic() else { return };
        let packets = Packets {
            publisher: run.publisher,
            version: run.version,
            topic: Topic::trusted(topic),
            bytes: &run.bytes,
            count: 0,
            longest: 0,
        };
        let packets = whole.fold(packets, |p, payload| Packets {
            count: p.count + 1,
            longest: p.longest.max(payload.len() + topic.len() + 9),
            ..p
        });
        let (at, route) = self.routes.take(&mut self.router, packets.topic, u32::MAX);
        self.deliver_run(&packets, &route, sink);
        self.routes.put(at, route);
    }

    fn one_by_one(&mut self, run: &Packets<'_>, mut hint: u32, sink: &mut impl Sink) -> u32 {
        for payload in frames::payloads(run.bytes, run.version) {
            let view = view(run, payload);
            if let Some(allowed) = self.acl.publish(&crate::acl::Principal::Broker, view) {
                (hint, _) = self.publish(allowed, hint, sink);
            }
        }
        hint
    }

    fn check_payload(&self, bytes: usize) -> Verdict<()> {
        if bytes > self.settings.payload_bytes_max as usize {
            let cause = "a payload larger than mqtt.max_payload_size";
            let reason = protocol::Reason::PACKET_TOO_LARGE;
            return Err(super::Close { reason, cause });
        }
        Ok(())
    }

    #[inline]
    pub(super) fn is_publisher(&self, publisher: SessionRef, slot: u32) -> bool {
        publisher.slot == slot
            && publisher.shard == self.id
            && self
                .sessions
                .get(slot)
                .is_some_and(|s| s.generation == publisher.generation)
    }
}

fn view<'a>(run: &Packets<'a>, payload: &'a [u8]) -> View<'a> {
    View {
        publisher: run.publisher,
        topic: run.topic,
        qos: QoS::AtMostOnce,
        retain: false,
        expires: None,
        forwarded: &[],
        payload,
    }
}
