//! EMQX's configuration: every value of it by its path, and what it says of who may come in and do what,
//! which are several values at once. Everything else is in the table.

mod hocon;

use std::{
    fs,
    path::{Path, PathBuf},
};

use broker::admin::authorize::check_rules;
use serde_json::Value;

use super::plan::{Fate, Plan, Said};
use super::table::{Both, Table, plain};
use hocon::{Kind, Node};

const ROWS: &str = include_str!("rows.toml");
const RULES: &str = "mqtt.bootstrap_rules";
const ANONYMOUS: &str = "mqtt.allow_anonymous";
/// Certificates that EMQX comes with: everybody has their keys.
const EXAMPLES: [&str; 3] = ["certs/key.pem", "certs/cert.pem", "certs/cacert.pem"];

/// Migrates a file.
///
/// # Errors
/// What is wrong with it, with file and line.
pub(super) fn migrate(file: &Path, plan: &mut Plan) -> Result<(), String> {
    let root = hocon::read(file)?;
    let table = Table::read(ROWS);
    let home = file.parent().map(Path::to_owned).unwrap_or_default();
    let mut all = Vec::new();
    flatten(&root, String::new(), &mut all);
    for said in &all {
        let judged = certificate(said, &home, plan) || words(said, &home, plan);
        if !judged {
            plan.follow(&table, said, "", &home);
        }
    }
    let asks = asks_who(&root);
    let _ = plan.set(ANONYMOUS, toml::Value::Boolean(!asks));
    rules(&root, &home, plan);
    Ok(())
}

/// Every value by its path; objects in a list have its number in theirs.
fn flatten(node: &Node, name: String, into: &mut Vec<Said>) {
    let below = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    match &node.kind {
        Kind::Object(fields) if !fields.is_empty() => {
            for (part, node) in fields {
                flatten(node, below(part), into);
            }
        }
        Kind::Array(items)
            if items
                .iter()
                .any(|item| matches!(item.kind, Kind::Object(_))) =>
        {
            for (number, item) in items.iter().enumerate() {
                flatten(item, below(&number.to_string()), into);
            }
        }
        // A file without anything in it.
        Kind::Object(_) if name.is_empty() => {}
        _ => into.push(Said {
            name,
            value: node.value(),
            file: node.file.clone(),
            line: node.line,
        }),
    }
}

/// A certificate or key of a listener: from where it is now, and never one that everybody has.
fn certificate(said: &Said, home: &Path, plan: &mut Plan) -> bool {
    let parts: Vec<&str> = said.name.split('.').collect();
    let [
        "listeners",
        kind @ ("ssl" | "wss"),
        name,
        "ssl_options" | "ssl",
        key,
    ] = parts[..]
    else {
        return false;
    };
    if !["certfile", "keyfile", "cacertfile"].contains(&key) {
        return false;
    }
    let path = plain(&said.value);
    if EXAMPLES.iter().any(|example| path.ends_with(example)) {
        let note = [
            "EMQX's example, whose key everybody has: TernMQ makes a certificate of its own (GET /api/v5/certificate)",
            "这是 EMQX 自带的示例，其私钥人人皆知：TernMQ 会自动生成证书（GET /api/v5/certificate）",
        ];
        plan.judge(said, Fate::NotNeeded, note.map(str::to_owned));
        return true;
    }
    let found = found(home, &path);
    let setting = format!("listeners.{kind}.{name}.ssl_options.{key}");
    let shown = found.display().to_string();
    match plan.set(&setting, toml::Value::String(shown.clone())) {
        Err(error) => plan.judge(said, Fate::NoCounterpart, error),
        Ok(()) if found.exists() => {
            plan.judge(said, Fate::Translated(vec![setting]), Both::default());
        }
        Ok(()) => {
            let note = [
                format!(
                    "{shown} is not here: the broker does not start until it is, or {setting} names another"
                ),
                format!("{shown} 不存在：文件就位或 {setting} 改为其他文件之前，服务器不会启动"),
            ];
            plan.judge(said, Fate::NoCounterpart, note);
        }
    }
    true
}

/// A path of EMQX's, which begins in the folder above `etc`, or in a package's own.
fn found(home: &Path, path: &str) -> PathBuf {
    let mut path = path.to_owned();
    for variable in ["${EMQX_ETC_DIR}", "$EMQX_ETC_DIR", "{{ platform_etc_dir }}"] {
        path = path.replace(variable, "etc");
    }
    let inner = path.strip_prefix("etc/").unwrap_or(&path);
    let tried = [
        home.join(&path),
        home.join("..").join(&path),
        home.join(inner),
    ];
    let there = tried.iter().find(|tried| tried.exists());
    let chosen = there.unwrap_or(&tried[2]);
    std::path::absolute(chosen).unwrap_or_else(|_| chosen.clone())
}

/// Values with a meaning of their own: where the log goes.
fn words(said: &Said, home: &Path, plan: &mut Plan) -> bool {
    let parts: Vec<&str> = said.name.split('.').collect();
    let ["log", handler, rest @ ..] = &parts[..] else {
        return false;
    };
    let is_file = matches!(
        (*handler, rest),
        ("file_handlers", [_, "file"]) | ("file", ["to" | "path"])
    );
    if !is_file {
        return false;
    }
    let path = found(home, &plain(&said.value)).display().to_string();
    let note = [
        "only if it is to be so: EMQX's file is not written to; without log.file the log goes to standard error, under systemd to the journal",
        "如需写入文件请设置 log.file；不沿用 EMQX 的文件。未设置时日志写到标准错误输出，在 systemd 下即 journal",
    ];
    let [en, zh] = note.map(|note| format!("{note} ({path})"));
    plan.judge(said, Fate::NotNeeded, [en, zh]);
    true
}

/// Whether clients had to show who they are.
fn asks_who(root: &Node) -> bool {
    let is_on = |one: &Node| {
        one.get(&["enable"])
            .is_none_or(|on| on.value() != Value::Bool(false))
    };
    let asks = |node: &Node| match &node.kind {
        Kind::Array(items) => items.iter().any(is_on),
        Kind::Object(fields) => !fields.is_empty() && is_on(node),
        _ => false,
    };
    let listeners = root.get(&["listeners"]);
    let mut of_listeners = Vec::new();
    if let Some(listeners) = listeners {
        flatten(listeners, String::new(), &mut of_listeners);
    }
    root.get(&["authentication"]).is_some_and(asks)
        || of_listeners
            .iter()
            .any(|said| said.name.contains(".authentication."))
}

/// One file of rules from all that is said: EMQX's own rules, and the end that the rest comes to.
fn rules(root: &Node, home: &Path, plan: &mut Plan) {
    let sources = match root
        .get(&["authorization", "sources"])
        .map(|node| &node.kind)
    {
        Some(Kind::Array(items)) => &items[..],
        _ => &[],
    };
    let is_on = |one: &&Node| {
        one.get(&["enable"])
            .is_none_or(|on| on.value() != Value::Bool(false))
    };
    let kind = |one: &Node| one.get(&["type"]).map(|kind| plain(&kind.value()));
    let (files, others): (Vec<&Node>, Vec<&Node>) = sources
        .iter()
        .filter(is_on)
        .partition(|one| kind(one).as_deref() == Some("file"));
    let no_match = root.get(&["authorization", "no_match"]);
    let denies = no_match.is_some_and(|node| plain(&node.value()) == "deny") || !others.is_empty();
    if files.is_empty() && !denies {
        return;
    }
    let mut text = String::new();
    for file in &files {
        let Some(path) = file.get(&["path"]) else {
            continue;
        };
        let path = found(home, &plain(&path.value()));
        match fs::read_to_string(&path) {
            Ok(read) => text += &(read + "\n"),
            Err(error) => {
                let said = Said {
                    name: "authorization.sources".to_owned(),
                    value: Value::String(path.display().to_string()),
                    file: file.file.clone(),
                    line: file.line,
                };
                plan.judge(&said, Fate::NoCounterpart, unread(&path, &error));
                // Whatever it denied is denied.
                text += "{deny, all}.\n";
            }
        }
    }
    let ends = text
        .lines()
        .any(|line| line.trim_start().starts_with("{allow, all}"));
    if denies && !ends {
        text += "{deny, all}.\n";
    }
    if let Err(error) = check_rules(&text) {
        let said = Said {
            name: "authorization.sources".to_owned(),
            value: Value::String("acl.conf".to_owned()),
            file: root.file.clone(),
            line: root.line,
        };
        plan.judge(&said, Fate::NoCounterpart, unreadable(&error));
    }
    let value = plan.accompany("rules", text.into_bytes());
    // A path is always taken.
    let _ = plan.set(RULES, value);
}

fn unread(path: &Path, error: &std::io::Error) -> Both {
    let path = path.display();
    [
        format!(
            "{path} could not be read ({error}): in its place stands a rule that denies everything; put its rules into the file rules"
        ),
        format!(
            "无法读取 {path}（{error}）：已用一条拒绝一切的规则代替；请把其中的规则写入文件 rules"
        ),
    ]
}

fn unreadable(error: &str) -> Both {
    [
        format!("the broker does not start until this is mended in the file rules: {error}"),
        format!("在文件 rules 中改正以下问题之前服务器不会启动：{error}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::plan::is;

    #[test]
    fn the_table_holds() {
        super::super::tests::check(ROWS, "");
    }

    fn migrated(name: &str, text: &str) -> Plan {
        let folder =
            std::env::temp_dir().join(format!("ternmq-emqx-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("etc")).unwrap();
        let file = folder.join("etc").join("emqx.conf");
        fs::write(&file, text).unwrap();
        fs::write(
            folder.join("etc").join("acl.conf"),
            "{deny, all, subscribe, [\"x\"]}.\n",
        )
        .unwrap();
        let mut plan = Plan::new(folder.clone());
        migrate(&file, &mut plan).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        plan
    }

    #[test]
    fn values_become_settings() {
        let plan = migrated(
            "values",
            "listeners.tcp.default { bind = \"0.0.0.0:1884\", max_connections = infinity }\n\
             listeners.ssl.a_b { bind = 8884, ssl_options { certfile = \"etc/certs/cert.pem\"\n\
             versions = [\"tlsv1.3\", \"tlsv1.1\"] } }\n\
             mqtt { max_packet_size = 2MB, keepalive_backoff = 0.75, session_expiry_interval = 2h }\n\
             node.cookie = secret\n\
             zones.z.mqtt.max_inflight = 5\n",
        );
        assert_eq!(is(&plan, "listeners.tcp.default.bind"), "\"0.0.0.0:1884\"");
        assert_eq!(
            is(&plan, "listeners.tcp.default.max_connections"),
            "\"none\""
        );
        assert_eq!(is(&plan, "listeners.ssl.a_b.bind"), "8884");
        assert_eq!(is(&plan, "listeners.ssl.a_b.ssl_options.certfile"), "-");
        assert_eq!(
            is(&plan, "listeners.ssl.a_b.ssl_options.versions"),
            "[\"tlsv1.3\"]"
        );
        assert_eq!(is(&plan, "mqtt.max_packet_size"), "\"2MB\"");
        assert_eq!(is(&plan, "mqtt.keepalive_multiplier"), "1.5");
        assert_eq!(is(&plan, "mqtt.session_expiry"), "\"2h\"");
        assert_eq!(is(&plan, "mqtt.allow_anonymous"), "true");
        assert_eq!(is(&plan, RULES), "-");
        let cookie = plan
            .verdicts
            .iter()
            .find(|v| v.said.name == "node.cookie")
            .unwrap();
        assert!(cookie.is_secret);
        assert_eq!(plan.verdicts.len(), 10);
    }

    /// Whoever came in, or could do something, only because of what is not here, cannot any more.
    #[test]
    fn doors_stay_shut() {
        let on = "authentication = [{mechanism = password_based, backend = built_in_database}]\n";
        assert_eq!(is(&migrated("asks", on), ANONYMOUS), "false");
        let off = "authentication = [{enable = false}]\n";
        assert_eq!(is(&migrated("off", off), ANONYMOUS), "true");
        let rules = |name: &str, text: &str| {
            let plan = migrated(name, text);
            plan.companions
                .first()
                .map(|c| String::from_utf8(c.text.clone()).unwrap())
        };
        let file = "sources = [{type = file, enable = true, path = \"etc/acl.conf\"}]";
        let allowed = rules(
            "file",
            &format!("authorization {{ no_match = allow, {file} }}"),
        )
        .unwrap();
        assert_eq!(allowed, "{deny, all, subscribe, [\"x\"]}.\n\n");
        let denied = rules(
            "deny",
            &format!("authorization {{ no_match = deny, {file} }}"),
        )
        .unwrap();
        assert!(denied.ends_with("\n{deny, all}.\n"));
        let others = rules("others", "authorization.sources = [{type = mysql}]").unwrap();
        assert_eq!(others, "{deny, all}.\n");
        let missing = "authorization.sources = [{type = file, path = \"etc/other.conf\"}]";
        assert_eq!(rules("missing", missing).unwrap(), "{deny, all}.\n");
        assert_eq!(rules("none", "authorization.no_match = allow"), None);
    }
}
