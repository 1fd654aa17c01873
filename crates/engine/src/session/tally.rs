//! What a session's connection sent and got. Four small numbers stand in the session, so that an idle
//! client costs 16 bytes and a receiver of QoS 0 one add in a line that is being written to anyway; what
//! is beyond them, or rarer, has a box of its own.

use core::cell::Cell;

use protocol::QoS;

use crate::{Drop, acl::Permit};

/// Counts of one connection; those of the one before are forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub received_bytes: u64,
    pub received_packets: u64,
    /// PUBLISH by QoS.
    pub received: [u64; 3],
    /// QoS 2 messages whose PUBREL never came.
    pub received_dropped: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    /// PUBLISH by QoS.
    pub sent: [u64; 3],
    /// Messages for this client that were not delivered, by reason.
    pub dropped: [u64; Drop::COUNT],
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    totals: Option<Box<Totals>>,
    small: [u16; 4],
}

/// The small numbers: what goes beyond 16 bits moves to the totals.
#[derive(Clone, Copy)]
enum Small {
    ReceivedBytes,
    SentBytes,
    SentQos0,
    /// Packets that have one answer each, so it is counted with them.
    Answered,
}

#[derive(Debug)]
struct Totals {
    /// The cached route this client used last.
    hint: u32,
    /// To publish to the topic of a route that it had.
    permit: Cell<Permit>,
    small: [u64; 4],
    received: [u64; 3],
    received_acks: u64,
    received_dropped: u64,
    /// By QoS; that of QoS 0 is among the small ones.
    sent: [u64; 3],
    sent_acks: u64,
    dropped: [u64; Drop::COUNT],
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            hint: u32::MAX,
            permit: Cell::default(),
            small: [0; 4],
            received: [0; 3],
            received_acks: 0,
            received_dropped: 0,
            sent: [0; 3],
            sent_acks: 0,
            dropped: [0; Drop::COUNT],
        }
    }
}

impl Tally {
    #[inline]
    pub(crate) fn hint(&self) -> u32 {
        self.totals.as_ref().map_or(u32::MAX, |t| t.hint)
    }

    #[inline]
    pub(crate) fn set_hint(&mut self, hint: u32) {
        self.totals().hint = hint;
    }

    /// What the client was allowed last, unless it has published nothing.
    #[inline]
    pub(crate) fn permit(&self) -> Option<&Cell<Permit>> {
        self.totals.as_ref().map(|t| &t.permit)
    }

    /// The cached route is another's by now.
    pub(crate) fn forget_hint(&mut self) {
        if let Some(totals) = &mut self.totals {
            totals.hint = u32::MAX;
        }
    }

    #[inline]
    pub(crate) fn heard(&mut self, bytes: usize) {
        self.add(Small::ReceivedBytes, bytes as u64);
    }

    /// Messages came.
    #[inline]
    pub(crate) fn received(&mut self, qos: QoS, n: u64) {
        self.totals().received[usize::from(qos.bits())] += n;
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP came.
    #[inline]
    pub(crate) fn acks_received(&mut self, n: u64) {
        self.totals().received_acks += n;
    }

    /// A packet that has one answer was answered.
    #[inline]
    pub(crate) fn answered(&mut self, bytes: usize) {
        self.add(Small::Answered, 1);
        self.add(Small::SentBytes, bytes as u64);
    }

    /// PUBLISHes were written.
    #[inline]
    pub(crate) fn sent(&mut self, qos: QoS, n: u64, bytes: usize) {
        self.add(Small::SentBytes, bytes as u64);
        if qos == QoS::AtMostOnce {
            self.add(Small::SentQos0, n);
        } else {
            self.totals().sent[usize::from(qos.bits())] += n;
        }
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP was written.
    #[inline]
    pub(crate) fn ack_sent(&mut self, bytes: usize) {
        self.add(Small::SentBytes, bytes as u64);
        self.totals().sent_acks += 1;
    }

    pub(crate) fn dropped(&mut self, why: Drop, n: u64) {
        self.totals().dropped[why as usize] += n;
    }

    pub(crate) fn received_dropped(&mut self, n: u64) {
        self.totals().received_dropped += n;
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let none = Totals::default();
        let totals = self.totals.as_deref().unwrap_or(&none);
        let small =
            |what: Small| totals.small[what as usize] + u64::from(self.small[what as usize]);
        let mut sent = totals.sent;
        sent[0] = small(Small::SentQos0);
        let answered = small(Small::Answered);
        Traffic {
            received_bytes: small(Small::ReceivedBytes),
            received_packets: answered + totals.received_acks + totals.received.iter().sum::<u64>(),
            received: totals.received,
            received_dropped: totals.received_dropped,
            sent_bytes: small(Small::SentBytes),
            sent_packets: answered + totals.sent_acks + sent.iter().sum::<u64>(),
            sent,
            dropped: totals.dropped,
        }
    }

    #[inline]
    fn add(&mut self, what: Small, n: u64) {
        let sum = u64::from(self.small[what as usize]) + n;
        match u16::try_from(sum) {
            Ok(sum) => self.small[what as usize] = sum,
            Err(_) => self.carry(what, sum),
        }
    }

    #[inline(never)]
    fn carry(&mut self, what: Small, sum: u64) {
        self.small[what as usize] = 0;
        self.totals().small[what as usize] += sum;
    }

    #[inline]
    fn totals(&mut self) -> &mut Totals {
        self.totals.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_carried_over() {
        let mut tally = Tally::default();
        assert_eq!(size_of::<Tally>(), 16);
        for _ in 0..70_000 {
            tally.answered(2);
            tally.sent(QoS::AtMostOnce, 3, 30);
        }
        tally.heard(100_000);
        tally.sent(QoS::AtLeastOnce, 1, 5);
        tally.received(QoS::ExactlyOnce, 2);
        tally.acks_received(4);
        tally.ack_sent(4);
        tally.dropped(Drop::TooLarge, 7);
        let t = tally.traffic();
        assert_eq!(t.received_bytes, 100_000);
        assert_eq!(t.sent_bytes, 70_000 * 32 + 5 + 4);
        assert_eq!((t.sent, t.received), ([210_000, 1, 0], [0, 0, 2]));
        assert_eq!(t.received_packets, 70_000 + 2 + 4);
        assert_eq!(t.sent_packets, 70_000 + 210_000 + 1 + 1);
        assert_eq!(t.dropped[Drop::TooLarge as usize], 7);
    }

    #[test]
    fn who_only_pings_has_no_box() {
        let mut tally = Tally::default();
        for _ in 0..1000 {
            tally.heard(2);
            tally.answered(2);
        }
        assert!(tally.totals.is_none());
    }
}
