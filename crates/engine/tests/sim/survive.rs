//! What must be true of sessions, wills and retained messages after a restart.

use std::collections::BTreeSet;

use crate::{
    keys::Lost,
    ledger::{Ledger, Session, Sub, WillState},
};

/// What the store has of a client.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) lost: Lost,
    /// Messages of its wills.
    pub(crate) wills: Vec<usize>,
    /// Packet ids of deliveries.
    pub(crate) bound: Vec<u16>,
    /// QoS 2 ids that its session knows.
    pub(crate) received: BTreeSet<u16>,
}

impl Ledger {
    pub(crate) fn begin_anew(&mut self) {
        self.restarts += 1;
        // The first tick of the new timers is now.
        self.origin = self.now.saturating_sub(100);
        for msg in &mut self.msgs {
            msg.appends_open = 0;
            // Acknowledgements of QoS 1 may not have been noted: it comes again.
            msg.got.values_mut().for_each(|got| got.plain = 0);
        }
    }

    /// A client's session after a restart.
    pub(crate) fn survive(&mut self, c: usize, survey: &Survey) {
        self.survive_received(c, survey);
        let now = self.now;
        let s = &mut self.sessions[c];
        s.newest.clear();
        s.flight.retain(|id, _| survey.bound.contains(id));
        let name = |sub: &Sub| (sub.filter.clone(), sub.group.clone());
        let held = s.subs.iter().filter(|sub| sub.until.is_none());
        let mut held: BTreeSet<_> = held.map(name).collect();
        for sub in s.subs.iter_mut().rev() {
            // Unsubscribed, and not told so; unless it subscribed again since.
            if s.alive && sub.until.is_some() && !sub.gone && held.insert(name(sub)) {
                sub.until = None;
                sub.visible = None;
            }
        }
        let was_online = std::mem::take(&mut s.online);
        s.maybe |= !s.greeted;
        if s.alive && was_online {
            s.ends = ends(now, s.expiry_secs);
        } else if s.alive && survey.lost.sessions {
            // That it went may not be known, nor what it said of its expiry then.
            let other = ends(now, s.asked_secs);
            let (a, b) = (s.ends.unwrap_or(u64::MAX), other.unwrap_or(u64::MAX));
            s.ends = Some(a.min(b)).filter(|at| *at < u64::MAX);
            s.ends_max = Some(a.max(b));
        } else if !s.alive && (survey.lost.sessions || survey.lost.ends) {
            s.maybe = true;
        }
        self.survive_will(c, was_online, survey);
        let s = &mut self.sessions[c];
        if s.alive && !was_online {
            // Kept as a tick of the old timers, and rounded up again by the new ones.
            s.ends_max = s.ends_max.or(s.ends).map(|at| at + 100);
        }
        if s.alive && was_online && s.expiry_secs == 0 && !s.lasting {
            self.end(c);
        }
    }

    fn survive_will(&mut self, c: usize, was_online: bool, survey: &Survey) {
        let (now, event) = (self.now, self.event);
        let s = &mut self.sessions[c];
        let mine = s.will.take();
        let last = s.ends.map(|at| (s.ends_max.is_some(), at));
        for msg in survey
            .wills
            .iter()
            .filter(|m| mine.is_none_or(|w| w.msg != **m))
        {
            // Published, or taken back, and the store has not been told: once more, then.
            let m = &mut self.msgs[*msg];
            m.will = WillState::Owed;
            m.routed += 1;
            if survey.lost.wills {
                // When it was due may be forgotten, and then its client may have come back in time.
                m.accepted = None;
            }
            (m.sent, m.routed_at) = (event, event);
        }
        let Some(mut will) = mine else { return };
        if !survey.wills.contains(&will.msg) {
            self.msgs[will.msg].will = WillState::Forgotten;
            if self.sessions[c].greeted {
                self.fault(format!("client {c}: its will {} is lost", will.msg));
            }
            return;
        }
        let s = &self.sessions[c];
        let begun = s.expiry_secs > 0 && will.delay_secs > 0;
        let delayed = now + u64::from(will.delay_secs) * 1000;
        will.sure &= !s.maybe && last.is_none_or(|(vague, _)| !vague);
        match will.due {
            _ if was_online => will.due = Some(if begun { delayed } else { now }),
            Some(due) if survey.lost.wills => {
                will.due = Some(due.min(delayed));
                will.sure = false;
            }
            _ => {}
        }
        let end = last.map(|(_, at)| self.tick(at));
        will.due = will.due.map(|due| end.map_or(due, |end| due.min(end)));
        if !will.sure {
            will.due = Some(now); // The session may be over, or another.
        }
        self.sessions[c].will = Some(will);
        self.fire_wills(1, |client| client == c);
    }

    /// QoS 2 messages that came in: known are those whose identity the log has.
    fn survive_received(&mut self, c: usize, survey: &Survey) {
        let s = &mut self.sessions[c];
        let known = std::mem::take(&mut s.known);
        let released = std::mem::take(&mut s.released);
        let over = !s.online && s.ends.is_some_and(|at| at <= self.now);
        let promised = s.alive && s.greeted && !s.maybe && s.lasting && !over && s.expiry_secs > 0;
        for (id, msg) in released {
            if survey.received.contains(&id) {
                s.known.insert(id, msg);
            }
        }
        let mut wrong = Vec::new();
        for (id, msg) in known {
            let m = &mut self.msgs[msg];
            if survey.received.contains(&id) {
                m.appends_kept = m.appends_kept.max(1);
                s.known.insert(id, msg);
            } else if promised && m.accepted.is_some() && m.appends_failed == 0 {
                wrong.push(format!(
                    "client {c}: the log forgot PUBREC {id} of message {msg}"
                ));
            }
        }
        s.earlier = s.known.keys().copied().collect();
        for text in wrong {
            self.fault(text);
        }
    }

    /// Groups are as they are found; what waited in them is gone.
    pub(crate) fn recount(&mut self) {
        let groups: Vec<String> = self.manned.keys().cloned().collect();
        for group in groups {
            self.manned.insert(group.clone(), None);
            self.count_members(&group);
        }
    }

    /// `list` is what was to be retained on a topic, in order.
    pub(crate) fn survive_retained(
        &mut self,
        topic: &str,
        list: &mut Vec<usize>,
        stored: Option<usize>,
        now: u64,
    ) {
        let msgs = &self.msgs;
        let promised = (0..list.len()).rev().find(|at| {
            let (m, later) = (&msgs[list[*at]], &list[at + 1..]);
            let acknowledged = m.acknowledged >= m.routed_at || later.contains(&list[*at]);
            m.qos > 0 && m.accepted.is_some() && acknowledged && m.appends_failed == 0
        });
        let gone = |msg: &usize| {
            let m = &msgs[*msg];
            let expires = m.expiry_secs.zip(m.taken_at);
            // One that came again lives longer, but perhaps the store has it as it came first.
            let again = m.routed > 1 && m.expiry_secs.is_some();
            again || m.empty || expires.is_some_and(|(secs, at)| at + u64::from(secs) * 1000 <= now)
        };
        let found = match stored {
            Some(stored) => list.iter().rposition(|msg| *msg == stored),
            None => list.iter().rposition(gone),
        };
        if promised > found {
            self.fault(format!(
                "{topic}: retained is {stored:?}, {:?} was acknowledged",
                promised.map(|at| list[at])
            ));
        }
        list.truncate(found.map_or(0, |at| at + 1));
    }

    /// The broker's timers have a grain, and an origin.
    pub(crate) fn tick(&self, at: u64) -> u64 {
        self.origin + at.saturating_sub(self.origin).div_ceil(100).max(1) * 100
    }

    /// A session that was thought to have ended is there after all.
    pub(crate) fn revive(&mut self, c: usize) {
        let mut given_up = self.sessions[c].era;
        if let Some(former) = self.former[c].take_if(|_| !self.sessions[c].lasting) {
            let era = given_up + 1;
            given_up = former.era;
            // What the broker knows of its deliveries may be older than what its client does.
            let flight = Default::default();
            self.sessions[c] = Session {
                era,
                flight,
                ..former
            };
        }
        let s = &mut self.sessions[c];
        s.alive = true;
        for m in &mut self.msgs {
            // Its client had given it up: nothing of it is promised.
            m.appends_failed += u32::from(m.publisher == c && m.era == given_up);
        }
        for sub in &mut s.subs {
            if sub.until == Some(s.ended_at) {
                sub.until = None;
                sub.visible = None;
            }
        }
    }
}

fn ends(now: u64, secs: u32) -> Option<u64> {
    (secs != u32::MAX).then(|| now + u64::from(secs) * 1000)
}
