//! Retained messages of the topics this shard owns: one per topic, in topic order, so that a filter
//! with a literal beginning only looks at its own range.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use protocol::{Filter, Topic};

use crate::{Message, Time};

/// How much may be retained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Of all shards together.
    pub count: usize,
    /// The same in bytes.
    pub bytes: usize,
    /// Of one user, here.
    pub of_user: usize,
}

#[derive(Debug, Default)]
pub struct Retained {
    by_topic: BTreeSet<ByTopic>,
    /// How many of them are of whom.
    of_user: BTreeMap<Box<str>, usize>,
    /// How many of them are of system topics.
    system: usize,
    bytes: usize,
    totals: Arc<Totals>,
}

/// What all shards of a process retain together: the bounds are of that, and topics do not fall to
/// shards quite evenly. Nobody waits for these, and only a message on a new topic, or a longer or
/// shorter one, changes them.
#[derive(Debug, Default)]
pub struct Totals {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

impl Totals {
    /// Takes room for a message of so many bytes in place of one of `freed`, or for another topic.
    fn take(&self, new: bool, bytes: usize, freed: usize, maxima: (usize, usize)) -> bool {
        let add = |to: &AtomicUsize, more: usize, max: usize| {
            let sum = |now: usize| now.checked_add(more).filter(|sum| *sum <= max);
            to.fetch_update(Relaxed, Relaxed, sum).is_ok()
        };
        // A topic that is there keeps its place even if there are more than there should be.
        if new && !add(&self.count, 1, maxima.0) {
            return false;
        }
        if bytes <= freed {
            self.bytes.fetch_sub(freed - bytes, Relaxed);
            return true;
        }
        let fits = add(&self.bytes, bytes - freed, maxima.1);
        if new && !fits {
            self.count.fetch_sub(1, Relaxed);
        }
        fits
    }

    fn give_back(&self, count: usize, bytes: usize) {
        self.count.fetch_sub(count, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// The user whose bound a message counts for.
fn owner(message: &Message) -> Option<&str> {
    message.writer.as_ref()?.bounded()
}

/// A message ordered by its topic: 8 bytes an entry, the topic is not kept twice.
#[derive(Debug)]
struct ByTopic(Arc<Message>);

impl Borrow<str> for ByTopic {
    fn borrow(&self) -> &str {
        self.0.topic().as_str()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByTopic {}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.topic().as_str().cmp(other.0.topic().as_str())
    }
}

/// Where a scan goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    Start,
    After(Box<str>),
}

impl Retained {
    /// Counts with others from now on, when there is nothing yet.
    pub fn share(&mut self, totals: &Arc<Totals>) {
        assert!(self.is_empty(), "what is there is counted already");
        self.totals = totals.clone();
    }

    /// Stores the message, or removes what is there if the payload is empty. False if a bound refused
    /// it.
    pub fn set(&mut self, message: &Arc<Message>, room: Room) -> bool {
        let old = self.by_topic.take(message.topic().as_str());
        let freed = old.as_ref().map_or(0, |o| o.0.bytes());
        self.bytes -= freed;
        let system = usize::from(message.topic().is_system());
        if message.payload().is_empty() {
            // [MQTT-3.3.1-6], [MQTT-3.3.1-7]
            self.system -= system * usize::from(old.is_some());
            self.totals.give_back(usize::from(old.is_some()), freed);
            if let Some(old) = &old {
                forget(&mut self.of_user, &old.0);
            }
            return true;
        }
        let (new, maxima) = (old.is_none(), (room.count, room.bytes));
        let has_room = !new
            || owner(message).is_none_or(|user| {
                let count = self.of_user.get(user).copied();
                count.unwrap_or(0) < room.of_user
            });
        let fits = has_room && self.totals.take(new, message.bytes(), freed, maxima);
        if fits {
            self.pass_on(old.as_ref().map(|old| &*old.0), message);
            self.bytes += message.bytes();
            self.system += system * usize::from(new);
            self.by_topic.insert(ByTopic(message.clone()));
        } else if let Some(old) = old {
            self.bytes += freed;
            self.by_topic.insert(old);
        }
        fits
    }

    /// Counts a message for its user, and no longer that of the same topic for its own.
    fn pass_on(&mut self, old: Option<&Message>, message: &Message) {
        let user = owner(message);
        if let Some(old) = old {
            if owner(old) == user {
                return;
            }
            forget(&mut self.of_user, old);
        }
        let Some(user) = user else { return };
        match self.of_user.get_mut(user) {
            Some(count) => *count += 1,
            None => {
                self.of_user.insert(user.into(), 1);
            }
        }
    }

    #[must_use]
    pub fn get(&self, topic: &str, now: Time) -> Option<&Arc<Message>> {
        self.by_topic
            .get(topic)
            .map(|m| &m.0)
            .filter(|m| !m.view().is_expired(now))
    }

    /// Looks at no more than `slice` messages from `cursor` on and collects those that match and have
    /// not expired. Gives the place to go on from, or `None` at the end.
    pub fn scan(
        &self,
        filter: Filter<'_>,
        cursor: &Cursor,
        slice: usize,
        now: Time,
        found: &mut Vec<Arc<Message>>,
    ) -> Option<Cursor> {
        if !filter.is_wildcard() {
            found.extend(self.get(filter.as_str(), now).cloned());
            return None;
        }
        let prefix = literal_prefix(filter.as_str());
        let from = match cursor {
            Cursor::Start => Bound::Included(prefix),
            Cursor::After(topic) => Bound::Excluded(&**topic),
        };
        let mut left = slice;
        for entry in self.by_topic.range::<str, _>((from, Bound::Unbounded)) {
            let topic: Topic<'_> = entry.0.topic();
            if !topic.as_str().starts_with(prefix) {
                return None;
            }
            if filter.matches(topic) && !entry.0.view().is_expired(now) {
                found.push(entry.0.clone());
            }
            left -= 1;
            if left == 0 {
                return Some(Cursor::After(topic.as_str().into()));
            }
        }
        None
    }

    /// What is there behind a topic, in topic order.
    pub fn range(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<Message>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_topic.range::<str, _>((from, Bound::Unbounded));
        range.map(|entry| &entry.0)
    }

    /// Drops what expired, and gives its topics. Called now and then; reads never show it meanwhile.
    pub fn sweep(&mut self, now: Time) -> Vec<Box<str>> {
        let mut topics = Vec::new();
        let (mut freed, mut system) = (0, 0);
        self.by_topic.retain(|m| {
            let gone = m.0.view().is_expired(now);
            if gone {
                freed += m.0.bytes();
                system += usize::from(m.0.topic().is_system());
                topics.push(m.0.topic().as_str().into());
                forget(&mut self.of_user, &m.0);
            }
            !gone
        });
        self.bytes -= freed;
        self.system -= system;
        self.totals.give_back(topics.len(), freed);
        topics
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// How many there are of system topics.
    #[must_use]
    pub fn system_len(&self) -> usize {
        self.system
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A message of somebody's is gone; whoever has none left is not in the list.
fn forget(of_user: &mut BTreeMap<Box<str>, usize>, message: &Message) {
    let Some(user) = owner(message) else { return };
    let count = of_user.get_mut(user).expect("counted when it was stored");
    *count -= 1;
    if *count == 0 {
        of_user.remove(user);
    }
}

/// What every match begins with: the text before the first wildcard, without its separator, since
/// `a/#` also matches `a`.
fn literal_prefix(filter: &str) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    filter[..end].strip_suffix('/').unwrap_or(&filter[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SessionRef,
        acl::{Principal, User, Writer},
        message::View,
    };
    use protocol::QoS;

    fn message(topic: &str, payload: &[u8]) -> Arc<Message> {
        let view = View {
            publisher: SessionRef::BROKER,
            topic: Topic::trusted(topic),
            qos: QoS::AtLeastOnce,
            retain: true,
            expires: None,
            forwarded: &[],
            payload,
        };
        Arc::new(Message::new(&view, Time(0)))
    }

    fn room(count: usize, bytes: usize) -> Room {
        Room {
            count,
            bytes,
            of_user: usize::MAX,
        }
    }

    /// System topics are counted as they come, change, go and expire, and when there is no room.
    #[test]
    fn system_topics_are_counted() {
        let mut retained = Retained::default();
        let mut set = |topic, payload: &[u8], max| {
            retained.set(&message(topic, payload), room(max, 1 << 20));
            let real = retained.range(None).filter(|m| m.topic().is_system());
            assert_eq!(retained.system_len(), real.count(), "{topic}");
            (retained.system_len(), retained.len())
        };
        assert_eq!(set("a", b"1", 9), (0, 1));
        assert_eq!(set("$SYS/a", b"1", 9), (1, 2));
        assert_eq!(set("$SYS/a", b"22", 9), (1, 2));
        assert_eq!(set("$SYS/b", b"1", 2), (1, 2));
        assert_eq!(set("$SYS/b", b"", 9), (1, 2));
        assert_eq!(set("$SYS/a", b"", 9), (0, 1));
        let brief = message("$SYS/c", b"1");
        let view = View {
            expires: Some(Time(1)),
            ..brief.view()
        };
        retained.set(&Arc::new(Message::new(&view, Time(0))), room(9, 1 << 20));
        assert_eq!(retained.system_len(), 1);
        assert_eq!(retained.sweep(Time(2)).len(), 1);
        assert_eq!((retained.system_len(), retained.len()), (0, 1));
    }

    /// All on one of two shards, up to each bound; what is cleared or made shorter on one makes room
    /// on the other, and what was refused has taken none.
    #[test]
    fn bounds_are_of_all_together() {
        let totals = Arc::new(Totals::default());
        let (mut one, mut other) = (Retained::default(), Retained::default());
        one.share(&totals);
        other.share(&totals);
        let each = message("a", b"12345678").bytes();
        for topic in ["a", "b", "c"] {
            assert!(one.set(&message(topic, b"12345678"), room(3, 1 << 20)));
        }
        assert!(!other.set(&message("d", b"12345678"), room(3, 1 << 20)));
        assert!(!other.set(&message("d", b"12345678"), room(4, 4 * each - 1)));
        assert!(
            one.set(&message("a", b"12345678"), room(0, 0)),
            "it has its place"
        );
        assert!(!one.set(&message("a", b"123456789"), room(3, 3 * each)));
        assert!(one.set(&message("a", b"1234567"), room(3, 3 * each)));
        assert!(
            other.set(&message("d", b""), room(3, 3 * each)),
            "clears nothing"
        );
        assert!(one.set(&message("a", b""), room(3, 3 * each)));
        assert!(other.set(&message("d", b"12345678"), room(3, 3 * each)));
        let count = totals.count.load(Relaxed);
        let bytes = totals.bytes.load(Relaxed);
        assert_eq!(count, one.len() + other.len());
        assert_eq!(bytes, one.bytes() + other.bytes());
    }

    /// A user has so many topics and no more; each is given back when it is cleared, expires or becomes
    /// somebody else's. Superusers and clients that are nobody in particular have no bound of their own.
    #[test]
    fn users_have_a_bound_each() {
        let user = |name: &str| Principal::User(User::new(name));
        let from = |who: &Principal, topic: &str, payload: &[u8]| {
            let mut message = Arc::into_inner(message(topic, payload)).unwrap();
            message.writer = Some(Arc::new(Writer::new(who.clone(), "c")));
            Arc::new(message)
        };
        let room = Room {
            of_user: 2,
            ..room(100, 1 << 20)
        };
        let (anna, ben) = (user("anna"), user("ben"));
        let boss = Principal::User(User {
            superuser: true,
            ..User::new("boss")
        });
        let mut retained = Retained::default();
        let mut set = |who: &Principal, topic: &str, payload: &[u8]| {
            retained.set(&from(who, topic, payload), room)
        };
        assert!(set(&anna, "a", b"1") && set(&anna, "b", b"1"));
        assert!(!set(&anna, "c", b"1"));
        assert!(set(&anna, "a", b"2"), "it is there");
        assert!(set(&ben, "c", b"1") && set(&ben, "d", b"1") && !set(&ben, "e", b"1"));
        assert!(set(&ben, "a", b"3"), "it was there");
        assert!(set(&anna, "e", b"1"), "one of hers is his now");
        assert!(!set(&ben, "f", b"1"));
        assert!(
            set(&anna, "a", b"") && set(&anna, "c", b""),
            "clearing is free"
        );
        assert!(set(&ben, "f", b"1") && !set(&ben, "g", b"1"));
        for nobody in [&boss, &Principal::Anonymous] {
            for n in 0..5 {
                assert!(set(nobody, &format!("{nobody:?}/{n}"), b"1"));
            }
        }
        let expires = from(&anna, "brief", b"1");
        let brief = View {
            expires: Some(Time(1)),
            ..expires.view()
        };
        let mut brief = Message::new(&brief, Time(0));
        brief.writer.clone_from(&expires.writer);
        let brief = Arc::new(brief);
        assert!(!retained.set(&brief, room));
        assert!(retained.set(&from(&anna, "e", b""), room));
        assert!(retained.set(&brief, room));
        assert_eq!(retained.of_user["anna"], 2);
        assert_eq!(retained.sweep(Time(2)).len(), 1);
        assert_eq!(retained.of_user["anna"], 1);
        assert!(retained.set(&from(&anna, "b", b""), room));
        let left: Vec<_> = retained.of_user.keys().map(|user| &**user).collect();
        assert_eq!(left, ["ben"]);
    }
}
