//! Options of `bench`: how many, how much, how fast, how long.

use std::time::Duration;

use super::{BENCH, BENCH_PUB, BENCH_SUB, LATENCY, Row, Take};
use crate::tools::said::Said;
use crate::tools::settings::{Settings, Value};

/// Topics and clients are numbered in 32 bits, and nobody has more ports.
const CLIENTS_MAX: usize = 1_000_000;
const TRAFFIC: u16 = BENCH_PUB | BENCH_SUB | LATENCY;

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

pub(super) const ROWS: &[Row] = &[
    value(
        &["--clients", "--count"],
        BENCH,
        "COUNT",
        |s, v| {
            s.load.clients = Some(v.number(1, CLIENTS_MAX)?);
            Ok(())
        },
        "Publishers of pub, subscribers of sub, as many of each for latency, connections of conn [default: 10, conn 100]",
        "pub 的发布者数、sub 的订阅者数、latency 两者各有的数量、conn 的连接数 [默认：10，conn 为 100]",
    ),
    value(
        &["--publishers"],
        TRAFFIC,
        "COUNT",
        |s, v| {
            s.load.publishers = Some(v.number(0, CLIENTS_MAX)?);
            Ok(())
        },
        "Publishers, if not as many as --clients says",
        "发布者数量（与 --clients 不同时）",
    ),
    value(
        &["--subscribers"],
        TRAFFIC,
        "COUNT",
        |s, v| {
            s.load.subscribers = Some(v.number(0, CLIENTS_MAX)?);
            Ok(())
        },
        "Subscribers; pub has none unless told, and then counts what is lost, doubled or out of order",
        "订阅者数量；pub 默认没有，指定后会统计丢失、重复和乱序",
    ),
    value(
        &["-t", "--topic"],
        TRAFFIC,
        "TOPIC",
        |s, v| {
            s.topic = Some(v.owned()?);
            Ok(())
        },
        "Topic: %i is the number of the client, %c its id, %u the user name, %r the run [default: ternmq/bench/%r/%i]",
        "主题：%i 为客户端序号，%c 为其 ID，%u 为用户名，%r 为本次运行 [默认：ternmq/bench/%r/%i]",
    ),
    value(
        &["--filter"],
        TRAFFIC,
        "FILTER",
        |s, v| {
            s.load.filter = Some(v.owned()?);
            Ok(())
        },
        "What subscribers subscribe to, with the same placeholders, + and #, $share [default: a topic each]",
        "订阅者的主题过滤器，占位符同上，可用 +、#、$share [默认：每个订阅一个主题]",
    ),
    value(
        &["-q", "--qos"],
        TRAFFIC,
        "0|1|2",
        |s, v| {
            s.qos = v.qos()?;
            Ok(())
        },
        "QoS [default: 0]",
        "QoS [默认：0]",
    ),
    value(
        &["--size", "--payload-size"],
        TRAFFIC,
        "BYTES",
        |s, v| {
            s.load.payload_bytes = v.number(1, 256 << 20)?;
            Ok(())
        },
        "Bytes of each message, 24 at least [default: 64]",
        "每条消息的字节数，至少 24 [默认：64]",
    ),
    value(
        &["--rate"],
        TRAFFIC,
        "MESSAGES",
        |s, v| {
            s.load.rate = Some(v.number(0.001, 1e9)?);
            Ok(())
        },
        "Messages a second of all publishers, by the clock, whatever the broker does [default: latency 1000, others as fast as the window allows]",
        "全部发布者每秒的消息总数，按时钟发送，不受服务器快慢影响 [默认：latency 为 1000，其余按窗口全速]",
    ),
    value(
        &["--ramp"],
        TRAFFIC,
        "SECONDS",
        |s, v| {
            s.load.ramp = seconds(v, 0.0)?;
            Ok(())
        },
        "Let the rate grow from nothing for so long",
        "用这么长时间从零升到该速率",
    ),
    value(
        &["--window"],
        TRAFFIC,
        "MESSAGES",
        |s, v| {
            s.load.window = Some(v.number(1, 1_000_000)?);
            Ok(())
        },
        "Without --rate: so many messages of a publisher are on their way to the subscribers at once [default: 1000, and 10000 deliveries of all together]",
        "不用 --rate 时，每个发布者同时在途的消息数 [默认：1000，且全部合计不超过 10000 次投递]",
    ),
    value(
        &["--duration"],
        BENCH,
        "SECONDS",
        |s, v| {
            s.load.duration = seconds(v, 0.1)?;
            Ok(())
        },
        "How long, once all are connected [default: 10]; rates and latency are from the middle eight tenths",
        "全部连接后运行多久 [默认：10]；速率与延迟取中间八成",
    ),
    value(
        &["--connect-rate"],
        BENCH,
        "CONNECTIONS",
        |s, v| {
            s.load.connect_rate = Some(v.number(0.1, 1e6)?);
            Ok(())
        },
        "Connect so many a second [default: as fast as the broker answers]",
        "每秒建立的连接数 [默认：服务器应答多快就多快]",
    ),
    value(
        &["--threads"],
        BENCH,
        "COUNT",
        |s, v| {
            s.load.threads = v.number(1, 64)?;
            Ok(())
        },
        "Threads that share the connections [default: 1]",
        "分担连接的线程数 [默认：1]",
    ),
    Row {
        names: &["--json"],
        tools: BENCH,
        take: Take::Flag(|s| s.load.json = true),
        en: "Print one JSON object",
        zh: "输出一个 JSON 对象",
    },
];

fn seconds(value: Value<'_>, least: f64) -> Result<Duration, Said> {
    Ok(Duration::from_secs_f64(value.number(least, 1e9)?))
}
