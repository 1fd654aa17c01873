//! Where a shared group with lasting members stands in the log, and who has what of it.
//!
//! Everything up to `read` was looked at. What of that is `owed` is with nobody, what is `leased` is with
//! a member; all else is done. So what has to be remembered is bounded by the members' windows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Entry, Message, SessionRef, limits::READ_MAX, record::GroupRecord, session::Reading,
    shard::Origin,
};

#[derive(Debug)]
pub(crate) struct Leases {
    read: u64,
    reading: Reading,
    /// The last read that was asked for, and after which position: answers to others come too late.
    number: u32,
    after: u64,
    /// To be handed out, oldest first. Those without a message have to be read again.
    owed: BTreeMap<u64, Option<Arc<Message>>>,
    leased: BTreeSet<u64>,
    /// Behind `read`, and not for the group: a member has it since before the start, or it came live.
    past: BTreeSet<u64>,
    cut: Cut,
    /// It stands in the list of those whose progress is to be saved.
    pub(crate) noted: bool,
    /// The store has a record of it.
    pub(crate) stored: bool,
    /// Who is to be told when the store knows the place of now.
    pub(crate) telling: Telling,
}

/// Whoever waits until the store knows the place of a group.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    /// Members whose SUBACK waits, with their tickets.
    pub(crate) joins: Vec<(SessionRef, u64)>,
    /// Deliveries that members have bound: shard, client id, number.
    pub(crate) bound: Vec<(u16, Box<str>, u64)>,
}

/// Where the live path ends for a group and the log begins: for each shard, the last token of what it
/// routed before it knew that the group reads the log.
#[derive(Debug)]
struct Cut {
    tokens: Vec<Option<u64>>,
    /// What the log showed before every shard had said.
    seen: Vec<(u64, Option<Origin>)>,
}

impl Cut {
    fn is_complete(&self) -> bool {
        self.tokens.iter().all(Option::is_some)
    }

    /// Whether a message came to the group by the live path already.
    fn is_before(&self, origin: Option<Origin>) -> bool {
        let token = origin.and_then(|s| Some((s.token, *self.tokens.get(usize::from(s.shard))?)));
        token.is_some_and(|(token, cut)| cut.is_none_or(|cut| token <= cut))
    }
}

impl Leases {
    /// Begins behind the log's present end, or goes on where it was.
    pub(crate) fn new(shards: u16, tail: u64, kept: Option<&GroupRecord>) -> Self {
        Self {
            read: kept.map_or(tail, |k| k.cursor.min(tail)),
            reading: Reading::Behind,
            number: 0,
            after: 0,
            owed: kept
                .iter()
                .flat_map(|k| &k.open)
                .map(|p| (*p, None))
                .collect(),
            leased: BTreeSet::new(),
            past: kept.iter().flat_map(|k| &k.past).copied().collect(),
            cut: Cut {
                tokens: vec![None; usize::from(shards)],
                seen: Vec::new(),
            },
            noted: false,
            stored: kept.is_some(),
            telling: Telling::default(),
        }
    }

    /// A shard has ended its live path. True if it was the last.
    pub(crate) fn switch(&mut self, shard: u16, token: u64) -> bool {
        if let Some(cut) = self.cut.tokens.get_mut(usize::from(shard)) {
            *cut = Some(token);
        }
        if !self.cut.is_complete() {
            return false;
        }
        for (position, origin) in std::mem::take(&mut self.cut.seen) {
            if self.cut.is_before(origin) && position > self.read {
                self.past.insert(position);
            }
        }
        true
    }

    /// Every shard has ended its live path.
    pub(crate) fn is_switched(&self) -> bool {
        self.cut.is_complete()
    }

    /// Whether the log has what this shard routes now.
    pub(crate) fn reads_what_comes_from(&self, shard: u16) -> bool {
        matches!(self.cut.tokens.get(usize::from(shard)), Some(Some(_)))
    }

    /// One entry of the log's tail. `tail` is the one before it; `served` says that some member is there.
    /// True if there is something to hand out.
    pub(crate) fn follow(&mut self, entry: &Entry, tail: u64, served: bool) -> bool {
        if entry.position <= self.read {
            return false;
        }
        if !self.cut.is_complete() {
            self.cut.seen.push((entry.position, entry.origin));
            return false;
        }
        let before = self.cut.is_before(entry.origin);
        if self.reading != Reading::Live {
            if before {
                self.past.insert(entry.position);
            }
            return false;
        }
        if before || self.past.remove(&entry.position) {
            return false;
        }
        if !served || self.owed.len() >= READ_MAX {
            self.fall_behind(tail);
            return false;
        }
        self.read = entry.position;
        self.owed
            .insert(entry.position, Some(entry.message.clone()));
        true
    }

    fn fall_behind(&mut self, tail: u64) {
        if self.reading == Reading::Live {
            self.read = self.read.max(tail);
            self.reading = Reading::Behind;
        }
    }

    /// After which position to read on, if that is to be done now. The answer is to bring this number.
    pub(crate) fn read_on(&mut self) -> Option<(u64, u32)> {
        if self.reading != Reading::Behind || !self.cut.is_complete() {
            return None;
        }
        let after = match self.owed.first_key_value() {
            Some((_, Some(_))) => return None, // first what is there
            Some((position, None)) => position - 1,
            None => self.read,
        };
        self.reading = Reading::Asked;
        self.after = after;
        self.number = self.number.wrapping_add(1);
        Some((after, self.number))
    }

    /// The log's answer, and whether it brought the group on; `None` if nobody waits for it.
    pub(crate) fn found(
        &mut self,
        number: u32,
        entries: impl Iterator<Item = Entry>,
        upto: u64,
        tail: u64,
    ) -> Option<bool> {
        if self.reading != Reading::Asked || self.number != number {
            return None;
        }
        let (before, missing) = (self.read, self.missing());
        self.reading = Reading::Behind;
        // What the tail has not shown comes from there: that knows who wrote it.
        let upto = upto.min(tail);
        for entry in entries.take_while(|e| e.position <= tail) {
            let (position, message) = (entry.position, Some(entry.message));
            if position > self.read {
                self.read = position;
                if !self.past.contains(&position) {
                    self.owed.insert(position, message);
                }
            } else if let Some(owed) = self.owed.get_mut(&position) {
                *owed = message;
            }
        }
        // What is not found is not there any more.
        let looked = self.after + 1..=upto;
        self.owed
            .retain(|at, message| message.is_some() || !looked.contains(at));
        self.read = self.read.max(upto);
        self.past = self.past.split_off(&(self.read + 1));
        let still = self.missing();
        if self.read >= tail && still == 0 {
            self.reading = Reading::Live;
        }
        Some(self.read > before || still < missing || self.reading == Reading::Live)
    }

    /// How much of what is owed has to be read again.
    fn missing(&self) -> usize {
        self.owed.values().filter(|m| m.is_none()).count()
    }

    /// What is to be handed out next, if it is there.
    pub(crate) fn front(&self) -> Option<(u64, Arc<Message>)> {
        let (position, message) = self.owed.first_key_value()?;
        Some((*position, message.clone()?))
    }

    /// A member has it.
    pub(crate) fn lease(&mut self, position: u64) {
        self.owed.remove(&position);
        self.leased.insert(position);
    }

    /// Nobody needs it any more.
    pub(crate) fn settle(&mut self, position: u64) {
        self.owed.remove(&position);
        self.leased.remove(&position);
    }

    /// Nobody can take it now.
    pub(crate) fn keep(&mut self, position: u64, message: Arc<Message>) {
        self.leased.remove(&position);
        self.owed.insert(position, Some(message));
    }

    /// A member has it and will not forget that.
    pub(crate) fn bind(&mut self, position: u64) {
        self.settle(position);
        if position > self.read {
            self.past.insert(position);
        }
    }

    /// A member did not take it, or will not finish it.
    pub(crate) fn give_back(&mut self, position: u64, message: Arc<Message>, tail: u64) {
        self.leased.remove(&position);
        if self.owed.len() < 2 * READ_MAX {
            self.owed.insert(position, Some(message));
        } else {
            self.owed.insert(position, None);
            self.fall_behind(tail);
        }
    }

    /// Nobody is there to take anything: the log keeps it.
    pub(crate) fn rest(&mut self, tail: u64) {
        if !self.owed.is_empty() {
            self.fall_behind(tail);
            for message in self.owed.values_mut() {
                *message = None;
            }
        }
    }

    /// The log lost it for want of room. True if the group did.
    pub(crate) fn shed(&mut self, position: u64) -> bool {
        if let Some(None) = self.owed.get(&position) {
            self.owed.remove(&position);
            return true;
        }
        self.reading != Reading::Live && position > self.read && !self.past.contains(&position)
    }

    /// Up to where everything was looked at.
    fn looked(&self, tail: u64) -> u64 {
        match self.reading {
            Reading::Live => self.read.max(tail),
            Reading::Behind | Reading::Asked => self.read,
        }
    }

    /// Before which the log has nothing that the group may need, now or after a restart.
    pub(crate) fn needs_from(&self, tail: u64) -> u64 {
        let owed = self.owed.first_key_value().map(|(position, _)| position);
        let lowest = owed.into_iter().chain(self.leased.first()).min();
        lowest.map_or_else(|| self.looked(tail), |lowest| lowest - 1)
    }

    pub(crate) fn record(&self, tail: u64) -> GroupRecord {
        let cursor = self.looked(tail);
        let open: BTreeSet<u64> = self.owed.keys().chain(&self.leased).copied().collect();
        GroupRecord {
            cursor,
            open: open.into_iter().collect(),
            past: self.past.range(cursor + 1..).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Time, message::View};
    use protocol::{QoS, Topic};

    fn message() -> Arc<Message> {
        let view = View {
            publisher: SessionRef::BROKER,
            topic: Topic::trusted("a"),
            qos: QoS::AtLeastOnce,
            retain: false,
            expires: None,
            forwarded: &[],
            payload: b"x",
        };
        Arc::new(Message::new(&view, Time(0)))
    }

    fn entry(position: u64, origin: Option<Origin>) -> Entry {
        Entry {
            position,
            message: message(),
            origin,
        }
    }

    fn at(shard: u16, token: u64) -> Option<Origin> {
        Some(Origin { shard, token })
    }

    /// Follows the tail from 10 on.
    fn live() -> Leases {
        let mut leases = Leases::new(1, 10, None);
        assert!(leases.switch(0, 0));
        let (after, number) = leases.read_on().expect("to be read");
        assert_eq!(after, 10);
        assert_eq!(leases.found(number, std::iter::empty(), 10, 10), Some(true));
        leases
    }

    #[test]
    fn each_message_comes_live_or_from_the_log() {
        let mut leases = Leases::new(2, 10, None);
        assert!(!leases.switch(0, 5));
        assert!(leases.reads_what_comes_from(0));
        assert!(!leases.reads_what_comes_from(1));
        for (position, origin) in [(11, at(0, 5)), (12, at(0, 6)), (13, at(1, 7))] {
            assert!(!leases.follow(&entry(position, origin), 10, true));
        }
        assert!(leases.read_on().is_none());
        assert!(leases.switch(1, 6));
        assert!(!leases.follow(&entry(14, at(1, 6)), 13, true));
        assert_eq!(leases.record(14).past, [11, 14]);
        let (after, number) = leases.read_on().expect("to be read");
        assert_eq!(after, 10);
        let entries = (11..=14).map(|p| entry(p, None));
        assert_eq!(leases.found(number, entries, 14, 14), Some(true));
        let owed: Vec<u64> = leases.owed.keys().copied().collect();
        assert_eq!(owed, [12, 13]);
        assert!(leases.follow(&entry(15, at(1, 9)), 14, true));
    }

    #[test]
    fn what_is_open_is_read_again_after_a_restart() {
        let mut leases = live();
        for position in 11..=14 {
            assert!(leases.follow(&entry(position, None), position - 1, true));
        }
        leases.lease(11);
        leases.lease(12);
        leases.settle(11);
        assert_eq!(leases.needs_from(14), 11);
        let record = leases.record(20);
        assert_eq!((record.cursor, &*record.open), (20, &[12, 13, 14][..]));
        let mut leases = Leases::new(1, 20, Some(&record));
        leases.switch(0, 0);
        leases.bind(13);
        let (after, number) = leases.read_on().expect("to be read");
        assert_eq!(after, 11);
        // 14 is gone from the log.
        let entries = [12, 13].map(|p| entry(p, None)).into_iter();
        assert_eq!(leases.found(number, entries, 20, 20), Some(true));
        assert_eq!(leases.front().map(|(position, _)| position), Some(12));
        leases.lease(12);
        assert!(leases.front().is_none());
    }

    #[test]
    fn what_comes_back_goes_out_first() {
        let mut leases = live();
        for position in [11, 12] {
            leases.follow(&entry(position, None), 10, true);
        }
        leases.lease(11);
        leases.give_back(11, message(), 12);
        assert_eq!(leases.front().map(|(position, _)| position), Some(11));
        leases.rest(12);
        assert!(leases.front().is_none());
        assert!(!leases.follow(&entry(13, None), 12, true));
        assert!(leases.shed(11) && leases.shed(13) && !leases.shed(11));
        assert_eq!(leases.read_on().map(|(after, _)| after), Some(11));
    }

    #[test]
    fn what_comes_back_during_a_read_is_not_lost() {
        let mut leases = live();
        leases.follow(&entry(11, None), 10, true);
        leases.lease(11);
        assert!(!leases.follow(&entry(12, None), 11, false));
        let (after, number) = leases.read_on().expect("to be read");
        assert_eq!(after, 11);
        leases.give_back(11, message(), 12);
        leases.rest(12);
        let entries = [entry(12, None)].into_iter();
        assert_eq!(leases.found(number, entries, 12, 12), Some(true));
        assert_eq!(leases.record(12).open, [11, 12]);
    }

    #[test]
    fn who_has_no_room_reads_later() {
        let mut leases = live();
        let last = 11 + READ_MAX as u64;
        for position in 11..=last {
            leases.follow(&entry(position, None), position - 1, true);
        }
        assert_eq!(leases.looked(last), last - 1);
        for position in 11..last {
            leases.lease(position);
        }
        assert_eq!(leases.read_on().map(|(after, _)| after), Some(last - 1));
    }
}
