//! What a client's application got, and the reckoning at the end of a run.

use std::collections::BTreeSet;

use engine::{Counter, Drop, record::Bucket};
use protocol::{Options, QoS, RetainHandling};

use crate::{
    client::{Asked, Delivery, number},
    faults::Kind,
    ledger::{Announced, Msg, Sub, WillState},
    log::matches,
    world::World,
};

/// Rounds of calm after which something that has not come never will.
const ROUNDS_MAX: usize = 1_500;
const QUIET_ROUNDS: usize = 14;

impl World {
    /// A client's application gets a message.
    pub(crate) fn on_delivery(&mut self, c: usize, d: &Delivery) {
        let Some(msg) = number(&d.payload) else {
            return;
        };
        if self.ledger.msgs[msg].topic != d.topic {
            self.ledger.fault(format!(
                "client {c} took message {msg} for one on {}",
                d.topic
            ));
        }
        let era = self.ledger.sessions[c].era;
        let failed = self.ledger.msgs[msg].appends_failed > 0 || self.ledger.msgs[msg].shaky;
        let got = self.ledger.msgs[msg].got.entry((c, era)).or_default();
        if d.repeated {
            return;
        }
        let first = got.taken == 0;
        got.taken += 1;
        if d.qos == 2 && !d.retain {
            got.taken_twice += 1;
        }
        let twice = got.taken_twice > 1;
        let shared = self.clients[c].worker;
        // A will that goes out again after a restart is another message.
        let m = &self.ledger.msgs[msg];
        let twice = twice && (m.will == WillState::NotAWill || m.routed < 2);
        if twice && !shared && !failed && !d.retain {
            self.ledger
                .fault(format!("client {c} got message {msg} twice with QoS 2"));
        }
        if shared || d.retain || !first || failed {
            return;
        }
        let m = &self.ledger.msgs[msg];
        // A message that its publisher sent again may be new to whoever subscribed in between.
        if m.will != WillState::NotAWill || m.routed > 1 {
            return;
        }
        // What a connection did not take for its size may come after a restart, and so may what expired before
        // it left: its record is deleted later, and does not say whether it had left.
        let too_large = self.plan.small_packets > 0 && m.bytes + 60 >= 90;
        let expires = m.expiry_secs.zip(m.taken_at);
        let over = |(secs, at)| at + u64::from(secs) * 1000 <= self.ledger.now;
        let dropped = too_large || expires.is_some_and(over);
        let key = (m.line, m.topic.clone(), m.qos, d.qos);
        let last = self.ledger.sessions[c].order.insert(key, msg);
        if let Some(last) = last
            && last > msg
            && !(self.ledger.restarts > 0 && dropped)
        {
            self.ledger
                .fault(format!("client {c} got message {msg} after {last}"));
        }
    }

    /// All trouble ends; then everything that is owed must come, and all that was used be freed.
    pub(crate) fn conclude(&mut self) {
        self.plan.calm();
        for place in &mut self.places {
            place.stopped_until = 0;
        }
        for client in &mut self.clients {
            client.deaf_until = 0;
            client.mute_until = 0;
            client.lazy_until = 0;
            client.away_until = 0;
        }
        // The broker learns of connections that their clients gave up long ago.
        for line in 0..self.lines.len() {
            let client = &self.clients[self.lines[line].client];
            self.wires[line].client_gone |= client.line != Some(line);
        }
        self.settle_down(true);
        self.check_owed();
        self.check_wills();
        self.check_retained();
        self.check_drops();
        self.check_living();
        self.leave_all();
    }

    /// Rounds until nothing moves any more.
    fn settle_down(&mut self, reconnect: bool) {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            self.ledger.now += 50;
            self.activity = 0;
            for c in 0..self.clients.len() {
                self.stay(c, reconnect);
            }
            for shard in 0..self.places.len() {
                self.pass(shard);
            }
            self.step_store();
            let moved = self.activity > 0 || !self.is_idle();
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet == QUIET_ROUNDS {
                return;
            }
        }
        let mail: usize = self
            .places
            .iter()
            .flat_map(|p| &p.mail)
            .map(|m| m.len())
            .sum();
        let (log, moved) = (self.log.is_idle(), self.activity);
        self.ledger.fault(format!(
            "the run does not come to rest: {mail} letters, log at rest {log}, {moved} moves"
        ));
    }

    /// A client that only reads, answers and stays.
    fn stay(&mut self, c: usize, reconnect: bool) {
        self.read(c);
        let session = &self.ledger.sessions[c];
        if self.clients[c].line.is_none() && reconnect && session.alive && !session.online {
            let ends = session.ends;
            if ends.is_some_and(|ends| ends <= self.ledger.now + 1_000) {
                return;
            }
            let v5 = self.clients[c].version.is_v5();
            let announced = Announced {
                v5,
                clean: false,
                receive_max: if v5 { 20 } else { u16::MAX },
                packet_max: 1 << 20,
                alias_max: 0,
                keep_alive_secs: 0,
                expiry_secs: 600,
                will: None,
            };
            return self.connect_as(c, announced, None);
        }
        if !self.clients[c].connected {
            return;
        }
        while self.clients[c].owed.iter().any(|q| !q.is_empty()) {
            self.answer(c, 6);
        }
        // All at once, so that there is quiet between.
        if self.clients[c].announced.keep_alive_secs > 0 && self.ledger.now % 1_000 < 50 {
            self.ping(c);
        }
    }

    fn check_owed(&mut self) {
        let mut missing = Vec::new();
        for (id, msg) in self.ledger.msgs.iter().enumerate() {
            for c in 0..self.plan.clients {
                let era = self.ledger.sessions[c].era;
                let got = msg.got.get(&(c, era)).is_some_and(|got| got.taken > 0);
                let fits = msg.bytes + 60 < 90 || self.plan.small_packets == 0;
                if !got && fits && self.ledger.is_owed(c, msg) {
                    let lasting = self.ledger.sessions[c].expiry_secs > 0;
                    missing.push((id, c, lasting));
                }
            }
        }
        // What a full queue dropped is missing by right, and counted.
        let excused = self.dropped(Drop::QueueFull);
        let live = missing.iter().filter(|(.., lasting)| !lasting).count();
        let forgiven = excused > 0 && u64::try_from(live).expect("small") <= excused;
        for (id, c, lasting) in missing {
            if !lasting && forgiven {
                continue;
            }
            let m = &self.ledger.msgs[id];
            let (topic, qos) = (m.topic.clone(), m.qos);
            self.ledger.fault(format!(
                "client {c} never got message {id} on {topic} with QoS {qos}"
            ));
        }
        self.check_groups();
    }

    /// A message for a group that always had members: exactly one of them has it in the end.
    fn check_groups(&mut self) {
        let dropped = self.dropped(Drop::NoMember) + self.dropped(Drop::TooLarge);
        let mut wrong = Vec::new();
        for (group, since) in &self.ledger.manned {
            let (_, filter) = group.split_once('/').expect("made with a slash");
            // While all members are away, or their sessions over, it waits.
            let here = self.ledger.sessions.iter().any(|s| {
                let member = |sub: &Sub| sub.group.as_ref() == Some(group) && sub.until.is_none();
                s.online && s.subs.iter().any(member)
            });
            for (id, msg) in self.ledger.msgs.iter().enumerate() {
                if msg.empty || !matches(filter, &msg.topic) {
                    continue;
                }
                let handed: u32 = self
                    .ledger
                    .handed
                    .get(&(group.clone(), id))
                    .copied()
                    .unwrap_or(0);
                let back = self.ledger.returned.get(&(group.clone(), id)).copied();
                let allowed = msg.routed + back.unwrap_or(0);
                // A group that ended and began anew meanwhile is another: with a lasting member it has the
                // log, without one what is still under way. After a restart QoS 1 may come again to
                // whomever; `tests/group.rs` counts QoS 2.
                let same = since.is_none_or(|since| since < msg.sent) && self.ledger.restarts == 0;
                if handed > allowed && msg.appends_failed == 0 && same && !msg.shaky {
                    wrong.push(format!(
                        "group {group} got message {id} {handed} times, allowed {allowed}"
                    ));
                }
                let stable = here && since.is_some_and(|since| since < msg.sent);
                let owed = msg.accepted.is_some() && msg.qos == 1 && msg.expiry_secs.is_none();
                let settled = msg.settled.contains(group);
                if stable && owed && dropped == 0 && !settled {
                    wrong.push(format!("group {group} never got message {id}"));
                }
            }
        }
        for text in wrong {
            self.ledger.fault(text);
        }
    }

    fn check_wills(&mut self) {
        let owed = self.ledger.wills_owed;
        let published = self.counted(Counter::WillPublished);
        self.faults.add(Kind::WillFired, published);
        // After a crash one may go out again, and nobody counts with it.
        if published != owed && self.ledger.restarts == 0 {
            self.ledger.fault(format!(
                "{published} wills were published, {owed} are right"
            ));
        }
    }

    /// Somebody new looks at all retained messages.
    fn check_retained(&mut self) {
        let c = self.plan.clients;
        let announced = Announced {
            v5: true,
            clean: true,
            receive_max: 20,
            packet_max: 1 << 20,
            alias_max: 0,
            keep_alive_secs: 0,
            expiry_secs: 0,
            will: None,
        };
        self.plan.pipeline = 0;
        self.connect_as(c, announced, None);
        self.settle_down(false);
        let options = Options {
            qos: QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAlways,
        };
        let id = self.clients[c].free_id().expect("none is in use");
        self.clients[c].asked.insert(id, Asked::Subscribe);
        let bytes = self.clients[c].subscribe_packet(id, &[("#".to_owned(), options)], None);
        self.send(c, &bytes);
        self.settle_down(false);
        let era = self.ledger.sessions[c].era;
        let full = self.dropped(Drop::QueueFull) > 0;
        let lists = std::mem::take(&mut self.ledger.last_retained);
        for (topic, list) in &lists {
            let last = *list.last().expect("made with one");
            let m = &self.ledger.msgs[last];
            let failed = |msg: &usize| self.ledger.msgs[*msg].appends_failed > 0;
            if self.log.keys.refused && list.iter().any(failed) {
                continue;
            }
            let expiring = m.expiry_secs.is_some();
            if list.iter().any(|msg| self.ledger.msgs[*msg].shaky) {
                continue; // Which of them came last is known to nobody.
            }
            for (id, msg) in self.ledger.msgs.iter().enumerate() {
                let has = msg.topic == *topic && msg.got.contains_key(&(c, era));
                let should = id == last && !m.empty;
                if has && !should {
                    let text = format!("{topic} has the retained message {id}, {last} is the last");
                    self.ledger.fault(text);
                    break;
                }
                if should && !has && !expiring && !full {
                    let text = format!("{topic} has lost its retained message {last}");
                    self.ledger.fault(text);
                    break;
                }
            }
        }
        self.ledger.last_retained = lists;
    }

    fn check_drops(&mut self) {
        let trimmed = self.dropped(Drop::Trimmed);
        if trimmed > 0 {
            self.ledger.fault(format!(
                "{trimmed} messages were trimmed before all had them"
            ));
        }
        let expired = self.dropped(Drop::Expired);
        self.faults.add(Kind::MessageExpired, expired);
        let full = self.dropped(Drop::QueueFull);
        self.faults.add(Kind::QueueFull, full);
    }

    /// The store has what is retained, and nothing of those who went.
    fn check_records(&mut self) {
        let retained: u64 = self
            .places
            .iter_mut()
            .map(|p| p.shard.metrics().gauges.retained)
            .sum();
        for bucket in Bucket::ALL {
            let left = self.log.keys.all(bucket).len() as u64;
            let (due, uncertain) = match bucket {
                Bucket::Retained => (retained, self.log.keys.refused),
                // One that the log refused is published at the next start.
                Bucket::Will => (0, self.ledger.msgs.iter().any(Msg::is_refused_will)),
                _ => (0, false),
            };
            if left != due && !uncertain {
                let name = bucket.name();
                self.ledger.fault(format!(
                    "{left} records of {name} are left, {due} are right"
                ));
            }
        }
        let identities = self.log.identities_left();
        if identities > 0 {
            self.ledger
                .fault(format!("{identities} identities are left"));
        }
    }

    /// A living session has a record, and its deliveries are tidied up.
    fn check_living(&mut self) {
        // One that begins now, with a will that is due now, waits for a client that answers no more.
        let begun = self.log.keys.all(Bucket::Delivery).keys();
        let begun: BTreeSet<Box<[u8]>> = begun.cloned().collect();
        for _ in 0..4 {
            self.ledger.now += 500;
            for shard in 0..self.places.len() {
                self.pass(shard);
            }
            self.step_store();
        }
        for c in 0..self.plan.clients {
            let name = &self.clients[c].name;
            let s = &self.ledger.sessions[c];
            let keys = &self.log.keys;
            let has = keys.of(Bucket::Session, name).next().is_some();
            // What is done may wait for the next acknowledgement.
            let deliveries = keys.of(Bucket::Delivery, name);
            let deliveries: Vec<_> = deliveries
                .filter(|(key, value)| value[0] < 4 && begun.contains(*key))
                .collect();
            if !s.online {
                continue; // It may end at any time.
            }
            let mut wrong = Vec::new();
            if has != s.lasting {
                wrong.push(format!("client {c}: its session has a record: {has}"));
            }
            if !deliveries.is_empty() {
                wrong.push(format!(
                    "client {c}: deliveries have records: {deliveries:?}"
                ));
            }
            for text in wrong {
                self.ledger.fault(text);
            }
        }
    }

    /// Everybody goes for good: nothing may be left behind.
    fn leave_all(&mut self) {
        let before = self.counted(Counter::SessionEnded);
        for c in 0..self.clients.len() {
            self.drop_line(c);
        }
        for _ in 0..10 {
            self.ledger.now += 1_000_000;
            for shard in 0..self.places.len() {
                self.pass(shard);
            }
            self.step_store();
        }
        self.check_records();
        let after = self.counted(Counter::SessionEnded);
        self.faults.add(Kind::SessionExpired, after - before);
        for shard in 0..self.places.len() {
            let m = self.places[shard].shard.metrics();
            let left = [
                ("sessions", m.gauges.sessions),
                ("connections", m.gauges.connections),
                ("subscriptions", m.gauges.subscriptions),
                ("shared subscriptions", m.gauges.shared_subscriptions),
            ];
            for (what, n) in left {
                if n > 0 {
                    self.ledger
                        .fault(format!("{n} {what} are left on shard {shard}"));
                }
            }
        }
    }
}
