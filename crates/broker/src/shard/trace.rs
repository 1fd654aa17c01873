//! What a shard tells traces: the packets of clients that are looked at, as they came and went. Without
//! a trace this costs a look at a flag for each read and write.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use engine::{SessionId, Shard, Time};
use protocol::Version;

use super::{Conns, Worker, conn::Flag};
use crate::observe::trace::{Event, Targets, Tracer, described, split};

/// Bytes kept of a packet of which a part was written; of longer ones the rest is not told.
const PART_MAX: usize = 1 << 20;

/// How a shard traces, while there is something to trace.
pub(crate) struct Tracing {
    targets: Arc<Targets>,
    tracer: Tracer,
    /// The part of a packet that a socket has taken so far.
    parts: HashMap<u32, Vec<u8>>,
}

impl Tracing {
    /// A connection is over, and another may get its number.
    pub(super) fn forget(&mut self, slot: u32) {
        self.parts.remove(&slot);
    }
}

impl Conns {
    /// Looks at these from now on, or with `None` at nobody.
    pub(crate) fn trace(&mut self, tracing: Option<(Arc<Targets>, Tracer)>, engine: &Shard) {
        self.tracing = tracing.map(|(targets, tracer)| Tracing {
            targets,
            tracer,
            parts: HashMap::new(),
        });
        for slot in self.slots() {
            self.look_at(slot, engine);
        }
    }

    /// Marks a connection whose client is looked at.
    fn look_at(&mut self, slot: u32, engine: &Shard) {
        let Some(conn) = self.get(slot) else {
            return;
        };
        let meant = self.tracing.as_ref().is_some_and(|tracing| {
            let name = conn.session.and_then(|session| engine.client_id(session));
            name.is_some_and(|name| tracing.targets.mean(name, conn.peer.ip()))
        });
        if let Some(conn) = self.get_mut(slot) {
            conn.flags.set_to(Flag::Traced, meant);
        }
    }

    fn tell(
        &self,
        session: SessionId,
        peer: SocketAddr,
        packet: &[u8],
        incoming: bool,
        at: Time,
        engine: &Shard,
    ) {
        let (Some(tracing), Some(client_id)) = (&self.tracing, engine.client_id(session)) else {
            return;
        };
        let version = engine.version(session).unwrap_or(Version::V3_1_1);
        let (text, payload) = described(packet, version, incoming);
        tracing.tracer.tell(Event {
            at: at.0,
            client_id: client_id.into(),
            peer: Some(peer),
            text,
            payload,
            only: None,
        });
    }
}

impl Worker {
    /// A client has connected with these bytes.
    #[inline]
    pub(super) fn trace_first(&mut self, slot: u32, connect: &[u8]) {
        if self.conns.tracing.is_some() {
            self.conns.look_at(slot, &self.engine);
            self.trace_in(slot, connect);
        }
    }

    /// Whole packets that a client sent.
    #[inline]
    pub(super) fn trace_in(&mut self, slot: u32, packets: &[u8]) {
        if self.conns.tracing.is_some()
            && self
                .conns
                .get(slot)
                .is_some_and(|c| c.flags.has(Flag::Traced))
        {
            self.tell_in(slot, packets);
        }
    }

    #[cold]
    fn tell_in(&mut self, slot: u32, packets: &[u8]) {
        let Some((session, peer)) = self.traced(slot) else {
            return;
        };
        for packet in split(packets).0 {
            self.conns
                .tell(session, peer, packet, true, self.now, &self.engine);
        }
    }

    /// Of what was to be written to a client, its socket has taken so much.
    #[cold]
    pub(super) fn tell_out(&mut self, slot: u32, out: &[u8], sent: usize) {
        let Some((session, peer)) = self.traced(slot) else {
            return;
        };
        let Some(tracing) = &mut self.conns.tracing else {
            return;
        };
        let mut bytes = tracing.parts.remove(&slot).unwrap_or_default();
        bytes.extend_from_slice(&out[..sent.min(out.len())]);
        let (packets, rest) = split(&bytes);
        if !rest.is_empty() && rest.len() <= PART_MAX {
            tracing.parts.insert(slot, rest.to_vec());
        }
        for packet in packets {
            self.conns
                .tell(session, peer, packet, false, self.now, &self.engine);
        }
    }

    fn traced(&self, slot: u32) -> Option<(SessionId, SocketAddr)> {
        let conn = self.conns.get(slot)?;
        Some((conn.session?, conn.peer.address()))
    }
}
