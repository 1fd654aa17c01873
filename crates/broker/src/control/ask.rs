//! Questions to all shards from threads that may wait, for a while.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::shard::{Letter, Post, Visit};

/// How long an answer is waited for; one that comes later is thrown away.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Asks all shards; of one that does not answer in time there is nothing.
pub(super) fn ask_all<T: Send + 'static>(
    post: &Post,
    question: impl FnOnce(&mut Visit<'_>) -> T + Clone + Send + 'static,
) -> Vec<T> {
    let (answer, answers) = mpsc::channel();
    for shard in 0..post.count() {
        let (answer, question) = (answer.clone(), question.clone());
        let question = move |visit: &mut Visit<'_>| {
            // Nobody may wait for it any more.
            let _ = answer.send(question(visit));
        };
        post.send(shard, Letter::Visit(Box::new(question)));
    }
    drop(answer);
    let until = Instant::now() + ANSWER_MAX;
    let mut all = Vec::new();
    while let Ok(one) = answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
        all.push(one);
    }
    all
}
