//! Signals as an iterator: stop, or read the configuration again.

/// What the system asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Stop,
    #[cfg_attr(not(unix), expect(dead_code, reason = "Windows has no SIGHUP"))]
    Reload,
}

#[cfg(unix)]
pub(crate) use unix::{Signals, listen};
#[cfg(windows)]
pub(crate) use windows::{Signals, listen};

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
    use std::future::poll_fn;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use std::task::Poll;

    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    use super::Signal;

    pub(crate) struct Signals {
        stops: Receiver<()>,
        hurry: Arc<AtomicBool>,
    }

    /// Takes over Ctrl-C, Ctrl-Break, the closing of the console, log-off and shutdown. Of the last three
    /// Windows waits some seconds for our end.
    pub(crate) fn listen() -> io::Result<Signals> {
        let (sender, stops) = channel();
        let hurry = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&hurry);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (mut c, mut pause) = (ctrl_c()?, ctrl_break()?);
        let (mut close, mut leave, mut off) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
        let thread = std::thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || {
            loop {
                runtime.block_on(poll_fn(|context| {
                    let came = [
                        c.poll_recv(context),
                        pause.poll_recv(context),
                        close.poll_recv(context),
                        leave.poll_recv(context),
                        off.poll_recv(context),
                    ];
                    match came.iter().any(Poll::is_ready) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                }));
                if flag.load(Ordering::SeqCst) {
                    std::process::exit(1);
                }
                // Nobody receives only after the loop has ended: then we are stopping already.
                let _ = sender.send(());
            }
        })?;
        Ok(Signals { stops, hurry })
    }

    impl Signals {
        /// Of a service, which has no console: it stops when it is told so here.
        pub(crate) fn of(stops: Receiver<()>) -> Self {
            let hurry = Arc::default();
            Self { stops, hurry }
        }

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
