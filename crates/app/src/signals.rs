//! Signals as an iterator: stop, or read the configuration again.

/// What the system asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Stop,
    #[cfg_attr(not(unix), expect(dead_code, reason = "Windows has no SIGHUP"))]
    Reload,
}

#[cfg(unix)]
pub(crate) use unix::listen;
#[cfg(windows)]
pub(crate) use windows::listen;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    use super::Signal;

    pub(crate) struct Signals {
        signals: signal_hook::iterator::Signals,
        hurry: Arc<AtomicBool>,
    }

    /// Takes over SIGTERM, SIGINT and SIGHUP.
    pub(crate) fn listen() -> io::Result<Signals> {
        let hurry = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&hurry))?;
        }
        let signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        Ok(Signals { signals, hurry })
    }

    impl Signals {
        /// From here on another Ctrl-C ends the process at once.
        pub(crate) fn stop_is_now_final(&self) {
            self.hurry.store(true, Ordering::SeqCst);
        }
    }

    impl Iterator for Signals {
        type Item = Signal;
        fn next(&mut self) -> Option<Signal> {
            let signal = self.signals.forever().next()?;
            Some(if signal == SIGHUP {
                Signal::Reload
            } else {
                Signal::Stop
            })
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    use super::Signal;

    pub(crate) struct Signals {
        stops: Receiver<()>,
        hurry: Arc<AtomicBool>,
    }

    /// Takes over Ctrl-C, Ctrl-Break and the closing of the console.
    pub(crate) fn listen() -> Result<Signals, ctrlc::Error> {
        let (sender, stops) = channel();
        let hurry = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&hurry);
        ctrlc::set_handler(move || {
            if flag.load(Ordering::SeqCst) {
                std::process::exit(1);
            }
            // Nobody receives only after the loop has ended: then we are stopping already.
            let _ = sender.send(());
        })?;
        Ok(Signals { stops, hurry })
    }

    impl Signals {
        /// From here on another Ctrl-C ends the process at once.
        pub(crate) fn stop_is_now_final(&self) {
            self.hurry.store(true, Ordering::SeqCst);
        }
    }

    impl Iterator for Signals {
        type Item = Signal;
        fn next(&mut self) -> Option<Signal> {
            self.stops.recv().ok().map(|()| Signal::Stop)
        }
    }
}
