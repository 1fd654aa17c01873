//! Whether a password is the kept one, without hashing it again and again: which passwords were right is
//! remembered for a while, under marks that a key of this process makes and that say nothing to anybody
//! else. The mark holds the kept hash, too, so a changed password is forgotten by itself.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{chain::Password, hash::Hashed};

/// Right passwords that are remembered, in each of two halves.
const REMEMBERED_MAX: usize = 50_000;
/// How long at least one is; twice as long at most.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

type Mark = [u8; 16];
/// What is done once it is known.
type Then = Box<dyn FnOnce(bool) + Send>;

/// Compares, and remembers.
pub(super) struct Verifier {
    key: [u8; 32],
    seen: Mutex<Seen>,
}

struct Seen {
    fresh: HashSet<Mark>,
    old: HashSet<Mark>,
    turned: Instant,
    /// Being compared on some thread, and who else wants to know.
    under_way: HashMap<Mark, Vec<Then>>,
}

impl Verifier {
    /// # Errors
    /// If the system has no random bytes.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self {
            key,
            seen: Mutex::new(Seen {
                fresh: HashSet::new(),
                old: HashSet::new(),
                turned: Instant::now(),
                under_way: HashMap::new(),
            }),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, kept: &Hashed, password: &Password) -> Mark {
        let mut mac =
            <Hmac<Sha256>>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(&(password.bytes().len() as u64).to_be_bytes());
        mac.update(password.bytes());
        mac.update(kept.to_string().as_bytes());
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut mark = Mark::default();
        mark.copy_from_slice(&whole[..16]);
        mark
    }

    /// Compares on this thread, or lets the thread tell that compares the same just now; then `then` is
    /// done with whether it is right. Of many connections with one password, one costs a hash.
    pub(super) fn check(
        &self,
        kept: &Arc<Hashed>,
        password: &Password,
        then: impl FnOnce(bool) + Send + 'static,
    ) {
        if !kept.is_slow() {
            return then(kept.is(password.bytes()));
        }
        let mark = self.mark(kept, password);
        {
            let mut seen = self.seen();
            if seen.recall(&mark) {
                drop(seen);
                return then(true);
            }
            if let Some(others) = seen.under_way.get_mut(&mark) {
                others.push(Box::new(then));
                return;
            }
            seen.under_way.insert(mark, Vec::new());
        }
        // If this panics, those who want to know go with it, and are turned away by that.
        let under_way = UnderWay(self, mark);
        let right = kept.is(password.bytes());
        let others = under_way.end(right);
        then(right);
        for other in others {
            other(right);
        }
    }

    /// Takes as long as a comparison.
    pub(super) fn waste(&self, decoy: &Hashed, password: &Password) {
        std::hint::black_box(decoy.is(password.bytes()));
    }
}

/// A comparison that is being made; gone from the list even if it panics.
struct UnderWay<'a>(&'a Verifier, Mark);

impl UnderWay<'_> {
    fn end(self, right: bool) -> Vec<Then> {
        let mut seen = self.0.seen();
        if right {
            seen.remember(self.1);
        }
        seen.under_way.remove(&self.1).unwrap_or_default()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let gone = self.0.seen().under_way.remove(&self.1);
        drop(gone);
    }
}

impl Seen {
    fn turn(&mut self) {
        if self.turned.elapsed() >= REMEMBERED_FOR || self.fresh.len() >= REMEMBERED_MAX {
            self.old = std::mem::take(&mut self.fresh);
            self.turned = Instant::now();
        }
    }

    fn recall(&mut self, mark: &Mark) -> bool {
        self.turn();
        self.fresh.contains(mark) || self.old.contains(mark)
    }

    fn remember(&mut self, mark: Mark) {
        self.turn();
        self.fresh.insert(mark);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{super::hash::Algorithm, *};

    fn check(verifier: &Verifier, kept: &Arc<Hashed>, password: &str) -> bool {
        let (sender, receiver) = mpsc::channel();
        let password = Password::new(password.as_bytes());
        verifier.check(kept, &password, move |right| sender.send(right).unwrap());
        receiver.try_recv().unwrap()
    }

    /// Right passwords are remembered, wrong ones are not; of a changed one nothing is.
    #[test]
    fn right_ones_are_remembered() {
        let verifier = Verifier::new().unwrap();
        let keep = |password: &[u8]| {
            let bcrypt = Algorithm::Bcrypt { salt_rounds: 4 };
            Arc::new(bcrypt.keep(password).unwrap())
        };
        let kept = keep(b"right");
        for _ in 0..2 {
            assert!(check(&verifier, &kept, "right"));
            assert!(!check(&verifier, &kept, "wrong"));
        }
        assert_eq!(verifier.seen().fresh.len(), 1);
        let changed = keep(b"other");
        assert!(!check(&verifier, &changed, "right"));
        assert!(check(&verifier, &changed, "other"));
        assert!(verifier.seen().under_way.is_empty());
        let mark = verifier.mark(&kept, &Password::new(b"right"));
        let other = Verifier::new()
            .unwrap()
            .mark(&kept, &Password::new(b"right"));
        assert_ne!(mark, other, "the key is this process's");
    }

    /// Whoever asks the same while it is compared waits for that comparison.
    #[test]
    fn one_comparison_for_many() {
        let verifier = Verifier::new().unwrap();
        let kept = Arc::new(Algorithm::Bcrypt { salt_rounds: 4 }.keep(b"right").unwrap());
        let password = Password::new(b"right");
        let mark = verifier.mark(&kept, &password);
        verifier.seen().under_way.insert(mark, Vec::new());
        let (sender, receiver) = mpsc::channel();
        for _ in 0..3 {
            let sender = sender.clone();
            verifier.check(&kept, &password, move |right| sender.send(right).unwrap());
        }
        assert!(receiver.try_recv().is_err());
        for other in UnderWay(&verifier, mark).end(true) {
            other(true);
        }
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [true; 3]);
        assert!(check(&verifier, &kept, "right"));
    }

    /// The halves turn when one is full, so that there is a bound, and what was used lately stays.
    #[test]
    fn there_are_no_more_than_so_many() {
        let mut seen = Seen {
            fresh: HashSet::new(),
            old: HashSet::new(),
            turned: Instant::now(),
            under_way: HashMap::new(),
        };
        let mark = |n: usize| (n as u128).to_be_bytes();
        for n in 0..3 * REMEMBERED_MAX {
            seen.remember(mark(n));
        }
        assert!(seen.fresh.len() + seen.old.len() <= 2 * REMEMBERED_MAX);
        assert!(!seen.recall(&mark(0)));
        assert!(seen.recall(&mark(3 * REMEMBERED_MAX - 1)));
    }
}
