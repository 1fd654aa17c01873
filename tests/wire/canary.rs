//! The canary: a pair of clients that talk with QoS 1 while a test does its worst to others. It
//! loses nothing, nothing comes twice, and it does not wait long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Conn, Connect, Publish, V5};

/// Twenty messages a second.
const BEAT: Duration = Duration::from_millis(50);

pub(crate) struct Canary {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Canary {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut listener = Conn::open(address, V5);
        listener.connect(&Connect::new(V5, "canary-listener"));
        listener.subscribe("canary", 1);
        let mut speaker = Conn::open(address, V5);
        speaker.connect(&Connect::new(V5, "canary-speaker"));
        let thread = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let text = took.len().to_string();
                let said = Instant::now();
                speaker.publish(&Publish::new("canary", &text).qos1(1));
                listener.receive_this("canary", &text);
                took.push(said.elapsed());
                std::thread::sleep(BEAT.saturating_sub(said.elapsed()));
            }
            took
        });
        Self { stop, thread }
    }

    /// Ends it; gives the number of messages and the time under which 99 of 100 stayed, from the
    /// PUBLISH to its arrival.
    #[track_caller]
    pub(crate) fn stop(self) -> (usize, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = self.thread.join().expect("the canary lives");
        took.sort_unstable();
        (
            took.len(),
            took[(took.len() * 99 / 100).min(took.len() - 1)],
        )
    }

    /// Ends it; it must not have waited longer than this in 99 of 100 cases.
    #[track_caller]
    pub(crate) fn sings(self, at_most: Duration) {
        let (heard, p99) = self.stop();
        println!("canary: {heard} messages, 0 lost, p99 {p99:?}");
        assert!(p99 <= at_most, "p99 of {heard} messages: {p99:?}");
    }
}
