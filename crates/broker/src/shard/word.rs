//! What is asked elsewhere about what clients do. A connection has one question at a time; what it sends
//! meanwhile waits unread.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::acl::{Heard, Inquiry};
use protocol::QoS;

use super::{Letter, Worker, gate::Gate};
use crate::access::{
    authenticate::{Granted, Judged},
    authorize::elsewhere::Elsewhere,
};

/// An answer that nobody has taken for so long is none any more: what it was for has changed.
const GOOD_FOR: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Words {
    /// Who is asked, if anybody.
    elsewhere: Option<Arc<Elsewhere>>,
    /// By connection.
    asked: HashMap<u32, Asked>,
    /// Who was let in by the CONNECT that is looked at.
    pub(super) admitted: Option<Granted>,
}

/// A question, and what there is of the answer. The client id is not among it: one that the broker
/// chooses is another each time.
struct Asked {
    number: u64,
    since: Instant,
    deed: (bool, QoS, bool),
    topic: Box<str>,
    heard: Option<Heard>,
    /// Whose CONNECT it is for, if that took a question, too.
    granted: Option<Granted>,
}

impl Words {
    /// The connection is gone.
    pub(super) fn forget(&mut self, slot: u32) {
        if !self.asked.is_empty() && self.asked.remove(&slot).is_some() && self.asked.is_empty() {
            // A crowd is gone: its memory goes too.
            self.asked = HashMap::new();
        }
    }
}

impl Gate {
    /// Whom to ask from now on.
    pub(crate) fn set_elsewhere(&mut self, elsewhere: Option<Arc<Elsewhere>>) {
        self.words.elsewhere = elsewhere;
    }

    /// What is said of this; asked for, if it was not.
    pub(super) fn outside(&mut self, slot: u32, address: IpAddr, inquiry: &Inquiry<'_>) -> Heard {
        let deed = (inquiry.publishes, inquiry.qos, inquiry.retain);
        if let Some(asked) = self.words.asked.get(&slot) {
            let is_it = asked.deed == deed
                && *asked.topic == *inquiry.topic
                && asked.since.elapsed() < GOOD_FOR;
            match asked.heard {
                None if is_it => return Heard::Waits,
                Some(heard) if is_it => {
                    self.words.forget(slot);
                    return heard;
                }
                _ => self.words.forget(slot),
            }
        }
        let Some(elsewhere) = self.words.elsewhere.clone() else {
            return Heard::Failed;
        };
        let (post, shard, number) = self.number();
        let asked = Asked {
            number,
            since: Instant::now(),
            deed,
            topic: inquiry.topic.into(),
            heard: None,
            granted: self.words.admitted.take(),
        };
        self.words.asked.insert(slot, asked);
        elsewhere.ask(inquiry, address, move |heard| {
            post.send(shard, Letter::Word(slot, number, heard));
        });
        Heard::Waits
    }
}

impl Worker {
    /// What was said for a connection that may still wait for it.
    pub(super) fn take_word(&mut self, slot: u32, number: u64, heard: Heard) {
        let asked = self.conns.gate.words.asked.get_mut(&slot);
        let Some(asked) = asked.filter(|asked| asked.number == number) else {
            return;
        };
        asked.heard = Some(heard);
        match asked.granted.take() {
            Some(granted) => self.open_again(slot, Ok(Judged::In(granted))),
            None => self.release(slot),
        }
    }
}
