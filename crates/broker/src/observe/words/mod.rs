//! What people are told about how connections begin and end: cause and remedy in English and Chinese,
//! and what the client's library shows. All of it stands in this room and nowhere else.

mod cause;
mod stranger;
mod tls;

use engine::{Cause, Deed, Ending};
use protocol::{Reason, Version};

use super::connection::Event;
use crate::config::Lang;

pub(super) use cause::of;

/// A cause and what to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Words {
    pub cause: &'static str,
    pub remedy: &'static str,
}

/// Cause and remedy in English, then in Chinese.
type Both = ([&'static str; 2], [&'static str; 2]);

pub(super) const fn words(lang: Lang, en: [&'static str; 2], zh: [&'static str; 2]) -> Words {
    let [cause, remedy] = match lang {
        Lang::En => en,
        Lang::Zh => zh,
    };
    Words { cause, remedy }
}

/// The name of an event's cause in the API; it stays.
#[must_use]
pub(super) const fn code(event: &Event) -> &'static str {
    match event {
        Event::Connected => "connected",
        Event::Refused(close) | Event::Ended(Ending::Expelled(close)) => close.cause.code(),
        Event::Ended(Ending::Lost) => "connection_lost",
        Event::Ended(Ending::Left(Reason::NORMAL_DISCONNECTION)) => "client_disconnected",
        Event::Ended(Ending::Left(Reason::DISCONNECT_WITH_WILL)) => "client_disconnected_with_will",
        Event::Ended(Ending::Left(_)) => "client_gave_up",
        Event::Denied(Deed::Publish) => "publish_denied",
        Event::Denied(Deed::Subscribe) => "subscribe_denied",
        Event::Denied(Deed::Subscribed) => "subscription_revoked",
        Event::Denied(Deed::Will) => "will_denied",
    }
}

/// Names of all causes that somebody may find in the log. That the broker shuts down is not among them:
/// the API ends first, and the log with the broker.
#[must_use]
pub fn causes() -> Vec<&'static str> {
    let theirs = [
        Event::Connected,
        Event::Ended(Ending::Lost),
        Event::Ended(Ending::Left(Reason::NORMAL_DISCONNECTION)),
        Event::Ended(Ending::Left(Reason::DISCONNECT_WITH_WILL)),
        Event::Ended(Ending::Left(Reason::UNSPECIFIED_ERROR)),
        Event::Denied(Deed::Publish),
        Event::Denied(Deed::Subscribe),
        Event::Denied(Deed::Subscribed),
        Event::Denied(Deed::Will),
    ];
    let ours = Cause::ALL.iter().filter(|c| **c != Cause::ShuttingDown);
    let ours = ours.map(|cause| cause.code());
    theirs.iter().map(code).chain(ours).collect()
}

/// Cause and remedy of an event.
#[must_use]
pub(super) const fn told(event: &Event, lang: Lang) -> Words {
    match event {
        Event::Connected => words(lang, ["Connected.", ""], ["已连接。", ""]),
        Event::Refused(close) | Event::Ended(Ending::Expelled(close)) => of(close.cause, lang),
        Event::Denied(deed) => denied(*deed, lang),
        Event::Ended(Ending::Lost) => words(
            lang,
            [
                "The connection was lost: the client's program ended, its network failed, or it closed without DISCONNECT.",
                "If it was not meant: look at the client's power and network (Wi-Fi), and let it call disconnect() before it ends.",
            ],
            [
                "连接丢失：客户端程序退出、网络中断，或未发送 DISCONNECT 就关闭了连接。",
                "如果不是有意为之：检查客户端的供电和网络（Wi-Fi），并让程序在退出前调用 disconnect()。",
            ],
        ),
        Event::Ended(Ending::Left(Reason::NORMAL_DISCONNECTION)) => words(
            lang,
            [
                "The client disconnected by itself (DISCONNECT).",
                "Nothing to do.",
            ],
            ["客户端主动断开（DISCONNECT）。", "无需处理。"],
        ),
        Event::Ended(Ending::Left(Reason::DISCONNECT_WITH_WILL)) => words(
            lang,
            [
                "The client disconnected by itself and asked for its will to be published.",
                "Nothing to do.",
            ],
            ["客户端主动断开，并要求发布遗嘱消息。", "无需处理。"],
        ),
        Event::Ended(Ending::Left(_)) => words(
            lang,
            [
                "The client disconnected because it found something wrong with what it was sent (see the reason code).",
                "Look into the client's log; its limits (Maximum Packet Size, Receive Maximum, Topic Alias Maximum) may be too small for what it subscribed.",
            ],
            [
                "客户端认为收到的内容有误而断开（见原因码）。",
                "查看客户端日志；它声明的上限（最大报文、接收最大值、主题别名）可能小于所订阅的内容。",
            ],
        ),
    }
}

/// What a rule of access denied, and what to do about it.
const fn denied(deed: Deed, lang: Lang) -> Words {
    const ALLOW: &str = "If it is meant to, allow it: Access control, Authorization; the rule that decided is named here.";
    const ALLOW_ZH: &str = "如果应当允许：在“访问控制”的“授权”中添加允许规则；起作用的规则见此处。";
    let (en, zh) = match deed {
        Deed::Publish => (
            "The client published to a topic that it may not publish to; nobody got the message.",
            "客户端向无权发布的主题发布消息；没有任何客户端收到。",
        ),
        Deed::Subscribe => (
            "The client wanted to subscribe to what it may not subscribe to.",
            "客户端请求订阅无权订阅的主题。",
        ),
        Deed::Subscribed => (
            "A rule was changed, and the client lost a subscription that it had.",
            "规则已更改，客户端失去了原有的一个订阅。",
        ),
        Deed::Will => {
            return words(
                lang,
                [
                    "The client's will was not published: its rights had ended with its token.",
                    "If it is to be published, give the client a token that is good for longer, or let it connect with a new one in time.",
                ],
                [
                    "客户端的遗嘱没有发布：它的权限已随令牌到期而结束。",
                    "如果遗嘱应当发布，请签发有效期更长的令牌，或让客户端及时使用新令牌重新连接。",
                ],
            );
        }
    };
    words(lang, [en, ALLOW], [zh, ALLOW_ZH])
}

/// What the client's library shows of it.
#[must_use]
pub(super) fn shows(event: &Event, version: Option<Version>, told: bool, lang: Lang) -> String {
    let say = |en: &str, zh: &str| match lang {
        Lang::En => en.to_owned(),
        Lang::Zh => zh.to_owned(),
    };
    match (event, version) {
        (Event::Connected, Some(Version::V5)) => "0x00".to_owned(),
        (Event::Connected, _) => "rc=0".to_owned(),
        (Event::Refused(close), Some(Version::V5)) if told => {
            format!("0x{:02x} {}", close.reason.0, close.reason)
        }
        (Event::Refused(close), Some(_)) if told => {
            let code = close.reason.connack_v3();
            let name = refused_v3(code, lang);
            format!("rc={code} {name}")
        }
        (Event::Refused(close), _) => match answer(close.cause) {
            Some(status) => format!("HTTP {status}"),
            None => say(
                "closed without an answer (paho: rc=7 or a time-out)",
                "连接被关闭，没有应答（paho：rc=7 或超时）",
            ),
        },
        (Event::Ended(Ending::Expelled(close)), Some(Version::V5)) if told => {
            format!("DISCONNECT 0x{:02x} {}", close.reason.0, close.reason)
        }
        (Event::Ended(Ending::Expelled(_) | Ending::Lost), _) => {
            say("connection lost (paho: rc=7)", "连接丢失（paho：rc=7）")
        }
        (Event::Denied(Deed::Publish), Some(Version::V5)) => {
            say("PUBACK or PUBREC 0x87", "PUBACK 或 PUBREC 0x87")
        }
        (Event::Denied(Deed::Subscribe), Some(Version::V5)) => "SUBACK 0x87".to_owned(),
        (Event::Denied(Deed::Subscribe), _) => "SUBACK 0x80".to_owned(),
        (Event::Denied(_), _) => say("nothing", "没有提示"),
        (Event::Ended(Ending::Left(reason)), Some(Version::V5)) if reason.is_error() => {
            format!("0x{:02x} {reason}", reason.0)
        }
        (Event::Ended(Ending::Left(_)), _) => say("disconnected (rc=0)", "已断开（rc=0）"),
    }
}

/// Return codes of a 3.x CONNACK (3.1.1, table 3.1).
const fn refused_v3(code: u8, lang: Lang) -> &'static str {
    match (code, lang) {
        (1, Lang::En) => "unacceptable protocol version",
        (1, Lang::Zh) => "协议版本不被接受",
        (2, Lang::En) => "identifier rejected",
        (2, Lang::Zh) => "客户端 ID 不被接受",
        (3, Lang::En) => "server unavailable",
        (3, Lang::Zh) => "服务器不可用",
        (4, Lang::En) => "bad user name or password",
        (4, Lang::Zh) => "用户名或密码错误",
        (_, Lang::En) => "not authorized",
        (_, Lang::Zh) => "未授权",
    }
}

/// The HTTP status with which some are answered.
const fn answer(cause: Cause) -> Option<u16> {
    match cause {
        Cause::HttpOnMqtt
        | Cause::HttpOnTls
        | Cause::WebSocketProtocol
        | Cause::WebSocketHandshake(_) => Some(400),
        Cause::HttpOnWebSocket => Some(426),
        Cause::WebSocketPath => Some(404),
        Cause::WebSocketOrigin => Some(403),
        _ => None,
    }
}

/// What is to be said of an ending in the log: nothing of ordinary ones. Who was refused may be in need
/// of the remedy.
#[must_use]
pub(super) fn line(event: &Event) -> Option<String> {
    let coded = |reason: Reason, cause: &str| format!("0x{:02x} {reason}: {cause}", reason.0);
    match event {
        Event::Connected | Event::Ended(Ending::Lost) => None,
        Event::Denied(deed) => Some(denied(*deed, Lang::En).cause.to_owned()),
        Event::Ended(Ending::Left(reason)) => {
            (reason.is_error()).then(|| coded(*reason, "the client disconnected"))
        }
        Event::Ended(Ending::Expelled(close)) | Event::Refused(close)
            if matches!(
                close.cause,
                Cause::ShuttingDown | Cause::ClosedEarly | Cause::WebSocketClosed
            ) =>
        {
            None
        }
        Event::Ended(Ending::Expelled(close)) => Some(coded(close.reason, close.cause.text())),
        Event::Refused(close) => {
            let remedy = of(close.cause, Lang::En).remedy;
            Some(format!(
                "{}. {remedy}",
                coded(close.reason, close.cause.text())
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cause has its sentence and a remedy in both languages, and no two are the same.
    #[test]
    fn every_cause_is_told_in_both_languages() {
        for lang in [Lang::En, Lang::Zh] {
            let mut seen = std::collections::HashSet::new();
            for cause in Cause::ALL {
                let words = of(*cause, lang);
                assert!(seen.insert(words.cause), "{cause:?}");
                let is_chinese =
                    |t: &str| t.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                for text in [words.cause, words.remedy] {
                    assert!(!text.is_empty(), "{cause:?}");
                    assert_eq!(is_chinese(text), lang == Lang::Zh, "{cause:?}: {text}");
                }
            }
        }
    }

    #[test]
    fn what_libraries_show() {
        let refused = Event::Refused(Cause::LanGuard.close());
        let table = [
            (refused, Some(Version::V3_1_1), true, "rc=5 not authorized"),
            (refused, Some(Version::V5), true, "0x87 Not authorized"),
            (
                Event::Refused(Cause::WrongPassword.close()),
                Some(Version::V3_1),
                true,
                "rc=4 bad user name or password",
            ),
            (
                Event::Refused(Cause::WebSocketPath.close()),
                None,
                false,
                "HTTP 404",
            ),
            (
                Event::Ended(Ending::Expelled(Cause::TakenOver.close())),
                Some(Version::V5),
                true,
                "DISCONNECT 0x8e Session taken over",
            ),
            (
                Event::Ended(Ending::Expelled(Cause::WebSocketClosed.close())),
                Some(Version::V5),
                false,
                "connection lost (paho: rc=7)",
            ),
        ];
        for (event, version, told, due) in table {
            assert_eq!(shows(&event, version, told, Lang::En), due);
        }
    }
}
