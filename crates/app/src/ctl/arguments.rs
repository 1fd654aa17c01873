//! The arguments of `ternmq ctl`, and the calls that they come to.

use std::str::FromStr;

use clap::{Arg, ArgAction, ArgMatches, Command as Clap};
use serde_json::{Map, Value, json};

use super::call::{Call, Show, USERS, part, query};
use super::{Command, Needs, table};
use crate::text::Text;

/// Rows of a list, unless told otherwise, and the most that the API gives at once.
const ROWS: u32 = 1_000;
const ROWS_MAX: i64 = 10_000;

/// What `ctl` has besides the commands of the owner.
pub(crate) fn arguments(ctl: Clap, text: Text) -> Clap {
    let clients = |clients: Clap| {
        clients
            .subcommand(list(text).args([
                option("user", "USER", text),
                option("like", "PART", text),
                flag("connected", text.help_ctl_of("connected")),
                flag("away", text.help_ctl_of("away")).conflicts_with("connected"),
            ]))
            .subcommand(one("show", text.help_ctl_show(), "CLIENTID", text))
            .subcommand(many("kick", text.help_ctl_kick(), "CLIENTID"))
    };
    let group = |name: &'static str, about: &'static str| {
        Clap::new(name)
            .about(about)
            .disable_help_subcommand(true)
            .subcommand_required(true)
    };
    let retained = group("retained", text.help_ctl_retained())
        .subcommand(list(text).arg(option("topic", "TOPIC", text)))
        .subcommand(one("show", text.help_ctl_show(), "TOPIC", text))
        .subcommand(many("delete", text.help_ctl_delete(), "TOPIC"))
        .subcommand(
            Clap::new("purge")
                .about(text.help_ctl_retained_purge())
                .arg(json_flag(text)),
        );
    let users = group("users", text.help_ctl_users())
        .subcommand(list(text).arg(option("like", "PART", text)))
        .subcommand(
            one("add", text.help_ctl_add(), "NAME", text)
                .arg(flag("superuser", text.help_ctl_superuser())),
        )
        .subcommand(one("password", text.help_ctl_password(), "NAME", text))
        .subcommand(many("delete", text.help_ctl_delete(), "NAME"));
    let mut listeners = group("listeners", text.help_ctl_listeners())
        .subcommand(
            Clap::new("list")
                .about(text.help_ctl_list())
                .arg(json_flag(text)),
        )
        .subcommand(one("show", text.help_ctl_show(), "LISTENER", text));
    for name in ["start", "stop", "restart"] {
        let about = text.help_ctl_listener(name);
        listeners = listeners.subcommand(one(name, about, "LISTENER", text));
    }
    let config = group("config", text.help_ctl_config())
        .subcommand(
            Clap::new("show")
                .about(text.help_ctl_config_show())
                .arg(names("KEY").required(false))
                .arg(json_flag(text)),
        )
        .subcommand(
            Clap::new("set")
                .about(text.help_ctl_config_set())
                .arg(names("KEY=VALUE"))
                .arg(json_flag(text)),
        )
        .subcommand(many("reset", text.help_ctl_config_reset(), "KEY"));
    let start = one("start", text.help_ctl_trace_start(), "NAME", text)
        .args(["client", "topic", "address"].map(|of| option(of, "WHAT", text)))
        .group(
            clap::ArgGroup::new("of")
                .args(["client", "topic", "address"])
                .required(true),
        );
    let trace = group("trace", text.help_ctl_trace())
        .subcommand(
            Clap::new("list")
                .about(text.help_ctl_list())
                .arg(json_flag(text)),
        )
        .subcommand(start)
        .subcommand(one("show", text.help_ctl_trace_show(), "NAME", text))
        .subcommand(one("stop", text.help_ctl_trace_stop(), "NAME", text))
        .subcommand(many("delete", text.help_ctl_delete(), "NAME"));
    ctl.mut_subcommand("clients", clients)
        .subcommand(
            Clap::new("status")
                .about(text.help_ctl_status())
                .arg(json_flag(text)),
        )
        .subcommand(
            listed("subscriptions", text.help_ctl_subscriptions(), text).args([
                option("client", "CLIENTID", text),
                option("topic", "TOPIC", text),
            ]),
        )
        .subcommand(listed("topics", text.help_ctl_topics(), text))
        .subcommands([retained, users, listeners, config, trace])
}

fn json_flag(text: Text) -> Arg {
    flag("json", text.help_ctl_json())
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

fn option(name: &'static str, value: &'static str, text: Text) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .help(text.help_ctl_of(name))
        .allow_hyphen_values(true)
}

fn names(value: &'static str) -> Arg {
    Arg::new("names")
        .value_name(value)
        .required(true)
        .num_args(1..)
}

fn list(text: Text) -> Clap {
    listed("list", text.help_ctl_list(), text)
}

/// A list that comes page by page.
fn listed(name: &'static str, about: &'static str, text: Text) -> Clap {
    let limit = Arg::new("limit")
        .long("limit")
        .value_name("COUNT")
        .help(text.help_ctl_limit())
        .value_parser(clap::value_parser!(u32).range(1..=ROWS_MAX));
    let page = Arg::new("page")
        .long("page")
        .value_name("NUMBER")
        .help(text.help_ctl_page())
        .value_parser(clap::value_parser!(u32).range(1..));
    Clap::new(name)
        .about(about)
        .args([limit, page, json_flag(text)])
}

/// A command for one thing.
fn one(name: &'static str, about: &'static str, value: &'static str, text: Text) -> Clap {
    let it = Arg::new("it")
        .value_name(value)
        .required(true)
        .allow_hyphen_values(true);
    Clap::new(name).about(about).arg(it).arg(json_flag(text))
}

/// A command for one or more.
fn many(name: &'static str, about: &'static str, value: &'static str) -> Clap {
    Clap::new(name).about(about).arg(names(value))
}

/// What was said of one argument; nothing where the command has none of this name.
struct Said<'a>(&'a mut ArgMatches);

impl Said<'_> {
    fn text(&mut self, name: &str) -> Option<String> {
        self.0.try_remove_one(name).ok().flatten()
    }

    fn number(&mut self, name: &str) -> Option<u32> {
        self.0.try_remove_one(name).ok().flatten()
    }

    fn flag(&mut self, name: &str) -> bool {
        let said: Option<bool> = self.0.try_remove_one(name).ok().flatten();
        said.unwrap_or(false)
    }

    fn names(&mut self) -> Vec<String> {
        let said = self.0.try_remove_many("names").ok().flatten();
        said.map(Iterator::collect).unwrap_or_default()
    }

    /// The query of a page.
    fn paged(&mut self, more: Vec<(&str, Option<String>)>) -> String {
        let limit = self.number("limit").unwrap_or(ROWS).to_string();
        let page = self.number("page").map(|page| page.to_string());
        query(&[vec![("limit", Some(limit)), ("page", page)], more].concat())
    }
}

/// The calls of a command; nothing if it is the owner's.
pub(crate) fn read(names: &[String], matches: &mut ArgMatches) -> Option<Command> {
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut said = Said(matches);
    let is_json = said.flag("json");
    let it = said.text("it").unwrap_or_default();
    let calls = match words[..] {
        ["clients", "release"] | ["trust"] => return None,
        ["status"] => vec![
            Call::get("/nodes".to_owned(), Show::Lines(table::NODE)),
            Call::get("/monitor_current".to_owned(), Show::Lines(table::CURRENT)),
        ],
        ["subscriptions"] => {
            let more = vec![
                ("clientid", said.text("client")),
                ("match_topic", said.text("topic")),
            ];
            let path = format!("/subscriptions{}", said.paged(more));
            vec![Call::get(path, Show::Rows(table::SUBSCRIPTIONS))]
        }
        ["topics"] => {
            let path = format!("/topics{}", said.paged(Vec::new()));
            vec![Call::get(path, Show::Rows(table::TOPICS))]
        }
        ["clients", command] => clients(command, &it, &mut said),
        ["retained", command] => retained(command, &it, &mut said),
        ["users", command] => users(command, &it, &mut said),
        ["listeners", command] => vec![listeners(command, &it)],
        ["config", command] => config(command, &mut said),
        ["trace", command] => trace(command, &it, &mut said),
        _ => return None,
    };
    let needs = match words[..] {
        ["users", "add"] => Needs::UsersAndPassword,
        ["users", "password"] => Needs::Password,
        _ => Needs::Nothing,
    };
    Some(Command {
        calls,
        needs,
        is_json,
    })
}

fn delete_each(at: &str, said: &mut Said<'_>) -> Vec<Call> {
    let names = said.names().into_iter();
    let delete = |name: String| Call::act("DELETE", format!("{at}/{}", part(&name)), &name);
    names.map(delete).collect()
}

fn clients(command: &str, it: &str, said: &mut Said<'_>) -> Vec<Call> {
    match command {
        "show" => vec![Call::get(format!("/clients/{}", part(it)), Show::Fields)],
        "kick" => delete_each("/clients", said),
        _ => {
            let state = match (said.flag("connected"), said.flag("away")) {
                (true, _) => Some("connected"),
                (_, true) => Some("disconnected"),
                _ => None,
            };
            let more = vec![
                ("username", said.text("user")),
                ("like_clientid", said.text("like")),
                ("conn_state", state.map(str::to_owned)),
            ];
            let path = format!("/clients{}", said.paged(more));
            vec![Call::get(path, Show::Rows(table::CLIENTS))]
        }
    }
}

fn retained(command: &str, it: &str, said: &mut Said<'_>) -> Vec<Call> {
    const ONE: &str = "/mqtt/retainer/message";
    match command {
        "show" => vec![Call::get(format!("{ONE}/{}", part(it)), Show::Fields)],
        "delete" => delete_each(ONE, said),
        "purge" => vec![Call {
            show: Show::Fields,
            ..Call::act("DELETE", "/mqtt/retainer/held_back".to_owned(), "")
        }],
        _ => {
            let more = vec![("topic", said.text("topic"))];
            let path = format!("/mqtt/retainer/messages{}", said.paged(more));
            vec![Call::get(path, Show::Rows(table::RETAINED))]
        }
    }
}

fn users(command: &str, it: &str, said: &mut Said<'_>) -> Vec<Call> {
    let all = format!("/authentication/{USERS}/users");
    match command {
        "add" => {
            let body = json!({ "user_id": it, "is_superuser": said.flag("superuser") });
            vec![Call::act("POST", all, it).with(body)]
        }
        "password" => {
            let path = format!("{all}/{}", part(it));
            vec![Call::act("PUT", path, it).with(json!({}))]
        }
        "delete" => delete_each(&all, said),
        _ => {
            let more = vec![("like_user_id", said.text("like"))];
            let path = all + &said.paged(more);
            vec![Call::get(path, Show::Rows(table::USERS))]
        }
    }
}

fn listeners(command: &str, it: &str) -> Call {
    let one = format!("/listeners/{}", part(it));
    match command {
        "list" => Call::get("/listeners".to_owned(), Show::Rows(table::LISTENERS)),
        "show" => Call::get(one, Show::Fields),
        _ => Call::act("POST", format!("{one}/{command}"), it),
    }
}

fn config(command: &str, said: &mut Said<'_>) -> Vec<Call> {
    let names = said.names();
    match command {
        "set" => {
            let mut body = Map::new();
            for assignment in &names {
                let (key, value) = assignment.split_once('=').unwrap_or((assignment, ""));
                body.insert(key.trim().to_owned(), value_of(value.trim()));
            }
            vec![Call {
                method: "PUT",
                path: "/settings".to_owned(),
                body: Some(Value::Object(body)),
                show: Show::Changed,
            }]
        }
        "reset" => names
            .iter()
            .map(|key| Call::act("DELETE", format!("/settings/{}", part(key)), key))
            .collect(),
        _ if names.is_empty() => {
            vec![Call::get(
                "/settings".to_owned(),
                Show::Rows(table::SETTINGS),
            )]
        }
        _ => names
            .iter()
            .map(|key| Call::get(format!("/settings/{}", part(key)), Show::Fields))
            .collect(),
    }
}

/// A number, a switch or a list if it reads like one; otherwise a text.
fn value_of(text: &str) -> Value {
    match Value::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::String(_))) => {
            value
        }
        _ => Value::String(text.to_owned()),
    }
}

fn trace(command: &str, it: &str, said: &mut Said<'_>) -> Vec<Call> {
    let one = format!("/trace/{}", part(it));
    match command {
        "start" => {
            let of = [
                ("client", "clientid"),
                ("topic", "topic"),
                ("address", "ip_address"),
            ];
            let mut body = json!({ "name": it });
            for (option, field) in of {
                if let Some(value) = said.text(option) {
                    body["type"] = field.into();
                    body[field] = value.into();
                }
            }
            vec![Call::act("POST", "/trace".to_owned(), it).with(body)]
        }
        "show" => vec![Call::get(format!("{one}/log?bytes=1048576"), Show::Log)],
        "stop" => vec![Call::act("PUT", format!("{one}/stop"), it)],
        "delete" => delete_each("/trace", said),
        _ => vec![Call::get("/trace".to_owned(), Show::Rows(table::TRACES))],
    }
}
