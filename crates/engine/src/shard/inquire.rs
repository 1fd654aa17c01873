//! What is asked elsewhere of subscriptions that no packet asks for: those that every client gets, those that
//! an administrator makes, and those that had been granted before rules changed. Each question is put once,
//! so many at one time, and what hangs on it is done with its answer.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
};

use protocol::{Filter, Options, QoS, SharedFilter};

use super::{ConnId, Shard, Sink};
use crate::{
    SessionRef, Time,
    acl::{Heard, Inquiry, Word},
    limits::{AUTO_SUBSCRIBE_MAX, INQUIRIES_MAX, INQUIRIES_UNDER_WAY_MAX},
    session::Bit,
};

/// Names a question: the session that it is about, and a number that no other has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QuestionId {
    slot: u32,
    number: u64,
}

/// May this session have this?
#[derive(Debug)]
struct Question {
    session: SessionRef,
    topic: Box<str>,
    qos: QoS,
    purpose: Purpose,
}

#[derive(Clone, Debug)]
enum Purpose {
    /// For the one at this place of what a client gets.
    Automatic(usize),
    /// An administrator waits under this ticket.
    Administrator(u64),
    /// It had been granted to a client, in this group if in any; the rules are those after so many changes.
    Granted(ConnId, Option<Box<str>>, u32),
}

/// A subscription that a client did not ask for.
#[derive(Debug)]
pub(super) struct Unasked {
    pub(super) filter: Box<str>,
    pub(super) options: Options,
    /// What was said of it elsewhere.
    pub(super) word: Option<(Word, u8)>,
}

/// What a client gets once all of it was answered.
#[derive(Debug)]
struct Automatic {
    conn: ConnId,
    list: Vec<Unasked>,
    /// Answers that are still to come.
    left: usize,
}

/// All that was not answered yet.
#[derive(Debug, Default)]
pub(super) struct Inquiries {
    questions: BTreeMap<QuestionId, Question>,
    /// Those that were not put yet; some may be nobody's any more.
    waiting: VecDeque<QuestionId>,
    under_way: usize,
    /// By slot.
    automatic: BTreeMap<u32, Automatic>,
}

impl Inquiries {
    /// Whether a client gets something that hangs on an answer.
    pub(super) fn holds(&self, slot: u32) -> bool {
        self.automatic.contains_key(&slot)
    }

    /// Whether so many questions wait that no more are to be thought of.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.len() >= INQUIRIES_UNDER_WAY_MAX
    }

    /// Whether somebody is still asked of a subscription that had been granted.
    pub(super) fn has_granted(&self) -> bool {
        let mut questions = self.questions.values();
        questions.any(|question| matches!(question.purpose, Purpose::Granted(..)))
    }

    fn has_room(&self, count: usize) -> bool {
        self.waiting.len() + count <= INQUIRIES_MAX
    }

    fn queue(&mut self, number: u64, question: Question) {
        let slot = question.session.slot;
        let id = QuestionId { slot, number };
        self.questions.insert(id, question);
        self.waiting.push_back(id);
    }

    /// The connection is gone, and with it what its client was to get.
    pub(super) fn forget(&mut self, slot: u32) {
        if self.automatic.remove(&slot).is_none() {
            return;
        }
        let of_slot = self.questions.range(of_slot(slot));
        let automatic = |question: &Question| matches!(question.purpose, Purpose::Automatic(_));
        let gone = of_slot.filter(|(_, question)| automatic(question));
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.questions.remove(&id);
        }
    }

    pub(super) fn give_room_back(&mut self) {
        self.waiting.shrink_to(64);
    }
}

fn of_slot(slot: u32) -> RangeInclusive<QuestionId> {
    let at = |number| QuestionId { slot, number };
    at(0)..=at(u64::MAX)
}

impl Shard {
    /// Subscribes a client that has just connected, at once or when all that hangs on somebody elsewhere was
    /// answered. Its packets wait for that.
    pub(super) fn subscribe_automatically(
        &mut self,
        slot: u32,
        list: Vec<Unasked>,
        sink: &mut impl Sink,
    ) {
        let mut questions = Vec::new();
        for (at, one) in list.iter().enumerate() {
            let asked = (&*one.filter, one.options.qos);
            questions.extend(self.question(slot, asked, Purpose::Automatic(at), sink));
        }
        if questions.is_empty() || !self.inquiries.has_room(questions.len()) {
            return self.subscribe_unasked(slot, &list, sink);
        }
        let s = self.session_mut(slot);
        s.bits.set(Bit::Subscribing);
        let automatic = Automatic {
            conn: s.conn,
            list,
            left: questions.len(),
        };
        self.inquiries.automatic.insert(slot, automatic);
        for question in questions {
            let number = self.next_token();
            self.inquiries.queue(number, question);
        }
        self.put_questions(sink);
    }

    /// Asks elsewhere whether a client may be subscribed to something, before it is. The ticket is answered once
    /// that was said, or will not be; `None` if nobody has to be asked.
    pub fn inquire_for(
        &mut self,
        now: Time,
        client_id: &str,
        filter: &str,
        options: Options,
        sink: &mut impl Sink,
    ) -> Option<u64> {
        self.now = now;
        let slot = self.find(client_id)?;
        self.rejudge_first(slot, sink);
        let ticket = self.next_token();
        let purpose = Purpose::Administrator(ticket);
        let question = self.question(slot, (filter, options.qos), purpose, sink)?;
        if !self.inquiries.has_room(1) {
            return None;
        }
        self.inquiries.queue(ticket, question);
        self.put_questions(sink);
        Some(ticket)
    }

    /// Asks about a subscription that there is. Of a client that is away it is asked when that is back. False if
    /// there is no room for the question.
    pub(super) fn ask_anew(
        &mut self,
        slot: u32,
        group: Option<&str>,
        (filter, qos): (Filter<'_>, QoS),
    ) -> bool {
        let conn = self.session(slot).conn;
        if conn == ConnId::NONE {
            return true;
        }
        if !self.inquiries.has_room(1) {
            return false;
        }
        let purpose = Purpose::Granted(conn, group.map(Into::into), self.acl.epoch());
        let question = Question {
            session: self.reference(slot),
            topic: filter.as_str().into(),
            qos,
            purpose,
        };
        let number = self.next_token();
        self.inquiries.queue(number, question);
        true
    }

    /// The answer to a question that [`Sink::inquire`] was given. Gives the connections that go on now: that which
    /// waited for it, and those whose questions are to be put next while there is nobody to ask any more.
    pub fn heard(
        &mut self,
        now: Time,
        id: QuestionId,
        heard: Heard,
        sink: &mut impl Sink,
    ) -> Vec<ConnId> {
        self.now = now;
        self.inquiries.under_way = self.inquiries.under_way.saturating_sub(1);
        let mut go_on = Vec::from_iter(self.hear(id, heard, sink));
        go_on.extend(self.put_questions(sink));
        go_on
    }

    /// What has to be asked before a client may have a filter; `None` if rules decide, or what was said.
    fn question(
        &mut self,
        slot: u32,
        (text, qos): (&str, QoS),
        purpose: Purpose,
        sink: &impl Sink,
    ) -> Option<Question> {
        if !self.acl.asks_outside() {
            return None;
        }
        let rewritten = self.rewritten_filter(slot, text);
        let text = rewritten.as_deref().unwrap_or(text);
        let levels_max = self.settings.limits.topic_levels_max;
        let topic = SharedFilter::parse(text, levels_max).ok()?.filter.as_str();
        let qos = qos.min(self.settings.qos_max);
        self.know_access(slot, sink);
        let sources = self.sources_of(slot, topic, qos, self.now);
        (sources > 0).then(|| Question {
            session: self.reference(slot),
            topic: topic.into(),
            qos,
            purpose,
        })
    }

    /// Whether a session may subscribe, as it is put to sources.
    fn inquiry<'a>(&'a self, slot: u32, topic: &'a str, qos: QoS) -> Inquiry<'a> {
        let s = self.session(slot);
        Inquiry {
            client_id: &s.client_id,
            who: &s.owner,
            publishes: false,
            qos,
            retain: false,
            topic,
            sources: 0,
        }
    }

    /// How many sources are to be asked whether a session may subscribe.
    pub(super) fn sources_of(&self, slot: u32, topic: &str, qos: QoS, now: Time) -> usize {
        let access = self.session(slot).rare.access.as_deref();
        self.acl
            .sources(&self.inquiry(slot, topic, qos), access, now)
    }

    /// Puts as many of the questions that wait as may be under way. Gives the connections whose client has waited
    /// for one that nobody is there to answer. Who has just queued one need not look: older ones wait only while as
    /// many as may be are under way.
    pub(super) fn put_questions(&mut self, sink: &mut impl Sink) -> Vec<ConnId> {
        let mut go_on = Vec::new();
        while self.inquiries.under_way < INQUIRIES_UNDER_WAY_MAX
            && let Some(id) = self.inquiries.waiting.pop_front()
        {
            if self.put_question(id, sink) {
                self.inquiries.under_way += 1;
            } else {
                go_on.extend(self.hear(id, Heard::Failed, sink));
            }
        }
        go_on
    }

    /// False if there is nobody to put it to.
    fn put_question(&self, id: QuestionId, sink: &mut impl Sink) -> bool {
        let Some(question) = self.inquiries.questions.get(&id) else {
            return false;
        };
        let Some(slot) = self.resolve(question.session) else {
            return false;
        };
        let sources = self.sources_of(slot, &question.topic, question.qos, self.now);
        let inquiry = Inquiry {
            sources,
            ..self.inquiry(slot, &question.topic, question.qos)
        };
        let s = self.session(slot);
        let peer = s.rare.access.as_ref().and_then(|access| access.peer());
        sources > 0 && sink.inquire(id, peer, &inquiry)
    }

    fn hear(&mut self, id: QuestionId, heard: Heard, sink: &mut impl Sink) -> Option<ConnId> {
        let question = self.inquiries.questions.remove(&id)?;
        let word = match heard {
            Heard::Word(word, by) => Some((word, by)),
            Heard::Waits | Heard::Failed => None,
        };
        match question.purpose {
            Purpose::Automatic(at) => {
                let automatic = self.inquiries.automatic.get_mut(&id.slot)?;
                automatic.list[at].word = word;
                automatic.left -= 1;
                if automatic.left > 0 {
                    return None;
                }
                let Automatic { conn, list, .. } = self.inquiries.automatic.remove(&id.slot)?;
                self.subscribe_unasked(id.slot, &list, sink);
                Some(conn)
            }
            Purpose::Administrator(ticket) => {
                if let (Some(slot), Some(word)) = (self.resolve(question.session), word) {
                    let kept = self.acl.keeps(self.now);
                    let room = self.acl.keeps_most().max(AUTO_SUBSCRIBE_MAX);
                    let action = crate::acl::Actions::ask(question.qos);
                    if let Some(access) = self.session_mut(slot).access_mut() {
                        access.hear(action, &question.topic, word, kept, room);
                    }
                }
                self.answers.push((ticket, word.is_some()));
                None
            }
            Purpose::Granted(conn, group, epoch) => {
                let slot = self.resolve(question.session)?;
                // Who is back, or stands under other rules, is asked about again.
                if self.session(slot).conn == conn && self.acl.epoch() == epoch {
                    let what = (Filter::trusted(&question.topic), question.qos);
                    self.decide_granted(slot, group.as_deref(), what, word, sink);
                }
                None
            }
        }
    }
}
