//! How somebody looks at a shard's messages; what is counted meanwhile is in `crate::watch`.

use protocol::Topic;

use super::Shard;
use crate::{
    Time,
    message::View,
    watch::{Counted, Last, Scope, Seen, Traced, Watch},
};

/// Who gets a topic on this shard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Receivers {
    pub sessions: Vec<Receiver>,
    /// Further ones that were not looked at.
    pub more: usize,
}

/// A client, or a shared group as one, that gets a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receiver {
    /// For a group `$share/<group>/<filter>`.
    pub name: Box<str>,
    pub group: bool,
    pub online: bool,
    /// Messages that wait for it.
    pub queued: usize,
    /// Of the others, what is sent and not acknowledged.
    pub in_flight: usize,
}

impl Shard {
    /// Begins to count messages by topic and publisher, or with `None` ends it.
    pub fn count_topics(&mut self, scope: Option<Scope>) {
        self.look(|watch| watch.count(scope));
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> Counted {
        self.watch.as_mut().map(|w| w.take()).unwrap_or_default()
    }

    /// The last value of a topic, if it was published here while topics were counted.
    #[must_use]
    pub fn last_value(&self, topic: &str) -> Option<Last> {
        self.watch.as_ref()?.last(topic)
    }

    /// Keeps the last messages of a topic from now on.
    pub fn tap(&mut self, topic: &str) {
        self.look(|watch| watch.tap(topic));
    }

    pub fn untap(&mut self, topic: &str) {
        self.look(|watch| watch.untap(topic));
    }

    /// The last messages of a chosen topic after a number, oldest first.
    #[must_use]
    pub fn tapped(&self, topic: &str, after: u64) -> Vec<Seen> {
        let watch = self.watch.as_ref();
        watch.map(|w| w.tapped(topic, after)).unwrap_or_default()
    }

    /// Notes what is published on topics that match a filter, under a number.
    pub fn trace(&mut self, trace: u32, filter: &str) {
        self.look(|watch| watch.trace(trace, filter));
    }

    pub fn untrace(&mut self, trace: u32) {
        self.look(|watch| watch.untrace(trace));
    }

    /// What traces wanted since the last call, and how many messages found no room.
    pub fn take_traced(&mut self) -> (Vec<Traced>, u64) {
        self.watch
            .as_mut()
            .map(|w| w.take_traced())
            .unwrap_or_default()
    }

    fn look(&mut self, change: impl FnOnce(&mut Watch)) {
        let mut watch = self.watch.take().unwrap_or_else(|| Box::new(Watch::new()));
        change(&mut watch);
        self.watch = (!watch.is_idle()).then_some(watch);
    }

    /// A message, or the last of a run, on its way to its receivers.
    #[cold]
    #[inline(never)]
    pub(super) fn note_watched(&mut self, view: &View<'_>, n: u64, bytes: u64) {
        let Some(mut watch) = self.watch.take() else {
            return;
        };
        watch.note(self.now, view, n, bytes, || {
            self.name_of(view.publisher).unwrap_or_default()
        });
        self.watch = Some(watch);
    }

    /// Who on this shard gets a topic, at most `max` of them.
    pub fn receivers(&mut self, topic: &str, max: usize) -> Receivers {
        let Ok(topic) = Topic::parse(topic, u16::MAX) else {
            return Receivers::default();
        };
        let (at, route) = self.routes.take(&mut self.router, topic);
        let mut found = Receivers {
            more: route.len().saturating_sub(max),
            ..Receivers::default()
        };
        for target in route.targets.iter().take(max) {
            if let Some(s) = self.sessions.get(target.session) {
                found.sessions.push(Receiver {
                    name: (*s.client_id).into(),
                    group: false,
                    online: s.is_online(),
                    queued: s.rare.queue.as_ref().map_or(0, |q| q.len()),
                    in_flight: s.in_flight(),
                });
            }
        }
        let room = max.saturating_sub(found.sessions.len());
        for key in route.groups.iter().take(room) {
            if let Some(group) = self.groups.get_mut(*key) {
                found.sessions.push(Receiver {
                    name: format!("$share/{}/{}", group.name.0, group.name.1).into(),
                    group: true,
                    online: group.members.iter().any(|m| m.online),
                    queued: group.queue.len(),
                    in_flight: group.members.iter().map(|m| m.open as usize).sum(),
                });
            }
        }
        self.routes.put(at, route);
        found
    }

    /// Whether this shard keeps a retained message of the topic.
    #[must_use]
    pub fn has_retained(&self, topic: &str, now: Time) -> bool {
        self.retained.get(topic, now).is_some()
    }
}
