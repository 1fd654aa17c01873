//! Options of mosquitto's whose value is a word with a meaning of its own: where the log goes, what is in
//! it, and the versions of TLS.

use super::super::plan::{Fate, Plan, Said, resolved};
use super::super::table::{Both, plain};
use super::{Old, listener::Listener};

const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];

/// Judges a line that is about this.
pub(super) fn judge(said: &Said, old: &Old, listener: Option<&Listener>, plan: &mut Plan) -> bool {
    match &*said.name {
        "log_dest" => log_dest(said, old, plan),
        "log_type" => log_type(said, plan),
        "tls_version" => {
            let Some(listener) = listener else {
                return false;
            };
            tls_version(said, &listener.section(), plan);
        }
        _ => return false,
    }
    true
}

fn log_dest(said: &Said, old: &Old, plan: &mut Plan) {
    let value = plain(&said.value);
    let (word, rest) = value.split_once(' ').unwrap_or((&value, ""));
    let note = match word {
        "file" => {
            let path = toml::Value::String(resolved(&old.home, rest.trim()));
            return put(said, "log.file", path, rotated(), plan);
        }
        "stdout" | "stderr" | "syslog" => {
            let note = both(
                "the log goes to standard error; under systemd that is the journal, and syslog has it from there",
                "日志写到标准错误输出；在 systemd 下即 journal，syslog 可从中读取",
            );
            return plan.judge(said, Fate::NotNeeded, note);
        }
        "topic" => both(
            "the log is not published: the dashboard shows it live, GET /api/v5/logs gives its last lines; $SYS/brokers/NODE/... tells of clients that come and go",
            "日志不发布到主题：控制台实时显示，GET /api/v5/logs 返回最近的日志；客户端上下线发布在 $SYS/brokers/节点/...",
        ),
        "none" => both(
            "the log cannot be switched off: log.level = \"error\" leaves the least, and standard error may go to /dev/null",
            "日志不能完全关闭：log.level = \"error\" 只留最少的内容，标准错误输出可重定向到 /dev/null",
        ),
        _ => both(
            "there is standard error (the journal under systemd) and log.file",
            "可用标准错误输出（systemd 下即 journal）与 log.file",
        ),
    };
    plan.judge(said, Fate::NoCounterpart, note);
}

/// Each line adds a kind; ours is the least important one of all.
fn log_type(said: &Said, plan: &mut Plan) {
    let wanted = match &*plain(&said.value) {
        "error" | "none" => 0,
        "warning" => 1,
        "notice" | "information" | "subscribe" | "unsubscribe" | "websockets" => 2,
        "debug" | "all" => 3,
        _ => {
            let note = both(
                "log.level is error, warn, info, debug or trace",
                "log.level 取 error、warn、info、debug 或 trace",
            );
            return plan.judge(said, Fate::NoCounterpart, note);
        }
    };
    let before = plan.settings.get("log.level").and_then(toml::Value::as_str);
    let before = LEVELS.iter().position(|level| Some(*level) == before);
    let level = LEVELS[before.unwrap_or(0).max(wanted)];
    put(
        said,
        "log.level",
        toml::Value::String(level.to_owned()),
        Both::default(),
        plan,
    );
}

/// The oldest version.
fn tls_version(said: &Said, section: &str, plan: &mut Plan) {
    let newest = "tlsv1.3";
    let (versions, note) = match &*plain(&said.value) {
        "tlsv1.3" => (vec![newest], Both::default()),
        "tlsv1.2" => (vec![newest, "tlsv1.2"], Both::default()),
        _ => {
            let note = both(
                "only TLS 1.2 and 1.3 are spoken: clients that know no newer one than 1.1 have to be renewed",
                "只支持 TLS 1.2 与 1.3：只会 1.1 及更早版本的客户端需要更新",
            );
            return plan.judge(said, Fate::NoCounterpart, note);
        }
    };
    let versions = versions
        .into_iter()
        .map(|v| toml::Value::String(v.to_owned()));
    let name = format!("{section}.ssl_options.versions");
    put(
        said,
        &name,
        toml::Value::Array(versions.collect()),
        note,
        plan,
    );
}

fn put(said: &Said, name: &str, value: toml::Value, note: Both, plan: &mut Plan) {
    match plan.set(name, value) {
        Ok(()) => plan.judge(said, Fate::Translated(vec![name.to_owned()]), note),
        Err(error) => plan.judge(said, Fate::NoCounterpart, error),
    }
}

fn rotated() -> Both {
    both(
        "rotated by itself at log.max_size; log.max_files are kept",
        "达到 log.max_size 时自动轮转，保留 log.max_files 个文件",
    )
}

fn both(en: &str, zh: &str) -> Both {
    [en.to_owned(), zh.to_owned()]
}
