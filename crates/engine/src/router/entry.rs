//! What the table of filters without wildcards holds: nodes of this shard, and which other shards are
//! interested in a filter, of which they tell nothing but its hash. One look finds both.
//!
//! An entry has eight bytes, as a crowd's filters stand here once for each shard. Nearly always one other
//! shard is interested at most: the lowest nine bits, which hashes leave free, say which and in what.

use super::{Interest, Wants};
use crate::slab::Slab;

/// The bits of a hash that are not used: filters are told apart by the other 55.
pub(super) const SPARE: u64 = 0x1ff;

const LOW: u64 = 0xffff_ffff;
const ELSEWHERE: u64 = 1;
const SEVERAL: u64 = 2;
const LIVE: u64 = 4;
const DURABLE: u64 = 8;
const SHARD_SHIFT: u32 = 4;

/// One of three:
/// 32 bits of a hash, 31 of a node, 0;
/// 55 bits of a hash, five of a shard, two of what it wants, 01;
/// 32 bits of a hash, 30 of a place among [`Several`], 11.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry(u64);

/// Interest of more than one other shard, and the hash of what they are interested in.
#[derive(Debug, Default)]
pub(super) struct Several(Slab<(u64, Interest)>);

/// Where the table looks for a hash: made of the 32 bits that every entry has, so that a table which
/// grows looks at its entries alone.
#[inline]
pub(super) fn position(hash: u64) -> u64 {
    hash & !LOW | hash >> 32
}

impl Entry {
    pub(super) fn node(hash: u64, node: u32) -> Self {
        Self(hash & !LOW | u64::from(node) << 1)
    }

    #[inline]
    pub(super) fn position(self) -> u64 {
        position(self.0)
    }

    /// The node, if this is one and may be that of a filter with this hash.
    #[inline]
    pub(super) fn node_of(self, hash: u64) -> Option<u32> {
        (self.is_near(hash) && self.0 & ELSEWHERE == 0).then(|| self.low() >> 1)
    }

    /// Who else is interested in the filter with this hash, if this says so.
    #[inline]
    pub(super) fn interest_in(self, hash: u64, several: &Several) -> Option<Interest> {
        if !self.is_near(hash) || self.0 & ELSEWHERE == 0 {
            return None;
        }
        if self.0 & SEVERAL != 0 {
            let (of, interest) = several.0.get(self.low() >> 2)?;
            return (*of == hash).then_some(*interest);
        }
        (self.0 & !SPARE == hash).then(|| {
            let mut interest = Interest::default();
            interest.set(self.shard(), self.wants());
            interest
        })
    }

    fn one(hash: u64, shard: u16, wants: Wants) -> Self {
        let live = if wants.live { LIVE } else { 0 };
        let durable = if wants.durable { DURABLE } else { 0 };
        Self(hash | u64::from(shard) << SHARD_SHIFT | durable | live | ELSEWHERE)
    }

    #[inline]
    fn shard(self) -> u16 {
        u16::try_from((self.0 & SPARE) >> SHARD_SHIFT).expect("five bits are left")
    }

    #[inline]
    fn wants(self) -> Wants {
        Wants {
            live: self.0 & LIVE != 0,
            durable: self.0 & DURABLE != 0,
        }
    }

    #[inline]
    fn is_near(self, hash: u64) -> bool {
        (self.0 ^ hash) & !LOW == 0
    }

    #[inline]
    fn low(self) -> u32 {
        u32::try_from(self.0 & LOW).expect("32 bits are left")
    }
}

impl Several {
    /// The entry that says what another one said of a hash, but for what one shard wants now; `None` if
    /// nobody is left. The other one is not to be used any more.
    pub(super) fn change(
        &mut self,
        hash: u64,
        before: Option<Entry>,
        shard: u16,
        wants: Wants,
    ) -> Option<Entry> {
        let mut interest = before
            .and_then(|entry| entry.interest_in(hash, self))
            .unwrap_or_default();
        interest.set(shard, wants);
        let place = before.filter(|entry| entry.0 & SEVERAL != 0);
        let place = place.map(|entry| entry.low() >> 2);
        let all = interest.live | interest.durable;
        if all.is_power_of_two() || all == 0 {
            if let Some(place) = place {
                self.0.remove(place);
            }
            let shard = u16::try_from(all.trailing_zeros()).expect("at most 32");
            let wants = Wants {
                live: interest.live != 0,
                durable: interest.durable != 0,
            };
            return (all != 0).then(|| Entry::one(hash, shard, wants));
        }
        let place = match place {
            Some(place) => {
                if let Some((_, known)) = self.0.get_mut(place) {
                    *known = interest;
                }
                place
            }
            None => self.0.insert((hash, interest)),
        };
        let low = u64::from(place) << 2 | SEVERAL | ELSEWHERE;
        Some(Entry(hash & !LOW | low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SHARDS_MAX;

    const HASH: u64 = 0xfedc_ba98_7654_3200;

    fn wants(live: bool, durable: bool) -> Wants {
        Wants { live, durable }
    }

    #[test]
    fn an_entry_is_one_thing() {
        let several = Several::default();
        let node = Entry::node(HASH, (1 << 31) - 1);
        assert_eq!(node.node_of(HASH), Some((1 << 31) - 1));
        assert_eq!(node.interest_in(HASH, &several), None);
        assert_eq!(node.position(), position(HASH));
        for shard in [0, SHARDS_MAX - 1] {
            let one = Entry::one(HASH, shard, wants(false, true));
            assert_eq!(one.node_of(HASH), None);
            let found = one.interest_in(HASH, &several).unwrap();
            assert_eq!((found.live, found.durable), (0, 1 << shard));
            // 55 bits tell filters apart.
            assert_eq!(one.interest_in(HASH ^ (SPARE + 1), &several), None);
            assert_eq!(one.position(), position(HASH));
        }
    }

    /// Whatever shards come and go, an entry says what a plain [`Interest`] does, and room for several
    /// goes with them.
    #[test]
    fn interest_is_as_it_was_told() {
        let mut several = Several::default();
        let (mut entry, mut plain) = (None, Interest::default());
        let mut random = 7_u64;
        for _ in 0..10_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let shard = u16::try_from(random >> 48).unwrap() % 5 * 7;
            let wants = wants(random >> 40 & 3 == 0, random >> 42 & 3 == 0);
            entry = several.change(HASH, entry, shard, wants);
            plain.set(shard, wants);
            let told = entry.and_then(|e| e.interest_in(HASH, &several));
            assert_eq!(told.unwrap_or_default(), plain);
            let shards = (plain.live | plain.durable).count_ones();
            assert_eq!(several.0.len(), usize::from(shards > 1));
        }
    }
}
