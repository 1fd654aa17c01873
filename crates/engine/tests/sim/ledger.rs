//! What is true of a run: every message, every session as the standard has it, and the verdicts.
//!
//! Events are numbered. A call of the engine is one event, so "before" and "after" are exact.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::log::matches;

/// What became of a will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WillState {
    NotAWill,
    /// Its client is connected, or may still return in time.
    Kept,
    Owed,
    Forgotten,
}

/// What one session got of one message.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Got {
    /// PUBLISHes without DUP that were not retained ones for a new subscription.
    pub(crate) plain: u32,
    /// As the client's application sees it: a repeated QoS 2 id is not counted.
    pub(crate) taken: u32,
    pub(crate) taken_twice: u32,
}

#[derive(Debug)]
pub(crate) struct Msg {
    pub(crate) publisher: usize,
    pub(crate) era: u32,
    /// The connection on which it was sent first.
    pub(crate) line: usize,
    pub(crate) topic: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) empty: bool,
    pub(crate) bytes: usize,
    pub(crate) expiry_secs: Option<u32>,
    /// Event at which its first byte was sent.
    pub(crate) sent: u64,
    /// Milliseconds at which the broker took it.
    pub(crate) taken_at: Option<u64>,
    /// Event at which it was last routed.
    pub(crate) routed_at: u64,
    /// How often the broker had to route it: more than once if QoS 1 was sent again.
    pub(crate) routed: u32,
    /// Event at which its acknowledgement left.
    pub(crate) accepted: Option<u64>,
    /// Event at which its last acknowledgement left.
    pub(crate) acknowledged: u64,
    /// Event at which it was last asked to be appended.
    pub(crate) append_at: u64,
    pub(crate) appends_kept: u32,
    pub(crate) appends_open: u32,
    pub(crate) appends_failed: u32,
    /// It was routed on a connection that can be told of a failure.
    pub(crate) v5: bool,
    /// Its publisher cannot be told that the log refused something: what it sends may be tried again, by
    /// either side, and so comes late or, without an answer, once more.
    pub(crate) shaky: bool,
    pub(crate) will: WillState,
    /// It is a will, and the CONNACK to its CONNECT could leave.
    pub(crate) promised: bool,
    pub(crate) got: BTreeMap<(usize, u32), Got>,
    /// Members of shared groups that have acknowledged it, by group.
    pub(crate) settled: BTreeSet<String>,
}

impl Msg {
    pub(crate) fn is_refused_will(&self) -> bool {
        self.will != WillState::NotAWill && self.appends_failed > 0
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Sub {
    pub(crate) filter: String,
    pub(crate) group: Option<String>,
    pub(crate) qos: u8,
    /// The lowest and the highest it ever was.
    pub(crate) qos_min: u8,
    pub(crate) qos_max: u8,
    /// Event at which it first became QoS 0.
    pub(crate) lowered: Option<u64>,
    /// Whether it always had No Local, and whether it ever had.
    pub(crate) no_local: bool,
    pub(crate) no_local_once: bool,
    pub(crate) as_published: bool,
    pub(crate) ids: BTreeSet<u32>,
    /// Nothing accepted before this event may come through it, but retained messages.
    pub(crate) horizon: u64,
    /// Event of its last SUBSCRIBE.
    pub(crate) asked: u64,
    /// Event at which its first SUBACK left.
    pub(crate) visible: Option<u64>,
    /// Event at which it ended.
    pub(crate) until: Option<u64>,
    /// Its UNSUBACK left.
    pub(crate) gone: bool,
}

/// A will on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Will {
    pub(crate) msg: usize,
    pub(crate) delay_secs: u32,
    pub(crate) due: Option<u64>,
    /// It is known when it is due; else it may go out from then on.
    pub(crate) sure: bool,
}

/// A client's session as it must be at the broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// Counts the sessions of this client id.
    pub(crate) era: u32,
    pub(crate) alive: bool,
    pub(crate) online: bool,
    /// It outlives, or once outlived, its connection.
    pub(crate) lasting: bool,
    /// Its last CONNACK could leave.
    pub(crate) greeted: bool,
    /// A restart may have found it, and may not.
    pub(crate) maybe: bool,
    pub(crate) expiry_secs: u32,
    /// What CONNECT said of that.
    pub(crate) asked_secs: u32,
    /// Milliseconds at which it ends, while the client is away.
    pub(crate) ends: Option<u64>,
    /// If that is not sure, the latest.
    pub(crate) ends_max: Option<u64>,
    /// Event at which it ended.
    pub(crate) ended_at: u64,
    pub(crate) will: Option<Will>,
    pub(crate) subs: Vec<Sub>,
    /// The store refused a message of it while it spoke 3.x.
    pub(crate) shaky: bool,
    /// Incoming QoS 2: ids that the broker must know.
    pub(crate) known: BTreeMap<u16, usize>,
    /// Of these, the broker has known them since before it started: what they retain is set again.
    pub(crate) earlier: BTreeSet<u16>,
    /// Those whose PUBREL came and no PUBCOMP has left.
    pub(crate) released: BTreeMap<u16, usize>,
    /// Outgoing: ids that the client has not finished, with their messages.
    pub(crate) flight: BTreeMap<u16, usize>,
    /// Newest message seen of each topic, and the event, for retained ones that come too late.
    pub(crate) newest: BTreeMap<String, (usize, u64)>,
    /// Connection of the publisher, topic, QoS published and delivered: the last message.
    pub(crate) order: BTreeMap<(usize, String, u8, u8), usize>,
}

/// What the broker still owes on one connection, in the order in which it must come.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    pub(crate) connack: bool,
    pub(crate) disconnected: bool,
    /// (is QoS 2, id, message)
    pub(crate) acks: VecDeque<(bool, u16, usize)>,
    pub(crate) comps: VecDeque<u16>,
    pub(crate) subs: VecDeque<(u16, Vec<String>)>,
    pub(crate) unsubs: VecDeque<(u16, Vec<String>)>,
    pub(crate) pings: u32,
    /// Ids of PUBLISHes sent on this connection that the client has not finished.
    pub(crate) window: BTreeSet<u16>,
    pub(crate) aliases: BTreeMap<u16, String>,
}

/// Limits that a client announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    pub(crate) v5: bool,
    pub(crate) clean: bool,
    pub(crate) receive_max: u16,
    pub(crate) packet_max: usize,
    pub(crate) alias_max: u16,
    pub(crate) keep_alive_secs: u16,
    pub(crate) expiry_secs: u32,
    pub(crate) will: Option<(usize, u32)>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The number of the current event.
    pub(crate) event: u64,
    pub(crate) now: u64,
    /// Where the broker's timers begin.
    pub(crate) origin: u64,
    pub(crate) restarts: u64,
    pub(crate) msgs: Vec<Msg>,
    pub(crate) sessions: Vec<Session>,
    /// The last session of each client that outlived its connection.
    pub(crate) former: Vec<Option<Session>>,
    pub(crate) faults: Vec<String>,
    /// Group name and filter -> since which event it always had a member; `None` while it has none.
    pub(crate) manned: BTreeMap<String, Option<u64>>,
    /// Departures of members, and which messages each had been given.
    pub(crate) handed: BTreeMap<(String, usize), u32>,
    pub(crate) returned: BTreeMap<(String, usize), u32>,
    pub(crate) wills_owed: u64,
    pub(crate) last_retained: BTreeMap<String, Vec<usize>>,
}

impl Ledger {
    pub(crate) fn fault(&mut self, text: String) {
        self.faults
            .push(format!("event {} at {} ms: {text}", self.event, self.now));
    }

    /// Subscriptions of a client's present session through which a message can come.
    pub(crate) fn matching<'a>(
        &'a self,
        client: usize,
        topic: &'a str,
    ) -> impl Iterator<Item = &'a Sub> {
        self.sessions[client]
            .subs
            .iter()
            .filter(move |sub| matches(&sub.filter, topic))
    }

    /// The connection of a client ended. `orderly`: with DISCONNECT 0x00.
    pub(crate) fn part(&mut self, client: usize, orderly: bool) {
        let now = self.now;
        let s = &mut self.sessions[client];
        s.online = false;
        let expiry = s.expiry_secs;
        let lasting = expiry != u32::MAX;
        s.ends = lasting.then(|| now + u64::from(expiry) * 1000);
        if let Some(mut will) = s.will {
            let delay = if expiry == 0 { 0 } else { will.delay_secs };
            if orderly {
                self.msgs[will.msg].will = WillState::Forgotten;
                self.sessions[client].will = None;
            } else if delay == 0 {
                self.sessions[client].will = None;
                self.owe_will(will.msg);
            } else {
                let due = now + u64::from(delay) * 1000;
                let ends = self.sessions[client].ends.map(|at| self.tick(at));
                will.due = Some(ends.map_or(due, |ends| due.min(ends)));
                self.sessions[client].will = Some(will);
            }
        }
        self.step_aside(client);
        if expiry == 0 {
            self.end(client);
        }
    }

    /// Time has passed for some sessions: their delayed wills go out. Timers have a grain in
    /// milliseconds; what is looked at for another reason has none.
    pub(crate) fn fire_wills(&mut self, grain: u64, lives_here: impl Fn(usize) -> bool) {
        for client in 0..self.sessions.len() {
            let Some(will) = self.sessions[client].will else {
                continue;
            };
            let due = will
                .due
                .map(|due| if grain > 1 { self.tick(due) } else { due });
            if !lives_here(client) || due.is_none_or(|due| due > self.now) {
                continue;
            }
            self.sessions[client].will = None;
            if will.sure {
                self.owe_will(will.msg);
            } else {
                let m = &mut self.msgs[will.msg];
                m.will = WillState::Owed;
                m.routed = 2;
                (m.sent, m.routed_at) = (self.event, self.event);
            }
        }
    }

    fn owe_will(&mut self, msg: usize) {
        self.wills_owed += 1;
        let (now, event) = (self.now, self.event);
        let m = &mut self.msgs[msg];
        m.will = WillState::Owed;
        m.sent = event;
        m.taken_at = Some(now);
        m.routed_at = event;
        m.routed = 1;
        m.accepted = Some(event);
    }

    /// The store refused a message: it is told so, or, if it does not hear that, may send it anew.
    pub(crate) fn forget(&mut self, msg: usize) {
        let known = &mut self.sessions[self.msgs[msg].publisher].known;
        known.retain(|_, known| *known != msg);
    }

    /// The store refused a message of a client that cannot be told so.
    pub(crate) fn shake(&mut self, client: usize) {
        self.sessions[client].shaky = true;
        let under_way = |m: &&mut Msg| m.publisher == client && m.appends_kept == 0;
        let msgs = self.msgs.iter_mut().filter(under_way);
        msgs.for_each(|m| m.shaky = true);
    }

    /// What a member of shared groups was given may go to another now.
    fn step_aside(&mut self, client: usize) {
        let names: Vec<String> = self.sessions[client]
            .subs
            .iter()
            .filter_map(|sub| sub.group.clone())
            .collect();
        if names.is_empty() {
            return;
        }
        let era = self.sessions[client].era;
        for (id, msg) in self.msgs.iter().enumerate() {
            if let Some(got) = msg.got.get(&(client, era)) {
                for name in &names {
                    *self.returned.entry((name.clone(), id)).or_default() += got.plain;
                }
            }
        }
    }

    /// The session of a client ends.
    pub(crate) fn end(&mut self, client: usize) {
        let event = self.event;
        let s = &mut self.sessions[client];
        s.alive = false;
        s.online = false;
        s.ended_at = event;
        if let Some(will) = s.will.take() {
            self.owe_will(will.msg);
        }
        let mut left = Vec::new();
        for sub in &mut self.sessions[client].subs {
            if sub.until.is_none() {
                sub.until = Some(event);
                left.extend(sub.group.clone());
            }
        }
        for group in left {
            self.count_members(&group);
        }
    }

    /// Time has passed: with the sessions that are over groups may have lost their last member.
    pub(crate) fn miss_members(&mut self) {
        let over =
            |s: &&Session| s.alive && !s.online && s.ends.is_some_and(|ends| ends <= self.now);
        let subs = self.sessions.iter().filter(over).flat_map(|s| &s.subs);
        let left: Vec<String> = subs.filter_map(|sub| sub.group.clone()).collect();
        for group in left {
            self.count_members(&group);
        }
    }

    /// Brings a group's record up to date after a member came or went.
    pub(crate) fn count_members(&mut self, group: &str) {
        let members = self
            .sessions
            .iter()
            .filter(|s| s.alive && (s.online || s.ends.is_none_or(|at| at > self.now)))
            .flat_map(|s| &s.subs)
            .filter(|sub| {
                sub.group.as_deref() == Some(group) && sub.until.is_none() && sub.visible.is_some()
            })
            .count();
        let event = self.event;
        let since = self.manned.entry(group.to_owned()).or_default();
        if members == 0 {
            *since = None;
        } else if since.is_none() {
            *since = Some(event);
        }
    }

    /// A CONNECT was answered with success.
    pub(crate) fn connected(&mut self, client: usize, a: &Announced, present: bool) {
        let now = self.now;
        let s = &self.sessions[client];
        let is_over = |at: Option<u64>| at.is_some_and(|ends| self.tick(ends) <= now);
        let over = is_over(s.ends);
        let surely_over = over && s.ends_max.is_none_or(|at| is_over(Some(at)));
        let (kept, maybe) = (s.alive && !a.clean, s.maybe);
        if present && (a.clean || !maybe && (!kept || surely_over)) {
            self.fault(format!(
                "client {client}: a session is present that must not be"
            ));
        }
        if !present && kept && !over && !maybe {
            self.fault(format!("client {client}: its session is lost"));
        }
        if present {
            if let Some(will) = self.sessions[client].will.take() {
                let m = &mut self.msgs[will.msg];
                m.will = if will.sure {
                    WillState::Forgotten
                } else {
                    WillState::Owed
                };
            }
            if !self.sessions[client].alive {
                self.revive(client);
            } else if maybe && let Some(former) = self.former[client].take() {
                // It may be the one before, too.
                let subs = former.subs.into_iter();
                let subs = subs.filter(|sub| sub.until == Some(former.ended_at));
                let subs = subs.map(|sub| Sub {
                    until: None,
                    visible: None,
                    ..sub
                });
                self.sessions[client].subs.extend(subs);
            }
        } else {
            if self.sessions[client].alive {
                self.end(client);
            }
            let era = self.sessions[client].era + 1;
            let fresh = Session {
                era,
                ..Session::default()
            };
            let old = std::mem::replace(&mut self.sessions[client], fresh);
            if old.lasting {
                self.former[client] = Some(old);
            }
        }
        let s = &mut self.sessions[client];
        s.alive = true;
        s.online = true;
        (s.maybe, s.greeted) = (false, false);
        s.lasting |= a.expiry_secs > 0;
        (s.ends, s.ends_max) = (None, None);
        s.expiry_secs = a.expiry_secs;
        s.asked_secs = a.expiry_secs;
        s.will = a.will.map(|(msg, delay_secs)| Will {
            msg,
            delay_secs,
            due: None,
            sure: true,
        });
    }

    /// Whether a client that has taken leave of nothing is owed a message, at the end of a run.
    pub(crate) fn is_owed(&self, client: usize, msg: &Msg) -> bool {
        let s = &self.sessions[client];
        let Some(accepted) = msg.accepted else {
            return false;
        };
        // A will that the log refused is lost: there is nobody to send it again.
        if msg.will != WillState::NotAWill && msg.appends_failed > 0 {
            return false;
        }
        if !s.online || msg.qos == 0 || msg.empty || msg.expiry_secs.is_some() {
            return false;
        }
        let own = msg.publisher == client;
        // What a subscription of QoS 0 brings may be lost once it was sent.
        let sent = msg.got.contains_key(&(client, s.era));
        s.subs.iter().any(|sub| {
            let lowered = sub.lowered.is_some_and(|at| !sent && accepted < at);
            sub.group.is_none()
                && sub.until.is_none()
                && (sub.qos_min > 0 || s.expiry_secs > 0 && lowered)
                && sub.visible.is_some_and(|at| at < msg.sent && at < accepted)
                && !(own && sub.no_local_once)
                && matches(&sub.filter, &msg.topic)
        })
    }
}
