//! The desk: what shards ask about guests waits here, bounded, for threads of the control plane, as many
//! as there are cores, which give way to everybody else. New passwords are hashed here, too, before
//! guests are looked at.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{chain::Question, hash};

/// New passwords that wait to be hashed.
const JOBS_MAX: usize = 64;
/// Threads at most, however many cores there are: each may need 19 MiB.
const THREADS_MAX: usize = 8;
/// How far hashing stands back behind shards, in steps of `nice`.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// What may wait at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) questions: usize,
    pub(crate) bytes: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// What goes on with an answer from elsewhere. Back ends have bounds of how much that may be.
    answered: VecDeque<Job>,
    questions: VecDeque<(Question, usize)>,
    /// What the guests of those questions have sent.
    bytes: usize,
    threads: usize,
    is_over: bool,
}

impl Queue {
    fn forget_first(&mut self) {
        if let Some((question, bytes)) = self.questions.pop_front() {
            self.bytes -= bytes;
            question.forget();
        }
    }
}

#[derive(Default)]
struct Room {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The way to those threads.
pub(crate) struct Desk(Arc<Room>);

impl Desk {
    /// Nobody sits there yet.
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Lets its threads begin, if they have not.
    ///
    /// # Errors
    /// If the system refuses the first one.
    pub(super) fn staff(&self) -> io::Result<()> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut queue = self.0.queue();
        while queue.threads < cores.min(THREADS_MAX) {
            let room = self.0.clone();
            let thread = std::thread::Builder::new().name("authenticate".to_owned());
            match thread.spawn(move || room.run()) {
                Ok(_) => queue.threads += 1,
                // With fewer it only takes longer.
                Err(_) if queue.threads > 0 => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Never waits. False if too much does already: then the guest is for the caller to turn away.
    pub(crate) fn ask(&self, question: Question, bytes: usize, bounds: Bounds) -> bool {
        let mut queue = self.0.queue();
        let is_full = |queue: &Queue| {
            queue.questions.len() >= bounds.questions
                || queue.bytes.saturating_add(bytes) > bounds.bytes
        };
        // Those who were told that it takes too long make room; they are the oldest.
        while is_full(&queue) && queue.questions.front().is_some_and(|(q, _)| q.is_late()) {
            queue.forget_first();
        }
        if is_full(&queue) || queue.is_over {
            drop(queue);
            question.forget();
            return false;
        }
        queue.bytes += bytes;
        queue.questions.push_back((question, bytes));
        drop(queue);
        self.0.changed.notify_one();
        true
    }

    /// Does something before the next guest is looked at. False if too much waits already.
    pub(super) fn run(&self, job: Job) -> bool {
        let mut queue = self.0.queue();
        if queue.jobs.len() >= JOBS_MAX || queue.is_over {
            return false;
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.0.changed.notify_one();
        true
    }

    /// Goes on with a guest whom a back end has answered for: what comes next may take the processor.
    /// After the end it is dropped.
    pub(super) fn go_on(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.0.queue();
        if queue.is_over {
            return;
        }
        queue.answered.push_back(Box::new(job));
        drop(queue);
        self.0.changed.notify_one();
    }

    /// Guests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.queue().questions.len()
    }

    /// Its threads end with what they are at.
    pub(crate) fn close(&self) {
        self.0.queue().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a thread does next.
#[expect(
    clippy::large_enum_variant,
    reason = "one of each thread's, on its stack"
)]
enum Next {
    Job(Job),
    Question(Question),
    End,
}

impl Room {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        stand_back();
        loop {
            // A fault ends one guest's try: its question is dropped, and that is an answer.
            let work: Box<dyn FnOnce()> = match self.next() {
                Next::Job(job) => job,
                Next::Question(question) if question.is_late() => {
                    question.forget();
                    continue;
                }
                Next::Question(question) => Box::new(move || question.go_on()),
                Next::End => return,
            };
            // The hook has printed it.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    }

    fn next(&self) -> Next {
        let mut queue = self.queue();
        loop {
            if queue.is_over {
                return Next::End;
            }
            let job = queue.jobs.pop_front();
            if let Some(job) = job.or_else(|| queue.answered.pop_front()) {
                return Next::Job(job);
            }
            if let Some((question, bytes)) = queue.questions.pop_front() {
                queue.bytes -= bytes;
                return Next::Question(question);
            }
            if queue.questions.capacity() > 64 {
                queue.questions.shrink_to(64);
            }
            hash::rest();
            let waited = self.changed.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Shards go first: whoever is connected already is not to notice that others come.
fn stand_back() {
    #[cfg(target_os = "linux")]
    {
        let me = rustix::thread::gettid();
        // Refused, it only takes more of the processor than it should.
        let _ = rustix::process::setpriority_process(Some(me), NICENESS);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{self, Receiver},
        time::{Duration, Instant},
    };

    use engine::Cause;

    use super::{
        super::{
            chain::{Answer, Authenticator, Chain, Credentials, Link, Verdict},
            tally::Tally,
            verify::Verifier,
        },
        *,
    };

    const BOUNDS: Bounds = Bounds {
        questions: 3,
        bytes: 100,
    };

    struct Ask(fn(Question));

    impl Authenticator for Ask {
        fn ask(self: Arc<Self>, question: Question) {
            (self.0)(question);
        }
    }

    fn question(ask: fn(Question), deadline: Instant) -> (Question, Receiver<Verdict>) {
        let chain = Arc::new(Chain {
            links: vec![Link {
                id: "ask".to_owned(),
                authenticator: Arc::new(Ask(ask)),
                tally: Arc::new(Tally::new()),
            }],
            verifier: Arc::new(Verifier::new().unwrap()),
        });
        let credentials = Credentials::of("c");
        let (sender, receiver) = mpsc::channel();
        let reply = move |verdict| {
            let _ = sender.send(verdict);
        };
        (Question::new(chain, credentials, deadline, reply), receiver)
    }

    const DENY: fn(Question) = |q| q.answer(Answer::Deny(Cause::WrongPassword));

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// So many questions and so many bytes wait, and no more; whom there is no room for gets no answer
    /// from here.
    #[test]
    fn bounded_in_questions_and_bytes() {
        let desk = Desk::new();
        let mut answers = Vec::new();
        for (bytes, due) in [(40, true), (70, false), (40, true), (20, true), (0, false)] {
            let (asked, answer) = question(DENY, soon());
            assert_eq!(desk.ask(asked, bytes, BOUNDS), due, "{bytes}");
            answers.push((answer, due));
        }
        assert_eq!(desk.waiting(), 3);
        desk.staff().unwrap();
        for (answer, due) in answers {
            let got = answer.recv_timeout(Duration::from_secs(10));
            assert_eq!(got.ok(), due.then_some(Err(Cause::WrongPassword)));
        }
        assert_eq!(desk.waiting(), 0);
    }

    /// Whoever was told that it takes too long makes room for others.
    #[test]
    fn late_ones_make_room() {
        let desk = Desk::new();
        for _ in 0..3 * BOUNDS.questions {
            assert!(desk.ask(question(DENY, Instant::now()).0, 30, BOUNDS));
        }
        assert_eq!(desk.waiting(), BOUNDS.questions);
    }

    /// A fault while a guest is looked at denies that guest; a thread goes on. A guest that was told
    /// that it takes too long is not looked at.
    #[test]
    fn faults_and_late_ones() {
        let desk = Desk::new();
        let bounds = Bounds {
            questions: 100,
            bytes: 100,
        };
        let mut answers = Vec::new();
        for n in 0..20 {
            let fault: fn(Question) = |_| panic!("a fault, as the test wants");
            let (asked, answer) = match n % 3 {
                0 => question(fault, soon()),
                1 => question(DENY, Instant::now()),
                _ => question(DENY, soon()),
            };
            assert!(desk.ask(asked, 0, bounds));
            answers.push((n % 3, answer));
        }
        desk.staff().unwrap();
        for (kind, answer) in answers {
            let due = match kind {
                0 => Some(Err(Cause::AuthenticatorFailed)),
                1 => None,
                _ => Some(Err(Cause::WrongPassword)),
            };
            assert_eq!(answer.recv_timeout(Duration::from_secs(10)).ok(), due);
        }
    }
}
