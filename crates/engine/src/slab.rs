//! A slab in fixed chunks: growing never copies what is there, so memory does not double for a
//! moment (a growing `Vec` of sessions cost 700 bytes per connection more, measured), and a chunk
//! whose last value goes gives its memory back, however many others stay.

/// What a chunk is meant to take; the allocator has a size for exactly this.
const CHUNK_BYTES: usize = 16 * 1024;

/// Values under numbers that stay theirs until they are removed; then the number is used again.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// The chunks that have room, each once.
    roomy: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    entries: Vec<Option<T>>,
    /// Entries that were removed.
    free: Vec<u16>,
}

impl<T> Default for Chunk<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Chunk<T> {
    fn has_room(&self) -> bool {
        self.entries.len() < Slab::<T>::CHUNK || !self.free.is_empty()
    }

    /// Gives the place of the value in this chunk, which has room.
    fn insert(&mut self, value: T) -> usize {
        if let Some(at) = self.free.pop() {
            let at = usize::from(at);
            self.entries[at] = Some(value);
            return at;
        }
        if self.entries.is_empty() {
            self.entries.reserve_exact(Slab::<T>::CHUNK);
        }
        self.entries.push(Some(value));
        self.entries.len() - 1
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            roomy: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    const CHUNK: usize = {
        let fit = CHUNK_BYTES / size_of::<Option<T>>();
        if fit > 8 { fit } else { 8 }
    };

    fn place(key: u32) -> (usize, usize) {
        let key = key as usize;
        (key / Self::CHUNK, key % Self::CHUNK)
    }

    /// # Panics
    /// Beyond 2^32 entries: all callers are bounded far below.
    pub fn insert(&mut self, value: T) -> u32 {
        let wide = "sessions, subscriptions and connections are bounded below 2^32";
        let chunk = match self.roomy.last() {
            Some(chunk) => *chunk as usize,
            None => {
                let chunk = self.chunks.len();
                self.chunks.push(Chunk::default());
                self.roomy.push(u32::try_from(chunk).expect(wide));
                chunk
            }
        };
        let at = self.chunks[chunk].insert(value);
        if !self.chunks[chunk].has_room() {
            self.roomy.pop();
        }
        self.len += 1;
        u32::try_from(chunk * Self::CHUNK + at).expect(wide)
    }

    /// All keys are below this.
    #[must_use]
    pub fn end(&self) -> u32 {
        u32::try_from(self.chunks.len() * Self::CHUNK).unwrap_or(u32::MAX)
    }

    #[inline]
    #[must_use]
    pub fn get(&self, key: u32) -> Option<&T> {
        let (chunk, at) = Self::place(key);
        self.chunks.get(chunk)?.entries.get(at)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let (chunk, at) = Self::place(key);
        self.chunks.get_mut(chunk)?.entries.get_mut(at)?.as_mut()
    }

    pub fn remove(&mut self, key: u32) -> Option<T> {
        let (place, at) = Self::place(key);
        let chunk = self.chunks.get_mut(place)?;
        let value = chunk.entries.get_mut(at)?.take()?;
        self.len -= 1;
        if self.len == 0 {
            // Everything is gone: give the memory back, keys start anew.
            *self = Self::default();
            return Some(value);
        }
        if !chunk.has_room() {
            let place = u32::try_from(place).expect("insert checked the width");
            self.roomy.push(place);
        }
        chunk
            .free
            .push(u16::try_from(at).expect("a chunk has at most CHUNK_BYTES entries"));
        if chunk.free.len() == chunk.entries.len() {
            *chunk = Chunk::default();
        }
        Some(value)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys in use, ascending.
    pub fn keys(&self) -> impl Iterator<Item = u32> {
        self.keys_from(0)
    }

    /// Keys in use from this one on, ascending: to go on where an earlier look ended.
    pub fn keys_from(&self, from: u32) -> impl Iterator<Item = u32> {
        self.range(from).map(|(key, _)| key)
    }

    /// What is there from a key on, by ascending keys.
    pub fn range(&self, from: u32) -> impl Iterator<Item = (u32, &T)> {
        let (first, within) = Self::place(from);
        let chunks = self.chunks.iter().enumerate().skip(first);
        chunks.flat_map(move |(c, chunk)| {
            let skipped = if c == first { within } else { 0 };
            let entries = chunk.entries.iter().enumerate().skip(skipped);
            entries.filter_map(move |(at, entry)| {
                let key = u32::try_from(c * Self::CHUNK + at).expect("insert checked the width");
                entry.as_ref().map(|value| (key, value))
            })
        })
    }

    /// The key before which there are so many values, without a look at each.
    #[must_use]
    pub fn seek(&self, mut before: usize) -> Option<u32> {
        for (c, chunk) in self.chunks.iter().enumerate() {
            let here = chunk.entries.len() - chunk.free.len();
            if before < here {
                let from = u32::try_from(c * Self::CHUNK).expect("insert checked the width");
                return self.range(from).nth(before).map(|(key, _)| key);
            }
            before -= here;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_reused_and_stable() {
        let mut s = Slab::default();
        let keys: Vec<u32> = (0..600).map(|i| s.insert(i)).collect();
        assert_eq!(s.get(599), Some(&599));
        assert_eq!(s.remove(keys[300]), Some(300));
        assert_eq!(s.get(300), None);
        assert_eq!(s.insert(1000), 300);
        assert_eq!(s.len(), 600);
        assert_eq!(s.keys().count(), 600);
    }

    #[test]
    fn walks_go_on_from_any_key() {
        let mut s = Slab::default();
        for i in 0..5000_u32 {
            s.insert(i);
        }
        for key in (0..5000).filter(|key| key % 3 != 0 || (1000..3000).contains(key)) {
            s.remove(key);
        }
        let left: Vec<u32> = s.keys().collect();
        assert_eq!(left.len(), s.len());
        for from in [0, 1, 999, 1000, 2999, 3000, 4999, 5000, 90_000] {
            let expected = left.iter().copied().filter(|key| *key >= from);
            assert!(
                s.range(from).map(|(key, _)| key).eq(expected),
                "from {from}"
            );
        }
        for (n, key) in left.iter().enumerate() {
            assert_eq!(s.seek(n), Some(*key));
        }
        assert_eq!(s.seek(left.len()), None);
    }

    #[test]
    fn a_chunk_goes_with_its_last_value() {
        const CROWD: u32 = 20_000;
        let mut s = Slab::default();
        let held = |s: &Slab<u64>| s.chunks.iter().map(|c| c.entries.capacity()).sum::<usize>();
        for i in 0..CROWD {
            assert_eq!(s.insert(u64::from(i)), i);
        }
        for key in (0..CROWD).filter(|key| *key != 5000) {
            assert_eq!(s.remove(key), Some(u64::from(key)));
        }
        assert_eq!((s.len(), s.get(5000)), (1, Some(&5000)));
        assert_eq!(held(&s), Slab::<u64>::CHUNK);
        // Their numbers are given again, each once.
        let again: Vec<u32> = (1..CROWD).map(|i| s.insert(u64::from(i))).collect();
        let mut sorted = again.clone();
        sorted.sort_unstable();
        assert!(
            sorted
                .iter()
                .copied()
                .eq((0..CROWD).filter(|key| *key != 5000))
        );
        assert!((1..).zip(&again).all(|(i, key)| s.get(*key) == Some(&i)));
        assert_eq!(s.keys().count(), CROWD as usize);
        assert!(s.roomy.len() <= 1, "a chunk that is full has no room");
    }
}
