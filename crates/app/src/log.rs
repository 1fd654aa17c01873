//! Log lines on standard error, and the last of them in memory for the API; their level can change
//! while the broker runs.

use std::fmt::{Debug, Write as _};
use std::io::IsTerminal as _;

use broker::admin::logs;
use broker::config::Level as Setting;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::layer::{Context, Layer};
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
        .with(Memory)
        .try_init();
    Level(handle)
}

/// Keeps the last lines where the API finds them.
struct Memory;

impl<S: Subscriber> Layer<S> for Memory {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Setting::Error,
            tracing::Level::WARN => Setting::Warn,
            tracing::Level::INFO => Setting::Info,
            tracing::Level::DEBUG => Setting::Debug,
            tracing::Level::TRACE => Setting::Trace,
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        logs::push(level, text.0);
    }
}

/// An event in words: its message, then what else it says.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            // Into a String it cannot fail.
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
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
