//! Topic aliases: numbers that stand for a topic on one connection (3.3.2.3.4).

/// Aliases that the client set.
#[derive(Debug, Default)]
pub(crate) struct InboundAliases {
    topics: Vec<Option<Box<str>>>,
}

impl InboundAliases {
    /// Sets or replaces an alias. The caller checked it against the announced maximum [MQTT-3.3.2-9].
    pub(crate) fn set(&mut self, alias: u16, topic: &str) {
        let at = usize::from(alias) - 1;
        if at >= self.topics.len() {
            self.topics.resize_with(at + 1, || None);
        }
        if self.topics[at].as_deref() != Some(topic) {
            self.topics[at] = Some(topic.into());
        }
    }

    pub(crate) fn get(&self, alias: u16) -> Option<&str> {
        self.topics
            .get(usize::from(alias).checked_sub(1)?)?
            .as_deref()
    }
}

/// Aliases that we set. The first topics keep theirs: a device's subscriber mostly sees few topics,
/// and re-assigning would send the full topic again each time.
#[derive(Debug, Default)]
pub(crate) struct OutboundAliases {
    max: u16,
    topics: Vec<Box<str>>,
}

impl OutboundAliases {
    /// `max` is the client's Topic Alias Maximum, bounded by our own.
    pub(crate) fn new(max: u16) -> Self {
        Self {
            max,
            topics: Vec::new(),
        }
    }

    /// The alias to send with this topic, and whether the topic itself may be left out. The alias
    /// counts as set only once [`OutboundAliases::sent`] was called.
    pub(crate) fn choose(&self, topic: &str) -> Option<(u16, bool)> {
        if let Some(at) = self.topics.iter().position(|t| **t == *topic) {
            return Some((u16::try_from(at + 1).ok()?, true));
        }
        let next = u16::try_from(self.topics.len() + 1).ok()?;
        if next > self.max {
            // [MQTT-3.1.2-26], [MQTT-3.1.2-27], [MQTT-3.3.2-11]
            return None;
        }
        Some((next, false))
    }

    pub(crate) fn sent(&mut self, topic: &str) {
        self.topics.push(topic.into());
    }
}
