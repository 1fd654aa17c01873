//! Connections that come through a proxy: first it says where they really come from.

use engine::Cause;

use super::{TAIL_BYTES, Worker, conn::Peer, read::Left};
use crate::transport::proxy;

impl Worker {
    /// What a proxy has sent, up to the end of its header; what follows is the client's.
    pub(super) fn read_proxied(
        &mut self,
        slot: u32,
        buffer: &mut [u8],
        end: usize,
        more: bool,
    ) -> Left {
        let Some(conn) = self.conns.get_mut(slot) else {
            return Left::Drained;
        };
        let mut whole = conn.input.take().map_or_else(Vec::new, |i| *i);
        self.forget_input(slot, whole.len());
        whole.extend_from_slice(&buffer[TAIL_BYTES..end]);
        let header = match proxy::header(&whole) {
            Ok(Some(header)) => header,
            Ok(None) => {
                self.keep_input(slot, whole);
                return Left::drained_unless(more);
            }
            Err(why) => {
                self.refuse(slot, Cause::ProxyHeader(why));
                return Left::drained_unless(more);
            }
        };
        if let Some(source) = header.source {
            self.comes_from(slot, Peer::new(source));
        }
        let Some(conn) = self.conns.get_mut(slot) else {
            return Left::Drained;
        };
        if !self.limits.takes(conn.listener, conn.peer.ip()) {
            self.refuse(slot, Cause::ListenerAccess);
            return Left::drained_unless(more);
        }
        if let Some(wrap) = &mut conn.wrap {
            wrap.proxied = false;
            if wrap.tls.is_none() && wrap.web.is_none() && wrap.mount.is_none() {
                conn.wrap = None;
            }
        }
        // A page behind it may have a proxy of its own.
        if !self.speaks_for_another(slot) && !self.counts_address(slot) {
            self.refuse(slot, Cause::PendingPerAddressMax);
            return Left::drained_unless(more);
        }
        // The header was not whole before, so what follows it was read last and fits.
        let rest = &whole[header.consumed..];
        if rest.is_empty() {
            return Left::drained_unless(more);
        }
        let end = TAIL_BYTES + rest.len();
        buffer[TAIL_BYTES..end].copy_from_slice(rest);
        self.read_wrapped(slot, buffer, end, more)
    }
}
