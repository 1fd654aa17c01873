//! `ternmq ctl ...`: looks at and changes the broker that runs on a data directory, through its API, as the
//! directory's owner. Each command is some calls and how their answers are shown.

mod arguments;
mod call;
mod table;
mod text;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use api::Secret;
use api::control::{self, CallError};
use serde_json::{Value, json};

use crate::cli::Options;
use crate::owner;
use crate::text::Text;
use crate::{log, password};

pub(crate) use arguments::{arguments, read};
use call::{Call, Show};

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    calls: Vec<Call>,
    /// An MQTT user needs the broker's own users to be asked, and a password.
    needs: Needs,
    is_json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    Password,
    UsersAndPassword,
}

/// Carries it out. An error is one line for people; calls before it were made.
pub(crate) fn run(command: &Command, options: &Options, text: Text) -> Result<ExitCode, String> {
    let (_, loaded) = crate::load(options).map_err(|error| error.line(text.lang()))?;
    let _log =
        log::to_standard_error(&loaded.config.log).map_err(|error| text.no_log(None, &error))?;
    let dir = &loaded.config.node.data_dir;
    let mut calls = command.calls.clone();
    if command.needs != Needs::Nothing {
        let file = options.admin_password_file.as_deref();
        let secret = ask_password(file, text)?;
        for call in &mut calls {
            call.put("password", secret.show().into());
        }
    }
    if command.needs == Needs::UsersAndPassword {
        have_users(dir, text)?;
    }
    let mut answers = Vec::new();
    for call in &calls {
        let answer = ask(dir, call, text)?;
        if !command.is_json && print(&call.show.page(&answer, text)).is_err() {
            // Whoever does not read on has seen enough.
            return Ok(ExitCode::SUCCESS);
        }
        answers.push(answer);
    }
    if command.is_json {
        let told = match &mut answers[..] {
            [only] => only.take(),
            _ => Value::Array(answers),
        };
        let _ = print(&format!("{told}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(dir: &Path, call: &Call, text: Text) -> Result<Value, String> {
    let ask = |path: &str| {
        let answer = control::ask(dir, call.method, path, call.body.as_ref());
        answer.map_err(|error| owner::explain(&error, text))
    };
    let mut answer = ask(&call.path)?;
    if call.show != Show::Log {
        return Ok(answer);
    }
    // A file comes in parts.
    let mut whole = String::new();
    loop {
        let items = answer["items"].as_str().unwrap_or_default();
        if items.is_empty() {
            return Ok(json!({ "items": whole, "meta": answer["meta"] }));
        }
        whole += items;
        let at = answer["meta"]["position"].as_u64().unwrap_or(0);
        answer = ask(&format!("{}&position={at}", call.path))?;
    }
}

/// Sets up that the broker's own users are asked, where that is not so yet.
fn have_users(dir: &Path, text: Text) -> Result<(), String> {
    let path = format!("/authentication/{}", call::USERS);
    match control::ask(dir, "GET", &path, None) {
        Ok(_) => Ok(()),
        Err(CallError::Refused(_)) => {
            let setup = json!({ "mechanism": "password_based", "backend": "built_in_database" });
            let made = control::ask(dir, "POST", "/authentication", Some(&setup));
            made.map(|_| ())
                .map_err(|error| owner::explain(&error, text))
        }
        Err(error) => Err(owner::explain(&error, text)),
    }
}

fn print(page: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(page.as_bytes())?;
    out.flush()
}

/// A password from a file, typed by a person, or a line of standard input. Never an argument.
fn ask_password(file: Option<&Path>, text: Text) -> Result<Secret, String> {
    if let Some(given) = password::given(file, |_| None, text)? {
        return Ok(given.password);
    }
    let unread = |error: io::Error| text.no_password(&error);
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(unread)?;
        return Ok(Secret::new(line.trim_end_matches(['\r', '\n'])));
    }
    let first = rpassword::prompt_password(text.ask_mqtt_password()).map_err(unread)?;
    if rpassword::prompt_password(text.ask_again()).map_err(unread)? != first {
        return Err(text.not_the_same().to_owned());
    }
    Ok(Secret::new(first))
}
