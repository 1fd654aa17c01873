//! Retained messages for new subscriptions: asked for slice by slice, from the shards that own them.

use std::sync::Arc;

use protocol::Filter;

use super::{Mail, Shard, Sink};
use crate::{Message, SessionRef, limits::SCAN_SLICE, retained::Cursor};

impl Shard {
    /// Asks for the next slice, if the last has gone out.
    pub(super) fn scan_on(&mut self, slot: u32) {
        let session = self.reference(slot);
        let s = self.session_mut(slot);
        if s.bits.blocked || s.has_queue() {
            return;
        }
        let Some(scanning) = &mut s.scanning else {
            return;
        };
        if scanning.asked {
            return;
        }
        let Some(scan) = scanning.scans.front() else {
            s.scanning = None;
            return;
        };
        scanning.asked = true;
        let (to, filter) = (scan.shards.start, scan.filter.clone());
        let cursor = scan.cursor.clone();
        self.mail(
            to,
            Mail::Scan {
                session,
                filter,
                cursor,
            },
        );
    }

    /// Looks through this shard's retained messages for somebody.
    pub(super) fn on_scan(&mut self, session: SessionRef, filter: Filter<'_>, cursor: &Cursor) {
        let mut messages = Vec::new();
        let next = self
            .retained
            .scan(filter, cursor, SCAN_SLICE, self.now, &mut messages);
        self.mail(
            session.shard,
            Mail::Found {
                session,
                messages,
                next,
            },
        );
    }

    pub(super) fn on_found(
        &mut self,
        session: SessionRef,
        messages: Vec<Arc<Message>>,
        next: Option<Cursor>,
        sink: &mut impl Sink,
    ) {
        let Some(slot) = self.resolve(session) else {
            return;
        };
        let Some(scanning) = &mut self.session_mut(slot).scanning else {
            return;
        };
        scanning.asked = false;
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
        let fresh = scanning.fresh.clone();
        let ids = [id];
        let ids = if id == 0 { &ids[..0] } else { &ids[..] };
        for message in messages {
            if fresh.iter().any(|t| **t == *message.topic().as_str()) {
                continue;
            }
            let qos = self.effective_qos(message.qos, flags.qos());
            self.send_retained(slot, &message, qos, ids, sink);
            if self.sessions.get(slot).is_none_or(|s| !s.is_online()) {
                return;
            }
        }
        self.scan_on(slot);
    }

    /// A live message changed this topic's retained one while older ones are being sent.
    pub(super) fn mark_fresh(&mut self, slot: u32, topic: &str) {
        if let Some(scanning) = &mut self.session_mut(slot).scanning {
            scanning.fresh.push(topic.into());
        }
    }
}
