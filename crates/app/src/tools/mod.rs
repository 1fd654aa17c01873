//! The client tools: `ternmq pub`, `sub`, `rr`, `conn` and `bench`. Options, output and exit codes are
//! those of mosquitto_pub, mosquitto_sub and mosquitto_rr; what is refused is refused by name.

mod bench;
mod debug;
mod doctor;
mod format;
mod json;
mod options;
mod output;
mod password;
mod progress;
mod property;
mod publish;
mod request;
mod said;
mod settings;
mod simulate;
mod stop;
mod subscribe;
mod text;
mod top;
mod url;

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::process::ExitCode;

use client::{Client, Error, Options};

use crate::text::Text;
pub(crate) use bench::Kind;
use options::Asked;
pub(crate) use options::{choices, note};
use settings::Settings;

/// Exit codes that scripts know; a refused connection ends with its reason or return code.
mod code {
    pub(super) const DONE: u8 = 0;
    pub(super) const FAILED: u8 = 1;
    /// Done, and what was looked at is not as it should be.
    pub(super) const DAMAGED: u8 = 2;
    pub(super) const LOST: u8 = 7;
    pub(super) const NO_TLS: u8 = 8;
    pub(super) const TIMED_OUT: u8 = 27;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Publish,
    Subscribe,
    Request,
    Doctor,
    Bench(Kind),
    Simulate,
    Top,
}

impl Tool {
    pub(crate) const ALL: [Self; 10] = [
        Self::Publish,
        Self::Subscribe,
        Self::Request,
        Self::Doctor,
        Self::Bench(Kind::Publish),
        Self::Bench(Kind::Subscribe),
        Self::Bench(Kind::Connect),
        Self::Bench(Kind::Latency),
        Self::Simulate,
        Self::Top,
    ];

    /// The tool that these words begin with, and what follows its name.
    pub(crate) fn find<T: AsRef<OsStr>>(words: &[T]) -> Option<(Self, &[T])> {
        Self::ALL.into_iter().find_map(|tool| {
            let name = tool.name().split(' ');
            let (own, rest) = words.split_at_checked(name.clone().count())?;
            let is_it = own
                .iter()
                .zip(name)
                .all(|(word, part)| word.as_ref() == part);
            is_it.then_some((tool, rest))
        })
    }

    /// One word, or two.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "pub",
            Self::Subscribe => "sub",
            Self::Request => "rr",
            Self::Doctor => "conn",
            Self::Bench(Kind::Publish) => "bench pub",
            Self::Bench(Kind::Subscribe) => "bench sub",
            Self::Bench(Kind::Connect) => "bench conn",
            Self::Bench(Kind::Latency) => "bench latency",
            Self::Simulate => "simulate",
            Self::Top => "top",
        }
    }
}

/// Runs a tool with the arguments that follow its name.
pub(crate) fn run(tool: Tool, args: &[OsString], text: Text) -> ExitCode {
    let asked = options::read(tool, args, |name| std::env::var_os(name), text);
    let mut settings = match asked {
        Ok(Asked::Run(settings)) => *settings,
        Ok(Asked::Help) => return page(&options::help(tool, text)),
        Ok(Asked::Version) => return page(&format!("ternmq {}\n", env!("CARGO_PKG_VERSION"))),
        Err(line) => {
            complain(&text.see_help(&line, tool.name()));
            return code::FAILED.into();
        }
    };
    if let Err(line) = password::find(&mut settings, |name| std::env::var(name).ok(), text) {
        complain(&line);
        return code::FAILED.into();
    }
    let settings = &settings;
    let code = match tool {
        Tool::Publish => publish::run(settings, text),
        Tool::Subscribe => subscribe::run(settings, text),
        Tool::Request => request::run(settings, text),
        Tool::Doctor => doctor::run(settings, text),
        Tool::Bench(kind) => bench::run(kind, settings, text),
        Tool::Simulate => simulate::run(settings, text),
        Tool::Top => top::run(settings, text),
    };
    code.into()
}

fn page(page: &str) -> ExitCode {
    // A reader that is gone is no error.
    let _ = std::io::stdout().write_all(page.as_bytes());
    ExitCode::SUCCESS
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "ternmq: {line}");
}

impl Settings {
    /// An error while it runs, which `--quiet` keeps silent.
    fn complain(&self, line: &str) {
        if !self.quiet {
            complain(line);
        }
    }

    /// Connects. What failed was told, and gives the exit code.
    fn connect(&self, text: Text) -> Result<Client, u8> {
        let options: Options = self.options();
        let watch = self.debug.then(|| debug::watch(&options));
        let dialled = client::dial(&self.address()).map_err(|error| {
            self.complain(&text.client_error(&error));
            match error {
                Error::Tls(_) => code::NO_TLS,
                _ => code::FAILED,
            }
        })?;
        Client::open(dialled, options, watch).map_err(|error| self.failed(&error, text))
    }

    /// Tells of an error that ends the tool, and gives its exit code.
    fn failed(&self, error: &Error, text: Text) -> u8 {
        self.complain(&text.client_error(error));
        match error {
            Error::Refused { reason, .. } if self.version.is_v5() => reason.code(),
            Error::Refused { reason, .. } => reason.connack_v3(),
            Error::Lost | Error::Ended { .. } | Error::Silent => code::LOST,
            Error::Tls(_) => code::NO_TLS,
            _ => code::FAILED,
        }
    }
}

/// A number that nobody can guess, for names and for chance.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
