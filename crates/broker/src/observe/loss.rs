//! Recent losses: which message, whose, who did not get it, why, and the setting that cures it. A
//! bounded sample; the counters have all of them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use engine::Drop;

use super::Words;
use crate::config::Lang;

/// Losses that are kept.
const LOSSES_MAX: usize = 1000;
/// Losses that are written down in any one second; the others are counted.
const PER_SECOND: usize = 50;

/// One sampled loss.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Counts up; an entry keeps its number.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    pub(crate) why: Drop,
    /// Messages that were lost with it.
    pub count: u64,
    pub topic: String,
    /// Who did not get it: a client id, or `$share/<group>/<filter>`.
    pub client_id: String,
    pub publisher: Option<String>,
}

/// A page of the sample.
#[derive(Debug)]
pub struct Sampled {
    /// Newest first.
    pub losses: Vec<Lost>,
    pub count: usize,
    /// Messages lost since the start that are not in the sample.
    pub unlisted: u64,
}

#[derive(Default)]
pub(crate) struct Log(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    losses: VecDeque<Lost>,
    next: u64,
    listed: u64,
    /// All that were lost, as the counters say.
    lost: u64,
}

impl Log {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all shards sampled in one second; `lost` is what the counters say by now.
    pub(crate) fn add(&self, sampled: impl IntoIterator<Item = Lost>, lost: u64) {
        let mut ring = self.ring();
        ring.lost = lost;
        for mut loss in sampled.into_iter().take(PER_SECOND) {
            if ring.losses.len() == LOSSES_MAX {
                ring.losses.pop_front();
            }
            ring.next += 1;
            ring.listed += loss.count;
            loss.number = ring.next;
            ring.losses.push_back(loss);
        }
    }

    /// Those that a query wants, newest first, without the first `skip`.
    pub(crate) fn find(&self, wants: impl Fn(&Lost) -> bool, skip: usize, limit: usize) -> Sampled {
        let ring = self.ring();
        let wanted = || ring.losses.iter().rev().filter(|loss| wants(loss));
        Sampled {
            losses: wanted().skip(skip).take(limit).cloned().collect(),
            count: wanted().count(),
            unlisted: ring.lost.saturating_sub(ring.listed),
        }
    }
}

/// Why a message was lost, and the setting that cures it.
pub(super) const fn words(why: Drop, lang: Lang) -> Words {
    let (en, zh) = match why {
        Drop::QueueFull => (
            [
                "The client does not keep up and its queue was full: the oldest message went.",
                "Let the client read faster or subscribe to less; or raise mqtt.max_queue and mqtt.max_queue_bytes.",
            ],
            [
                "客户端处理过慢，消息队列已满，最旧的消息丢失。",
                "加快客户端处理或减少订阅；或增大 mqtt.max_queue 和 mqtt.max_queue_bytes。",
            ],
        ),
        Drop::TooLarge => (
            [
                "The message is larger than the client's Maximum Packet Size.",
                "Raise Maximum Packet Size in the client's CONNECT, or publish smaller messages.",
            ],
            [
                "消息超过客户端声明的最大报文长度。",
                "在客户端的 CONNECT 中增大 Maximum Packet Size，或发布更小的消息。",
            ],
        ),
        Drop::Expired => (
            [
                "The message expired before the client could take it.",
                "Publish with a longer message expiry interval, or let the client stay connected and read faster.",
            ],
            [
                "消息在客户端接收之前已过期。",
                "发布时设置更长的消息过期间隔，或让客户端保持在线并加快处理。",
            ],
        ),
        Drop::Offline => (
            [
                "The client was away, and QoS 0 is not kept for it.",
                "Publish and subscribe with QoS 1 to have messages kept for clients that are away.",
            ],
            [
                "客户端离线，QoS 0 消息不会为其保留。",
                "发布和订阅都使用 QoS 1，离线期间的消息即会保留。",
            ],
        ),
        Drop::ConnectionLost => (
            [
                "The connection ended while messages were under way, and no session keeps them.",
                "Connect with a session that outlives the connection (Clean Session off; in MQTT 5 a Session Expiry above 0).",
            ],
            [
                "连接结束时还有未确认的消息，且没有会话保留它们。",
                "使用持久会话连接（关闭清除会话；MQTT 5 中会话过期间隔大于 0）。",
            ],
        ),
        Drop::Trimmed => (
            [
                "The log reached its bound and dropped what this client had not read yet.",
                "Raise store.max_bytes (or store.max_age), or let the client come back sooner.",
            ],
            [
                "日志达到上限，删除了该客户端尚未读取的消息。",
                "增大 store.max_bytes（或 store.max_age），或让客户端更早回来。",
            ],
        ),
        Drop::NoMember => (
            [
                "No member of the shared subscription could take the message.",
                "Add members or let them read faster; or raise mqtt.max_queue and mqtt.max_queue_bytes.",
            ],
            [
                "共享订阅中没有成员能接收该消息。",
                "增加成员或加快处理；或增大 mqtt.max_queue 和 mqtt.max_queue_bytes。",
            ],
        ),
    };
    super::words::words(lang, en, zh)
}

/// The names of reasons, as in metrics.
pub const REASONS: [&str; Drop::COUNT] = {
    let mut names = [""; Drop::COUNT];
    let mut at = 0;
    while at < Drop::COUNT {
        names[at] = Drop::ALL[at].1;
        at += 1;
    }
    names
};

impl Lost {
    /// The name of the reason, as in metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        REASONS[self.why as usize]
    }

    /// The reason in words, and the setting that cures it.
    #[must_use]
    pub const fn words(&self, lang: Lang) -> Words {
        words(self.why, lang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(client: &str, count: u64) -> Lost {
        Lost {
            number: 0,
            at: 1,
            why: Drop::QueueFull,
            count,
            topic: "t".to_owned(),
            client_id: client.to_owned(),
            publisher: None,
        }
    }

    #[test]
    fn a_second_is_sampled_and_the_rest_counted() {
        let log = Log::default();
        log.add((0..PER_SECOND + 10).map(|n| loss(&n.to_string(), 1)), 60);
        let found = log.find(|_| true, 0, 3);
        assert_eq!((found.count, found.unlisted), (PER_SECOND, 10));
        assert_eq!(found.losses[0].number, PER_SECOND as u64);
        for n in 0..LOSSES_MAX as u64 {
            log.add([loss("c", 2)], 60 + 2 * (n + 1));
        }
        let found = log.find(|l| l.client_id == "c", 998, 9);
        assert_eq!((found.count, found.losses.len()), (LOSSES_MAX, 2));
    }

    #[test]
    fn every_reason_has_its_cure_in_both_languages() {
        for (why, name) in Drop::ALL {
            assert_eq!(REASONS[why as usize], name);
            for lang in [Lang::En, Lang::Zh] {
                let told = words(why, lang);
                assert!(!told.cause.is_empty() && !told.remedy.is_empty());
            }
        }
    }
}
