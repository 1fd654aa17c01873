//! The broker ends, by the book or in the middle of everything, and another one finds its store.

use std::collections::BTreeMap;

use engine::{ConnId, Ending, Message, SessionRef, Shard, Sink, record::Bucket, restore};

use crate::{
    client::number,
    faults::Kind,
    keys::{Lose, Lost},
    ledger::WillState,
    log::Manners,
    net::Parcel,
    survive::Survey,
    world::{World, places},
};

/// Rounds in which a broker that is closed comes to rest.
const CLOSING_MAX: usize = 400;

impl World {
    /// Nothing that is under way is finished.
    pub(crate) fn crash(&mut self) {
        self.faults.fired(Kind::Crashed);
        self.begin_anew("crash");
    }

    /// Connections end, then everything is written.
    pub(crate) fn close(&mut self) {
        self.faults.fired(Kind::Closed);
        self.closing = true;
        for shard in 0..self.places.len() {
            self.places[shard].stopped_until = 0;
            self.shut_down(shard);
            let conns = &mut self.places[shard].conns;
            for slot in conns.slots() {
                let close = engine::Cause::ShuttingDown.close();
                conns.close(ConnId(slot), Ending::Expelled(close));
            }
        }
        for _ in 0..CLOSING_MAX {
            self.ledger.now += 10;
            for shard in 0..self.places.len() {
                self.pass(shard);
            }
            let calm = Manners::default();
            self.log.step(calm, &mut self.rng, &mut self.faults);
            let waits = self.places.iter().any(|p| p.shard.waits());
            if !waits && self.is_idle() {
                break;
            }
        }
        self.closing = false;
        self.begin_anew("closed");
    }

    fn begin_anew(&mut self, how: &str) {
        self.hang_up_all();
        for place in &mut self.places {
            self.past.push(place.shard.metrics().clone());
        }
        let count = self.rng.range(1, 4);
        self.note_failures();
        let mut lost = self.log.crash(count, &mut self.rng, &mut self.faults);
        for place in &mut self.places {
            // What was not even handed over.
            for request in place.shard.requests().drain(..) {
                if let engine::Request::Save { write, .. } = request {
                    lost.lose(&write);
                }
            }
        }
        let millis = match self.rng.below(4) {
            0 => self.rng.range(200, 20_000),
            _ => self.rng.range(0, 200),
        };
        self.ledger.now += u64::try_from(millis).expect("small");
        self.ledger.event += 1;
        self.trace.line(|| {
            let (event, now) = (self.ledger.event, self.ledger.now);
            format!("{event:>6} {how}; {count} shards begin at {now}; lost {lost:?}")
        });
        let now = self.now();
        self.plan.shards = count;
        self.places = places(count, &self.settings, self.rng.next());
        for place in &mut self.places {
            place.ticked = now.0;
            place.began = self.ledger.event;
        }
        let shard = &self.places[0].shard;
        let home = |client: &crate::client::Client| usize::from(shard.home(&client.name));
        self.homes = self.clients.iter().map(home).collect();
        self.survey(&lost);
        let mut shards: Vec<&mut Shard> = self.places.iter_mut().map(|p| &mut p.shard).collect();
        let Ok(found) = restore::restore(&mut self.log, &mut shards, now);
        if found.unusable > 0 || found.refused > 0 {
            self.ledger.fault(format!("restored {found:?}"));
        }
        for shard in 0..count {
            self.note_requests(shard);
        }
    }

    /// All connections are gone.
    fn hang_up_all(&mut self) {
        for place in &self.places {
            for conn in place.conns.list.iter().flatten() {
                if conn.withheld && conn.closed.is_none() {
                    self.faults.fired(Kind::Withheld);
                }
            }
        }
        for line in 0..self.lines.len() {
            self.lines[line].attached = false;
            let wire = &mut self.wires[line];
            wire.broker_gone = true;
            wire.to_broker.clear();
            // The system may have had bytes that it does not deliver any more.
            if self.rng.percent(50) {
                let arrives = self.rng.range(0, wire.to_client.len());
                wire.to_client.truncate(arrives);
            }
        }
    }

    /// A will that was being published is in the log, or still has its record. If its client was not told
    /// that it was connected, the store need not have been given, or have taken, that either: then nobody is
    /// owed it.
    fn check_wills_under_way(&mut self) {
        let mut lost = Vec::new();
        for (id, msg) in self.ledger.msgs.iter_mut().enumerate() {
            let name = &self.clients[msg.publisher].name;
            if msg.will == WillState::NotAWill
                || self.log.written.contains(&id)
                || self.log.keys.wills(name).contains(&id)
            {
                continue;
            }
            if !msg.promised {
                msg.accepted = None;
            } else if msg.appends_open > 0 && msg.appends_failed == 0 {
                lost.push(format!(
                    "the will {id} was not published, and has no record"
                ));
            }
        }
        for text in lost {
            self.ledger.fault(text);
        }
    }

    /// Holds what the store has against what must be there.
    fn survey(&mut self, lost: &BTreeMap<String, Lost>) {
        let now = self.ledger.now;
        self.check_wills_under_way();
        self.ledger.begin_anew();
        for c in 0..self.clients.len() {
            let name = &self.clients[c].name;
            let keys = &self.log.keys;
            let born = keys
                .of(Bucket::Session, name)
                .map(|(_, record)| born(record))
                .next();
            let born = born.flatten();
            let survey = Survey {
                lost: lost.get(name).copied().unwrap_or_default(),
                wills: keys.wills(name),
                bound: keys.bound(name),
                received: self.log.received(name, born),
            };
            self.ledger.survive(c, &survey);
            self.trace.line(|| {
                let s = &self.ledger.sessions[c];
                let state = (s.alive, s.maybe, s.greeted, s.lasting, s.expiry_secs);
                format!(
                    "       c{c} era {} {state:?} {:?} {:?} {survey:?}",
                    s.era, s.ends, s.ends_max
                )
            });
        }
        self.ledger.recount();
        let mut lists = std::mem::take(&mut self.ledger.last_retained);
        for (topic, list) in &mut lists {
            let record = self.log.keys.all(Bucket::Retained).get(topic.as_bytes());
            let stored = record.map(|bytes| {
                let message = Message::decode(bytes, SessionRef::BROKER);
                message.and_then(|m| number(m.payload()))
            });
            self.ledger
                .survive_retained(topic, list, stored.flatten(), now);
        }
        lists.retain(|_, list| !list.is_empty());
        self.ledger.last_retained = lists;
        for place in &self.places {
            debug_assert!(
                place
                    .mail
                    .iter()
                    .flatten()
                    .all(|m| matches!(m.parcel, Parcel::Mail(_)))
            );
        }
    }
}

/// When a session began, as its record says: behind the form, the version, what it is, an owner without a
/// name, and a number of as many bytes as it needs.
fn born(record: &[u8]) -> Option<u64> {
    let mut rest = record.get(5..)?;
    let mut number = || {
        let end = rest.iter().position(|byte| byte & 0x80 == 0)?;
        let (bytes, behind) = rest.split_at(end + 1);
        rest = behind;
        let bits = bytes.iter().rev();
        Some(bits.fold(0, |n, byte| n << 7 | u64::from(byte & 0x7f)))
    };
    number()?;
    number()
}
