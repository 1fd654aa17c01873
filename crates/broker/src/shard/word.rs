//! What is asked elsewhere about what clients do. A connection has one question at a time; what it sends
//! meanwhile waits unread.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{
    QuestionId,
    acl::{Heard, Inquiry},
};
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

    /// Asks what the engine does not ask for a packet. False if there is nobody to ask.
    pub(super) fn inquire(
        &mut self,
        id: QuestionId,
        peer: Option<SocketAddr>,
        inquiry: &Inquiry<'_>,
    ) -> bool {
        let Some(elsewhere) = self.words.elsewhere.clone() else {
            return false;
        };
        let (post, shard, _) = self.number();
        // No address is somebody's rights: of who is away, and was before a restart, none is known.
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = peer.map_or(unknown, |peer| peer.ip());
        elsewhere.ask(inquiry, address, move |heard| {
            post.send(shard, Letter::Heard(id, heard));
        });
        true
    }
}

impl Worker {
    /// The answer to such a question.
    pub(super) fn take_answer(&mut self, id: QuestionId, heard: Heard) {
        let conns = &mut self.conns;
        for conn in self.engine.heard(self.now, id, heard, conns) {
            self.release(conn.0);
        }
    }

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
