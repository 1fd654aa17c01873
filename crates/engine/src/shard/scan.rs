//! Retained messages for new subscriptions: asked for slice by slice, from the shards that own them.

use std::sync::Arc;

use protocol::Filter;

use super::{Mail, Shard, Sink};
use crate::{
    Message, SessionRef,
    limits::SCAN_SLICE,
    plant::{self, Fault},
    retained::Cursor,
    session::{Bit, Scanning},
};

impl Shard {
    /// Asks for the next slice, if the last has gone out.
    pub(super) fn scan_on(&mut self, slot: u32) {
        let s = self.session(slot);
        if s.bits.has(Bit::Blocked) || s.bits.has(Bit::Subscribing) || s.has_queue() {
            return; // A scan begins behind its SUBACK.
        }
        let Some(scanning) = &s.rare.scanning else {
            return;
        };
        if scanning.asked.is_some() || scanning.fence.is_some() {
            return;
        }
        let session = self.reference(slot);
        let number = self.next_token + 1;
        let s = self.session_mut(slot);
        let Some(scanning) = s.scanning_mut() else {
            return;
        };
        let Some(scan) = scanning.scans.front() else {
            if s.out.iter().all(|o| o.unsent_retained().next().is_none()) {
                s.take_scanning();
            }
            return;
        };
        scanning.asked = Some(number);
        let (to, filter) = (scan.shards.start, scan.filter.clone());
        let cursor = scan.cursor.clone();
        self.next_token = number;
        self.mail(
            to,
            Mail::Scan {
                session,
                number,
                filter,
                cursor,
            },
        );
    }

    /// Looks through this shard's retained messages for somebody.
    pub(super) fn on_scan(
        &mut self,
        session: SessionRef,
        number: u64,
        filter: Filter<'_>,
        cursor: &Cursor,
    ) {
        let mut messages = Vec::new();
        // What does not fit the subscriber's window has to fit its queue.
        let slice = SCAN_SLICE.min(self.settings.queue_max).max(1);
        let next = self
            .retained
            .scan(filter, cursor, slice, self.now, &mut messages);
        self.mail(
            session.shard,
            Mail::Found {
                session,
                number,
                messages,
                next,
            },
        );
    }

    pub(super) fn on_found(
        &mut self,
        session: SessionRef,
        number: u64,
        messages: Vec<Arc<Message>>,
        next: Option<Cursor>,
        sink: &mut impl Sink,
    ) {
        let Some(slot) = self.resolve(session) else {
            return;
        };
        let filter = self.session(slot).rare.scanning.as_ref();
        let filter = filter.and_then(|s| s.scans.front().map(|scan| scan.filter.clone()));
        let held = filter.is_some_and(|filter| {
            let node = self.router.find(Filter::trusted(&filter));
            node.is_some_and(|node| self.router.sub(node, slot).is_some())
        });
        let Some(scanning) = self.session_mut(slot).scanning_mut() else {
            return;
        };
        if scanning.asked != Some(number) {
            return; // asked on an earlier connection
        }
        scanning.asked = None;
        if !held {
            scanning.scans.pop_front(); // unsubscribed meanwhile [MQTT-3.10.4-2]
            return self.scan_on(slot);
        }
        let Some(scan) = scanning.scans.front_mut() else {
            return;
        };
        let (flags, id) = (scan.flags, scan.id);
        match next {
            Some(cursor) => scan.cursor = cursor,
            None => {
                scan.cursor = Cursor::Start;
                scan.shards.start += 1;
                if scan.shards.is_empty() {
                    scanning.scans.pop_front();
                }
            }
        }
        let ids = [id];
        let ids = if id == 0 { &ids[..0] } else { &ids[..] };
        for message in messages {
            if self.is_fresh(slot, message.topic().as_str()) {
                continue;
            }
            let qos = self.effective_qos(message.qos, flags.qos());
            self.send_retained(slot, &message, qos, ids, sink);
            if self.sessions.get(slot).is_none_or(|s| !s.is_online()) {
                return;
            }
        }
        self.scan_on(slot);
        self.pump(slot, sink); // one that was withdrawn for a newer may have left room
    }

    /// Whether a topic's retained message changed while older ones are being sent.
    pub(super) fn is_fresh(&self, slot: u32, topic: &str) -> bool {
        let scanning = self.session(slot).rare.scanning.as_ref();
        scanning.is_some_and(|s| s.is_fresh(topic))
    }

    /// A live message changed this topic's retained one while older ones are being sent.
    pub(super) fn mark_fresh(&mut self, slot: u32, topic: &str) {
        let mut scanning = self.session_mut(slot).scanning_mut();
        if scanning.as_mut().is_none_or(|s| s.mark_fresh(topic)) {
            return;
        }
        self.begin_fresh(slot);
        if let Some(scanning) = self.session_mut(slot).scanning_mut() {
            scanning.mark_fresh(topic);
        }
    }

    /// Too many topics have changed to know them all. What was found before they did is dropped. What is
    /// asked for is not older than they are once each shard has heard from each other what that had sent.
    fn begin_fresh(&mut self, slot: u32) {
        if plant::on(Fault::FreshForgotten) {
            let scanning = self.session_mut(slot).scanning_mut();
            return scanning.into_iter().for_each(Scanning::forget_fresh);
        }
        self.withdraw_outdated(slot);
        let (session, number) = (self.reference(slot), self.next_token());
        for to in 0..self.count {
            self.mail(to, Mail::Fence { session, number });
        }
        let answers = u32::from(self.count).pow(2);
        if let Some(scanning) = self.session_mut(slot).scanning_mut() {
            scanning.begin_again(number, answers);
        }
    }

    /// One shard has heard from another.
    pub(super) fn on_fenced(&mut self, session: SessionRef, number: u64, sink: &mut impl Sink) {
        if let Some(slot) = self.resolve(session)
            && let Some(scanning) = self.session_mut(slot).scanning_mut()
            && scanning.fenced(number)
        {
            self.scan_on(slot);
            self.pump(slot, sink); // those that were withdrawn have left room
        }
    }
}
