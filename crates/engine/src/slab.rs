//! A slab in fixed chunks: growing never copies what is there, so memory does not double for a
//! moment (a growing `Vec` of sessions cost 700 bytes per connection more, measured).

/// What a chunk is meant to take; the allocator has a size for exactly this.
const CHUNK_BYTES: usize = 16 * 1024;

/// Values under numbers that stay theirs until they are removed; then the number is used again.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
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
        self.len += 1;
        if let Some(key) = self.free.pop() {
            let (chunk, at) = Self::place(key);
            self.chunks[chunk][at] = Some(value);
            return key;
        }
        if self.chunks.last().is_none_or(|c| c.len() == Self::CHUNK) {
            self.chunks.push(Vec::with_capacity(Self::CHUNK));
        }
        let chunk = self.chunks.len() - 1;
        self.chunks[chunk].push(Some(value));
        u32::try_from(chunk * Self::CHUNK + self.chunks[chunk].len() - 1)
            .expect("sessions, subscriptions and connections are bounded below 2^32")
    }

    #[inline]
    #[must_use]
    pub fn get(&self, key: u32) -> Option<&T> {
        let (chunk, at) = Self::place(key);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let (chunk, at) = Self::place(key);
        self.chunks.get_mut(chunk)?.get_mut(at)?.as_mut()
    }

    pub fn remove(&mut self, key: u32) -> Option<T> {
        let (chunk, at) = Self::place(key);
        let value = self.chunks.get_mut(chunk)?.get_mut(at)?.take()?;
        self.len -= 1;
        self.free.push(key);
        if self.len == 0 {
            // Everything is gone: give the memory back, keys start anew.
            *self = Self::default();
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
        self.chunks.iter().enumerate().flat_map(|(c, chunk)| {
            chunk
                .iter()
                .enumerate()
                .filter(|(_, e)| e.is_some())
                .map(move |(at, _)| {
                    u32::try_from(c * Self::CHUNK + at).expect("insert checked the width")
                })
        })
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
}
