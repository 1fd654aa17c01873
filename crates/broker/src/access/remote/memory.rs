//! What a back end said lately, so that it need not be asked again: for a while, so many answers at most,
//! under marks that a key of this process makes and that tell nothing of what was asked.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
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
/// Clients that are remembered as those whose answers were forgotten; with more, all answers are.
const FORGOTTEN_MAX: usize = 1_000;

/// Of a question, from the time at which it is asked.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    question: [u8; 16],
    /// A hash of whom it is about, where answers may be forgotten of one client.
    client: Option<u64>,
    asked: Instant,
}

/// With the time at which they were asked for.
type Answers<T> = HashMap<[u8; 16], (T, Instant)>;

pub(crate) struct Memory<T> {
    key: [u8; 32],
    hasher: RandomState,
    keeps_for: Duration,
    /// How often all was forgotten. It is in the marks, so that what is on its way then is not remembered.
    age: AtomicU64,
    kept: Mutex<Kept<T>>,
}

/// Several clients may have asked the same, so that an answer is nobody's: whoever is forgotten takes none that was
/// asked for before that, and the others go on with it.
struct Kept<T> {
    fresh: Answers<T>,
    old: Answers<T>,
    /// Since when, by the hash of the client.
    forgotten: HashMap<u64, Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            fresh: HashMap::new(),
            old: HashMap::new(),
            forgotten: HashMap::new(),
        }
    }
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
            hasher: RandomState::new(),
            keeps_for,
            age: AtomicU64::new(0),
            kept: Mutex::default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut question = [0; 16];
        question.copy_from_slice(&whole[..16]);
        Some(Mark {
            question,
            client: None,
            asked: Instant::now(),
        })
    }

    /// The mark of a question about a client, whose answers may be forgotten.
    pub(crate) fn mark_of(&self, client_id: &str, parts: &[&[u8]]) -> Option<Mark> {
        Some(Mark {
            client: Some(self.hasher.hash_one(client_id)),
            ..self.mark(parts)?
        })
    }

    pub(crate) fn recall(&self, mark: Option<Mark>) -> Option<T> {
        let Mark {
            question, client, ..
        } = mark?;
        let kept = self.kept();
        let found = kept.fresh.get(&question);
        let (answer, asked) = found.or_else(|| kept.old.get(&question))?;
        let since = client.and_then(|client| kept.forgotten.get(&client));
        let is_known = since.is_none_or(|since| asked > since);
        (is_known && asked.elapsed() < self.keeps_for).then(|| answer.clone())
    }

    /// Everything is asked again.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept();
        self.age.fetch_add(1, Ordering::Relaxed);
        *kept = Kept::default();
    }

    /// Everything about this client is asked again.
    pub(crate) fn forget_of(&self, client_id: &str) {
        if self.keeps_for.is_zero() {
            return;
        }
        let client = self.hasher.hash_one(client_id);
        let mut kept = self.kept();
        // What was asked for before that is too old by now.
        let keeps_for = self.keeps_for;
        kept.forgotten
            .retain(|_, since| since.elapsed() < keeps_for);
        if kept.forgotten.len() >= FORGOTTEN_MAX && !kept.forgotten.contains_key(&client) {
            drop(kept);
            return self.forget();
        }
        kept.forgotten.insert(client, Instant::now());
    }

    pub(crate) fn remember(&self, mark: Option<Mark>, answer: &T) {
        let Some(mark) = mark else { return };
        let mut kept = self.kept();
        if kept.fresh.len() >= ANSWERS_MAX {
            kept.old = std::mem::take(&mut kept.fresh);
        }
        let answer = (answer.clone(), mark.asked);
        kept.fresh.insert(mark.question, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_a_while_and_so_many() {
        let memory = Memory::new(Duration::from_secs(60)).unwrap();
        let mark = |text: &str| memory.mark(&[text.as_bytes(), b"x"]);
        let question = |parts: &[&[u8]]| memory.mark(parts).unwrap().question;
        assert_ne!(question(&[b"a", b"bc"]), question(&[b"ab", b"c"]));
        memory.remember(mark("a"), &1);
        assert_eq!(memory.recall(mark("a")), Some(1));
        assert_eq!(memory.recall(mark("b")), None);
        for n in 0..3 * ANSWERS_MAX {
            memory.remember(mark(&n.to_string()), &n);
        }
        {
            let kept = memory.kept();
            assert!(kept.fresh.len() + kept.old.len() <= 2 * ANSWERS_MAX);
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

    #[test]
    fn of_one_client() {
        let memory = Memory::new(Duration::from_secs(60)).unwrap();
        let mark = |id: &str, text: &str| memory.mark_of(id, &[text.as_bytes()]);
        memory.remember(mark("one", "about one"), &1);
        memory.remember(mark("two", "about two"), &2);
        memory.remember(mark("one", "about both"), &3);
        let under_way = mark("one", "about one");
        memory.forget_of("one");
        memory.remember(under_way, &1);
        assert_eq!(memory.recall(mark("one", "about one")), None);
        assert_eq!(memory.recall(mark("two", "about two")), Some(2));
        assert_eq!(memory.recall(mark("one", "about both")), None);
        assert_eq!(memory.recall(mark("two", "about both")), Some(3));
        memory.remember(mark("one", "about both"), &4);
        for id in ["one", "two"] {
            assert_eq!(memory.recall(mark(id, "about both")), Some(4));
        }
        // However many are forgotten, what is remembered of that has a bound.
        for n in 0..3 * FORGOTTEN_MAX {
            memory.forget_of(&n.to_string());
            assert!(memory.kept().forgotten.len() <= FORGOTTEN_MAX);
        }
        assert_eq!(memory.recall(mark("0", "about two")), None);
    }
}
