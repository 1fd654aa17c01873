//! What `top` shows: a few lines about the broker, then tables as far as the screen goes.

use serde_json::Value;

use crate::columns::{cut, plain, wide};
use crate::text::Text;

/// One look at the broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub(super) current: Value,
    pub(super) node: Value,
    pub(super) clients: Vec<Client>,
    pub(super) topics: Vec<Topic>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) user: String,
    pub(super) address: String,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) queued: u64,
    pub(super) dropped: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) rate: f64,
    pub(super) count: u64,
}

impl Client {
    pub(super) fn read(row: &Value) -> Self {
        let number = |key: &str| row[key].as_u64().unwrap_or(0);
        let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Self {
            id: word("clientid"),
            user: word("username"),
            address: word("ip_address"),
            received: number("recv_msg"),
            sent: number("send_msg"),
            queued: number("mqueue_len"),
            dropped: number("mqueue_dropped"),
        }
    }
}

/// Columns and lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) lines: usize,
}

/// The page, line by line; rates of clients are what came between the two looks.
pub(super) fn page(before: &Look, now: &Look, secs: f64, size: Size, text: Text) -> Vec<String> {
    let number = |of: &Value, key: &str| of[key].as_i64().unwrap_or(0).to_string();
    let mut lines = Vec::new();
    let (node, current) = (&now.node, &now.current);
    let version = node["version"].as_str().unwrap_or_default();
    let uptime = text.span(node["uptime"].as_u64().unwrap_or(0) / 1000);
    let memory = node["resident_bytes"].as_f64().unwrap_or(0.0) / 1e6;
    lines.push(text.pick(
        format!("TernMQ {version}, up {uptime}, {memory:.1} MB"),
        format!("TernMQ {version}，已运行 {uptime}，内存 {memory:.1} MB"),
    ));
    let connections = number(current, "live_connections");
    let sessions = number(current, "connections");
    let subscriptions = number(current, "subscriptions");
    let retained = number(current, "retained_msg_count");
    lines.push(text.pick(
        format!("{connections} connected of {sessions} clients, {subscriptions} subscriptions, {retained} retained messages"),
        format!("{sessions} 个客户端中 {connections} 个在线，订阅 {subscriptions}，保留消息 {retained}"),
    ));
    let (received, sent, dropped) = (
        number(current, "received_msg_rate"),
        number(current, "sent_msg_rate"),
        number(current, "dropped_msg_rate"),
    );
    lines.push(text.pick(
        format!("messages: {received}/s in, {sent}/s out, {dropped}/s dropped"),
        format!("消息：流入 {received}/秒，流出 {sent}/秒，无人订阅或丢失 {dropped}/秒"),
    ));
    // Two heads and two empty lines; clients get what topics leave.
    let room = size.lines.saturating_sub(lines.len() + 5);
    let topics = now.topics.len().min(room / 3);
    lines.push(String::new());
    clients(before, now, secs, room - topics, &mut lines, text);
    lines.push(String::new());
    let heads = text.pick(
        ["TOPICS BELOW", "PER S", "MESSAGES"],
        ["主题", "每秒", "消息"],
    );
    lines.push(row(&[(heads[0], -46), (heads[1], 10), (heads[2], 12)]));
    for topic in now.topics.iter().take(topics) {
        let (rate, count) = (format!("{:.1}", topic.rate), topic.count.to_string());
        lines.push(row(&[(&topic.name, -46), (&rate, 10), (&count, 12)]));
    }
    lines.iter().map(|line| cut(line, size.columns)).collect()
}

fn clients(before: &Look, now: &Look, secs: f64, most: usize, lines: &mut Vec<String>, text: Text) {
    let known: std::collections::HashMap<&str, &Client> = before
        .clients
        .iter()
        .map(|client| (&*client.id, client))
        .collect();
    let mut rows: Vec<(f64, f64, &Client)> = now
        .clients
        .iter()
        .map(|client| {
            // One that came meanwhile began with nothing.
            let then = known
                .get(&*client.id)
                .map_or((0, 0), |c| (c.received, c.sent));
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / secs;
            let (received, sent) = (rate(client.received, then.0), rate(client.sent, then.1));
            (received, sent, client)
        })
        .collect();
    rows.sort_by(|a, b| {
        (b.0 + b.1)
            .total_cmp(&(a.0 + a.1))
            .then_with(|| a.2.id.cmp(&b.2.id))
    });
    let heads = text.pick(
        [
            "CLIENT", "USER", "ADDRESS", "IN/S", "OUT/S", "QUEUED", "DROPPED",
        ],
        [
            "客户端",
            "用户",
            "地址",
            "流入/秒",
            "流出/秒",
            "排队",
            "丢失",
        ],
    );
    let widths = [-24, -12, -16, 9, 9, 8, 8];
    let line = |cells: [&str; 7]| {
        let cells: Vec<(&str, i8)> = cells.into_iter().zip(widths).collect();
        row(&cells)
    };
    lines.push(line(heads));
    for (received, sent, client) in rows.into_iter().take(most) {
        lines.push(line([
            &client.id,
            &client.user,
            &client.address,
            &format!("{received:.1}"),
            &format!("{sent:.1}"),
            &client.queued.to_string(),
            &client.dropped.to_string(),
        ]));
    }
}

/// Cells of these widths, those below 0 to the left. What is too long is cut; the names are other
/// people's, so what a terminal would obey is not shown.
fn row(cells: &[(&str, i8)]) -> String {
    let mut line = String::new();
    for (at, (cell, width)) in cells.iter().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        let room = usize::from(width.unsigned_abs());
        let shown = cut(&plain(cell), room);
        let gap = " ".repeat(room.saturating_sub(wide(&shown)));
        line += &if *width < 0 {
            shown + &gap
        } else {
            gap + &shown
        };
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SIZE: Size = Size {
        columns: 80,
        lines: 24,
    };

    fn client(id: &str, received: u64, sent: u64) -> Client {
        Client {
            id: id.to_owned(),
            received,
            sent,
            ..Client::default()
        }
    }

    #[test]
    fn who_says_most_comes_first() {
        let text = Text::from_env(|_| None);
        let before = Look {
            clients: vec![client("a", 100, 0), client("b", 100, 0)],
            ..Look::default()
        };
        let now = Look {
            current: json!({ "live_connections": 3, "received_msg_rate": 7 }),
            node: json!({ "uptime": 3_720_000, "resident_bytes": 12_300_000 }),
            clients: vec![
                client("a", 110, 0),
                client("b", 300, 20),
                client("c", 40, 0),
            ],
            topics: vec![Topic {
                name: "温度".to_owned(),
                rate: 3.25,
                count: 12,
            }],
        };
        let page = page(&before, &now, 2.0, SIZE, text);
        assert_eq!(page[0], "TernMQ , up 1 h 2 min, 12.3 MB");
        assert!(page[2].contains("7/s in"), "{page:?}");
        let order: Vec<char> = page[5..8]
            .iter()
            .filter_map(|line| line.chars().next())
            .collect();
        assert_eq!(order, ['b', 'c', 'a']);
        assert!(
            page[5].contains("100.0") && page[5].contains("10.0"),
            "{}",
            page[5]
        );
        assert!(
            page.last().unwrap().ends_with("3.2           12"),
            "{page:?}"
        );
        assert!(page.len() <= SIZE.lines);
    }

    #[test]
    fn a_terminal_is_told_nothing_by_strangers() {
        let line = row(&[("a\x1b[2J\n\u{202E}b", -12), ("一二三四", -5), ("x", 3)]);
        assert_eq!(line, "a?[2J??b     一二    x");
        assert_eq!(cut("一二三", 4), "一二");
    }

    #[test]
    fn small_screens_are_not_overrun() {
        let text = Text::from_env(|_| Some("zh_CN.UTF-8".to_owned()));
        let many = Look {
            clients: (0..500)
                .map(|n| client(&format!("客户端-{n}"), n, n))
                .collect(),
            topics: vec![Topic::default(); 500],
            ..Look::default()
        };
        for lines in [1, 8, 9, 24] {
            let size = Size { columns: 20, lines };
            let page = page(&Look::default(), &many, 1.0, size, text);
            assert!(page.len() <= lines.max(8), "{lines}: {}", page.len());
            assert!(page.iter().all(|line| wide(line) <= 20));
        }
    }
}
