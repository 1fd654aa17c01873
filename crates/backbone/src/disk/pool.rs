//! Threads that run jobs: reading for whoever may not wait for a disk, and, with one thread, what
//! has to be done behind the writers in its order.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use super::lock;

type Job = Box<dyn FnOnce() + Send>;

pub(super) struct Pool {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    jobs: Mutex<Jobs>,
    more: Condvar,
}

#[derive(Default)]
struct Jobs {
    list: VecDeque<Job>,
    closed: bool,
}

impl Pool {
    pub(super) fn new(name: &str, threads: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            jobs: Mutex::new(Jobs::default()),
            more: Condvar::new(),
        });
        let start = |_| {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || queue.work())
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self {
            queue,
            threads: Mutex::new(threads),
        })
    }

    /// Runs a job, unless the pool is closed: then it is dropped and `false`.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut jobs = lock(&self.queue.jobs);
        if !jobs.closed {
            jobs.list.push_back(Box::new(job));
            self.queue.more.notify_one();
        }
        !jobs.closed
    }

    /// Finishes what was asked for, and ends the threads.
    pub(super) fn close(&self) {
        lock(&self.queue.jobs).closed = true;
        self.queue.more.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // A job may close the pool that it runs on; nobody can wait for himself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn work(&self) {
        loop {
            let mut jobs = lock(&self.jobs);
            let job = loop {
                if let Some(job) = jobs.list.pop_front() {
                    break job;
                }
                if jobs.closed {
                    return;
                }
                jobs = self
                    .more
                    .wait(jobs)
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
            };
            drop(jobs);
            job();
        }
    }
}
