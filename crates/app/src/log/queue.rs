//! Lines between those who log and the thread that writes. A shard that logs must not wait for a
//! terminal in which somebody marks text, or for a slow disk: what finds no room is dropped, counted,
//! and told as soon as lines are taken again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Lines that wait for their writer; a second of a busy log.
const LINES_MAX: usize = 8192;

pub(super) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    /// Since the last line that was taken.
    dropped: u64,
    /// The writer has lines that are not out yet.
    is_writing: bool,
}

impl Queue {
    /// `lost` words how many lines were dropped.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("log".to_owned());
        let writer = shared.clone();
        thread.spawn(move || writer.write_on(sink, lost))?;
        Ok(Self(shared))
    }

    /// Never waits for the writer.
    pub(super) fn push(&self, line: String) {
        let mut state = self.0.state();
        if state.lines.len() < LINES_MAX {
            state.lines.push_back(line);
        } else {
            state.dropped += 1;
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until all that was pushed is out, or for this long.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        let state = self.0.state();
        // Whoever does not take the log has to live without its end.
        let _ = self.0.changed.wait_timeout_while(state, patience, busy);
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's thread; it ends with the process.
    fn write_on(&self, mut sink: impl Write, lost: impl Fn(u64) -> String) {
        loop {
            let idle = |state: &mut State| state.lines.is_empty();
            let waited = self.changed.wait_while(self.state(), idle);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            let mut lines = std::mem::take(&mut state.lines);
            let dropped = std::mem::take(&mut state.dropped);
            state.is_writing = true;
            drop(state);
            if dropped > 0 {
                lines.push_back(lost(dropped));
            }
            let mut failed = 0;
            for line in &lines {
                let written = sink.write_all(line.as_bytes());
                failed += u64::from(written.is_err());
            }
            // Of what failed nobody could be told but by the next line that gets through.
            let _ = sink.flush();
            let mut state = self.state();
            state.dropped += failed;
            state.is_writing = false;
            drop(state);
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Takes a line only when it is let.
    struct Gate {
        open: Receiver<()>,
        taken: Sender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.open.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let line = String::from_utf8(bytes.to_vec()).unwrap();
            let _ = self.taken.send(line);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_stands_holds_nobody_up() {
        let ((open, opened), (taken, took)) = (channel(), channel());
        let gate = Gate {
            open: opened,
            taken,
        };
        let queue = Queue::start(gate, |n| format!("{n} lost\n")).unwrap();
        // The writer takes some of these and stands at the first.
        for n in 0..3 * LINES_MAX {
            queue.push(format!("{n}\n"));
        }
        queue.flush(Duration::from_millis(1));
        assert!(took.try_recv().is_err());
        let (mut written, mut lost) = (0, 0);
        while written + lost < 3 * LINES_MAX {
            open.send(()).unwrap();
            let line = took.recv_timeout(Duration::from_secs(10)).unwrap();
            if let Some(count) = line.strip_suffix(" lost\n") {
                lost += count.parse::<usize>().unwrap();
            } else {
                assert!(written > 0 || line == "0\n", "the oldest is written first");
                written += 1;
            }
        }
        assert_eq!(written + lost, 3 * LINES_MAX, "each is written or counted");
        assert!(lost > 0);
        queue.push("after\n".to_owned());
        open.send(()).unwrap();
        queue.flush(Duration::from_secs(10));
        assert_eq!(took.try_recv().unwrap(), "after\n");
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted() {
        let ((open, opened), (taken, took)) = (channel(), channel());
        let mut fails = true;
        let gate = Gate {
            open: opened,
            taken,
        };
        struct Sick<F>(Gate, F);
        impl<F: FnMut() -> bool> Write for Sick<F> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if (self.1)() {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.0.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sick = Sick(gate, move || std::mem::take(&mut fails));
        let queue = Queue::start(sick, |n| format!("{n} lost\n")).unwrap();
        queue.push("gone\n".to_owned());
        queue.flush(Duration::from_secs(10));
        for _ in 0..2 {
            open.send(()).unwrap();
        }
        queue.push("there\n".to_owned());
        queue.flush(Duration::from_secs(10));
        let lines: Vec<_> = took.try_iter().collect();
        assert_eq!(lines, ["there\n", "1 lost\n"]);
    }
}
