//! A sink that can be taken away while others hold it. Its own lock is what makes sure that no
//! call begins once its guard is dropped.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::Guard;

pub(super) struct Tap<S>(Mutex<Option<S>>);

impl<S: Send + 'static> Tap<S> {
    pub(super) fn new(sink: S) -> (Arc<Self>, Guard) {
        let tap = Arc::new(Self(Mutex::new(Some(sink))));
        let other = Arc::clone(&tap);
        let guard = Guard::new(move || {
            let sink = lock(&other.0).take();
            // What the sink owns is dropped outside the lock.
            drop(sink);
        });
        (tap, guard)
    }

    /// Calls the sink, and gives whether it is still there.
    pub(super) fn call(&self, call: impl FnOnce(&S)) -> bool {
        let sink = lock(&self.0);
        if let Some(sink) = &*sink {
            call(sink);
        }
        sink.is_some()
    }
}
