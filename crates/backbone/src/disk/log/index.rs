//! Which topics a segment holds and where: a growing one in memory for the segment that is written
//! to, a packed one for each that is not, which also stands in its footer. So a reader pays for
//! what matches.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use protocol::{Filter, Topic};

use crate::Error;

/// Filters of a replay, each with the text with which every topic that it matches begins.
pub(in crate::disk) struct Wanted {
    filters: Vec<(String, Option<String>)>,
}

/// Both forms of an index, as a reader needs them.
pub(in crate::disk) trait Index {
    /// The first position.
    fn first(&self) -> u64;
    /// Where each record is, from the first position on; 0 for what is not there.
    fn places(&self) -> &[u32];
    /// The records (counted from the first position) of each topic that is wanted.
    fn lists<'a>(&'a self, wanted: &Wanted) -> Vec<&'a [u32]>;
}

/// What to read for a replay.
pub(in crate::disk) struct Plan {
    pub(in crate::disk) places: Vec<Place>,
    /// With these all up to here was considered.
    pub(in crate::disk) reached: u64,
}

/// Where a record is.
#[derive(Clone, Copy, Debug)]
pub(in crate::disk) struct Place {
    pub(in crate::disk) pos: u64,
    pub(in crate::disk) offset: u64,
}

/// The index of the segment that is written to.
pub(in crate::disk) struct Growing {
    first: u64,
    places: Vec<u32>,
    /// Finds a known topic fast; `sorted` finds those that a filter may want.
    numbers: HashMap<Arc<str>, usize>,
    sorted: BTreeMap<Arc<str>, usize>,
    lists: Vec<Vec<u32>>,
    pub(in crate::disk) sums: Sums,
}

/// What is known of a segment without looking at its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::disk) struct Sums {
    /// The first and the last position; `first > last` if there is no message.
    pub(in crate::disk) first: u64,
    pub(in crate::disk) last: u64,
    pub(in crate::disk) messages: u64,
    /// The sum of `Message::bytes`.
    pub(in crate::disk) bytes: u64,
    /// When the last one was appended, in seconds since 1970.
    pub(in crate::disk) newest_secs: u64,
}

/// The index of a segment that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::disk) struct Packed {
    pub(in crate::disk) sums: Sums,
    places: Vec<u32>,
    /// The topics, sorted, one behind the other, and where each ends.
    names: String,
    name_ends: Vec<u32>,
    /// Their records, one list behind the other, and where each ends.
    records: Vec<u32>,
    record_ends: Vec<u32>,
}

/// Reading one after the other costs about as much as picking one out of this many.
const WALK_ONE_IN: usize = 16;
/// Records that one such step looks at.
const WALK_MIN: usize = 64;
const WALK_MAX: usize = 2_048;

impl Wanted {
    /// `Fatal` for what is not a filter.
    pub(in crate::disk) fn new(filters: &[String]) -> Result<Self, Error> {
        crate::filter::Filters::parse(filters.iter().map(String::as_str))?;
        let wanted = |filter: &String| {
            let exact = !filter.contains(['+', '#']);
            let literal = filter.split(['+', '#']).next().unwrap_or_default();
            // `a/#` matches `a`, too.
            let literal = literal.strip_suffix('/').unwrap_or(literal);
            (filter.clone(), (!exact).then(|| literal.to_owned()))
        };
        Ok(Self {
            filters: filters.iter().map(wanted).collect(),
        })
    }

    pub(in crate::disk) fn matches(&self, topic: &str) -> bool {
        self.filters
            .iter()
            .any(|(filter, _)| matches(filter, topic))
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    match (
        Filter::parse(filter, u16::MAX),
        Topic::parse(topic, u16::MAX),
    ) {
        (Ok(filter), Ok(topic)) => filter.matches(topic),
        _ => false,
    }
}

/// Chooses what to read of the wanted records in `after < pos <= upto`, of which `max` are asked
/// for. There may be others among them.
pub(in crate::disk) fn plan(
    index: &dyn Index,
    wanted: &Wanted,
    after: u64,
    upto: u64,
    max: usize,
) -> Plan {
    let (first, places) = (index.first(), index.places());
    let record = |pos: u64| u32::try_from(pos.saturating_sub(first)).unwrap_or(u32::MAX);
    let (from, to) = (record(after.saturating_add(1)), record(upto));
    let mut lists = index.lists(wanted);
    for list in &mut lists {
        let begin = list.partition_point(|&n| n < from);
        let end = list.partition_point(|&n| n <= to);
        *list = &list[begin..end.max(begin)];
    }
    let all: usize = lists.iter().map(|list| list.len()).sum();
    let range = places.len().saturating_sub(from as usize);
    if all > max.saturating_mul(4) && all > range / WALK_ONE_IN {
        // About as many as hold what is asked for.
        let need = max.saturating_mul(range) / all + max / 8;
        return walk(index, after, upto, need.clamp(WALK_MIN, WALK_MAX));
    }
    let mut found: Vec<u32> = Vec::new();
    for list in &lists {
        found.extend(list.iter().take(max.saturating_add(1)));
    }
    found.sort_unstable();
    let more = found.len() > max;
    found.truncate(max);
    let pos = |n: u32| first + u64::from(n);
    let reached = match found.last() {
        Some(&last) if more => pos(last),
        None if more => after,
        _ => upto,
    };
    let place = |n: u32| {
        let offset = u64::from(*places.get(n as usize)?);
        (offset > 0).then_some(Place {
            pos: pos(n),
            offset,
        })
    };
    Plan {
        places: found.into_iter().filter_map(place).collect(),
        reached,
    }
}

/// All records in `after < pos <= upto`, at most `max`.
pub(in crate::disk) fn walk(index: &dyn Index, after: u64, upto: u64, max: usize) -> Plan {
    let (first, places) = (index.first(), index.places());
    let skip = (after + 1).saturating_sub(first);
    let skip = usize::try_from(skip)
        .unwrap_or(usize::MAX)
        .min(places.len());
    let there = (first + skip as u64..).zip(&places[skip..]);
    let found: Vec<_> = there
        .take_while(|&(pos, _)| pos <= upto)
        .filter(|&(_, &offset)| offset > 0)
        .map(|(pos, &offset)| Place {
            pos,
            offset: u64::from(offset),
        })
        .take(max)
        .collect();
    let full = found.len() == max;
    Plan {
        reached: found.last().filter(|_| full).map_or(upto, |last| last.pos),
        places: found,
    }
}

/// Where a position is.
pub(in crate::disk) fn find(index: &dyn Index, pos: u64) -> Option<u64> {
    let n = usize::try_from(pos.checked_sub(index.first())?).ok()?;
    let offset = u64::from(*index.places().get(n)?);
    (offset > 0).then_some(offset)
}

impl Growing {
    pub(in crate::disk) fn new(first: u64) -> Self {
        Self {
            first,
            places: Vec::new(),
            numbers: HashMap::new(),
            sorted: BTreeMap::new(),
            lists: Vec::new(),
            sums: Sums {
                first,
                last: first - 1,
                ..Sums::default()
            },
        }
    }

    /// Adds a record behind those that are there.
    pub(in crate::disk) fn add(&mut self, pos: u64, offset: u64, topic: &str, bytes: u64) {
        let n = usize::try_from(pos - self.first).expect("a segment is bounded");
        assert!(n >= self.places.len(), "positions grow");
        self.places.resize(n, 0);
        self.places
            .push(u32::try_from(offset).expect("a segment is bounded"));
        let list = match self.numbers.get(topic) {
            Some(&list) => list,
            None => {
                let topic: Arc<str> = topic.into();
                self.numbers.insert(Arc::clone(&topic), self.lists.len());
                self.sorted.insert(topic, self.lists.len());
                self.lists.push(Vec::new());
                self.lists.len() - 1
            }
        };
        self.lists[list].push(u32::try_from(n).expect("a segment is bounded"));
        if self.sums.messages == 0 {
            self.sums.first = pos;
        }
        self.sums.last = pos;
        self.sums.messages += 1;
        self.sums.bytes += bytes;
    }

    pub(in crate::disk) fn pack(&self) -> Packed {
        let mut packed = Packed {
            sums: self.sums,
            places: self.places.clone(),
            names: String::new(),
            name_ends: Vec::with_capacity(self.lists.len()),
            records: Vec::with_capacity(self.places.len()),
            record_ends: Vec::with_capacity(self.lists.len()),
        };
        // Positions from the first message on, whatever the segment was made for.
        let skip = self.sums.first.saturating_sub(self.first);
        let skip = u32::try_from(skip).expect("a segment is bounded");
        packed
            .places
            .drain(..(skip as usize).min(packed.places.len()));
        let end = |len| u32::try_from(len).expect("a segment is bounded");
        for (name, &list) in &self.sorted {
            packed.names.push_str(name);
            packed.name_ends.push(end(packed.names.len()));
            packed
                .records
                .extend(self.lists[list].iter().map(|n| n - skip));
            packed.record_ends.push(end(packed.records.len()));
        }
        packed
    }
}

impl Index for Growing {
    fn first(&self) -> u64 {
        self.first
    }

    fn places(&self) -> &[u32] {
        &self.places
    }

    fn lists<'a>(&'a self, wanted: &Wanted) -> Vec<&'a [u32]> {
        let mut found: Vec<usize> = Vec::new();
        for (filter, literal) in &wanted.filters {
            match literal {
                None => found.extend(self.numbers.get(filter.as_str())),
                Some(literal) => found.extend(
                    self.sorted
                        .range::<str, _>((Bound::Included(literal.as_str()), Bound::Unbounded))
                        .take_while(|(name, _)| name.starts_with(literal.as_str()))
                        .filter(|(name, _)| matches(filter, name))
                        .map(|(_, &list)| list),
                ),
            }
        }
        found.sort_unstable();
        found.dedup();
        found.iter().map(|&list| &self.lists[list][..]).collect()
    }
}

impl Packed {
    fn name(&self, n: usize) -> &str {
        let begin = if n == 0 { 0 } else { self.name_ends[n - 1] };
        &self.names[begin as usize..self.name_ends[n] as usize]
    }

    fn list(&self, n: usize) -> &[u32] {
        let begin = if n == 0 { 0 } else { self.record_ends[n - 1] };
        &self.records[begin as usize..self.record_ends[n] as usize]
    }

    /// The number of the first topic that is not below `text`.
    fn from(&self, text: &str) -> usize {
        let (mut low, mut high) = (0, self.name_ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.name(middle) < text {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Bytes in memory, about.
    pub(in crate::disk) fn bytes(&self) -> usize {
        let words = [
            &self.places,
            &self.name_ends,
            &self.records,
            &self.record_ends,
        ];
        self.names.len() + 4 * words.iter().map(|list| list.len()).sum::<usize>()
    }

    pub(in crate::disk) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.sums.encode());
        let lists = [
            &self.places,
            &self.name_ends,
            &self.records,
            &self.record_ends,
        ];
        for list in lists {
            let len = u32::try_from(list.len()).expect("a segment is bounded");
            out.extend(len.to_le_bytes());
            out.extend(list.iter().flat_map(|n| n.to_le_bytes()));
        }
        out.extend(self.names.as_bytes());
    }

    pub(in crate::disk) fn decode(bytes: &[u8]) -> Option<Self> {
        let (sums, mut bytes) = bytes.split_at_checked(SUMS_BYTES)?;
        let sums = Sums::decode(sums)?;
        let mut list = || {
            let (len, rest) = bytes.split_first_chunk()?;
            let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
            let (words, rest) = rest.split_at_checked(len.checked_mul(4)?)?;
            bytes = rest;
            let word = |word: &[u8]| word.first_chunk().map(|word| u32::from_le_bytes(*word));
            words.chunks_exact(4).map(word).collect::<Option<Vec<_>>>()
        };
        let (places, name_ends, records, record_ends) = (list()?, list()?, list()?, list()?);
        let names = String::from_utf8(bytes.to_vec()).ok()?;
        let whole = name_ends.len() == record_ends.len()
            && name_ends.is_sorted()
            && record_ends.is_sorted()
            && name_ends.last().map_or(0, |&end| end as usize) == names.len()
            && record_ends.last().map_or(0, |&end| end as usize) == records.len()
            && name_ends
                .iter()
                .all(|&end| names.is_char_boundary(end as usize));
        whole.then_some(Self {
            sums,
            places,
            names,
            name_ends,
            records,
            record_ends,
        })
    }
}

impl Index for Packed {
    fn first(&self) -> u64 {
        self.sums.first
    }

    fn places(&self) -> &[u32] {
        &self.places
    }

    fn lists<'a>(&'a self, wanted: &Wanted) -> Vec<&'a [u32]> {
        let mut found: Vec<usize> = Vec::new();
        for (filter, literal) in &wanted.filters {
            let begin = self.from(literal.as_ref().unwrap_or(filter));
            let rest = begin..self.name_ends.len();
            match literal {
                None => found.extend(rest.take(1).filter(|&n| self.name(n) == filter)),
                Some(literal) => found.extend(
                    rest.take_while(|&n| self.name(n).starts_with(literal.as_str()))
                        .filter(|&n| matches(filter, self.name(n))),
                ),
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|n| self.list(n)).collect()
    }
}

/// Bytes of [`Sums`] in a footer.
pub(in crate::disk) const SUMS_BYTES: usize = 40;

impl Sums {
    pub(in crate::disk) fn encode(&self) -> Vec<u8> {
        let words = [
            self.first,
            self.last,
            self.messages,
            self.bytes,
            self.newest_secs,
        ];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(in crate::disk) fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at * 8..)?.first_chunk()?));
        Some(Self {
            first: word(0)?,
            last: word(1)?,
            messages: word(2)?,
            bytes: word(3)?,
            newest_secs: word(4)?,
        })
    }
}
