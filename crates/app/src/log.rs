//! Log lines on standard error; their level can change while the broker runs.

use std::io::IsTerminal as _;

use broker::config::Level as Setting;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

/// Changes the level of a running log. Clones are one handle.
#[derive(Clone)]
pub(crate) struct Level(reload::Handle<LevelFilter, Registry>);

/// Starts logging for the whole process. Colours only where a person looks on.
pub(crate) fn start(level: Setting) -> Level {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = fmt::layer()
        .compact()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Fails only if there is a log already; then that one stays.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Level(handle)
}

impl Level {
    pub(crate) fn set(&self, level: Setting) {
        // Fails only when the log is gone, which is at the end of the process.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: Setting) -> LevelFilter {
    match level {
        Setting::Error => LevelFilter::ERROR,
        Setting::Warn => LevelFilter::WARN,
        Setting::Info => LevelFilter::INFO,
        Setting::Debug => LevelFilter::DEBUG,
        Setting::Trace => LevelFilter::TRACE,
    }
}
