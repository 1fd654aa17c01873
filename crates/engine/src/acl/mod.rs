//! Who may do what. Routing takes nothing but an [`Authorized`], and only this room makes one, so no path
//! can forget to ask. What a subscription brings is asked about at its delivery, if some of it may be
//! denied: a subscription says so.

mod outside;
mod permit;
mod principal;
mod rule;
mod rules;
mod tree;
mod writer;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use core::{net::SocketAddr, ops::Range};
use std::sync::Arc;

use protocol::{Filter, QoS, Topic};

pub use outside::{Decision, Heard, Inquiry, Outside, SOURCES_MAX, Word};
pub(crate) use permit::{Known, Mark, Permit};
pub use principal::{Principal, User};
pub use rule::{Actions, Network, Permission, Rule, Topics, TopicsError, Who};
pub use rules::{Rules, RulesError, Terms};
pub use writer::Writer;
pub(crate) use writer::Writers;

use crate::{Time, message::View, policy::Client};
use outside::{NOBODY, Said};
use permit::Permits;
use rules::Holds;
use tree::Leaf;

/// Proof that an action was allowed. The field is private to this room.
#[derive(Clone, Copy, Debug)]
pub struct Authorized<T>(T);

impl<T> Authorized<T> {
    #[inline]
    pub fn into_inner(self) -> T {
        self.0
    }

    #[inline]
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// The action "subscribe with this filter".
#[derive(Clone, Copy, Debug)]
pub struct Subscribe<'a> {
    pub filter: Filter<'a>,
    /// Some of what it brings may be denied: each message has to be asked about.
    pub is_checked: bool,
    /// What somebody elsewhere has said of it.
    pub heard: Option<Heard>,
}

/// What decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Ground {
    /// Nobody but the broker publishes to a topic that begins with `$` (4.7.2, non-normative).
    System,
    /// Who may only look publishes nothing, and sees everything.
    Viewer,
    /// The broker, an administrator whom no rule is about, or a superuser.
    Master,
    /// Clients that come and go, and alarms, are told to those only who are allowed to know.
    Events,
    /// What the broker tells of itself is for private addresses.
    Distance,
    /// A rule of those for all, by its place.
    Rule(u32),
    /// A rule of the principal's own.
    Own(u32),
    /// Somebody elsewhere who was asked, by number, or who did not answer.
    Outside(u8),
    /// A rule behind somebody elsewhere, and before what allows it, denies some of what it brings.
    Between,
    /// The token of the client has expired.
    Expired,
    NoMatch,
}

/// Whether something may be done, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judgement {
    pub is_allowed: bool,
    pub ground: Ground,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub who: &'a Principal,
    pub client_id: &'a str,
    pub access: Option<&'a Access>,
}

/// Somebody who may be judged. What only rules need is told late.
pub trait Asks {
    fn principal(&self) -> &Principal;
    fn subject(&self) -> Subject<'_>;
}

impl Asks for Subject<'_> {
    fn principal(&self) -> &Principal {
        self.who
    }

    fn subject(&self) -> Subject<'_> {
        *self
    }
}

/// Somebody without a client.
impl Asks for Principal {
    fn principal(&self) -> &Principal {
        self
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            who: self,
            client_id: "",
            access: None,
        }
    }
}

/// What is known of a connection that rules may be about, while there are such rules.
#[derive(Clone, Debug)]
pub struct Access {
    /// Of which rules that is.
    epoch: u32,
    peer: Option<SocketAddr>,
    holds: Holds,
    /// What somebody elsewhere has said of it, the oldest first.
    said: Vec<Said>,
}

/// A member of a shared group who may not have all that the group gets.
#[derive(Clone, Debug)]
pub struct Guard {
    who: Arc<Principal>,
    client_id: Box<str>,
    access: Option<Box<Access>>,
}

impl Guard {
    pub(crate) fn new(who: Arc<Principal>, client_id: &str, access: Option<Box<Access>>) -> Self {
        Self {
            who,
            client_id: client_id.into(),
            access,
        }
    }
}

impl Asks for Guard {
    fn principal(&self) -> &Principal {
        &self.who
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            who: &self.who,
            client_id: &self.client_id,
            access: self.access.as_deref(),
        }
    }
}

impl<'a> Subject<'a> {
    fn client(&self) -> Client<'a> {
        Client {
            id: self.client_id,
            user_name: self.who.user(),
            common_name: self.who.common_name(),
            peer: None,
        }
    }
}

/// The rules of access as a shard has them.
#[derive(Debug, Default)]
pub struct Acl {
    rules: Option<Arc<Rules>>,
    /// Counts changes.
    epoch: u32,
    /// The first of these with the same sources elsewhere, in the same order.
    sources_since: u32,
    permits: Permits,
    /// What is judged comes in just now: what hangs on somebody elsewhere who has said nothing is denied
    /// then. Whatever was let in before stays.
    pub(crate) is_arriving: bool,
    /// What somebody elsewhere has said of what is judged just now, if that is not kept with the connection.
    pub(crate) word: Option<(Word, u8)>,
}

impl Acl {
    /// With these rules.
    #[must_use]
    pub fn new(rules: Option<Arc<Rules>>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// New rules, from now on. False if they are the same.
    pub(crate) fn set(&mut self, rules: &Option<Arc<Rules>>) -> bool {
        let same = match (&self.rules, rules) {
            (None, None) => true,
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            _ => false,
        };
        if !same {
            let sources = self.outside().map(Outside::names).copied();
            self.rules.clone_from(rules);
            self.permits.revoke();
            self.epoch = self.epoch.wrapping_add(1);
            if self.outside().map(Outside::names).copied() != sources {
                self.sources_since = self.epoch;
            }
        }
        !same
    }

    /// Whether what was known then was said by the same sources.
    pub(crate) fn has_sources_of(&self, before: &Access) -> bool {
        let age = |epoch: u32| self.epoch.wrapping_sub(epoch);
        age(before.epoch) <= age(self.sources_since)
    }

    /// Whether that is known under the rules that hold now.
    pub(crate) fn is_of_now(&self, access: &Access) -> bool {
        access.epoch == self.epoch
    }

    /// Counts changes of rules.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Takes over what the same sources have said of subscriptions, under other rules: so it is known which
    /// of these decided.
    pub(crate) fn remember(&self, access: &mut Access, before: &Access) {
        if self.has_sources_of(before) {
            let said = before
                .said
                .iter()
                .filter(|said| said.action.has(Actions::ASK));
            access.said = said.cloned().collect();
        }
    }

    /// Whether somebody may be denied anything but topics of the system.
    pub(crate) fn may_deny(&self, asks: &impl Asks) -> bool {
        let who = asks.principal();
        self.rules.is_some() || who.rules().is_some() || *who == Principal::Afar
    }

    /// Whether what is denied ends the connection.
    pub(crate) fn disconnects(&self) -> bool {
        self.rules.as_ref().is_some_and(|r| r.terms().disconnects)
    }

    /// What has to be known of a connection, if anything.
    #[must_use]
    pub fn access(
        &self,
        who: &Principal,
        client_id: &str,
        peer: Option<SocketAddr>,
    ) -> Option<Box<Access>> {
        let needs = |rules: &&Arc<Rules>| rules.has_conditions() || rules.terms().outside.is_some();
        let rules = self.rules.as_ref().filter(needs)?;
        let subject = Subject {
            who,
            client_id,
            access: None,
        };
        Some(Box::new(Access {
            epoch: self.epoch,
            peer,
            holds: rules.holds(subject.client(), peer),
            said: Vec::new(),
        }))
    }

    #[inline]
    fn outside(&self) -> Option<&Outside> {
        self.rules.as_ref()?.terms().outside.as_ref()
    }

    /// Whether somebody elsewhere has a say.
    #[inline]
    pub(crate) fn asks_outside(&self) -> bool {
        self.outside().is_some()
    }

    /// How many sources elsewhere are to be asked, from the first on; none if rules decide, or what was said.
    #[must_use]
    pub fn sources(&self, inquiry: &Inquiry<'_>, access: Option<&Access>, now: Time) -> usize {
        let (Some(rules), Some(outside)) = (&self.rules, self.outside()) else {
            return 0;
        };
        let is_system = inquiry.publishes && inquiry.topic.starts_with('$');
        if !inquiry.who.is_client() || is_system {
            return 0;
        }
        let subject = Subject {
            who: inquiry.who,
            client_id: inquiry.client_id,
            access,
        };
        let (client, action) = (subject.client(), inquiry.action());
        let own = inquiry.who.rules();
        if own.is_some_and(|own| own.first(client, &[], action, inquiry.topic).is_some()) {
            return 0;
        }
        if access.is_some_and(|a| a.said(action, inquiry.topic, Some(now)).is_some()) {
            return 0;
        }
        let holds = self.holds(rules, subject);
        let leaf = rules.first(client, &holds, action, inquiry.topic);
        outside.before(leaf.map(|leaf| leaf.rule))
    }

    /// How long what is said now is good.
    #[must_use]
    pub fn keeps(&self, now: Time) -> Range<Time> {
        now..now.plus_millis(self.outside().map_or(0, |outside| outside.keep_millis))
    }

    /// How many answers are kept for one connection.
    pub(crate) fn keeps_most(&self) -> usize {
        self.outside().map_or(0, |outside| outside.most)
    }

    /// # Errors
    /// Why it may not.
    #[inline]
    pub fn publish<'a>(
        &self,
        asks: &impl Asks,
        view: View<'a>,
    ) -> Result<Authorized<View<'a>>, Ground> {
        self.publish_again(asks, None, view)
    }

    /// Whether there is no rule that could deny it.
    #[inline]
    fn needs_no_rule(&self, asks: &impl Asks, topic: Topic<'_>) -> bool {
        let is_usual = match asks.principal() {
            Principal::Anonymous | Principal::Afar | Principal::Administrator(_) => true,
            Principal::User(user) => user.rules.is_none(),
            Principal::Viewer(_) | Principal::Broker => false,
        };
        is_usual && self.rules.is_none() && !topic.is_system()
    }

    /// As [`Acl::publish`], with the reason.
    #[must_use]
    pub fn judge_publish(
        &self,
        subject: Subject<'_>,
        topic: Topic<'_>,
        qos: QoS,
        retain: bool,
    ) -> Judgement {
        match subject.who {
            Principal::Broker => return allowed(Ground::Master),
            _ if topic.is_system() => return denied(Ground::System),
            Principal::Viewer(_) => return denied(Ground::Viewer),
            _ => {}
        }
        let action = Actions::publish(qos, retain);
        self.judge(subject, action, topic.as_str(), Ground::NoMatch)
    }

    /// Whether what somebody retained may still be theirs to retain. Where that hangs on what is not
    /// known any more, it may.
    #[must_use]
    pub(crate) fn may_retain(&self, writer: &Writer, view: &View<'_>) -> bool {
        let Some(rules) = &self.rules else {
            return true;
        };
        if writer.who == Principal::Broker
            || writer.who.is_super()
            || writer.had_rules
            || view.topic.is_system()
        {
            return true;
        }
        let client = writer.subject().client();
        let mut holds = rules.holds(client, None).into_vec();
        holds.retain(|(_, is_doubtful)| !is_doubtful);
        let action = Actions::publish(view.qos, true);
        let mut leaf = rules.first(client, &holds, action, view.topic.as_str());
        if let Some(outside) = &rules.terms().outside
            && writer.who.is_client()
        {
            // Whoever was asked elsewhere said so when it came.
            leaf = leaf.filter(|leaf| leaf.rule < outside.first());
            if leaf.is_none() {
                return true;
            }
        }
        match leaf {
            Some(leaf) => leaf.permission == Permission::Allow,
            None => {
                let master = matches!(writer.who, Principal::Administrator(_));
                let allows = rules.terms().no_match == Permission::Allow;
                master || allows || rules.has_conditions()
            }
        }
    }

    /// # Errors
    /// Why it may not.
    pub fn subscribe<'a>(
        &self,
        asks: &impl Asks,
        filter: Filter<'a>,
        qos: QoS,
    ) -> Result<Authorized<Subscribe<'a>>, Ground> {
        let (judgement, is_checked) = self.judge_subscribe(asks.subject(), filter, qos);
        if judgement.is_allowed {
            let said = || self.word_on(asks.subject(), Actions::ask(qos), filter.as_str());
            let said = self.outside().and_then(|_| said());
            Ok(Authorized(Subscribe {
                filter,
                is_checked,
                heard: said.map(|(word, by)| Heard::Word(word, by)),
            }))
        } else {
            Err(judgement.ground)
        }
    }

    /// As [`Acl::subscribe`], with the reason; and whether some of what it brings may be denied.
    ///
    /// A subscription is allowed if one rule allows all of its filter and none before it denies all.
    #[must_use]
    pub fn judge_subscribe(
        &self,
        subject: Subject<'_>,
        filter: Filter<'_>,
        qos: QoS,
    ) -> (Judgement, bool) {
        let text = filter.as_str();
        let unless = match events(text) {
            Events::All => Ground::Events,
            Events::Some | Events::None => Ground::NoMatch,
        };
        let judgement = self.judge(subject, Actions::ask(qos), text, unless);
        let before = match judgement.ground {
            Ground::Master | Ground::Viewer => return (judgement, false),
            Ground::Rule(rule) | Ground::Own(rule) => rule,
            Ground::Outside(by) => self.outside().map_or(0, |outside| outside.place(by)),
            Ground::System
            | Ground::Events
            | Ground::Distance
            | Ground::Between
            | Ground::Expired
            | Ground::NoMatch => u32::MAX,
        };
        // Rules behind the first source are not asked at deliveries.
        let outside = self.outside().filter(|_| subject.who.is_client());
        let first = outside.map_or(before, |outside| outside.first().min(before));
        let is_told_little = subject.who == &Principal::Afar && text.starts_with('$');
        let is_asked = events(text) == Events::Some || is_told_little;
        let some = is_asked && judgement.ground == Ground::NoMatch;
        let receive = Actions::receive(qos);
        let own = subject.who.rules().is_some_and(|own| {
            let before = match judgement.ground {
                Ground::Own(rule) => rule,
                _ => u32::MAX,
            };
            own.denies_within(subject.client(), &[], receive, text, 0..before)
        });
        let shared = |within: Range<u32>| {
            let own = matches!(judgement.ground, Ground::Own(_));
            let rules = self.rules.as_ref().filter(|_| !own);
            rules.is_some_and(|rules| {
                let holds = self.holds(rules, subject);
                rules.denies_within(subject.client(), &holds, receive, text, within)
            })
        };
        if judgement.is_allowed && first < before && shared(first..before) {
            return (denied(Ground::Between), false);
        }
        (judgement, some || own || shared(0..first))
    }

    /// Whether a message on this topic is for somebody who has a subscription with this QoS.
    #[must_use]
    pub fn receives(&self, asks: &impl Asks, topic: Topic<'_>, qos: QoS) -> bool {
        self.judge_receive(asks.subject(), topic, Actions::receive(qos))
    }

    /// Whether a message that waited, and is to be sent with this QoS, is still for its receiver.
    #[must_use]
    pub(crate) fn still_receives(&self, asks: &impl Asks, topic: Topic<'_>, qos: QoS) -> bool {
        if !self.may_deny(asks) && !topic.is_system() {
            return true;
        }
        let subject = asks.subject();
        Actions::receive_from(qos).any(|action| self.judge_receive(subject, topic, action))
    }

    fn judge_receive(&self, subject: Subject<'_>, topic: Topic<'_>, action: Actions) -> bool {
        let unless = match events(topic.as_str()) {
            Events::All => Ground::Events,
            _ if topic.is_system() && *subject.who == Principal::Afar => Ground::Distance,
            Events::Some | Events::None => Ground::NoMatch,
        };
        self.judge(subject, action, topic.as_str(), unless)
            .is_allowed
    }

    /// `unless` says what it is where no rule says anything.
    fn judge(
        &self,
        subject: Subject<'_>,
        action: Actions,
        text: &str,
        unless: Ground,
    ) -> Judgement {
        match subject.who {
            Principal::Broker => return allowed(Ground::Master),
            Principal::Viewer(_) => return allowed(Ground::Viewer),
            Principal::User(user) if user.superuser => return allowed(Ground::Master),
            _ => {}
        }
        let client = subject.client();
        if let Some(own) = subject.who.rules()
            && let Some(leaf) = own.first(client, &[], action, text)
        {
            return by(leaf, Ground::Own(leaf.rule));
        }
        if let Some(rules) = &self.rules {
            let holds = self.holds(rules, subject);
            let leaf = rules.first(client, &holds, action, text);
            if let Some(outside) = &rules.terms().outside
                && leaf.is_none_or(|leaf| leaf.rule >= outside.first())
                && subject.who.is_client()
                && let Some(judged) = self.judge_outside(subject, action, text, unless)
            {
                return judged;
            }
            if let Some(leaf) = leaf {
                return by(leaf, Ground::Rule(leaf.rule));
            }
        }
        if let Principal::Administrator(_) = subject.who {
            return allowed(Ground::Master);
        }
        let rules = self.rules.as_ref();
        let no_match = rules.map_or(Permission::Allow, |rules| rules.terms().no_match);
        if unless != Ground::NoMatch || no_match == Permission::Deny {
            return denied(unless);
        }
        allowed(unless)
    }

    /// As somebody elsewhere has said; `None` if they leave it to others.
    fn judge_outside(
        &self,
        subject: Subject<'_>,
        action: Actions,
        text: &str,
        unless: Ground,
    ) -> Option<Judgement> {
        match self.word_on(subject, action, text) {
            Some((Word::Allow, by)) => Some(allowed(Ground::Outside(by))),
            Some((Word::Deny, by)) => Some(denied(Ground::Outside(by))),
            Some((Word::Pass, _)) => None,
            // Nobody elsewhere allows these, and only once the subscription was granted.
            None if unless == Ground::Events => None,
            None if self.is_arriving && !action.has(Actions::RECEIVE) => {
                Some(denied(Ground::Outside(NOBODY)))
            }
            None => Some(allowed(Ground::Outside(NOBODY))),
        }
    }

    /// What somebody elsewhere has said of this.
    fn word_on(&self, subject: Subject<'_>, action: Actions, text: &str) -> Option<(Word, u8)> {
        let kept = || subject.access?.said(action, text, None);
        self.word.or_else(kept)
    }

    /// The conditions that hold for somebody. They were tried when the client connected, or the rules
    /// are new.
    fn holds<'a>(
        &self,
        rules: &Rules,
        subject: Subject<'a>,
    ) -> std::borrow::Cow<'a, [(u16, bool)]> {
        if !rules.has_conditions() {
            return (&[][..]).into();
        }
        match subject.access {
            Some(access) if access.epoch == self.epoch => (&access.holds[..]).into(),
            other => {
                let peer = other.and_then(|access| access.peer);
                rules.holds(subject.client(), peer).into_vec().into()
            }
        }
    }

    /// What decided, as people are told of it.
    #[must_use]
    pub fn told<'a>(&'a self, ground: Ground, who: &'a Principal) -> &'a str {
        match ground {
            Ground::System => "only the broker publishes to topics that begin with $",
            Ground::Viewer => "a viewer of the dashboard sees everything and publishes nothing",
            Ground::Master => "an administrator or superuser",
            Ground::Events => {
                "clients that come and go, and alarms, are told only to those whom a rule allows it"
            }
            Ground::Distance => "what the broker tells of itself is for private addresses",
            Ground::Rule(rule) => self.rules.as_ref().map_or("", |rules| rules.name(rule)),
            Ground::Own(rule) => who.rules().map_or("", |rules| rules.name(rule)),
            Ground::Outside(by) => {
                let name = self.outside().and_then(|outside| outside.name(by));
                name.unwrap_or("a source of rules elsewhere, which is asked or did not answer")
            }
            Ground::Between => {
                "a rule behind a source elsewhere denies some of what it brings, and deliveries ask no such rule"
            }
            Ground::Expired => "the token of the client has expired, and its rights with it",
            Ground::NoMatch => "no rule is about it (no_match)",
        }
    }
}

impl Access {
    /// What was said of this, by now; at any time if that is not told.
    fn said(&self, action: Actions, topic: &str, now: Option<Time>) -> Option<(Word, u8)> {
        let mut said = self.said.iter();
        let is_it = |said: &&Said| {
            said.action == action
                && *said.topic == *topic
                && now.is_none_or(|now| now < said.kept.end)
        };
        said.find(is_it).map(|said| (said.word, said.by))
    }

    /// Keeps what was said; the oldest goes where there is no room.
    pub fn hear(
        &mut self,
        action: Actions,
        topic: &str,
        (word, by): (Word, u8),
        kept: Range<Time>,
        room: usize,
    ) {
        self.unsay(action, topic);
        while !self.said.is_empty() && self.said.len() >= room {
            self.said.remove(0);
        }
        self.said.push(Said {
            action,
            topic: topic.into(),
            word,
            by,
            kept,
        });
    }

    /// The same without rules of which it is not known whether they are for this client; `None` if there
    /// are none such.
    pub(crate) fn certain(&self) -> Option<Self> {
        let doubtful = |(_, in_doubt): &(u16, bool)| *in_doubt;
        self.holds.iter().any(doubtful).then(|| Self {
            holds: self
                .holds
                .iter()
                .filter(|h| !doubtful(h))
                .copied()
                .collect(),
            said: self.said.clone(),
            ..*self
        })
    }

    /// Where the client came from last.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

fn allowed(ground: Ground) -> Judgement {
    Judgement {
        is_allowed: true,
        ground,
    }
}

fn denied(ground: Ground) -> Judgement {
    Judgement {
        is_allowed: false,
        ground,
    }
}

fn by(leaf: Leaf, ground: Ground) -> Judgement {
    Judgement {
        is_allowed: leaf.permission == Permission::Allow,
        ground,
    }
}

/// How much of what a topic or filter brings is about clients that come and go, or alarms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Events {
    None,
    Some,
    All,
}

fn events(text: &str) -> Events {
    if !text.starts_with("$SYS") {
        return Events::None;
    }
    // $SYS/brokers/NODE/clients/... and $SYS/brokers/NODE/alarms/...
    let mut levels = text.split('/');
    let mut is_sure = true;
    for (at, due) in [&["$SYS"][..], &["brokers"], &[], &["clients", "alarms"]]
        .into_iter()
        .enumerate()
    {
        match levels.next() {
            Some("#") => return Events::Some,
            Some("+") if at != 2 => is_sure = false,
            Some(level) if due.is_empty() || due.contains(&level) => {}
            _ => return Events::None,
        }
    }
    if is_sure { Events::All } else { Events::Some }
}
