//! The connection log: the last connects, refusals and disconnects of everybody, also of peers that
//! never sent a valid CONNECT. Bounded in entries and in bytes.

use std::{
    collections::{VecDeque, vec_deque},
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard},
};

use engine::{Cause, Close, Deed, Ending, Presence, Time};
use protocol::{Reason, Version};
use smol_str::SmolStr;

use super::{lock, words};
use crate::{config::Lang, shard::Peer};

/// Entries that are kept.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of names in them, all together.
const NAME_BYTES_MAX: usize = 4 << 20;
/// Entries that wait to be looked at; a shard that finds more adds none.
const WAITING_MAX: usize = 4 * ENTRIES_MAX;
/// Peers without a name that fail again and again are one entry if it is among so many newest.
const FOLD_DEPTH: usize = 16;
/// A name is cut after so many bytes.
const NAME_MAX: usize = 1024;

/// What happened to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Connected,
    Refused(Close),
    Ended(Ending),
    /// The client goes on, without this.
    Denied(Deed),
}

/// What happened to one connection, as shards note it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Time,
    pub(crate) peer: Peer,
    pub(crate) listener: u8,
    pub(crate) event: Event,
    version: Option<Version>,
    /// A packet of ours says so.
    told: bool,
    /// How many it had when it went.
    subscriptions: u32,
    /// Empty if nobody has said one. Most are short enough to stand here, with no memory of their own.
    pub(crate) client_id: SmolStr,
    rare: Option<Box<Rare>>,
    /// How often, if it was the same again and again.
    times: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
    user_name: Option<SmolStr>,
    /// Who is behind it: the address that took over, the user who kicked or whose session it is.
    by: Option<SmolStr>,
    /// What was denied, and the rule that decided.
    denied: Option<Box<(SmolStr, SmolStr)>>,
}

impl Entry {
    /// A peer that was turned away before it could say who it is.
    pub(crate) fn stranger(at: Time, peer: Peer, listener: u8, close: Close) -> Self {
        Self {
            at,
            peer,
            listener,
            event: Event::Refused(close),
            version: None,
            told: false,
            subscriptions: 0,
            client_id: SmolStr::default(),
            rare: None,
            times: 1,
        }
    }

    /// What the engine says of a client.
    pub(crate) fn client(
        at: Time,
        peer: Peer,
        listener: u8,
        client_id: &str,
        what: &Presence<'_>,
    ) -> Self {
        let subscriptions = match *what {
            Presence::Went { subscriptions, .. } => subscriptions,
            _ => 0,
        };
        let (event, version, told, user_name, by) = match *what {
            Presence::Came {
                user_name, version, ..
            } => (Event::Connected, Some(version), true, user_name, None),
            Presence::Went {
                ending, version, ..
            } => (Event::Ended(ending), Some(version), true, None, None),
            Presence::Refused {
                version,
                user_name,
                owner,
                close,
                told,
            } => (Event::Refused(close), version, told, user_name, owner),
            Presence::Denied {
                version,
                user_name,
                deed,
                ..
            } => (Event::Denied(deed), Some(version), true, user_name, None),
        };
        let denied = match *what {
            Presence::Denied { topic, rule, .. } => {
                Some(Box::new((cut(topic).into(), cut(rule).into())))
            }
            _ => None,
        };
        let text = |name: &str| cut(name).into();
        let is_rare = user_name.is_some() || by.is_some() || denied.is_some();
        let rare = is_rare.then(|| {
            Box::new(Rare {
                user_name: user_name.map(text),
                by: by.map(text),
                denied,
            })
        });
        Self {
            at,
            peer,
            listener,
            event,
            version,
            told,
            subscriptions: u32::try_from(subscriptions).unwrap_or(u32::MAX),
            client_id: cut(client_id).into(),
            rare,
            times: 1,
        }
    }

    /// Names who is behind it.
    pub(crate) fn by(&mut self, who: &str) {
        self.rare.get_or_insert_default().by = Some(cut(who).into());
    }

    /// It ended without a packet of ours that says so.
    pub(crate) fn untold(&mut self) {
        self.told = false;
    }

    pub(crate) fn by_whom(&self) -> Option<&str> {
        self.rare.as_ref()?.by.as_deref()
    }

    pub(crate) fn times(&self) -> u32 {
        self.times
    }

    pub(crate) fn subscriptions(&self) -> u32 {
        self.subscriptions
    }

    /// What is said of it in the log of lines.
    pub(crate) fn line(&self) -> Option<String> {
        let line = words::line(&self.event)?;
        let rare = self.rare.as_ref();
        Some(match rare.and_then(|rare| rare.denied.as_ref()) {
            Some(denied) => format!("{line} {:?} ({})", denied.0, denied.1),
            None => line,
        })
    }

    fn bytes(&self) -> usize {
        let text = |t: &Option<SmolStr>| t.as_ref().map_or(0, |t| t.len());
        let rare = self.rare.as_ref();
        let denied = rare.and_then(|r| r.denied.as_ref());
        let denied = denied.map_or(0, |denied| denied.0.len() + denied.1.len());
        self.client_id.len() + rare.map_or(0, |r| text(&r.user_name) + text(&r.by)) + denied
    }

    /// Whether it may be one with others that say the same: of peers without a name, and of who is banned
    /// and tries again.
    fn may_repeat(&self) -> bool {
        let is_banned = matches!(self.event, Event::Refused(close) if close.cause == Cause::Banned);
        self.client_id.is_empty() || is_banned
    }

    /// Whether it says the same as another of the same peer.
    fn repeats(&self, other: &Self) -> bool {
        self.may_repeat()
            && self.client_id == other.client_id
            && self.event == other.event
            && (self.version, self.told) == (other.version, other.told)
            && self.listener == other.listener
            && self.peer.ip() == other.peer.ip()
            && self.rare == other.rare
    }
}

/// A name without what is beyond the bound, cut between two characters.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_MAX)]
}

/// The log of all shards.
#[derive(Default)]
pub(crate) struct Log {
    waiting: Mutex<Waiting>,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    missed: u64,
}

struct Ring {
    /// Oldest first. All its memory is taken at the start, a megabyte, so that a crowd that connects costs no
    /// more than its connections.
    entries: VecDeque<Entry>,
    /// The number of the oldest.
    first: u64,
    name_bytes: usize,
    missed: u64,
}

/// Which entries somebody wants to see; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The client id.
    pub client_id: Option<String>,
    /// Part of the client id.
    pub like_client_id: Option<String>,
    pub address: Option<IpAddr>,
    pub cause: Option<String>,
    pub kind: Option<Kind>,
    /// Milliseconds since 1970, both ends included.
    pub since: Option<u64>,
    pub until: Option<u64>,
    /// Only entries with a higher number.
    pub after: Option<u64>,
}

/// What kind of thing happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Connected,
    Refused,
    Disconnected,
    /// It did what it may not, and goes on.
    Denied,
}

impl Kind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::Disconnected => "disconnected",
            Self::Denied => "denied",
        }
    }
}

/// One entry as people see it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Counts up from 1; an entry keeps its number.
    pub number: u64,
    /// Milliseconds since 1970; of the last time, if it happened more than once.
    pub at: u64,
    pub times: u32,
    pub kind: Kind,
    pub address: SocketAddr,
    /// The listener's place in the order of starting.
    pub listener: u8,
    pub client_id: String,
    pub user_name: Option<String>,
    /// Protocol level 3, 4 or 5, where a CONNECT said it.
    pub level: Option<u8>,
    /// The cause's name, which stays.
    pub code: &'static str,
    pub reason: Option<u8>,
    pub cause: &'static str,
    /// Where in the packet, or which rule.
    pub place: &'static str,
    pub remedy: &'static str,
    /// What the client's library shows.
    pub shows: String,
    pub by: Option<String>,
    /// What was denied.
    pub topic: Option<String>,
    /// The rule that decided it.
    pub rule: Option<String>,
}

/// A page of the log.
#[derive(Debug)]
pub struct Found {
    /// Newest first.
    pub records: Vec<Record>,
    /// How many there are in all.
    pub count: usize,
    /// Entries that nobody had time to write down.
    pub missed: u64,
}

impl Log {
    /// Takes what a shard noted in one pass: one append under the lock.
    pub(crate) fn add(&self, entries: &mut Vec<Entry>) {
        let mut waiting = lock(&self.waiting);
        let room = WAITING_MAX.saturating_sub(waiting.entries.len());
        if entries.len() > room {
            waiting.missed += (entries.len() - room) as u64;
            entries.truncate(room);
        }
        waiting.entries.append(entries);
    }

    /// Puts what waits into its place. Called about once a second, so little ever waits.
    pub(crate) fn settle(&self) {
        drop(self.settled());
    }

    fn settled(&self) -> MutexGuard<'_, Ring> {
        let mut ring = lock(&self.ring);
        // The shards' lock is held for a swap only.
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        ring.missed += waiting.missed;
        for entry in waiting.entries {
            ring.push(entry);
        }
        ring
    }

    /// Entries that a query wants, newest first, without the first `skip`.
    pub(crate) fn find(&self, query: &Query, skip: usize, limit: usize, lang: Lang) -> Found {
        let ring = self.settled();
        let mut count = 0;
        let mut records = Vec::new();
        let newest = ring.first + ring.entries.len() as u64;
        for (entry, back) in ring.entries.iter().rev().zip(1..) {
            let number = newest - back;
            if query.after.is_some_and(|after| number <= after) {
                break;
            }
            if !query.wants(entry) {
                continue;
            }
            if count >= skip && records.len() < limit {
                records.push(entry.record(number, lang));
            }
            count += 1;
        }
        Found {
            records,
            count,
            missed: ring.missed,
        }
    }
}

impl Log {
    /// Looks at the entries that are younger, oldest first.
    pub(crate) fn look_back<T>(
        &self,
        at: u64,
        look: impl FnOnce(vec_deque::Iter<'_, Entry>) -> T,
    ) -> T {
        let ring = self.settled();
        let from = ring.entries.partition_point(|entry| entry.at.0 < at);
        look(ring.entries.range(from..))
    }
}

impl Default for Ring {
    fn default() -> Self {
        let nobody = Peer::new(([0, 0, 0, 0], 0).into());
        let blank = Entry::stranger(Time::default(), nobody, 0, Cause::ALL[0].close());
        // Reserved room becomes memory only where something was written.
        let mut entries = VecDeque::from(vec![blank; ENTRIES_MAX + 1]);
        entries.clear();
        Self {
            entries,
            first: 1,
            name_bytes: 0,
            missed: 0,
        }
    }
}

impl Ring {
    fn push(&mut self, entry: Entry) {
        let near = self.entries.iter_mut().rev().take(FOLD_DEPTH);
        if entry.may_repeat()
            && let Some(same) = near.into_iter().find(|other| entry.repeats(other))
        {
            same.times = same.times.saturating_add(1);
            same.at = entry.at.max(same.at);
            same.peer = entry.peer;
            return;
        }
        self.name_bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > ENTRIES_MAX || self.name_bytes > NAME_BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.name_bytes -= oldest.bytes();
            self.first += 1;
        }
    }
}

impl Query {
    fn wants(&self, entry: &Entry) -> bool {
        let id = entry.client_id.as_str();
        self.client_id.as_ref().is_none_or(|wanted| id == wanted)
            && self
                .like_client_id
                .as_ref()
                .is_none_or(|part| id.contains(part))
            && self.address.is_none_or(|ip| ip == entry.peer.ip())
            && self.kind.is_none_or(|kind| kind == entry.kind())
            && self.since.is_none_or(|at| entry.at.0 >= at)
            && self.until.is_none_or(|at| entry.at.0 <= at)
            && self
                .cause
                .as_ref()
                .is_none_or(|code| code == words::code(&entry.event))
    }
}

impl Entry {
    fn kind(&self) -> Kind {
        match self.event {
            Event::Connected => Kind::Connected,
            Event::Refused(_) => Kind::Refused,
            Event::Ended(_) => Kind::Disconnected,
            Event::Denied(_) => Kind::Denied,
        }
    }

    fn record(&self, number: u64, lang: Lang) -> Record {
        let told = words::told(&self.event, lang);
        let reason = match self.event {
            Event::Connected => Some(0),
            Event::Refused(close) | Event::Ended(Ending::Expelled(close)) => Some(close.reason.0),
            Event::Ended(Ending::Left(reason)) => Some(reason.0),
            Event::Ended(Ending::Lost) => None,
            Event::Denied(_) => Some(Reason::NOT_AUTHORIZED.0),
        };
        let place = match self.event {
            Event::Refused(close) | Event::Ended(Ending::Expelled(close)) => close.cause.place(),
            _ => "",
        };
        let rare = self.rare.as_ref();
        let text = |t: &Option<SmolStr>| t.as_ref().map(|t| t.to_string());
        let denied = rare.and_then(|r| r.denied.as_ref());
        Record {
            number,
            at: self.at.0,
            times: self.times,
            kind: self.kind(),
            address: self.peer.address(),
            listener: self.listener,
            client_id: self.client_id.to_string(),
            user_name: rare.and_then(|r| text(&r.user_name)),
            level: self.version.map(Version::level),
            code: words::code(&self.event),
            reason,
            cause: told.cause,
            place,
            remedy: told.remedy,
            shows: words::shows(&self.event, self.version, self.told, lang),
            by: rare.and_then(|r| text(&r.by)),
            topic: denied.map(|denied| denied.0.to_string()),
            rule: denied.map(|denied| denied.1.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(at: u64, port: u16, cause: Cause) -> Entry {
        let peer = Peer::new(SocketAddr::from(([127, 0, 0, 1], port)));
        Entry::stranger(Time(at), peer, 0, cause.close())
    }

    fn client(at: u64, id: &str) -> Entry {
        let peer = Peer::new(SocketAddr::from(([10, 0, 0, 1], 9)));
        let came = Presence::Came {
            user_name: None,
            version: Version::V5,
            keep_alive_secs: 60,
            clean_start: true,
            expiry_secs: 0,
        };
        Entry::client(Time(at), peer, 0, id, &came)
    }

    #[test]
    fn bounded_in_entries_and_bytes() {
        let log = Log::default();
        for at in 0..ENTRIES_MAX as u64 + 5 {
            log.add(&mut vec![client(at, &format!("c{at}"))]);
            if at % 100 == 0 {
                log.settle();
            }
        }
        let found = log.find(&Query::default(), 0, 2, Lang::En);
        assert_eq!(found.count, ENTRIES_MAX);
        assert_eq!(found.records[0].client_id, format!("c{}", ENTRIES_MAX + 4));
        assert_eq!(found.records[1].number, ENTRIES_MAX as u64 + 4);
        for at in 0..5000 {
            log.add(&mut vec![client(at, &"x".repeat(2000))]);
        }
        let found = log.find(&Query::default(), 0, 1, Lang::En);
        assert!(found.count <= NAME_BYTES_MAX / NAME_MAX);
        assert_eq!(found.records[0].client_id.len(), NAME_MAX);
    }

    #[test]
    fn strangers_that_fail_again_are_one_entry() {
        let log = Log::default();
        for at in 0..100 {
            log.add(&mut vec![stranger(at, 1000, Cause::ClosedEarly)]);
        }
        log.add(&mut vec![stranger(100, 1000, Cause::TlsOnMqtt)]);
        let found = log.find(&Query::default(), 0, 9, Lang::Zh);
        assert_eq!(found.count, 2);
        assert_eq!(found.records[1].times, 100);
        assert_eq!(found.records[1].at, 99);
        assert_eq!(found.records[0].code, "tls_on_plain_port");
    }

    #[test]
    fn found_by_every_condition() {
        let log = Log::default();
        log.add(&mut vec![
            client(1, "pump-1"),
            client(5, "pump-2"),
            stranger(7, 3, Cause::NotConnect),
        ]);
        let count = |query: Query| log.find(&query, 0, 10, Lang::En).count;
        let base = Query::default;
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(count(base()), 3);
        assert_eq!(
            count(Query {
                like_client_id: of("pump"),
                ..base()
            }),
            2
        );
        assert_eq!(
            count(Query {
                client_id: of("pump-1"),
                ..base()
            }),
            1
        );
        assert_eq!(
            count(Query {
                client_id: of("pump"),
                ..base()
            }),
            0
        );
        assert_eq!(
            count(Query {
                cause: of("not_connect"),
                ..base()
            }),
            1
        );
        assert_eq!(
            count(Query {
                kind: Some(Kind::Connected),
                ..base()
            }),
            2
        );
        assert_eq!(
            count(Query {
                since: Some(5),
                ..base()
            }),
            2
        );
        assert_eq!(
            count(Query {
                until: Some(5),
                ..base()
            }),
            2
        );
        assert_eq!(
            count(Query {
                after: Some(2),
                ..base()
            }),
            1
        );
        let address = "127.0.0.1".parse().ok();
        assert_eq!(count(Query { address, ..base() }), 1);
        assert_eq!(
            log.find(&base(), 1, 1, Lang::En).records[0].client_id,
            "pump-2"
        );
    }
}
