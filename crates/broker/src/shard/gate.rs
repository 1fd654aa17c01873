//! Clients that wait until the control plane has said who they are. Their CONNECT, and what they sent
//! behind it, stays with the connection; more is not read. Nothing here is touched for those who come
//! without a name while there is nobody to ask.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{Admission, Cause, Guest, Time};

use super::{Letter, Post, Worker, deadline::Deadlines, exchange::Talks, word::Words};
use crate::{
    access::authenticate::{Bounds, Chain, Credentials, Desk, Password, Question, Step, Verdict},
    settings::Limits,
    tls::Channel,
};

/// Those of a shard.
pub(crate) struct Gate {
    shard: u16,
    desk: Arc<Desk>,
    post: Arc<Post>,
    /// Whom to ask, if anybody.
    chain: Option<Arc<Chain>>,
    /// Questions without an answer, by connection. A slot is used again, a number is not.
    pub(super) waits: HashMap<u32, u64>,
    asked: u64,
    /// Of clients that wait for us, or have to answer us.
    pub(super) deadlines: Deadlines,
    /// When connections end whose client was only let in for a time.
    ends: Deadlines,
    /// When that of the one ends which comes in.
    pub(super) until: Option<Time>,
    /// Bytes that came with the CONNECT that is looked at.
    pub(super) brought: usize,
    /// What was said of the client whose CONNECT is looked at again.
    pub(super) verdict: Option<Verdict>,
    /// What is asked elsewhere about clients that are in.
    pub(super) words: Words,
    /// Those who prove themselves in several steps.
    pub(super) talks: Talks,
}

/// Through what a guest comes.
#[derive(Clone, Copy)]
pub(super) struct Entrance<'a> {
    pub(super) address: IpAddr,
    pub(super) tls: Option<&'a Channel>,
    /// The authenticators that its listener asks, if those are not all.
    pub(super) only: Option<&'a Arc<[String]>>,
}

impl Entrance<'_> {
    /// It comes in as if there were no authenticators.
    pub(super) fn asks_nobody(&self) -> bool {
        self.only.is_some_and(|only| only.is_empty())
    }
}

impl Gate {
    pub(super) fn new(shard: u16, desk: Arc<Desk>, post: Arc<Post>) -> Self {
        Self {
            shard,
            desk,
            post,
            chain: None,
            waits: HashMap::new(),
            asked: 0,
            deadlines: Deadlines::default(),
            ends: Deadlines::default(),
            until: None,
            brought: 0,
            verdict: None,
            words: Words::default(),
            talks: Talks::default(),
        }
    }

    /// Where a letter goes that answers the next question, and its number.
    pub(super) fn number(&mut self) -> (Arc<Post>, u16, u64) {
        self.asked += 1;
        (self.post.clone(), self.shard, self.asked)
    }

    /// Whom to ask from now on; who waits is answered by those who were asked.
    pub(crate) fn set_chain(&mut self, chain: Option<Arc<Chain>>) {
        self.chain = chain;
    }

    /// Whether this guest is for the chain to judge.
    pub(super) fn is_for(&self, guest: &Guest<'_>, from: &Entrance<'_>) -> bool {
        let brings = guest.user_name.is_some() || guest.password.is_some();
        self.chain.is_some() && brings && !from.asks_nobody()
    }

    /// Puts the question, or says why that cannot be done.
    pub(super) fn ask(
        &mut self,
        slot: u32,
        guest: &Guest<'_>,
        from: Entrance<'_>,
        limits: &Limits,
    ) -> Result<Admission, Cause> {
        let deadline = Instant::now() + limits.authentication_timeout;
        self.put(slot, guest, from, (None, deadline), limits)
    }

    pub(super) fn put(
        &mut self,
        slot: u32,
        guest: &Guest<'_>,
        from: Entrance<'_>,
        (step, deadline): (Option<Step>, Instant),
        limits: &Limits,
    ) -> Result<Admission, Cause> {
        let (post, shard, number) = self.number();
        let Some(chain) = self.chain.clone() else {
            return Err(Cause::AuthenticationMethod);
        };
        let credentials = Credentials {
            client_id: guest.client_id.into(),
            user_name: guest.user_name.map(Into::into),
            password: guest.password.map(Password::new),
            address: from.address,
            only: from.only.cloned(),
            certificate: from.tls.and_then(Channel::peer).map(|facts| {
                let common_name = facts.common_name.map(Into::into);
                (common_name, facts.subject.into())
            }),
            step: step.map(Box::new),
        };
        let reply = move |verdict| {
            post.send(shard, Letter::Verdict(slot, number, Box::new(verdict)));
        };
        let question = Question::new(chain, credentials, deadline, reply);
        let bounds = Bounds {
            questions: limits.pending_max,
            bytes: limits.pending_bytes_max,
        };
        if !self.desk.ask(question, self.brought, bounds) {
            return Err(Cause::AuthenticationBusy);
        }
        self.waits.insert(slot, number);
        self.deadlines.set(slot, deadline);
        Ok(Admission::Waits)
    }

    /// The connection waits no longer. Whether it did, with this question or any.
    pub(super) fn forget(&mut self, slot: u32, number: Option<u64>) -> bool {
        if self.waits.is_empty() {
            return false;
        }
        let waits = self.waits.get(&slot).copied();
        if waits.is_none() || number.is_some_and(|number| waits != Some(number)) {
            return false;
        }
        self.waits.remove(&slot);
        self.deadlines.cancel(slot);
        if self.waits.is_empty() {
            // A crowd is gone: its memory goes too.
            self.waits = HashMap::new();
        }
        true
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self, slot: u32) {
        self.forget(slot, None);
        if self.talks.is_challenged(slot) {
            self.deadlines.cancel(slot);
        }
        self.talks.forget(slot);
        self.words.forget(slot);
        self.ends.cancel(slot);
    }

    /// When somebody has waited too long, or has been there for too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines
            .next()
            .into_iter()
            .chain(self.ends.next())
            .min()
    }
}

impl Worker {
    /// What was said of a client that may still wait for it.
    pub(super) fn take_verdict(&mut self, slot: u32, number: u64, verdict: Verdict) {
        if !self.conns.gate.forget(slot, Some(number)) {
            return;
        }
        match self.conns.get(slot).and_then(|conn| conn.session) {
            Some(session) => self.take_step(slot, session, verdict),
            None => self.open_again(slot, verdict),
        }
    }

    /// Turns those away who have waited too long. Their questions are passed over, so that whoever waits
    /// behind them is not late, too.
    pub(super) fn expire_waits(&mut self) {
        if self.conns.gate.deadlines.next().is_none() {
            return;
        }
        let now = Instant::now();
        while let Some(slot) = self.conns.gate.deadlines.pop_due(now) {
            self.conns.gate.forget(slot, None);
            self.expire_step(slot);
        }
    }

    /// Ends connections whose time is over.
    pub(super) fn expire_clients(&mut self) {
        if self.conns.gate.ends.next().is_none() {
            return;
        }
        let now = Instant::now();
        while let Some(slot) = self.conns.gate.ends.pop_due(now) {
            if let Some(session) = self.conns.get(slot).and_then(|c| c.session) {
                let why = Cause::TokenExpired.close();
                self.engine.kick(self.now, session, why, &mut self.conns);
            }
        }
    }

    /// The client that has just come in may be here until then.
    pub(super) fn note_end(&mut self, slot: u32) {
        if let Some(until) = self.conns.gate.until.take() {
            let left = Duration::from_millis(until.since(self.now));
            if let Some(at) = Instant::now().checked_add(left) {
                self.conns.gate.ends.set(slot, at);
            }
        }
    }

    pub(super) fn open_again(&mut self, slot: u32, verdict: Verdict) {
        self.conns.gate.verdict = Some(verdict);
        self.release(slot);
        // Turned away for something else, nobody took it.
        self.conns.gate.verdict = None;
        self.conns.gate.until = None;
        self.conns.gate.words.admitted = None;
    }
}
