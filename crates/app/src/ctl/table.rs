//! Answers of the API as tables and lines, with the columns of each kind of thing.

use serde_json::Value;

use crate::columns::{plain, wide};
use crate::text::Text;

/// The widest cell but for the last one's.
const CELL_MAX: usize = 60;

/// A column: what it is called, where its value is, and how it is written.
#[derive(Debug, PartialEq)]
pub(super) struct Column {
    head: [&'static str; 2],
    /// A JSON pointer.
    at: &'static str,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    Bytes,
    /// Milliseconds.
    Span,
    Yes,
}

const fn column(en: &'static str, zh: &'static str, at: &'static str, form: Form) -> Column {
    Column {
        head: [en, zh],
        at,
        form,
    }
}

pub(super) const CLIENTS: &[Column] = &[
    column("CLIENT", "客户端", "/clientid", Form::Text),
    column("USER", "用户", "/username", Form::Text),
    column("ADDRESS", "地址", "/ip_address", Form::Text),
    column("ONLINE", "在线", "/connected", Form::Yes),
    column("MQTT", "MQTT", "/proto_ver", Form::Number),
    column("SUBSCRIPTIONS", "订阅", "/subscriptions_cnt", Form::Number),
    column("QUEUED", "排队", "/mqueue_len", Form::Number),
    column("IN", "流入", "/recv_msg", Form::Number),
    column("OUT", "流出", "/send_msg", Form::Number),
    column("DROPPED", "丢弃", "/send_msg_dropped", Form::Number),
];
pub(super) const SUBSCRIPTIONS: &[Column] = &[
    column("CLIENT", "客户端", "/clientid", Form::Text),
    column("QOS", "QOS", "/qos", Form::Number),
    column("KEPT", "持久", "/durable", Form::Yes),
    column("TOPIC", "主题", "/topic", Form::Text),
];
pub(super) const TOPICS: &[Column] = &[column("TOPIC", "主题", "/topic", Form::Text)];
pub(super) const RETAINED: &[Column] = &[
    column("PUBLISHED", "发布时间", "/publish_at", Form::Text),
    column("QOS", "QOS", "/qos", Form::Number),
    column("BY", "发布者", "/from_clientid", Form::Text),
    column("TOPIC", "主题", "/topic", Form::Text),
];
pub(super) const USERS: &[Column] = &[
    column("USER", "用户", "/user_id", Form::Text),
    column("SUPERUSER", "超级用户", "/is_superuser", Form::Yes),
];
pub(super) const LISTENERS: &[Column] = &[
    column("LISTENER", "监听器", "/id", Form::Text),
    column("RUNS", "运行", "/status/running", Form::Yes),
    column(
        "CONNECTIONS",
        "连接",
        "/status/current_connections",
        Form::Number,
    ),
    column("AT MOST", "上限", "/status/max_connections", Form::Number),
    column("ADDRESSES", "地址", "/addresses", Form::Text),
];
pub(super) const SETTINGS: &[Column] = &[
    column("SETTING", "配置项", "/key", Form::Text),
    column("FROM", "来源", "/origin/from", Form::Text),
    column("WAITS", "待重启", "/pending", Form::Yes),
    column("VALUE", "取值", "/value", Form::Text),
];
pub(super) const TRACES: &[Column] = &[
    column("TRACE", "追踪", "/name", Form::Text),
    column("STATE", "状态", "/status", Form::Text),
    column("OF", "类型", "/type", Form::Text),
    column("CLIENT", "客户端", "/clientid", Form::Text),
    column("TOPIC", "主题", "/topic", Form::Text),
    column("ADDRESS", "地址", "/ip_address", Form::Text),
    column("ENDS", "结束时间", "/end_at", Form::Text),
];
pub(super) const NODE: &[Column] = &[
    column("version", "版本", "/version", Form::Text),
    column("up for", "已运行", "/uptime", Form::Span),
    column("connected", "在线连接", "/live_connections", Form::Number),
    column("sessions", "会话", "/connections", Form::Number),
    column("memory", "内存", "/resident_bytes", Form::Bytes),
    column("open files", "打开文件", "/open_files", Form::Number),
    column("open files at most", "文件上限", "/max_fds", Form::Number),
    column("disk free", "磁盘可用", "/disk/free", Form::Bytes),
    column("disk", "磁盘总量", "/disk/total", Form::Bytes),
];
pub(super) const CURRENT: &[Column] = &[
    column(
        "messages in per s",
        "每秒流入",
        "/received_msg_rate",
        Form::Number,
    ),
    column(
        "messages out per s",
        "每秒流出",
        "/sent_msg_rate",
        Form::Number,
    ),
    column(
        "dropped per s",
        "每秒丢弃",
        "/dropped_msg_rate",
        Form::Number,
    ),
    column("subscriptions", "订阅", "/subscriptions", Form::Number),
    column(
        "retained messages",
        "保留消息",
        "/retained_msg_count",
        Form::Number,
    ),
];

impl Column {
    fn cell(&self, row: &Value, text: Text) -> String {
        let value = row.pointer(self.at).unwrap_or(&Value::Null);
        match self.form {
            Form::Yes => {
                let is_so = value.as_bool().unwrap_or(false);
                if is_so {
                    text.pick("yes", "是")
                } else {
                    text.pick("no", "否")
                }
                .to_owned()
            }
            Form::Bytes => value
                .as_f64()
                .map_or_else(String::new, |n| format!("{:.1} MB", n / 1e6)),
            Form::Span => text.span(value.as_u64().unwrap_or(0) / 1000),
            Form::Text | Form::Number => written(value),
        }
    }

    fn is_right(&self) -> bool {
        matches!(self.form, Form::Number | Form::Bytes)
    }
}

/// A value without quotes; a list with commas between.
fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().map(written).collect::<Vec<_>>().join(", "),
        other => plain(&other.to_string()),
    }
}

/// A head and a line for each row, as wide as it takes.
pub(super) fn rows(columns: &[Column], rows: &[Value], text: Text) -> String {
    let head = |column: &Column| text.pick(column.head[0], column.head[1]).to_owned();
    let mut lines = vec![columns.iter().map(head).collect::<Vec<_>>()];
    for row in rows {
        lines.push(
            columns
                .iter()
                .map(|column| column.cell(row, text))
                .collect(),
        );
    }
    let width = |at: usize| {
        let widest = lines.iter().map(|line| wide(&line[at])).max();
        widest.unwrap_or(0).min(CELL_MAX)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut page = String::new();
    for line in &lines {
        let mut shown = String::new();
        for ((cell, column), width) in line.iter().zip(columns).zip(&widths) {
            let gap = " ".repeat(width.saturating_sub(wide(cell)));
            if !shown.is_empty() {
                shown += "  ";
            }
            shown += &if column.is_right() {
                gap + cell
            } else {
                cell.clone() + &gap
            };
        }
        page += shown.trim_end();
        page.push('\n');
    }
    page
}

/// A line for each column that the object has.
pub(super) fn lines(columns: &[Column], object: &Value, text: Text) -> String {
    let named = columns.iter().filter(|column| {
        let value = object.pointer(column.at);
        value.is_some_and(|value| !value.is_null())
    });
    let named = named.map(|column| {
        let name = text.pick(column.head[0], column.head[1]);
        (name.to_owned(), column.cell(object, text))
    });
    aligned(&named.collect::<Vec<_>>())
}

/// A line for each field.
pub(super) fn fields(object: &Value) -> String {
    let Some(fields) = object.as_object() else {
        return written(object) + "\n";
    };
    let named = fields
        .iter()
        .map(|(name, value)| (name.clone(), written(value)));
    aligned(&named.collect::<Vec<_>>())
}

fn aligned(named: &[(String, String)]) -> String {
    let width = named.iter().map(|(name, _)| wide(name)).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| {
        let gap = " ".repeat(width - wide(name));
        format!("{name}{gap}  {value}").trim_end().to_owned() + "\n"
    };
    named.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_and_lines() {
        let text = Text::from_env(|_| None);
        let users = [
            json!({"user_id": "anna", "is_superuser": true}),
            json!({"user_id": "温度\u{1b}[2J", "is_superuser": false}),
        ];
        assert_eq!(
            rows(USERS, &users, text),
            "USER      SUPERUSER\nanna      yes\n温度?[2J  no\n"
        );
        assert_eq!(rows(USERS, &[], text), "USER  SUPERUSER\n");
        let listener = json!({"id": "tcp:default", "addresses": ["a", "b"],
            "status": {"running": true, "current_connections": 2, "max_connections": "infinity"}});
        let zh = Text::from_env(|_| Some("zh_CN".to_owned()));
        assert_eq!(
            rows(LISTENERS, &[listener], zh),
            "监听器       运行  连接      上限  地址\ntcp:default  是       2  infinity  a, b\n"
        );
        let node = json!({"version": "1.2", "uptime": 61_000, "disk": {"free": 1_500_000}});
        assert_eq!(
            lines(NODE, &node, text),
            "version    1.2\nup for     1 min\ndisk free  1.5 MB\n"
        );
        assert_eq!(fields(&json!({"a": 1, "long": null})), "a     1\nlong\n");
    }
}
