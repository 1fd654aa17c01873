//! The subscribers at one filter: none, one inline, or a sorted list.

use protocol::{QoS, RetainHandling};

use super::Wants;
use crate::{
    acl::{Heard, SOURCES_MAX, Word},
    table::is_oversized,
};

/// Subscription options, of which the first byte is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(u16);

impl Flags {
    const QOS: u16 = 0b11;
    const NO_LOCAL: u16 = 4;
    const AS_PUBLISHED: u16 = 8;
    const DURABLE: u16 = 16;
    /// Retain Handling, which is only told.
    const HANDLING: u16 = 0b110_0000;
    const HANDLING_SHIFT: u16 = 5;
    const LOGGED: u16 = 1 << 7;
    const CHECKED: u16 = 1 << 8;
    /// What somebody elsewhere has said of it: nothing, that it is allowed and who says so, or one of these.
    const HEARD: u16 = 0b111 << 9;
    const HEARD_SHIFT: u16 = 9;
    const PASSED: u16 = 5;
    const ASKED: u16 = 6;

    #[must_use]
    pub fn new(qos: QoS, no_local: bool, as_published: bool, durable: bool) -> Self {
        let mut bits = u16::from(qos.bits());
        if no_local {
            bits |= Self::NO_LOCAL;
        }
        if as_published {
            bits |= Self::AS_PUBLISHED;
        }
        if durable {
            bits |= Self::DURABLE;
        }
        Self(bits)
    }

    #[must_use]
    pub(crate) fn with_handling(self, handling: RetainHandling) -> Self {
        Self(self.0 & !Self::HANDLING | u16::from(handling as u8) << Self::HANDLING_SHIFT)
    }

    pub(crate) fn handling(self) -> RetainHandling {
        match (self.0 & Self::HANDLING) >> Self::HANDLING_SHIFT {
            0 => RetainHandling::SendAlways,
            1 => RetainHandling::SendIfNew,
            _ => RetainHandling::DoNotSend,
        }
    }

    /// As they are kept in a record; [`Flags::from_bits`] reads them.
    pub(crate) fn bits(self) -> u8 {
        let [kept, _] = self.0.to_le_bytes();
        kept
    }

    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        QoS::from_bits(bits & 0b11)?;
        let bits = u16::from(bits);
        (bits & Self::HANDLING != Self::HANDLING).then_some(Self(bits))
    }

    #[inline]
    pub(crate) fn qos(self) -> QoS {
        let [bits, _] = (self.0 & Self::QOS).to_le_bytes();
        QoS::from_bits(bits).expect("made of a QoS")
    }

    #[inline]
    pub(crate) fn no_local(self) -> bool {
        self.0 & Self::NO_LOCAL != 0
    }

    #[inline]
    pub(crate) fn as_published(self) -> bool {
        self.0 & Self::AS_PUBLISHED != 0
    }

    /// The session outlives its connection.
    fn durable(self) -> bool {
        self.0 & Self::DURABLE != 0
    }

    /// What is logged comes from the log although this subscription is of QoS 0.
    pub(crate) fn logged(self) -> bool {
        self.0 & Self::LOGGED != 0
    }

    /// The same, with that.
    pub(crate) fn with_logged(self, logged: bool) -> Self {
        Self(if logged {
            self.0 | Self::LOGGED
        } else {
            self.0 & !Self::LOGGED
        })
    }

    /// Some of what it brings may be denied, so each message is asked about.
    #[inline]
    pub(crate) fn is_checked(self) -> bool {
        self.0 & Self::CHECKED != 0
    }

    /// The same, with that.
    pub(crate) fn with_checked(self, checked: bool) -> Self {
        Self(if checked {
            self.0 | Self::CHECKED
        } else {
            self.0 & !Self::CHECKED
        })
    }

    /// What somebody elsewhere has said of it, if that is known; or that this has to be asked anew.
    pub(crate) fn heard(self) -> Option<Heard> {
        match (self.0 & Self::HEARD) >> Self::HEARD_SHIFT {
            0 => None,
            Self::PASSED => Some(Heard::Word(Word::Pass, 0)),
            Self::ASKED => Some(Heard::Waits),
            by => {
                let by = u8::try_from(by - 1).expect("three bits are few");
                Some(Heard::Word(Word::Allow, by))
            }
        }
    }

    /// The same, with that. What was denied is no subscription.
    pub(crate) fn with_heard(self, heard: Option<Heard>) -> Self {
        let bits = match heard {
            Some(Heard::Word(Word::Allow, by)) if usize::from(by) < SOURCES_MAX => {
                u16::from(by) + 1
            }
            Some(Heard::Word(Word::Pass, _)) => Self::PASSED,
            Some(Heard::Waits) => Self::ASKED,
            _ => 0,
        };
        Self(self.0 & !Self::HEARD | bits << Self::HEARD_SHIFT)
    }

    /// Messages that are in the log come from there, and not live.
    #[inline]
    pub(crate) fn reads_log(self) -> bool {
        self.durable() && self.0 & (Self::QOS | Self::LOGGED) != 0
    }

    /// Two overlapping subscriptions of one session: the higher QoS [MQTT-3.3.4-2]; No Local holds only
    /// if both say so; Retain As Published if either does.
    pub(crate) fn overlap(self, other: Self) -> Self {
        Self::new(
            self.qos().max(other.qos()),
            self.no_local() && other.no_local(),
            self.as_published() || other.as_published(),
            self.durable() || other.durable(),
        )
        .with_logged(self.logged() || other.logged())
        .with_checked(self.is_checked() || other.is_checked())
    }
}

/// One session's subscription at one filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sub {
    pub session: u32,
    pub flags: Flags,
    /// Subscription Identifier, 0 for none (3.8.2.1.2).
    pub id: u32,
}

#[derive(Debug, Default)]
pub(crate) enum Subs {
    #[default]
    None,
    One(Sub),
    Many(Box<Many>),
}

#[derive(Debug, Default)]
pub(crate) struct Many {
    /// By session; new sessions mostly have the highest slot, so insertion is mostly a push.
    pub(crate) subs: Vec<Sub>,
    /// Shared groups that have their home on this shard, and whether they read the log.
    pub(crate) groups: Vec<(u32, bool)>,
}

impl Subs {
    /// True if the session had none here before.
    pub(crate) fn insert(&mut self, sub: Sub) -> bool {
        match self {
            Self::None => {
                *self = Self::One(sub);
                true
            }
            Self::One(one) if one.session == sub.session => {
                *one = sub; // [MQTT-3.8.4-3]
                false
            }
            Self::One(_) => {
                self.many().insert(sub);
                true
            }
            Self::Many(many) => many.insert(sub),
        }
    }

    /// Other options for a session that has a subscription here.
    pub(crate) fn set_flags(&mut self, session: u32, flags: Flags) {
        let subs = match self {
            Self::None => return,
            Self::One(one) => std::slice::from_mut(one),
            Self::Many(many) => &mut many.subs,
        };
        if let Some(sub) = subs.iter_mut().find(|sub| sub.session == session) {
            sub.flags = flags;
        }
    }

    pub(crate) fn remove(&mut self, session: u32) -> bool {
        match self {
            Self::One(one) if one.session == session => {
                *self = Self::None;
                true
            }
            Self::Many(many) => {
                let Ok(at) = many.subs.binary_search_by_key(&session, |s| s.session) else {
                    return false;
                };
                many.subs.remove(at);
                if is_oversized(many.subs.len(), many.subs.capacity()) {
                    many.subs.shrink_to(2 * many.subs.len());
                }
                self.slim();
                true
            }
            _ => false,
        }
    }

    pub(crate) fn insert_group(&mut self, group: u32, durable: bool) {
        let many = self.many();
        match many.groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, old)) => *old = durable,
            None => many.groups.push((group, durable)),
        }
    }

    pub(crate) fn remove_group(&mut self, group: u32) {
        if let Self::Many(many) = self {
            many.groups.retain(|(g, _)| *g != group);
            self.slim();
        }
    }

    pub(crate) fn get(&self, session: u32) -> Option<Sub> {
        self.slice().iter().find(|s| s.session == session).copied()
    }

    #[inline]
    pub(crate) fn slice(&self) -> &[Sub] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => &many.subs,
        }
    }

    #[inline]
    pub(crate) fn groups(&self) -> &[(u32, bool)] {
        match self {
            Self::Many(many) => &many.groups,
            _ => &[],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Live means: somebody here is served at once, also a durable session at QoS 0.
    pub(crate) fn wants(&self) -> Wants {
        Wants {
            live: !self.slice().is_empty() || !self.groups().is_empty(),
            durable: self.slice().iter().any(|s| s.flags.reads_log())
                || self.groups().iter().any(|(_, durable)| *durable),
        }
    }

    fn many(&mut self) -> &mut Many {
        if !matches!(self, Self::Many(_)) {
            let subs = self.slice().to_vec();
            *self = Self::Many(Box::new(Many {
                subs,
                groups: Vec::new(),
            }));
        }
        match self {
            Self::Many(many) => many,
            _ => unreachable!("made a line above"),
        }
    }

    fn slim(&mut self) {
        if let Self::Many(many) = self
            && many.groups.is_empty()
        {
            match many.subs.as_slice() {
                [] => *self = Self::None,
                [one] => *self = Self::One(*one),
                _ => {}
            }
        }
    }
}

impl Many {
    fn insert(&mut self, sub: Sub) -> bool {
        match self.subs.binary_search_by_key(&sub.session, |s| s.session) {
            Ok(at) => {
                self.subs[at] = sub; // [MQTT-3.8.4-3]
                false
            }
            Err(at) => {
                self.subs.insert(at, sub);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was said of a subscription stands beside everything else of it, and is not kept.
    #[test]
    fn what_was_said_changes_nothing_else() {
        let plain = Flags::new(QoS::ExactlyOnce, true, true, true)
            .with_handling(RetainHandling::DoNotSend)
            .with_logged(true)
            .with_checked(true);
        let last = u8::try_from(SOURCES_MAX).unwrap() - 1;
        for heard in [
            None,
            Some(Heard::Waits),
            Some(Heard::Word(Word::Pass, 0)),
            Some(Heard::Word(Word::Allow, 0)),
            Some(Heard::Word(Word::Allow, last)),
        ] {
            let flags = plain.with_heard(Some(Heard::Waits)).with_heard(heard);
            assert_eq!(flags.heard(), heard);
            assert_eq!(flags.with_heard(None), plain);
            assert_eq!(flags.bits(), plain.bits());
        }
        assert_eq!(plain.with_heard(Some(Heard::Failed)), plain);
    }
}
