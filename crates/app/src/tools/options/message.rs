//! Options about messages: what is published, what is subscribed to, how it is printed.

use std::time::Duration;

use super::connection::{packet_property, packet_user};
use super::{CONN, PUB, RR, Row, SUB, Take};
use crate::tools::Tool;
use crate::tools::format::Format;
use crate::tools::said::{Said, said};
use crate::tools::settings::{Into, Payload, Settings, Value};

const fn value(
    names: &'static [&'static str],
    tools: u16,
    name: &'static str,
    take: fn(&mut Settings, Value<'_>) -> Result<(), Said>,
    en: &'static str,
    zh: &'static str,
) -> Row {
    let take = Take::Value(name, take);
    Row {
        names,
        tools,
        take,
        en,
        zh,
    }
}

const fn flag(
    names: &'static [&'static str],
    tools: u16,
    take: fn(&mut Settings),
    en: &'static str,
    zh: &'static str,
) -> Row {
    let take = Take::Flag(take);
    Row {
        names,
        tools,
        take,
        en,
        zh,
    }
}

pub(super) const ROWS: &[Row] = &[
    value(
        &["-t", "--topic"],
        PUB | SUB | RR | CONN,
        "TOPIC",
        topic,
        "Topic; sub may have several, with + and #",
        "主题；sub 可多次使用，可含 + 和 #",
    ),
    value(
        &["-e"],
        RR,
        "TOPIC",
        |s, v| {
            s.response_topic = Some(v.topic()?);
            Ok(())
        },
        "Topic of the response",
        "响应主题",
    ),
    value(
        &["-m", "--message"],
        PUB | RR,
        "MESSAGE",
        |s, v| only(s, Payload::Given(v.bytes())),
        "The message",
        "消息内容",
    ),
    value(
        &["-f", "--file", "--file-read"],
        PUB | RR,
        "FILE",
        |s, v| only(s, Payload::File(v.path())),
        "The message is what this file has",
        "以文件内容作为消息",
    ),
    Row {
        names: &["-s", "--stdin-file", "--stdin"],
        tools: PUB | RR,
        take: Take::Value("", |s, _| only(s, Payload::Stdin)),
        en: "The message is all of standard input",
        zh: "以整个标准输入作为消息",
    },
    Row {
        names: &["-l", "--stdin-line"],
        tools: PUB,
        take: Take::Value("", |s, _| only(s, Payload::Lines)),
        en: "Each line of standard input is a message",
        zh: "标准输入的每一行作为一条消息",
    },
    Row {
        names: &["-n", "--null-message"],
        tools: PUB | RR,
        take: Take::Value("", |s, _| only(s, Payload::Given(Vec::new()))),
        en: "An empty message",
        zh: "空消息",
    },
    value(
        &["-q", "--qos"],
        PUB | SUB | RR | CONN,
        "0|1|2",
        |s, v| {
            s.qos = v.qos()?;
            Ok(())
        },
        "QoS [default: 0]",
        "QoS [默认：0]",
    ),
    flag(
        &["-r", "--retain"],
        PUB,
        |s| s.retain = true,
        "Retain the message",
        "保留消息",
    ),
    value(
        &["--repeat"],
        PUB,
        "COUNT",
        |s, v| {
            s.repeat = v.number(1, u32::MAX)?;
            Ok(())
        },
        "Publish so many times",
        "重复发布的次数",
    ),
    value(
        &["--repeat-delay"],
        PUB,
        "SECONDS",
        repeat_delay,
        "Time between two of these",
        "两次发布之间的间隔",
    ),
    packet_property!(&["--content-type"], PUB | RR, "TYPE", "publish" "content-type", "As -D publish content-type", "同 -D publish content-type"),
    packet_property!(&["--correlation-data"], PUB | RR, "DATA", "publish" "correlation-data", "As -D publish correlation-data", "同 -D publish correlation-data"),
    packet_property!(&["--message-expiry-interval"], PUB | RR, "SECONDS", "publish" "message-expiry-interval", "As -D publish message-expiry-interval", "同 -D publish message-expiry-interval"),
    packet_property!(&["--response-topic"], PUB, "TOPIC", "publish" "response-topic", "As -D publish response-topic", "同 -D publish response-topic"),
    packet_property!(&["--topic-alias"], PUB, "NUMBER", "publish" "topic-alias", "As -D publish topic-alias", "同 -D publish topic-alias"),
    packet_user!(
        &["--user-properties"],
        PUB | RR,
        "publish",
        "A user property of the message",
        "消息的用户属性"
    ),
    packet_property!(&["--subscription-identifier"], SUB, "NUMBER", "subscribe" "subscription-identifier", "As -D subscribe subscription-identifier", "同 -D subscribe subscription-identifier"),
    value(
        &["-U", "--unsubscribe"],
        SUB,
        "TOPIC",
        |s, v| {
            s.unsubscribe_from.push(v.filter()?);
            Ok(())
        },
        "End this subscription; may be repeated",
        "取消该订阅；可重复使用",
    ),
    value(
        &["-T", "--filter-out"],
        SUB,
        "TOPIC",
        |s, v| {
            s.filters_out.push(v.filter()?);
            Ok(())
        },
        "Do not print what matches; may be repeated",
        "不打印匹配的消息；可重复使用",
    ),
    value(
        &["-C"],
        SUB,
        "COUNT",
        |s, v| {
            s.count = Some(v.number(1, u32::MAX)?);
            Ok(())
        },
        "End after so many messages",
        "收到这么多消息后结束",
    ),
    value(
        &["-W"],
        SUB | RR,
        "SECONDS",
        |s, v| {
            s.timeout = Some(Duration::from_secs(v.number(1, u64::from(u32::MAX))?));
            Ok(())
        },
        "End after so many seconds, with exit code 27",
        "这么多秒后结束，退出码 27",
    ),
    flag(
        &["-E"],
        SUB,
        |s| s.exit_when_subscribed = true,
        "End once subscribed",
        "订阅成功后结束",
    ),
    flag(
        &["-R"],
        SUB | RR,
        |s| s.no_retained = true,
        "Do not print retained messages",
        "不打印保留消息",
    ),
    flag(
        &["--retained-only"],
        SUB,
        |s| s.retained_only = true,
        "Print retained messages only, end at the first other one",
        "只打印保留消息，收到其他消息时结束",
    ),
    flag(
        &["--remove-retained"],
        SUB,
        |s| s.remove_retained = true,
        "Remove retained messages that come",
        "删除收到的保留消息",
    ),
    flag(
        &["--retain-as-published"],
        SUB | RR,
        |s| s.retain_as_published = true,
        "Keep the retain flag of messages (MQTT 5)",
        "保持消息原有的保留标志（MQTT 5）",
    ),
    flag(
        &["--no-local", "--no_local"],
        SUB,
        |s| s.no_local = true,
        "No messages of one's own (MQTT 5)",
        "不接收自己发布的消息（MQTT 5）",
    ),
    value(
        &["--retain-handling"],
        SUB,
        "0|1|2",
        |s, v| {
            s.retain_handling = Some(v.number(0, 2)?);
            Ok(())
        },
        "Retained messages: 0 always, 1 if newly subscribed, 2 never (MQTT 5)",
        "保留消息：0 总是发送，1 仅新订阅时，2 不发送（MQTT 5）",
    ),
    value(
        &["--random-filter"],
        SUB,
        "PERCENT",
        random_filter,
        "Print so many of a hundred messages",
        "每百条消息打印的条数",
    ),
    flag(
        &["-v", "--verbose"],
        SUB | RR,
        |s| s.verbose = true,
        "Print the topic, too",
        "同时打印主题",
    ),
    flag(
        &["-N"],
        SUB | RR,
        |s| s.end = b"",
        "No end of line after messages",
        "消息后不换行",
    ),
    value(
        &["-F", "--format"],
        SUB | RR,
        "FORMAT",
        |s, v| {
            s.format = Some(Format::parse(v.0.as_encoded_bytes())?);
            Ok(())
        },
        "%t topic, %p payload, %x in hex, %j and %J JSON, %q %r %l %m, %A %C %D %E %F %P %R %S properties, %I %U @Y @m ... time",
        "%t 主题、%p 内容、%x 十六进制、%j 和 %J JSON、%q %r %l %m、%A %C %D %E %F %P %R %S 属性、%I %U @Y @m ... 时间",
    ),
    flag(
        &["--pretty"],
        SUB | RR,
        |s| s.pretty = true,
        "JSON over several lines",
        "多行 JSON",
    ),
    value(
        &["--file-write"],
        SUB,
        "FILE",
        |s, v| {
            s.into = Some(Into::File(v.path()));
            Ok(())
        },
        "Append to this file instead of printing",
        "追加到该文件，不打印",
    ),
    value(
        &["--file-save"],
        SUB,
        "FOLDER",
        |s, v| {
            s.into = Some(Into::Folder(v.path()));
            Ok(())
        },
        "Each payload in a new file of this folder",
        "每条消息内容存为该目录下的新文件",
    ),
];

fn topic(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    if settings.tool == Tool::Subscribe {
        settings.filters.push(value.filter()?);
    } else {
        settings.topic = Some(value.topic()?);
    }
    Ok(())
}

/// One kind of message.
fn only(settings: &mut Settings, payload: Payload) -> Result<(), Said> {
    if settings.payload.replace(payload).is_some() {
        return Err(said(
            "one message at a time: -m, -f, -s, -l or -n once",
            "每次只能有一种消息：-m、-f、-s、-l、-n 只能用一个",
        ));
    }
    Ok(())
}

fn repeat_delay(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    let secs: f64 = value.number(0.0, 1e9)?;
    settings.repeat_delay = Duration::from_secs_f64(secs);
    Ok(())
}

fn random_filter(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    let percent: f64 = value.number(0.1, 100.0)?;
    // To a thousandth, as the option promises; the range was just checked.
    let all = 1..=1000_u16;
    settings.permille = all
        .rev()
        .find(|n| f64::from(*n) <= percent * 10.0)
        .unwrap_or(1);
    Ok(())
}
