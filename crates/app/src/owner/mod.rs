//! What the owner of the data directory may do without a password: `ternmq reset-password`,
//! `ternmq ctl trust` and `ternmq ctl clients release`. Ends with 0 if it was done, 2 if not.

mod text;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use api::control::{self, CallError};
use api::{Secret, pass_phrase};
use broker::config::Config;
use broker::lan::{Distance, Network, distance};
use broker::store::{OpenError, edit};

use crate::cli::Options;
use crate::text::Text;
use crate::{log, password, store};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    ResetPassword {
        /// Makes a pass phrase and prints it.
        generate: bool,
    },
    /// Lets networks count as near.
    Trust(Vec<String>),
    /// Makes a client's session nobody's.
    Release(String),
}

/// Carries it out. An error is one line for people, and nothing was done.
pub(crate) fn run(command: &Command, options: &Options, text: Text) -> Result<ExitCode, String> {
    let (_, loaded) = crate::load(options).map_err(|error| error.line(text.lang()))?;
    let _log =
        log::to_standard_error(&loaded.config.log).map_err(|error| text.no_log(None, &error))?;
    let lines = match command {
        Command::ResetPassword { generate } => {
            let chosen = choose(*generate, options.admin_password_file.as_deref(), text)?;
            reset(&loaded.config, &chosen, text)?
        }
        Command::Trust(networks) => trust(&loaded.config, networks, text)?,
        Command::Release(client_id) => {
            let released = control::release(&loaded.config.node.data_dir, client_id);
            released.map_err(|error| explain(&error, text))?;
            text.released(client_id)
        }
    };
    let _ = io::stdout().write_all(lines.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// A new password, and whether nobody but us knows it yet.
struct Chosen {
    password: Secret,
    is_made: bool,
}

/// From a file, made here, typed by a person, or a line of standard input. Never an argument.
fn choose(generate: bool, file: Option<&Path>, text: Text) -> Result<Chosen, String> {
    let made = || Chosen {
        password: pass_phrase(),
        is_made: true,
    };
    if let Some(file) = file {
        let given = password::given(Some(file), |_| None, text)?;
        let given = given.expect("a file was named");
        return Ok(Chosen {
            password: given.password,
            is_made: false,
        });
    }
    if generate {
        return Ok(made());
    }
    let typed = if io::stdin().is_terminal() {
        let ask = |prompt: &str| {
            rpassword::prompt_password(prompt).map_err(|error| text.no_password(&error))
        };
        let first = ask(text.ask_password())?;
        if first.is_empty() {
            return Ok(made());
        }
        if ask(text.ask_again())? != first {
            return Err(text.not_the_same().to_owned());
        }
        first
    } else {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        read.map_err(|error| text.no_password(&error))?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    let password = Secret::new(typed);
    let checked = password.check();
    checked.map_err(|weak| text.weak_password(weak, text.what_was_typed()))?;
    Ok(Chosen {
        password,
        is_made: false,
    })
}

fn reset(config: &Config, chosen: &Chosen, text: Text) -> Result<String, String> {
    let dir = &config.node.data_dir;
    let progress = store::report::progress(text);
    let edited = edit(config, progress, |keep| {
        control::set_password_in(keep, &chosen.password)
    });
    match edited {
        Ok(done) => done.map_err(|error| text.not_reset(&error))?,
        // A broker has it, and has to do it itself.
        Err(OpenError::InUse { .. }) => {
            let told = control::set_password(dir, &chosen.password);
            told.map_err(|error| explain(&error, text))?;
        }
        Err(error) => return Err(text.open_error(&error)),
    }
    let mut lines = text.reset_done().to_owned();
    if chosen.is_made {
        lines += &text.made_password(chosen.password.show());
    }
    Ok(lines)
}

fn trust(config: &Config, networks: &[String], text: Text) -> Result<String, String> {
    let parsed: Result<Vec<Network>, String> = networks
        .iter()
        .map(|network| network.parse().map_err(|()| text.no_network(network)))
        .collect();
    let parsed = parsed?;
    control::trust(&config.node.data_dir, &parsed).map_err(|error| explain(&error, text))?;
    let mut lines = String::new();
    for network in &parsed {
        lines += &text.trusted(&network.to_string());
        if distance(network.address(), &config.lan_guard) == Distance::Near {
            lines += text.was_near();
        }
    }
    Ok(lines)
}

/// Why the running broker did not do it.
pub(crate) fn explain(error: &CallError, text: Text) -> String {
    match error {
        CallError::NotRunning => text.not_running().to_owned(),
        CallError::Refused(words) => text.refused(words),
        _ => text.not_told(error),
    }
}
