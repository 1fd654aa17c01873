//! Who may come in, and what they may do: several options of mosquitto's at once, for all listeners or for
//! each. Where ours cannot say the same, it says the stricter.

use std::fs;

use broker::admin::authorize::check_rules;

use super::super::plan::{Fate, Plan, Said, resolved};
use super::super::table::{Both, plain};
use super::Old;
use super::listener::{Listener, is_local};

const USERS: &str = "mqtt.bootstrap_users";
const RULES: &str = "mqtt.bootstrap_rules";
const ANONYMOUS: &str = "mqtt.allow_anonymous";

/// Settles what no line says: whether clients without a name come in.
pub(super) fn plan(old: &Old, listeners: &[Listener], plan: &mut Plan) {
    let lets_in = lets_anonymous_in(old, listeners);
    let _ = plan.set(ANONYMOUS, toml::Value::Boolean(lets_in));
}

/// Only if every listener lets them in, and nothing that is not here looked at others.
fn lets_anonymous_in(old: &Old, listeners: &[Listener]) -> bool {
    let usual = is_local(old);
    let means = |said: Option<String>| said.map_or(usual, |word| word == "true");
    let asked_others = old.last("auth_plugin").is_some() || old.last("plugin").is_some();
    let everywhere = if old.is_true("per_listener_settings") {
        let mut open = listeners.iter().filter(|listener| listener.is_open());
        open.all(|listener| means(old.last_of(listener.number, "allow_anonymous")))
    } else {
        means(old.last("allow_anonymous"))
    };
    everywhere && !asked_others
}

/// Judges a line that is about this.
pub(super) fn judge(said: &Said, old: &Old, listeners: &[Listener], plan: &mut Plan) -> bool {
    match &*said.name {
        "allow_anonymous" => {
            let is_so = lets_anonymous_in(old, listeners) == (plain(&said.value) == "true");
            let note = if is_so { guarded() } else { stricter() };
            let fate = if is_so {
                Fate::Translated(vec![ANONYMOUS.to_owned()])
            } else {
                Fate::NoCounterpart
            };
            plan.judge(said, fate, note);
        }
        "per_listener_settings" if plain(&said.value) == "true" => {
            plan.judge(said, Fate::NoCounterpart, for_all());
        }
        "password_file" => users(said, old, plan),
        "acl_file" => rules(said, old, plan),
        _ => return false,
    }
    true
}

fn users(said: &Said, old: &Old, plan: &mut Plan) {
    if plan.settings.contains_key(USERS) {
        return again(said, USERS, plan);
    }
    let path = resolved(&old.home, &plain(&said.value));
    let (value, problem) = match fs::read(&path) {
        Ok(text) => (plan.accompany("passwords", text), None),
        Err(error) => (
            toml::Value::String(path.clone()),
            Some(unreadable(&path, &error)),
        ),
    };
    settle(said, USERS, value, problem, plan);
}

fn rules(said: &Said, old: &Old, plan: &mut Plan) {
    if plan.settings.contains_key(RULES) {
        return again(said, RULES, plan);
    }
    let path = resolved(&old.home, &plain(&said.value));
    let (value, problem) = match fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (text, problem) = readable(text);
            (plan.accompany("rules", text.into_bytes()), problem)
        }
        Err(error) => (
            toml::Value::String(path.clone()),
            Some(unreadable(&path, &error)),
        ),
    };
    settle(said, RULES, value, problem, plan);
}

/// Rules as they are taken here. A file without any lets nobody do anything.
fn readable(text: String) -> (String, Option<Both>) {
    let is_rule = |line: &str| !line.is_empty() && !line.starts_with('#');
    if !text.lines().map(str::trim).any(is_rule) {
        return (text + "\ntopic deny #\n", None);
    }
    let problem = check_rules(&text).err().map(|error| {
        [
            format!("the broker does not start until this is mended in the copy, rules: {error}"),
            format!("在副本 rules 中改正以下问题之前服务器不会启动：{error}"),
        ]
    });
    (text, problem)
}

fn settle(said: &Said, name: &str, value: toml::Value, problem: Option<Both>, plan: &mut Plan) {
    let set = plan.set(name, value);
    let (fate, note) = match (set, problem) {
        (Err(error), _) | (Ok(()), Some(error)) => (Fate::NoCounterpart, error),
        (Ok(()), None) => (Fate::Translated(vec![name.to_owned()]), copied()),
    };
    plan.judge(said, fate, note);
}

/// A second file of the kind.
fn again(said: &Said, name: &str, plan: &mut Plan) {
    let note = [
        format!("{name} is one file for all listeners: put what this one has into it"),
        format!("{name} 只有一个文件，对所有监听器有效：请把该文件的内容合并进去"),
    ];
    plan.judge(said, Fate::NoCounterpart, note);
}

fn copied() -> Both {
    [
        "a copy, taken over at the first start; changes are made in the dashboard from then on"
            .to_owned(),
        "已复制，首次启动时导入；此后请在控制台中修改".to_owned(),
    ]
}

fn unreadable(path: &str, error: &std::io::Error) -> Both {
    [
        format!("{path} could not be read ({error}): the broker does not start until it is there"),
        format!("无法读取 {path}（{error}）：文件就位之前服务器不会启动"),
    ]
}

fn guarded() -> Both {
    [
        "besides, clients without a name come in from local and private addresses only; lan_guard.trusted names further networks. Where there are users, an empty name is the name of nobody".to_owned(),
        "此外，不带用户名的客户端只能来自本机与私有地址；其他网络写入 lan_guard.trusted。有用户时，空用户名视为不存在的用户".to_owned(),
    ]
}

fn stricter() -> Both {
    [
        "one setting for all listeners, and it is off: another listener, or a plugin that is not here, kept somebody out; give the clients users".to_owned(),
        "该设置对所有监听器统一，现为关闭：另一个监听器或没有对应的插件曾拒绝部分客户端；请为客户端建立用户".to_owned(),
    ]
}

fn for_all() -> Both {
    [
        "users, rules and allow_anonymous are the same for all listeners; the strictest was taken: look at the lines below each listener".to_owned(),
        "用户、规则与 allow_anonymous 对所有监听器相同，已取最严格者：请检查各监听器下的设置".to_owned(),
    ]
}
