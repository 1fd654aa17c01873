//! The thread that hashes passwords: one at a time, off the API's thread and far from any shard. After
//! a wrong guess it rests, so that guessing takes a quarter of a core at most.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{password::Hashed, secret::Secret};

/// Passwords that may wait, for each of the two queues.
const WAITING_MAX: usize = 32;
/// Rest after a wrong guess, in times of the work.
const REST: u32 = 3;

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// Whose turn comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody at this machine, or signed in already.
    First,
    Other,
}

/// Work, and whether it was a wrong guess.
type Job = Box<dyn FnOnce() -> bool + Send>;

#[derive(Default)]
struct Queues {
    first: VecDeque<Job>,
    other: VecDeque<Job>,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    changed: Condvar,
}

/// The way to that thread, which ends with it.
pub(crate) struct Hasher(Arc<Shared>);

impl Hasher {
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("hasher".to_owned());
        thread.spawn(move || theirs.run())?;
        Ok(Self(shared))
    }

    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: Secret) -> Result<Hashed, Busy> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            // Who asked may have gone.
            let _ = answer.send(Hashed::new(&password));
            false
        });
        self.0.push(job, Lane::First)?;
        answered.await.map_err(|_| Busy)
    }

    /// Whether a password is the kept one; if there is none, that takes as long and is false.
    pub(crate) async fn is(
        &self,
        password: Secret,
        kept: Option<Hashed>,
        lane: Lane,
    ) -> Result<bool, Busy> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            let right = match kept {
                Some(kept) => kept.is(&password),
                None => Hashed::of_nobody().is(&password) & false,
            };
            let _ = answer.send(right);
            !right
        });
        self.0.push(job, lane)?;
        answered.await.map_err(|_| Busy)
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job, lane: Lane) -> Result<(), Busy> {
        let mut queues = self.lock();
        let queue = match lane {
            Lane::First => &mut queues.first,
            Lane::Other => &mut queues.other,
        };
        if queue.len() >= WAITING_MAX {
            return Err(Busy);
        }
        queue.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    fn run(&self) {
        while let Some(job) = self.next() {
            let began = Instant::now();
            if job() {
                self.rest(began.elapsed() * REST);
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queues = self.lock();
        loop {
            if queues.is_over {
                return None;
            }
            if let Some(job) = queues.first.pop_front() {
                return Some(job);
            }
            if let Some(job) = queues.other.pop_front() {
                return Some(job);
            }
            let waited = self.changed.wait(queues);
            queues = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Until then, unless all is over.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut queues = self.lock();
        while !queues.is_over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(queues, left);
            queues = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn right_wrong_and_nobody() {
        let hasher = Hasher::start().unwrap();
        let right = Secret::new("correct-horse");
        let kept = block_on(hasher.hash(right.clone())).unwrap();
        let is = |password: &Secret, kept| block_on(hasher.is(password.clone(), kept, Lane::Other));
        assert_eq!(is(&right, Some(kept.clone())), Ok(true));
        assert_eq!(is(&Secret::new("wrong"), Some(kept)), Ok(false));
        assert_eq!(is(&right, None), Ok(false));
    }

    #[test]
    fn only_so_many_wait_and_this_machine_goes_first() {
        let shared = Shared::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let job = |name: &'static str| -> Job {
            let order = order.clone();
            Box::new(move || {
                order.lock().unwrap().push(name);
                false
            })
        };
        for _ in 0..WAITING_MAX {
            shared.push(job("other"), Lane::Other).unwrap();
        }
        assert_eq!(shared.push(job("other"), Lane::Other), Err(Busy));
        shared.push(job("first"), Lane::First).unwrap();
        shared.next().unwrap()();
        shared.next().unwrap()();
        assert_eq!(*order.lock().unwrap(), ["first", "other"]);
    }

    #[test]
    fn a_wrong_guess_is_followed_by_rest() {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || theirs.run());
        let (sender, receiver) = std::sync::mpsc::channel();
        for wrong in [true, false] {
            let sender = sender.clone();
            let job = Box::new(move || {
                let began = Instant::now();
                // Work that takes a time which can be measured.
                while began.elapsed() < Duration::from_millis(20) {
                    std::hint::spin_loop();
                }
                sender.send(Instant::now()).unwrap();
                wrong
            });
            shared.push(job, Lane::Other).unwrap();
        }
        let (first, second) = (receiver.recv().unwrap(), receiver.recv().unwrap());
        assert!(
            second - first >= Duration::from_millis(80),
            "{:?}",
            second - first
        );
        shared.lock().is_over = true;
        shared.changed.notify_one();
        thread.join().unwrap();
    }
}
