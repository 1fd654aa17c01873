//! What a back end said lately, so that it need not be asked again: for a while, so many answers at most,
//! under marks that a key of this process makes and that tell nothing of what was asked.

use std::{
    collections::HashMap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Answers that are remembered, in each of two halves.
const ANSWERS_MAX: usize = 20_000;

/// Of a question.
pub(crate) type Mark = [u8; 16];

type Answers<T> = HashMap<Mark, (T, Instant)>;

pub(crate) struct Memory<T> {
    key: [u8; 32],
    keeps_for: Duration,
    /// How often all was forgotten. It is in the marks, so that what is on its way then is not remembered.
    age: AtomicU64,
    halves: Mutex<(Answers<T>, Answers<T>)>,
}

impl<T: Clone> Memory<T> {
    /// Nothing is remembered for no time.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub(crate) fn new(keeps_for: Duration) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            key,
            keeps_for,
            age: AtomicU64::new(0),
            halves: Mutex::default(),
        })
    }

    fn halves(&self) -> MutexGuard<'_, (Answers<T>, Answers<T>)> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mark of a question with these parts; none if nothing is remembered.
    pub(crate) fn mark(&self, parts: &[&[u8]]) -> Option<Mark> {
        if self.keeps_for.is_zero() {
            return None;
        }
        let mut mac =
            <Hmac<Sha256>>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(&self.age.load(Ordering::Relaxed).to_be_bytes());
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut mark = Mark::default();
        mark.copy_from_slice(&whole[..16]);
        Some(mark)
    }

    pub(crate) fn recall(&self, mark: Option<Mark>) -> Option<T> {
        let mark = mark?;
        let halves = self.halves();
        let found = halves.0.get(&mark).or_else(|| halves.1.get(&mark));
        let (answer, at) = found?;
        (at.elapsed() < self.keeps_for).then(|| answer.clone())
    }

    /// Everything is asked again.
    pub(crate) fn forget(&self) {
        let mut halves = self.halves();
        self.age.fetch_add(1, Ordering::Relaxed);
        *halves = Default::default();
    }

    pub(crate) fn remember(&self, mark: Option<Mark>, answer: &T) {
        let Some(mark) = mark else { return };
        let mut halves = self.halves();
        if halves.0.len() >= ANSWERS_MAX {
            halves.1 = std::mem::take(&mut halves.0);
        }
        halves.0.insert(mark, (answer.clone(), Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_a_while_and_so_many() {
        let memory = Memory::new(Duration::from_secs(60)).unwrap();
        let mark = |text: &str| memory.mark(&[text.as_bytes(), b"x"]);
        assert_ne!(memory.mark(&[b"a", b"bc"]), memory.mark(&[b"ab", b"c"]));
        memory.remember(mark("a"), &1);
        assert_eq!(memory.recall(mark("a")), Some(1));
        assert_eq!(memory.recall(mark("b")), None);
        for n in 0..3 * ANSWERS_MAX {
            memory.remember(mark(&n.to_string()), &n);
        }
        {
            let (fresh, old) = &*memory.halves();
            assert!(fresh.len() + old.len() <= 2 * ANSWERS_MAX);
        }
        let asked = mark("c");
        memory.forget();
        memory.remember(asked, &1);
        assert_eq!(memory.recall(mark("c")), None, "it was asked before");
        assert_eq!(memory.recall(mark("59999")), None);
        let none = Memory::new(Duration::ZERO).unwrap();
        none.remember(none.mark(&[b"a"]), &1);
        assert_eq!(none.recall(none.mark(&[b"a"])), None);
    }
}
