//! The log: lines on standard error, in the journal or in a file that is put aside at a size, and the
//! last of them in memory for the API. Whoever logs waits for nobody: what is not taken in time is
//! dropped and counted. The level can change while the broker runs.

mod file;
mod line;
mod queue;

use std::fmt::{Debug, Write as _};
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::Duration;

use broker::admin::logs;
use broker::config::{Format, Level as Setting, Log as Settings};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use file::Rotating;
use line::Form;
use queue::Queue;

/// How long the end of the process waits for a log that nobody takes.
const PATIENCE: Duration = Duration::from_secs(1);

/// Changes the level of a running log. Clones are one handle.
#[derive(Clone)]
pub(crate) struct Level(reload::Handle<LevelFilter, Registry>);

/// The log of the process. What was said is out when this value is gone.
pub(crate) struct Log {
    level: Level,
    queue: Arc<Queue>,
}

impl Log {
    pub(crate) fn level(&self) -> Level {
        self.level.clone()
    }

    /// Lets out what was said; for a place from which the process ends without returning.
    pub(crate) fn last_words(&self) -> impl Fn() + Send + Sync + use<> {
        let queue = self.queue.clone();
        move || queue.flush(PATIENCE)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.flush(PATIENCE);
    }
}

/// Starts logging for the whole process, as the settings say.
///
/// # Errors
/// If the file cannot be opened, or the system refuses a thread.
pub(crate) fn start(settings: &Settings) -> io::Result<Log> {
    let Some(path) = &settings.file else {
        return to_standard_error(settings);
    };
    let file = Rotating::open(path, settings.max_size, settings.max_files)?;
    let form = match settings.format {
        Format::Text => Form::Text,
        Format::Json => Form::Json,
    };
    let log = begin(settings.level, form, file)?;
    // A service has no standard error where a fault of ours could be read.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |fault| {
        told(fault);
        tracing::error!("{fault}");
    }));
    Ok(log)
}

/// The same for commands that a person waits for.
///
/// # Errors
/// If the system refuses a thread.
pub(crate) fn to_standard_error(settings: &Settings) -> io::Result<Log> {
    let form = match settings.format {
        Format::Json => Form::Json,
        Format::Text if is_journal() => Form::Journal,
        // Colours only where a person looks on.
        Format::Text if io::stderr().is_terminal() => Form::Colours,
        Format::Text => Form::Text,
    };
    begin(settings.level, form, io::stderr())
}

fn begin(level: Setting, form: Form, sink: impl Write + Send + 'static) -> io::Result<Log> {
    let lost = move |lines| form.line(Setting::Warn, &line::lost(lines));
    let queue = Arc::new(Queue::start(sink, lost)?);
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = Lines {
        form,
        queue: queue.clone(),
    };
    // Fails only if there is a log already; then that one stays.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Ok(Log {
        level: Level(handle),
        queue,
    })
}

/// Whether standard error is the journal's stream: systemd names its device and inode, so that a
/// program whose output was redirected is not fooled.
#[cfg(unix)]
fn is_journal() -> bool {
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else {
        return false;
    };
    let stream = format!("{}:{}", stat.st_dev, stat.st_ino);
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| named == stream)
}

#[cfg(not(unix))]
fn is_journal() -> bool {
    false
}

/// Gives each event to the queue, and to where the API finds it.
struct Lines {
    form: Form,
    queue: Arc<Queue>,
}

impl<S: Subscriber> Layer<S> for Lines {
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
        self.queue.push(self.form.line(level, &text.0));
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
