//! Ctrl-C and SIGTERM for a tool that runs until then: it is told, and says good-bye to the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Whether the tool is to end.
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Listens from now on, and wakes this thread and whatever `wake` wakes.
    pub(super) fn listen(wake: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        listen(Arc::clone(&asked), wake, thread::current())?;
        Ok(Self { asked })
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits so long, or until the tool is to end.
    pub(super) fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_asked() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

#[cfg(unix)]
fn listen(
    asked: Arc<AtomicBool>,
    wake: impl Fn() + Send + 'static,
    main: Thread,
) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    // The second one ends the process at once.
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&asked))?;
    }
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            asked.store(true, Ordering::SeqCst);
            wake();
            main.unpark();
        }
    });
    Ok(())
}

#[cfg(windows)]
fn listen(
    asked: Arc<AtomicBool>,
    wake: impl Fn() + Send + 'static,
    main: Thread,
) -> std::io::Result<()> {
    let listening = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(1);
        }
        wake();
        main.unpark();
    });
    listening.map_err(std::io::Error::other)
}
