//! Runs: consecutive QoS 0 PUBLISHes with one topic are one event and one copy per receiver.
//!
//! What a run may skip is only what is the same for each of its packets: topic, flags, rights. In bulk
//! this is worth a factor of 1.6 over one packet at a time.

use protocol::{QoS, Topic, Version, packet::publish, run as frames};

use super::{Deed, Shard, Sink, Verdict, deliver::Shot};
use crate::{
    Cause, Counter, SessionRef,
    limits::RUN_BYTES_MAX,
    message::{View, fingerprint},
    plant::{self, Fault},
    router::{Route, Target},
    session::Bit,
};

/// The packets of a run, cut out again where a receiver needs them one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packets<'a> {
    pub(super) publisher: SessionRef,
    pub(super) version: Version,
    pub(super) topic: Topic<'a>,
    pub(super) bytes: &'a [u8],
    pub(super) count: u32,
    /// The largest packet.
    pub(super) longest: usize,
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
        route: Option<&Route>,
        sink: &mut impl Sink,
    ) -> Verdict<usize> {
        self.check_payload(packet.payload.len())?;
        let version = self.session(slot).version;
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
        self.metrics.received(QoS::AtMostOnce, u64::from(run.count));
        self.session_mut(slot)
            .tally
            .received(QoS::AtMostOnce, u64::from(run.count));
        let view = view(&run, packet.payload);
        let s = self.session(slot);
        let known = route.and_then(|route| s.permit_for(route, topic));
        if let Err(ground) = self.acl.check_again(s, known, &view) {
            let n = u64::from(run.count);
            self.metrics.add(Counter::PublishDenied, n);
            self.note_denied(slot, Deed::Publish, run.topic.as_str(), ground, sink);
            if self.acl.disconnects() {
                return Err(Cause::NotAllowed.close());
            }
            return Ok(end);
        }
        if let Some(route) = route {
            self.publish_run(&run, route, sink);
            return Ok(end);
        }
        let (at, route) = self.routes.take(&mut self.router, run.topic);
        self.publish_run(&run, &route, sink);
        self.routes.put(at, route);
        if let Some(s) = self.sessions.get_mut(slot) {
            s.tally.set_hint(at);
        }
        Ok(end)
    }

    fn publish_run(&mut self, run: &Packets<'_>, route: &Route, sink: &mut impl Sink) {
        if self.settings.upgrade_qos {
            // Each may have to be logged for itself.
            return self.one_by_one(run, route, sink);
        }
        self.note_received(run.topic, QoS::AtMostOnce, run.count);
        if self.watch.is_some() {
            let last = frames::payloads(run.bytes, run.version).last();
            let view = view(run, last.unwrap_or_default());
            self.note_watched(&view, u64::from(run.count), run.bytes.len() as u64);
        }
        if route.is_empty() {
            self.note_dropped(run.topic, run.count);
            self.unheard(run.publisher, run.topic, u64::from(run.count));
        }
        self.deliver_run(run, route, sink);
        for to in route.interest.live_shards() {
            self.mail_run(to, run);
        }
    }

    pub(super) fn deliver_run(&mut self, run: &Packets<'_>, route: &Route, sink: &mut impl Sink) {
        let mut singly = Vec::new();
        for target in &route.targets {
            if !self.copy_run(run, target, sink) {
                singly.push(target);
            }
        }
        if !singly.is_empty() {
            for payload in frames::payloads(run.bytes, run.version) {
                // Where it has to wait, it waits once for all of them.
                let mut shot = Shot::new(view(run, payload), self.now);
                for target in &singly {
                    self.deliver(target, &mut shot, singly.len() > 1, sink);
                }
            }
        }
        if !route.groups.is_empty() {
            for payload in frames::payloads(run.bytes, run.version) {
                let mut shot = Shot::new(view(run, payload), self.now);
                for group in &route.groups {
                    self.dispatch(*group, &mut shot, sink);
                }
            }
        }
    }

    /// Copies the run as it is, if the receiver would get each packet unchanged.
    #[inline]
    fn copy_run(&mut self, run: &Packets<'_>, target: &Target, sink: &mut impl Sink) -> bool {
        if target.flags.is_checked()
            && !self.may_receive(target.session, run.topic, target.flags.qos())
        {
            return true;
        }
        let own = target.flags.no_local() && self.is_publisher(run.publisher, target.session);
        let Some(s) = self.sessions.get_mut(target.session) else {
            return true;
        };
        let same_form = s.version.is_v5() == run.version.is_v5();
        let plain = target.ids.is_empty() && s.rare.aliases.is_none();
        let fits = run.longest <= s.rare.packet_max as usize;
        if own
            || !same_form
            || !plain
            || !fits
            || s.bits.has(Bit::Blocked)
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
        let count = u64::from(run.count);
        s.tally.sent(QoS::AtMostOnce, count, run.bytes.len());
        self.metrics.sent(QoS::AtMostOnce, count);
        self.note_run_sent(run.topic, run.count);
        true
    }

    fn one_by_one(&mut self, run: &Packets<'_>, route: &Route, sink: &mut impl Sink) {
        for payload in frames::payloads(run.bytes, run.version) {
            let view = view(run, payload);
            if let Ok(allowed) = self.acl.publish(&crate::acl::Principal::Broker, view) {
                self.publish(allowed, None, Some(route), None, sink);
            }
        }
    }

    fn check_payload(&self, bytes: usize) -> Verdict<()> {
        if bytes > self.settings.payload_bytes_max as usize {
            return Err(Cause::PayloadTooLarge.close());
        }
        Ok(())
    }

    #[inline]
    pub(super) fn is_publisher(&self, publisher: SessionRef, slot: u32) -> bool {
        let Some(s) = self.sessions.get(slot) else {
            return false;
        };
        if publisher.is_by_name() && !plant::on(Fault::PublisherForgotten) {
            return publisher == SessionRef::client(fingerprint(&s.client_id));
        }
        publisher.slot == slot && publisher.shard == self.id && s.generation == publisher.generation
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
