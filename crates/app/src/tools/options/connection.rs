//! Options about the broker, who connects, and the session; the same for all tools.

use protocol::Version;

use super::{ALL, BENCH_PUB, BENCH_SUB, LATENCY, MANY, Row, TOP, Take};
use crate::tools::said::{Said, said};
use crate::tools::settings::{Settings, Value};
use crate::tools::{property, url};

/// A property of MQTT 5 under the name that MQTTX gives it.
macro_rules! packet_property {
    ($names:expr, $tools:expr, $value:literal, $packet:literal $name:literal, $en:literal, $zh:literal) => {
        Row {
            names: $names,
            tools: $tools,
            take: Take::Value($value, |s, v| {
                $crate::tools::property::add(s, $packet, $name, &[v])
            }),
            en: $en,
            zh: $zh,
        }
    };
}

/// A user property as `NAME: VALUE`.
macro_rules! packet_user {
    ($names:expr, $tools:expr, $packet:literal, $en:literal, $zh:literal) => {
        Row {
            names: $names,
            tools: $tools,
            take: Take::Value("NAME:VALUE", |s, v| {
                $crate::tools::options::connection::user(s, $packet, v)
            }),
            en: $en,
            zh: $zh,
        }
    };
}

pub(super) use {packet_property, packet_user};

const fn value(
    names: &'static [&'static str],
    name: &'static str,
    take: fn(&mut Settings, Value<'_>) -> Result<(), Said>,
    en: &'static str,
    zh: &'static str,
) -> Row {
    let take = Take::Value(name, take);
    Row {
        names,
        tools: ALL,
        take,
        en,
        zh,
    }
}

const fn flag(
    names: &'static [&'static str],
    take: fn(&mut Settings),
    en: &'static str,
    zh: &'static str,
) -> Row {
    let take = Take::Flag(take);
    Row {
        names,
        tools: ALL,
        take,
        en,
        zh,
    }
}

const fn refused(names: &'static [&'static str], why: fn() -> Said) -> Row {
    let take = Take::Refused(why);
    Row {
        names,
        tools: ALL,
        take,
        en: "",
        zh: "",
    }
}

pub(super) const ROWS: &[Row] = &[
    value(
        &["-h", "--host", "--hostname"],
        "HOST",
        |s, v| {
            s.host = Some(v.owned()?);
            Ok(())
        },
        "Host of the broker [default: localhost]",
        "服务器主机 [默认：localhost]",
    )
    .also(MANY | TOP),
    value(
        &["-p", "--port"],
        "PORT",
        |s, v| {
            s.port = Some(v.number(1, u16::MAX)?);
            Ok(())
        },
        "Its port [default: 1883, TLS 8883, WebSocket 8083, both 8084]",
        "服务器端口 [默认：1883，TLS 为 8883，WebSocket 为 8083，两者为 8084]",
    )
    .also(MANY),
    value(
        &["-L", "--url"],
        "URL",
        |s, v| url::broker(s, v.text()?),
        "mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC, or mqtts://, ws://, wss://",
        "mqtt://[用户[:密码]@]主机[:端口]/主题，或 mqtts://、ws://、wss://",
    ),
    value(
        &["--unix"],
        "PATH",
        |s, v| {
            s.unix = Some(v.path());
            Ok(())
        },
        "Connect to a Unix socket",
        "连接 Unix 套接字",
    ),
    value(
        &["-A"],
        "ADDRESS",
        |s, v| {
            s.local = Some(v.owned()?);
            Ok(())
        },
        "Come from this address of the machine",
        "使用本机的这个地址发起连接",
    )
    .also(MANY),
    value(
        &["--proxy"],
        "URL",
        |s, v| {
            s.proxy = Some(url::proxy(v.text()?)?);
            Ok(())
        },
        "Through socks5h://[USER[:PASSWORD]@]HOST[:PORT]",
        "经由 socks5h://[用户[:密码]@]主机[:端口]",
    ),
    flag(
        &["--nodelay"],
        |s| s.no_delay = true,
        "Send small packets at once",
        "立即发送小包（关闭 Nagle 算法）",
    ),
    flag(
        &["--ws"],
        |s| s.websocket = true,
        "WebSocket",
        "使用 WebSocket",
    ),
    value(
        &["--protocol"],
        "mqtt|mqtts|ws|wss",
        transport,
        "MQTT over TCP or over WebSocket; with s over TLS, trusting the system's certificates unless told whom",
        "TCP 上的 MQTT 或 WebSocket；带 s 使用 TLS，未另行指定时信任系统证书",
    ),
    value(
        &["--path"],
        "PATH",
        |s, v| {
            s.path = format!("/{}", v.text()?.trim_start_matches('/'));
            Ok(())
        },
        "Path of the WebSocket [default: /mqtt]",
        "WebSocket 路径 [默认：/mqtt]",
    ),
    value(
        &["-V", "--protocol-version", "--mqtt-version"],
        "5|311|31",
        version,
        "MQTT version [default: rr and conn 5, others 311]",
        "MQTT 版本 [默认：rr、conn 为 5，其余为 311]",
    )
    .also(MANY),
    value(
        &["-i", "--id", "--client-id"],
        "ID",
        id,
        "Client id [default: the broker finds one]",
        "客户端 ID [默认：由服务器分配]",
    ),
    value(
        &["-I", "--id-prefix"],
        "PREFIX",
        id_prefix,
        "Client id: PREFIX and the number of the process",
        "客户端 ID：前缀加进程号",
    )
    .also(MANY),
    flag(
        &["-c", "--disable-clean-session", "--no-clean"],
        |s| s.clean = false,
        "Keep the session; needs -i",
        "保留会话；须同时使用 -i",
    ),
    value(
        &["-x", "--session-expiry-interval"],
        "SECONDS",
        expiry,
        "How long the session stays, -1 for ever (MQTT 5)",
        "会话保留多久，-1 为永久（MQTT 5）",
    ),
    value(
        &["-k", "--keepalive"],
        "SECONDS",
        |s, v| {
            s.keep_alive_secs = v.number(5, u16::MAX)?;
            Ok(())
        },
        "Keep alive [default: 60]",
        "心跳间隔 [默认：60]",
    )
    .also(MANY),
    value(
        &["-u", "--username"],
        "NAME",
        |s, v| {
            s.user_name = Some(v.owned()?);
            Ok(())
        },
        "User name",
        "用户名",
    )
    .also(MANY),
    value(
        &["-P", "--pw", "--password"],
        "PASSWORD",
        |s, v| {
            s.password = Some(v.bytes());
            Ok(())
        },
        "Password; every user of this machine can read it here",
        "密码；写在这里本机所有用户都能看到",
    )
    .also(MANY | TOP),
    value(
        &["--profile"],
        "NAME",
        |s, v| {
            s.profile = Some(v.text()?.to_owned());
            Ok(())
        },
        "Take the options that stand below [NAME] in ternmq/profiles",
        "使用 ternmq/profiles 中 [NAME] 之下的选项",
    )
    .also(MANY),
    value(
        &["--password-file"],
        "FILE",
        |s, v| {
            s.password_file = Some(v.path());
            Ok(())
        },
        "File with the password",
        "存有密码的文件",
    )
    .also(MANY | TOP),
    flag(
        &["--ask-password"],
        |s| s.ask_password = true,
        "Ask for the password",
        "运行时询问密码",
    )
    .also(MANY | TOP),
    value(
        &["--will-topic"],
        "TOPIC",
        |s, v| {
            s.will_topic = Some(v.topic()?);
            Ok(())
        },
        "Topic of the will",
        "遗嘱主题",
    ),
    value(
        &["--will-payload", "--will-message"],
        "MESSAGE",
        |s, v| {
            s.will_payload = Some(v.bytes());
            Ok(())
        },
        "Message of the will",
        "遗嘱消息",
    ),
    value(
        &["--will-qos"],
        "0|1|2",
        |s, v| {
            s.will_qos = v.qos()?;
            Ok(())
        },
        "QoS of the will",
        "遗嘱 QoS",
    ),
    flag(
        &["--will-retain"],
        |s| s.will_retain = true,
        "Retain the will",
        "保留遗嘱消息",
    ),
    Row {
        names: &["-D", "--property"],
        tools: ALL | MANY,
        take: Take::Property,
        en: "A property of connect, publish, subscribe, unsubscribe, disconnect or will; user-property has a name and a value (MQTT 5)",
        zh: "connect、publish、subscribe、unsubscribe、disconnect、will 的属性；user-property 后接名称和值（MQTT 5）",
    },
    packet_property!(&["--rcv-max"], ALL | MANY, "COUNT", "connect" "receive-maximum", "As -D connect receive-maximum", "同 -D connect receive-maximum"),
    packet_property!(&["--maximum-packet-size"], ALL, "BYTES", "connect" "maximum-packet-size", "As -D connect maximum-packet-size", "同 -D connect maximum-packet-size"),
    packet_property!(&["--topic-alias-max"], ALL, "COUNT", "connect" "topic-alias-maximum", "As -D connect topic-alias-maximum", "同 -D connect topic-alias-maximum"),
    packet_user!(
        &["--conn-user-properties"],
        ALL,
        "connect",
        "A user property of CONNECT",
        "CONNECT 的用户属性"
    ),
    packet_property!(&["--will-delay-interval"], ALL, "SECONDS", "will" "will-delay-interval", "As -D will will-delay-interval", "同 -D will will-delay-interval"),
    packet_property!(&["--will-message-expiry-interval"], ALL, "SECONDS", "will" "message-expiry-interval", "As -D will message-expiry-interval", "同 -D will message-expiry-interval"),
    packet_property!(&["--will-content-type"], ALL, "TYPE", "will" "content-type", "As -D will content-type", "同 -D will content-type"),
    packet_property!(&["--will-response-topic"], ALL, "TOPIC", "will" "response-topic", "As -D will response-topic", "同 -D will response-topic"),
    packet_property!(&["--will-correlation-data"], ALL, "DATA", "will" "correlation-data", "As -D will correlation-data", "同 -D will correlation-data"),
    packet_user!(
        &["--will-user-properties"],
        ALL,
        "will",
        "A user property of the will",
        "遗嘱的用户属性"
    ),
    value(
        &["-M"],
        "COUNT",
        |s, v| {
            s.inflight_max = v.number(1, u16::MAX)?;
            Ok(())
        },
        "Messages of QoS 1 and 2 under way at once [default: 20, bench 100 of each publisher]",
        "同时在途的 QoS 1、2 消息数 [默认：20，bench 每个发布者 100]",
    )
    .also(BENCH_PUB | BENCH_SUB | LATENCY),
    flag(
        &["-d", "--debug"],
        |s| s.debug = true,
        "Print every packet",
        "打印每个报文",
    ),
    flag(
        &["--quiet"],
        |s| s.quiet = true,
        "Print no errors once running",
        "运行后不打印错误",
    )
    .also(MANY | TOP),
    Row {
        names: &["--help"],
        tools: ALL | MANY | TOP,
        take: Take::Help,
        en: "Print this",
        zh: "显示本页",
    },
    Row {
        names: &["--version"],
        tools: ALL | MANY | TOP,
        take: Take::Version,
        en: "Print the version",
        zh: "显示版本",
    },
    refused(&["-S"], || {
        said(
            "SRV records are not looked up; name host and port with -h and -p",
            "不查询 SRV 记录；请用 -h 和 -p 指定主机与端口",
        )
    }),
];

/// MQTTX's form of a user property.
pub(super) fn user(settings: &mut Settings, packet: &str, value: Value<'_>) -> Result<(), Said> {
    let (name, text) = value
        .text()?
        .split_once(':')
        .ok_or_else(|| said("a user property is NAME:VALUE", "用户属性的格式为 名称:值"))?;
    let both = [Value(name.trim().as_ref()), Value(text.trim().as_ref())];
    property::add(settings, packet, "user-property", &both)
}

fn transport(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    (settings.websocket, settings.wants_tls) = match value.text()? {
        "mqtt" => (false, false),
        "mqtts" => (false, true),
        "ws" => (true, false),
        "wss" => (true, true),
        _ => {
            return Err(said(
                "mqtt, mqtts, ws or wss",
                "应为 mqtt、mqtts、ws 或 wss",
            ));
        }
    };
    Ok(())
}

fn version(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    settings.version = match value.text()? {
        "5" | "mqttv5" | "5.0" => Version::V5,
        "311" | "mqttv311" | "3.1.1" => Version::V3_1_1,
        "31" | "mqttv31" | "3.1" => Version::V3_1,
        other => {
            return Err(said(
                format!(
                    "{other} is none of 5, 311 and 31; the version of the program is --version, a host -h"
                ),
                format!("{other} 不是 5、311、31 之一；程序版本请用 --version，主机请用 -h"),
            ));
        }
    };
    Ok(())
}

fn id(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    if settings.id_prefix.is_some() {
        return Err(one_id());
    }
    settings.client_id = Some(value.owned()?);
    Ok(())
}

fn id_prefix(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    if settings.client_id.is_some() {
        return Err(one_id());
    }
    settings.id_prefix = Some(value.owned()?);
    Ok(())
}

fn one_id() -> Said {
    said("-i and -I cannot be used together", "-i 与 -I 不能同时使用")
}

/// As C reads a number: 0x and 0 say its base.
fn expiry(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    let text = value.text()?;
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let octal = text.strip_prefix('0').filter(|rest| !rest.is_empty());
    settings.session_expiry = Some(match (text, hexadecimal, octal) {
        ("-1" | "∞", ..) => u32::MAX,
        (_, Some(digits), _) => u32::from_str_radix(digits, 16).map_err(|_| no_expiry())?,
        (_, _, Some(digits)) => u32::from_str_radix(digits, 8).map_err(|_| no_expiry())?,
        _ => text.parse().map_err(|_| no_expiry())?,
    });
    Ok(())
}

fn no_expiry() -> Said {
    said(
        "seconds from 0 to 4294967295, or -1 for ever",
        "应为 0 到 4294967295 秒，或 -1 表示永久",
    )
}
