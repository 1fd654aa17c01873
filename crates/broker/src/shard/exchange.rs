//! Clients that prove who they are in several steps (4.12), with their CONNECT and perhaps again later: how
//! far each has come. Nobody else is here.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use engine::{Admission, Cause, Exchange, Guest, SessionId};
use protocol::Reason;

use super::{
    Worker,
    conn::Flag,
    gate::{Entrance, Gate},
};
use crate::{
    access::authenticate::{Challenge, Conversation, Judged, Step, Verdict},
    settings::Limits,
};

enum Stage {
    /// What it said is being looked at.
    Asked,
    /// It has to answer.
    Challenged(Box<Conversation>),
    Proven,
}

struct Talk {
    method: Box<str>,
    stage: Stage,
    /// When it has to be through.
    until: Instant,
}

/// By connection: one for each at most.
#[derive(Default)]
pub(super) struct Talks(HashMap<u32, Talk>);

impl Talk {
    fn begin(method: &str, time: Duration) -> Self {
        Self {
            method: method.into(),
            stage: Stage::Asked,
            until: Instant::now() + time,
        }
    }

    /// What is asked about it, and by when that has to be answered.
    fn step(
        &self,
        data: &[u8],
        conversation: Option<Box<Conversation>>,
    ) -> (Option<Step>, Instant) {
        let step = Step {
            method: self.method.clone(),
            data: data.into(),
            conversation,
        };
        (Some(step), self.until)
    }

    /// What is said now continues what was said before; `None` if it was not asked anything.
    fn answered(&mut self) -> Option<Box<Conversation>> {
        match std::mem::replace(&mut self.stage, Stage::Asked) {
            Stage::Challenged(conversation) => Some(conversation),
            other => {
                self.stage = other;
                None
            }
        }
    }
}

impl Talks {
    /// The connection is gone.
    pub(super) fn forget(&mut self, slot: u32) {
        if !self.0.is_empty() && self.0.remove(&slot).is_some() && self.0.is_empty() {
            // A crowd is gone: its memory goes too.
            self.0 = HashMap::new();
        }
    }

    /// Whether its CONNECT was answered by a question.
    pub(super) fn is_challenged(&self, slot: u32) -> bool {
        let talk = self.0.get(&slot);
        talk.is_some_and(|talk| matches!(talk.stage, Stage::Challenged(_)))
    }
}

impl Gate {
    /// A step of a client that connects.
    pub(super) fn step(
        &mut self,
        slot: u32,
        guest: &Guest<'_>,
        exchange: &Exchange<'_>,
        from: Entrance<'_>,
        limits: &Limits,
    ) -> Result<Admission, Cause> {
        if from.asks_nobody() {
            return Err(Cause::AuthenticationMethod);
        }
        let is_new = !self.talks.0.contains_key(&slot);
        if is_new && self.challenged_len() >= limits.challenged_max {
            return Err(Cause::AuthenticationBusy);
        }
        let begin = || Talk::begin(exchange.method, limits.authentication_timeout);
        let talk = self.talks.0.entry(slot).or_insert_with(begin);
        let (data, conversation) = if is_new {
            (exchange.data, None)
        } else {
            let Some(answer) = exchange.answer else {
                return Ok(Admission::Unanswered);
            };
            let conversation = talk.answered();
            let conversation = conversation.ok_or(Cause::ProtocolError("AUTH out of turn"))?;
            (answer, Some(conversation))
        };
        let step = talk.step(data, conversation);
        self.put(slot, guest, from, step, limits)
    }

    /// How many have to answer us.
    fn challenged_len(&self) -> usize {
        self.deadlines.len().saturating_sub(self.waits.len())
    }

    /// A step of a connected client that proves itself anew.
    pub(super) fn step_again(
        &mut self,
        slot: u32,
        guest: &Guest<'_>,
        exchange: &Exchange<'_>,
        from: Entrance<'_>,
        limits: &Limits,
    ) -> Result<(), Cause> {
        let refused = Cause::ProtocolError;
        let Some(talk) = self.talks.0.get_mut(&slot) else {
            // [MQTT-4.12.0-7]
            return Err(refused("AUTH without an authentication method"));
        };
        if *talk.method != *exchange.method {
            // [MQTT-4.12.1-1]
            return Err(refused("AUTH with another authentication method"));
        }
        let out_of_turn = "AUTH out of turn";
        let (data, conversation) = match exchange.answer {
            None if matches!(talk.stage, Stage::Proven) => {
                *talk = Talk::begin(exchange.method, limits.authentication_timeout);
                (exchange.data, None)
            }
            None => return Err(refused(out_of_turn)),
            Some(answer) => {
                let conversation = talk.answered().ok_or_else(|| refused(out_of_turn))?;
                (answer, Some(conversation))
            }
        };
        let step = talk.step(data, conversation);
        self.put(slot, guest, from, step, limits)?;
        Ok(())
    }

    /// It is asked something, and has so long to answer.
    pub(super) fn challenged(&mut self, slot: u32, conversation: Box<Conversation>) {
        if let Some(talk) = self.talks.0.get_mut(&slot) {
            talk.stage = Stage::Challenged(conversation);
            self.deadlines.set(slot, talk.until);
        }
    }

    pub(super) fn proven(&mut self, slot: u32) {
        if let Some(talk) = self.talks.0.get_mut(&slot) {
            talk.stage = Stage::Proven;
        }
    }
}

impl Worker {
    /// What was said of a step of a connected client.
    pub(super) fn take_step(&mut self, slot: u32, session: SessionId, verdict: Verdict) {
        let gate = &mut self.conns.gate;
        let Some(method) = gate.talks.0.get(&slot).map(|talk| talk.method.clone()) else {
            return;
        };
        let (reason, data) = match verdict {
            Ok(Judged::Challenged(Challenge { data, conversation })) => {
                gate.challenged(slot, conversation);
                (Reason::CONTINUE_AUTHENTICATION, data)
            }
            Ok(Judged::In(granted)) => {
                gate.proven(slot);
                (Reason::SUCCESS, granted.proof.unwrap_or_default())
            }
            Err(cause) => {
                let conns = &mut self.conns;
                return self.engine.fail_step(self.now, session, cause, conns);
            }
        };
        let told = (reason, &*method);
        self.engine
            .tell_step(self.now, session, told, &data, &mut self.conns);
    }

    /// A client has not answered in time, or nobody has looked at what it said.
    pub(super) fn expire_step(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        match conn.session {
            Some(session) => {
                let (late, conns) = (Cause::AuthenticationTimeout, &mut self.conns);
                self.engine.fail_step(self.now, session, late, conns);
            }
            None => {
                // As if it had waited for us.
                conn.flags.set(Flag::Held);
                self.open_again(slot, Err(Cause::AuthenticationTimeout));
            }
        }
    }
}
