//! Questions to shards. A shard answers between two of its tasks, so that nothing is stopped and no
//! lock is held; the one who asks waits for the answer.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::Admin;
use crate::shard::{Letter, Visit};

/// The broker ended before it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker is shutting down")]
pub struct Gone;

impl Admin {
    pub(crate) fn shards(&self) -> u16 {
        self.0.post.count()
    }

    /// Whether every shard answers within this time. A shard that does not is stuck: its clients are
    /// served no more, whatever the rest of the process does. For threads that may wait.
    #[must_use]
    pub fn is_alive(&self, patience: Duration) -> bool {
        let (answer, answers) = mpsc::channel();
        for shard in 0..self.shards() {
            let answer = answer.clone();
            let question = move |_: &mut Visit<'_>| {
                // Nobody may wait for it any more.
                let _ = answer.send(());
            };
            self.0.post.send(shard, Letter::Visit(Box::new(question)));
        }
        let until = Instant::now() + patience;
        let left = || until.saturating_duration_since(Instant::now());
        (0..self.shards()).all(|_| answers.recv_timeout(left()).is_ok())
    }

    /// Asks one shard. The question may look at [`crate::shard::VISIT_MAX`] things at most.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        shard: u16,
        question: impl FnOnce(&mut Visit<'_>) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (answer, answered) = oneshot::channel();
        let question = move |visit: &mut Visit<'_>| {
            // Who asked may have gone; then nobody wants to know.
            let _ = answer.send(question(visit));
        };
        self.0.post.send(shard, Letter::Visit(Box::new(question)));
        answered.await.map_err(|_| Gone)
    }

    /// Asks all shards at once; the answers are in the order of the shards.
    pub(crate) async fn ask_all<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Visit<'_>) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Gone> {
        let asked: Vec<_> = (0..self.shards())
            .map(|shard| {
                let (answer, answered) = oneshot::channel();
                let question = question.clone();
                let question = move |visit: &mut Visit<'_>| {
                    let _ = answer.send(question(visit));
                };
                self.0.post.send(shard, Letter::Visit(Box::new(question)));
                answered
            })
            .collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answered in asked {
            answers.push(answered.await.map_err(|_| Gone)?);
        }
        Ok(answers)
    }
}
