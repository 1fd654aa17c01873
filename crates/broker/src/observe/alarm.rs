//! Alarms: a resource is nearly used up. They begin above one mark and end below another, so that they
//! do not flicker; those that ended are kept as history, over restarts.

use std::collections::VecDeque;

/// Alarms that ended and are kept.
const HISTORY_MAX: usize = 1000;
/// Above it an alarm begins, below the other it ends, in percent.
pub const HIGH_MARK: u8 = 80;
pub const LOW_MARK: u8 = 70;
/// A processor is busy now and then: it has to be for so many looks in a row, which is a minute.
const BUSY_LOOKS: u8 = 30;

/// What may be used up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Resource {
    Memory,
    Disk,
    Connections,
    Files,
    Queues,
    Processors,
}

impl Resource {
    const ALL: [Self; 6] = [
        Self::Memory,
        Self::Disk,
        Self::Connections,
        Self::Files,
        Self::Queues,
        Self::Processors,
    ];

    /// The alarm's name: EMQX's, where it has one.
    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "high_system_memory_usage",
            Self::Disk => "high_disk_usage",
            Self::Connections => "high_connection_usage",
            Self::Files => "high_file_descriptor_usage",
            Self::Queues => "high_queue_usage",
            Self::Processors => "high_cpu_usage",
        }
    }

    pub(crate) const fn attention(self) -> &'static str {
        match self {
            Self::Memory => "high_memory",
            Self::Disk => "high_disk",
            Self::Connections => "high_connections",
            Self::Files => "high_file_descriptors",
            Self::Queues => "high_queues",
            Self::Processors => "high_cpu",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }

    /// Cause and cure.
    pub(crate) fn english(self, percent: u8) -> (String, String) {
        let (what, cure) = match self {
            Self::Memory => (
                "of the memory is used",
                "Look at which process takes it; lower mqtt.max_queue_bytes and mqtt.max_retained_bytes, or give the machine more.",
            ),
            Self::Disk => (
                "of the disk that holds the data directory is used",
                "Make room on it, or lower store.max_bytes.",
            ),
            Self::Connections => (
                "of the connections that a listener may have are open",
                "Raise max_connections of the listener, or close connections that are not needed.",
            ),
            Self::Files => (
                "of the file descriptors are used",
                "Raise the limit: ulimit -n, LimitNOFILE in the service file, --ulimit nofile for containers.",
            ),
            Self::Queues => (
                "of a client's message queue is full",
                "Let the client read faster or subscribe to less; or raise mqtt.max_queue and mqtt.max_queue_bytes.",
            ),
            Self::Processors => (
                "of the processors are busy",
                "Look at which process it is; give the machine more cores, or publish less often.",
            ),
        };
        (format!("{percent} % {what}."), cure.to_owned())
    }

    pub(crate) fn chinese(self, percent: u8) -> (String, String) {
        let (what, cure) = match self {
            Self::Memory => (
                "内存已使用",
                "查看是哪个进程占用；降低 mqtt.max_queue_bytes 和 mqtt.max_retained_bytes，或增加内存。",
            ),
            Self::Disk => (
                "数据目录所在磁盘已使用",
                "清理磁盘，或降低 store.max_bytes。",
            ),
            Self::Connections => (
                "监听器的连接数已达上限的",
                "增大该监听器的 max_connections，或关闭不需要的连接。",
            ),
            Self::Files => (
                "文件描述符已使用",
                "提高上限：ulimit -n、服务文件中的 LimitNOFILE，或容器的 --ulimit nofile。",
            ),
            Self::Queues => (
                "某客户端的消息队列已使用",
                "加快客户端处理或减少订阅；或增大 mqtt.max_queue 和 mqtt.max_queue_bytes。",
            ),
            Self::Processors => (
                "处理器使用率为",
                "查看是哪个进程；增加 CPU 核，或降低发布频率。",
            ),
        };
        (format!("{what} {percent}%。"), cure.to_owned())
    }
}

/// An alarm, under way or ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    pub(crate) what: Resource,
    /// When it began, the highest it has seen.
    pub percent: u8,
    /// Milliseconds since 1970.
    pub began: u64,
    pub ended: Option<u64>,
}

impl Alarm {
    /// EMQX's name, where it has one.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.what.name()
    }

    /// As a record: the key sorts by time.
    pub(crate) fn record(&self) -> (Vec<u8>, Vec<u8>) {
        let mut key = self.began.to_be_bytes().to_vec();
        key.extend_from_slice(self.what.name().as_bytes());
        let mut value = self.ended.unwrap_or(0).to_be_bytes().to_vec();
        value.push(self.percent);
        (key, value)
    }

    pub(crate) fn of_record(key: &[u8], value: &[u8]) -> Option<Self> {
        let (began, name) = key.split_first_chunk::<8>()?;
        let (ended, percent) = value.split_first_chunk::<8>()?;
        let ended = u64::from_be_bytes(*ended);
        Some(Self {
            what: Resource::of_name(std::str::from_utf8(name).ok()?)?,
            percent: *percent.first()?,
            began: u64::from_be_bytes(*began),
            ended: (ended > 0).then_some(ended),
        })
    }
}

/// All alarms.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    active: Vec<Alarm>,
    /// Oldest first.
    history: VecDeque<Alarm>,
    busy: u8,
}

impl Alarms {
    /// What was kept. An alarm that was under way when the broker ended, ended with it.
    pub(crate) fn restore(&mut self, alarms: impl IntoIterator<Item = Alarm>) {
        let mut all: Vec<_> = alarms.into_iter().collect();
        all.sort_by_key(|alarm| alarm.began);
        let extra = all.len().saturating_sub(HISTORY_MAX);
        self.history = all.split_off(extra).into();
    }

    /// Takes a look at how much of something is used. Gives the alarm that ended, to be kept.
    pub(crate) fn look(&mut self, now: u64, what: Resource, percent: u8) -> Option<Alarm> {
        let at = self.active.iter().position(|alarm| alarm.what == what);
        let Some(at) = at else {
            if self.is_high(what, percent) {
                self.active.push(Alarm {
                    what,
                    percent,
                    began: now,
                    ended: None,
                });
            }
            return None;
        };
        if percent >= LOW_MARK {
            let alarm = &mut self.active[at];
            alarm.percent = alarm.percent.max(percent);
            return None;
        }
        let mut alarm = self.active.swap_remove(at);
        alarm.ended = Some(now);
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(alarm.clone());
        Some(alarm)
    }

    fn is_high(&mut self, what: Resource, percent: u8) -> bool {
        if what != Resource::Processors {
            return percent >= HIGH_MARK;
        }
        self.busy = if percent >= HIGH_MARK {
            self.busy + 1
        } else {
            0
        };
        let lasting = self.busy >= BUSY_LOOKS;
        if lasting {
            self.busy = 0;
        }
        lasting
    }

    pub(crate) fn active(&self) -> Vec<Alarm> {
        self.active.clone()
    }

    /// Newest first.
    pub(crate) fn history(&self) -> Vec<Alarm> {
        self.history.iter().rev().cloned().collect()
    }

    /// Forgets those that ended; gives their records' keys.
    pub(crate) fn clear(&mut self) -> Vec<Vec<u8>> {
        let gone = self.history.drain(..);
        gone.map(|alarm| alarm.record().0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_marks_it_lasts() {
        let mut alarms = Alarms::default();
        for (now, percent, active) in [(1, 79, 0), (2, 80, 1), (3, 90, 1), (4, 75, 1)] {
            assert_eq!(alarms.look(now, Resource::Disk, percent), None);
            assert_eq!(alarms.active().len(), active, "{now}");
        }
        let ended = alarms.look(5, Resource::Disk, 69).unwrap();
        assert_eq!((ended.began, ended.ended, ended.percent), (2, Some(5), 90));
        assert!(alarms.active().is_empty());
        let (key, value) = ended.record();
        assert_eq!(Alarm::of_record(&key, &value), Some(ended.clone()));
        let mut later = Alarms::default();
        later.restore([ended]);
        assert_eq!((later.history().len(), later.clear().len()), (1, 1));
        assert!(later.history().is_empty());
    }

    #[test]
    fn a_processor_may_be_busy_for_a_moment() {
        let mut alarms = Alarms::default();
        for now in 1..u64::from(BUSY_LOOKS) {
            alarms.look(now, Resource::Processors, 100);
        }
        assert!(alarms.active().is_empty());
        alarms.look(9, Resource::Processors, 100);
        assert_eq!(alarms.active().len(), 1);
    }

    #[test]
    fn history_is_bounded() {
        let mut alarms = Alarms::default();
        for n in 0..HISTORY_MAX as u64 + 5 {
            alarms.look(2 * n, Resource::Memory, 95);
            alarms.look(2 * n + 1, Resource::Memory, 10);
        }
        assert_eq!(alarms.history().len(), HISTORY_MAX);
    }
}
