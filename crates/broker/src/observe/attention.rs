//! What needs somebody's attention: who, since when, why and what to do. Made anew once a second from
//! what is known; what is cured is gone with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use engine::{Behind, Cause, Drop, Ending};

use super::{
    alarm::Resource,
    connection::{Entry, Event},
    loss::{self, Lost},
    words,
};
use crate::config::Lang;

/// Items that are told at one time; the others are of the same kinds.
const ITEMS_MAX: usize = 100;
/// How long takeovers and refusals are looked back.
pub(crate) const LOOK_BACK_MILLIS: u64 = 5 * 60_000;
/// So many in that time are more than a coincidence.
const TAKEOVERS_MIN: usize = 2;
const REFUSALS_MIN: u32 = 3;
/// Without another refusal for this time, somebody has given up.
const REFUSED_MILLIS: u64 = 2 * 60_000;
/// A client that came back may take so long to subscribe again, and is watched for so long.
const SUBSCRIBE_MILLIS: u64 = 3_000;
pub(crate) const RETURNED_MILLIS: u64 = 30 * 60_000;
/// A loss is news for this time.
pub(crate) const LOST_MILLIS: u64 = 60_000;
/// Somebody published to a topic without subscriber within this time.
pub(crate) const UNHEARD_MILLIS: u64 = 30_000;

/// Something that needs attention.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Two clients throw each other out.
    SharedClientId {
        client_id: String,
        addresses: Vec<String>,
        times: usize,
    },
    Refused {
        /// A client id, or an address.
        who: String,
        cause: Cause,
        times: u32,
    },
    Lost {
        client_id: String,
        why: Drop,
        count: u64,
    },
    Behind {
        client_id: String,
        queued: usize,
        bytes: usize,
    },
    /// It had subscriptions before it came back.
    NotSubscribed { client_id: String, before: u32 },
    NearlySubscribed {
        topic: String,
        publisher: String,
        filter: String,
    },
    /// A resource is used above its mark.
    High { what: Resource, percent: u8 },
    /// A listener's certificate has so many days left, or none.
    CertificateEnds { listener: String, days: i64 },
    /// A revocation list of a listener has so many days left, or none.
    RevocationEnds { listener: String, days: i64 },
    /// Its files were changed and cannot be used.
    CertificateBroken { listener: String, error: String },
    /// The broker did not end in order before.
    Crash,
}

/// A [`Need`] and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Milliseconds since 1970.
    pub since: u64,
    pub(crate) need: Need,
}

impl Item {
    /// In words.
    #[must_use]
    pub fn told(&self, lang: Lang) -> Told {
        self.need.told(lang)
    }
}

/// An item in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// What kind it is: a word that stays.
    pub kind: &'static str,
    /// Whose, or which.
    pub who: String,
    pub cause: String,
    pub cure: String,
}

/// The items, and since when each is there.
#[derive(Debug, Default)]
pub(crate) struct Board {
    items: Vec<Item>,
}

impl Board {
    /// Puts what is needed now in the place of what was.
    pub(crate) fn renew(&mut self, now: u64, needs: Vec<Need>) {
        let before: HashMap<_, _> = self.items.iter().map(|i| (i.need.key(), i.since)).collect();
        let items = needs.into_iter().take(ITEMS_MAX).map(|need| Item {
            since: before.get(&need.key()).copied().unwrap_or(now),
            need,
        });
        self.items = items.collect();
    }

    pub(crate) fn items(&self) -> Vec<Item> {
        self.items.clone()
    }
}

/// Client ids that two clients share, by the connections that were taken over lately.
pub(crate) fn shared_ids<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<Need> {
    let mut found: BTreeMap<&str, (BTreeSet<String>, usize)> = BTreeMap::new();
    for entry in entries {
        if let Event::Ended(Ending::Expelled(close)) = entry.event
            && close.cause == Cause::TakenOver
        {
            let (addresses, times) = found.entry(&entry.client_id).or_default();
            addresses.insert(entry.peer.ip().to_string());
            let by = entry.by_whom().and_then(|by| by.parse().ok());
            addresses.extend(by.map(|by: std::net::SocketAddr| by.ip().to_string()));
            *times += 1;
        }
    }
    let real = found.into_iter().filter(|(_, (_, n))| *n >= TAKEOVERS_MIN);
    real.map(|(client_id, (addresses, times))| Need::SharedClientId {
        client_id: client_id.to_owned(),
        addresses: addresses.into_iter().collect(),
        times,
    })
    .collect()
}

/// Who is refused again and again, and has not come in since.
pub(crate) fn refused<'e>(now: u64, entries: impl Iterator<Item = &'e Entry>) -> Vec<Need> {
    let mut found: BTreeMap<String, (Cause, u32, u64)> = BTreeMap::new();
    for entry in entries {
        let who = match &*entry.client_id {
            "" => entry.peer.ip().to_string(),
            name => name.to_owned(),
        };
        match entry.event {
            Event::Refused(close) if close.cause != Cause::ClosedEarly => {
                let (cause, times, at) = found.entry(who).or_insert((close.cause, 0, 0));
                *cause = close.cause;
                *times += entry.times();
                *at = entry.at.0;
            }
            Event::Connected => {
                found.remove(&who);
                found.remove(&entry.peer.ip().to_string());
            }
            _ => {}
        }
    }
    let real = found.into_iter().filter(|(_, (_, times, at))| {
        *times >= REFUSALS_MIN && now.saturating_sub(*at) <= REFUSED_MILLIS
    });
    real.map(|(who, (cause, times, _))| Need::Refused { who, cause, times })
        .collect()
}

/// Clients that came back without the subscriptions they had, and how many those were, if they came so
/// long ago that they might have subscribed.
pub(crate) fn returned<'e>(
    now: u64,
    entries: impl Iterator<Item = &'e Entry>,
) -> Vec<(String, u32)> {
    let mut left: HashMap<&str, u32> = HashMap::new();
    let mut back: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
    for entry in entries {
        let id = &*entry.client_id;
        match entry.event {
            Event::Ended(_) => {
                back.remove(id);
                match entry.subscriptions() {
                    0 => left.remove(id),
                    n => left.insert(id, n),
                };
            }
            Event::Connected => {
                if let Some(before) = left.remove(id) {
                    back.insert(id, (before, entry.at.0));
                }
            }
            Event::Refused(_) | Event::Denied(_) => {}
        }
    }
    let long = |at: u64| now.saturating_sub(at) >= SUBSCRIBE_MILLIS;
    let back = back.into_iter().filter(|(_, (_, at))| long(*at));
    back.map(|(id, (before, _))| (id.to_owned(), before))
        .take(ITEMS_MAX)
        .collect()
}

/// Losses of the last minute, by client and reason.
pub(crate) fn lost(losses: &[Lost]) -> Vec<Need> {
    let mut found: BTreeMap<(&str, &str), (Drop, u64)> = BTreeMap::new();
    for loss in losses {
        let key = (loss.client_id.as_str(), loss.reason());
        found.entry(key).or_insert((loss.why, 0)).1 += loss.count;
    }
    let each = found.into_iter();
    each.map(|((client_id, _), (why, count))| Need::Lost {
        client_id: client_id.to_owned(),
        why,
        count,
    })
    .collect()
}

/// Who does not keep up.
pub(crate) fn behind(behind: Vec<Behind>) -> Vec<Need> {
    let each = behind.into_iter();
    each.map(|b| Need::Behind {
        client_id: b.client_id.into(),
        queued: b.queued,
        bytes: b.queued_bytes,
    })
    .collect()
}

impl Need {
    const fn kind(&self) -> &'static str {
        match self {
            Self::SharedClientId { .. } => "shared_client_id",
            Self::Refused { .. } => "refused_repeatedly",
            Self::Lost { .. } => "messages_lost",
            Self::Behind { .. } => "slow_subscriber",
            Self::NotSubscribed { .. } => "not_subscribed_again",
            Self::NearlySubscribed { .. } => "nearly_subscribed_topic",
            Self::High { what, .. } => what.attention(),
            Self::CertificateEnds { .. } => "certificate_expires",
            Self::RevocationEnds { .. } => "revocation_list_expires",
            Self::CertificateBroken { .. } => "certificate_unusable",
            Self::Crash => "recovered_after_crash",
        }
    }

    fn who(&self) -> &str {
        match self {
            Self::SharedClientId { client_id, .. }
            | Self::Lost { client_id, .. }
            | Self::Behind { client_id, .. }
            | Self::NotSubscribed { client_id, .. } => client_id,
            Self::Refused { who, .. } => who,
            Self::NearlySubscribed { topic, .. } => topic,
            Self::CertificateEnds { listener, .. }
            | Self::RevocationEnds { listener, .. }
            | Self::CertificateBroken { listener, .. } => listener,
            Self::High { .. } | Self::Crash => "",
        }
    }

    /// Tells one item from another, also if its numbers change.
    fn key(&self) -> (&'static str, String, String) {
        let more = match self {
            Self::Lost { why, .. } => format!("{why:?}"),
            _ => String::new(),
        };
        (self.kind(), self.who().to_owned(), more)
    }

    fn told(&self, lang: Lang) -> Told {
        let (cause, cure) = match lang {
            Lang::En => self.english(),
            Lang::Zh => self.chinese(),
        };
        Told {
            kind: self.kind(),
            who: self.who().to_owned(),
            cause,
            cure,
        }
    }

    fn english(&self) -> (String, String) {
        match self {
            Self::SharedClientId {
                client_id,
                addresses,
                times,
            } => (
                format!(
                    "Two machines use the client id {client_id} and throw each other out ({times} times in 5 minutes): {}.",
                    addresses.join(", ")
                ),
                "Give each device a client id of its own.".to_owned(),
            ),
            Self::Refused { who, cause, times } => {
                let words = words::of(*cause, Lang::En);
                let cause = format!("{who} was refused {times} times: {}", words.cause);
                (cause, words.remedy.to_owned())
            }
            Self::Lost {
                client_id,
                why,
                count,
            } => {
                let words = loss::words(*why, Lang::En);
                let messages = if *count == 1 { "message" } else { "messages" };
                let cause = format!("{client_id} lost {count} {messages} in a minute: {}", words.cause);
                (cause, words.remedy.to_owned())
            }
            Self::Behind {
                client_id,
                queued,
                bytes,
            } => (
                format!("{client_id} does not keep up: {queued} messages ({bytes} bytes) wait for it."),
                "Let it read faster or subscribe to less; or raise mqtt.max_queue.".to_owned(),
            ),
            Self::NotSubscribed { client_id, before } => (
                format!("{client_id} came back and did not subscribe again; it had {before} subscriptions before."),
                "Let the client subscribe in its on_connect callback, or connect with a session that outlives the connection.".to_owned(),
            ),
            Self::NearlySubscribed {
                topic,
                publisher,
                filter,
            } => (
                format!("{publisher} publishes to {topic}, which nobody subscribed to; there is a subscription to {filter}."),
                "Topics are equal only if each letter and slash is: correct one of the two.".to_owned(),
            ),
            Self::High { what, percent } => what.english(*percent),
            Self::CertificateEnds { listener, days } => (
                if *days > 0 {
                    format!("The certificate of {listener} expires in {days} days.")
                } else {
                    format!("The certificate of {listener} has expired: clients that check it are refused by themselves.")
                },
                "Put a new certificate and its key in the same files: they are read by themselves, and nobody is disconnected.".to_owned(),
            ),
            Self::RevocationEnds { listener, days } => (
                if *days > 0 {
                    format!("A revocation list of {listener} is past its date in {days} days; from then on client certificates of its authority are refused.")
                } else {
                    format!("A revocation list of {listener} is past its date: client certificates of its authority are refused.")
                },
                "Put a new list into the file (ssl_options.crlfile): it is read by itself.".to_owned(),
            ),
            Self::CertificateBroken { listener, error } => (
                format!("The certificate files of {listener} were changed and cannot be used: {error}. The earlier ones stay in use until the next start."),
                "Correct the files: they are read again by themselves.".to_owned(),
            ),
            Self::Crash => (
                "The broker did not end in order before this start: power failed, or it was killed.".to_owned(),
                "What was acknowledged is there. Look at the log for the cause; stop the broker with SIGTERM or the service manager.".to_owned(),
            ),
        }
    }

    fn chinese(&self) -> (String, String) {
        match self {
            Self::SharedClientId {
                client_id,
                addresses,
                times,
            } => (
                format!(
                    "两台机器使用相同的客户端 ID {client_id}，互相踢下线（5 分钟内 {times} 次）：{}。",
                    addresses.join("、")
                ),
                "为每台设备设置不同的客户端 ID。".to_owned(),
            ),
            Self::Refused { who, cause, times } => {
                let words = words::of(*cause, Lang::Zh);
                let cause = format!("{who} 被拒绝 {times} 次：{}", words.cause);
                (cause, words.remedy.to_owned())
            }
            Self::Lost {
                client_id,
                why,
                count,
            } => {
                let words = loss::words(*why, Lang::Zh);
                let cause = format!("{client_id} 一分钟内丢失 {count} 条消息：{}", words.cause);
                (cause, words.remedy.to_owned())
            }
            Self::Behind {
                client_id,
                queued,
                bytes,
            } => (
                format!("{client_id} 处理过慢：有 {queued} 条消息（{bytes} 字节）在排队。"),
                "加快客户端处理或减少订阅；或增大 mqtt.max_queue。".to_owned(),
            ),
            Self::NotSubscribed { client_id, before } => (
                format!("{client_id} 重新连接后没有再次订阅；此前有 {before} 个订阅。"),
                "让客户端在 on_connect 回调中订阅，或使用持久会话连接。".to_owned(),
            ),
            Self::NearlySubscribed {
                topic,
                publisher,
                filter,
            } => (
                format!("{publisher} 发布到 {topic}，但无人订阅；有人订阅了相近的 {filter}。"),
                "主题区分大小写和斜杠，必须完全一致：请修改其中之一。".to_owned(),
            ),
            Self::High { what, percent } => what.chinese(*percent),
            Self::CertificateEnds { listener, days } => (
                if *days > 0 {
                    format!("{listener} 的证书将在 {days} 天后过期。")
                } else {
                    format!("{listener} 的证书已过期：校验证书的客户端将无法连接。")
                },
                "把新证书和私钥写入原来的文件：会自动重新读取，不会断开任何连接。".to_owned(),
            ),
            Self::RevocationEnds { listener, days } => (
                if *days > 0 {
                    format!(
                        "{listener} 的证书吊销列表将在 {days} 天后过期；此后其 CA 签发的客户端证书都会被拒绝。"
                    )
                } else {
                    format!("{listener} 的证书吊销列表已过期：其 CA 签发的客户端证书都会被拒绝。")
                },
                "请把新的列表写入该文件（ssl_options.crlfile）：会自动重新读取。".to_owned(),
            ),
            Self::CertificateBroken { listener, error } => (
                format!(
                    "{listener} 的证书文件已修改，但无法使用：{error}。下次启动前继续使用原来的证书。"
                ),
                "请修正这些文件：会自动重新读取。".to_owned(),
            ),
            Self::Crash => (
                "上次服务器未正常退出：断电或进程被强制结束。".to_owned(),
                "已确认的数据都在。请查看日志了解原因；停止服务请使用 SIGTERM 或服务管理器。"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Peer;
    use engine::{Presence, Time};
    use protocol::Version;

    fn peer(last: u8) -> Peer {
        Peer::new(([10, 0, 0, last], 9).into())
    }

    fn entry(at: u64, from: u8, id: &str, what: &Presence<'_>) -> Entry {
        Entry::client(Time(at), peer(from), 0, id, what)
    }

    const CAME: Presence<'_> = Presence::Came {
        user_name: None,
        version: Version::V5,
        keep_alive_secs: 60,
        clean_start: true,
        expiry_secs: 0,
    };

    fn taken_over(at: u64, from: u8, by: u8) -> Entry {
        let ending = Ending::Expelled(Cause::TakenOver.close());
        let version = Version::V5;
        let mut entry = entry(
            at,
            from,
            "twin",
            &Presence::Went {
                ending,
                version,
                subscriptions: 0,
            },
        );
        entry.by(&peer(by).to_string());
        entry
    }

    #[test]
    fn two_that_share_an_id_are_named_with_both_addresses() {
        assert_eq!(shared_ids([taken_over(1, 1, 2)].iter()), []);
        let needs = shared_ids([taken_over(1, 1, 2), taken_over(2, 2, 1)].iter());
        let [Need::SharedClientId { addresses, .. }] = &needs[..] else {
            panic!("{needs:?}");
        };
        assert_eq!(addresses, &["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn refused_until_let_in_or_given_up() {
        let no = |at| {
            let refused = Presence::Refused {
                version: Some(Version::V5),
                user_name: None,
                owner: None,
                close: Cause::WrongPassword.close(),
                told: true,
            };
            entry(at, 1, "c", &refused)
        };
        let mut entries = vec![no(1), no(2)];
        assert_eq!(refused(3, entries.iter()), []);
        entries.push(no(3));
        assert_eq!(refused(3, entries.iter()).len(), 1);
        assert_eq!(refused(4 + REFUSED_MILLIS, entries.iter()), []);
        entries.push(entry(4, 1, "c", &CAME));
        assert_eq!(refused(5, entries.iter()), []);
    }

    #[test]
    fn who_comes_back_may_have_forgotten_to_subscribe() {
        let went = |at, subscriptions| {
            let went = Presence::Went {
                ending: Ending::Lost,
                version: Version::V5,
                subscriptions,
            };
            entry(at, 1, "c", &went)
        };
        let came = entry(2, 1, "c", &CAME);
        let at = |now, entries: &[Entry]| returned(now, entries.iter());
        let entries = [went(1, 3), came.clone()];
        assert_eq!(at(3, &entries), []);
        assert_eq!(at(2 + SUBSCRIBE_MILLIS, &entries), [("c".to_owned(), 3)]);
        let gone_again = [went(1, 3), came.clone(), went(3, 0)];
        assert_eq!(at(2 + SUBSCRIBE_MILLIS, &gone_again), []);
        assert_eq!(at(2 + SUBSCRIBE_MILLIS, &[went(1, 0), came]), []);
    }

    #[test]
    fn since_stays_while_it_lasts() {
        let mut board = Board::default();
        let need = |count| Need::Lost {
            client_id: "c".to_owned(),
            why: Drop::Expired,
            count,
        };
        board.renew(5, vec![need(1)]);
        board.renew(6, vec![need(2)]);
        assert_eq!(board.items()[0].since, 5);
        board.renew(7, Vec::new());
        board.renew(8, vec![need(1)]);
        assert_eq!(board.items()[0].since, 8);
    }
}
