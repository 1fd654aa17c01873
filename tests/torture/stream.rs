//! Who publishes what and who is to receive it: ten publishers with a few topics each, twenty
//! subscribers with filters that overlap. A stream is one publisher's messages of one topic and
//! one QoS; its messages are numbered, and their order is promised.

use crate::wire::{V5, V311, Version};

pub(crate) const PUBLISHERS: usize = 10;
pub(crate) const SUBSCRIBERS: usize = 20;
/// Of one publisher: `a` and `b` with QoS 1 and 2, one retained topic that somebody reads and one
/// that is cleared now and then.
pub(crate) const STREAMS: usize = 6;
pub(crate) const ALL_STREAMS: usize = PUBLISHERS * STREAMS;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stream {
    pub(crate) publisher: usize,
    pub(crate) kind: usize,
}

impl Stream {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..ALL_STREAMS).map(|n| Self {
            publisher: n / STREAMS,
            kind: n % STREAMS,
        })
    }

    pub(crate) fn index(self) -> usize {
        self.publisher * STREAMS + self.kind
    }

    pub(crate) fn topic(self) -> String {
        let p = self.publisher;
        match self.kind {
            0 | 1 => format!("t/{p}/a"),
            2 | 3 => format!("t/{p}/b"),
            4 => format!("r/{p}/kept"),
            _ => format!("r/{p}/cleared"),
        }
    }

    pub(crate) fn qos(self) -> u8 {
        match self.kind {
            0 | 2 | 4 | 5 => 1,
            _ => 2,
        }
    }

    pub(crate) fn retained(self) -> bool {
        self.kind >= 4
    }

    /// A payload that says who it is. Some are longer than a block of the disk.
    pub(crate) fn payload(self, number: u32, len: usize) -> Vec<u8> {
        let mut text = format!("{} {number} ", self.index());
        while text.len() < len {
            text.push(char::from(b'a' + (text.len() % 26) as u8));
        }
        text.into_bytes()
    }

    /// The stream and the number that a payload names.
    pub(crate) fn of(payload: &[u8]) -> Option<(Self, u32)> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut words = text.split(' ');
        let n: usize = words.next()?.parse().ok()?;
        let number = words.next()?.parse().ok()?;
        let stream = Self {
            publisher: n / STREAMS,
            kind: n % STREAMS,
        };
        let whole = stream.payload(number, payload.len()) == payload;
        (n < ALL_STREAMS && whole).then_some((stream, number))
    }
}

/// What a publisher publishes with: QoS 1, QoS 2, or both; all of them also retained messages.
pub(crate) fn kinds(publisher: usize) -> &'static [usize] {
    match publisher % 3 {
        0 => &[0, 2, 4, 5],
        1 => &[1, 3, 4, 5],
        _ => &[0, 1, 2, 3, 4, 5],
    }
}

pub(crate) fn version(index: usize) -> Version {
    if index.is_multiple_of(2) { V311 } else { V5 }
}

/// The filters of a subscriber, with their QoS.
pub(crate) fn filters(subscriber: usize) -> Vec<(String, u8)> {
    let p = subscriber % PUBLISHERS;
    let q = (subscriber + 3) % PUBLISHERS;
    let low = 1 + (subscriber / 4 % 2) as u8;
    match subscriber % 4 {
        0 => vec![(format!("t/{p}/a"), low), (format!("t/{q}/b"), 3 - low)],
        1 => vec![("t/+/a".into(), low)],
        2 => vec![(format!("t/{p}/#"), low), (format!("t/{p}/a"), 3 - low)],
        _ => vec![
            ("t/+/b".into(), low),
            (format!("t/{p}/#"), 2),
            ("r/+/kept".into(), 1),
        ],
    }
}

/// The QoS with which a subscriber receives a stream: overlapping filters give the highest.
pub(crate) fn due(subscriber: usize, stream: Stream) -> Option<u8> {
    let topic = stream.topic();
    let granted = filters(subscriber)
        .iter()
        .filter(|(filter, _)| matches(filter, &topic))
        .map(|(_, qos)| *qos)
        .max()?;
    Some(granted.min(stream.qos()))
}

fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for level in filter.split('/') {
        match (level, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}
