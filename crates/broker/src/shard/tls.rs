//! TLS of a shard's connections: what was read is opened here, before WebSocket or MQTT sees it.
//! Handshakes take time, so there are only so many in one pass.

use std::time::Instant;

use engine::{Cause, ConnId, Ending, Sink as _};

use super::{TAIL_BYTES, Worker, conn::Flag, read::Left};
use crate::transport::http::{http_page, looks_like_http};

/// Reads of connections under handshake in one pass. One takes about 200 microseconds, so the others
/// wait for 3 ms at most.
pub(super) const HANDSHAKES_MAX: u32 = 16;

impl Worker {
    /// What came from the socket of a TLS connection.
    pub(super) fn read_sealed(&mut self, slot: u32, sealed: &mut [u8], more: bool) -> Left {
        let mut plain = std::mem::take(&mut self.plain);
        plain.resize(TAIL_BYTES, 0);
        let opened = self.unseal(slot, sealed, &mut plain);
        let end = plain.len();
        if opened && end > TAIL_BYTES {
            let web = self.conns.get(slot).is_some_and(|c| c.web().is_some());
            let payload = if web {
                self.unwrap_frames(slot, &mut plain[TAIL_BYTES..])
            } else {
                Some(end - TAIL_BYTES)
            };
            if let Some(payload) = payload {
                self.join_tail(slot, &mut plain, TAIL_BYTES + payload);
            }
        }
        self.plain = plain;
        let tls = self.conns.get(slot).and_then(|c| c.tls());
        if tls.is_some_and(|tls| tls.is_ended()) {
            Left::End
        } else {
            Left::drained_unless(more)
        }
    }

    /// Opens it, and answers as far as TLS itself does. False if the connection cannot go on.
    fn unseal(&mut self, slot: u32, sealed: &mut [u8], plain: &mut Vec<u8>) -> bool {
        if self.is_plain(slot, sealed) {
            return false;
        }
        let taken = self.guarded(slot, |_, conns| {
            let tls = conns.get_mut(slot).and_then(|c| c.tls_mut())?;
            let was_opening = tls.is_opening();
            let taken = tls.take(sealed, plain);
            Some((taken, was_opening, tls.is_opening(), tls.sealed.is_empty()))
        });
        let Some(Some((taken, was_opening, is_opening, silent))) = taken else {
            return false;
        };
        self.count_waiting(slot);
        if !silent {
            self.conns.mark_dirty(slot);
        }
        if was_opening {
            self.handshakes += 1;
            if !is_opening && self.is_pending(slot) {
                let deadline = Instant::now() + self.limits.connect_timeout;
                self.accepting.expect_until(slot, deadline);
            }
        }
        match taken {
            // Who pays for too many bytes may be this one.
            Ok(()) => self.conns.get(slot).is_some(),
            Err(failure) => {
                self.fail(slot, failure.cause());
                false
            }
        }
    }

    /// Turns away who came without TLS, as far as its first bytes tell.
    fn is_plain(&mut self, slot: u32, bytes: &[u8]) -> bool {
        let Some(tls) = self.conns.get_mut(slot).and_then(|c| c.tls_mut()) else {
            return true;
        };
        if !tls.is_new() {
            return false;
        }
        let cause = if looks_like_http(bytes) {
            // Nobody has agreed on a key yet, so it goes out as it is.
            tls.sealed = http_page(&self.limits.ports);
            self.conns.mark_dirty(slot);
            Cause::HttpOnTls
        } else if bytes.first() == Some(&0x10) {
            Cause::MqttOnTls
        } else {
            return false;
        };
        self.refuse(slot, cause);
        true
    }

    fn fail(&mut self, slot: u32, cause: Cause) {
        if self.conns.get(slot).is_some_and(|c| c.session.is_some()) {
            self.lose_session_for(slot, cause);
            let ending = Ending::Expelled(cause.close());
            self.conns.close(ConnId(slot), ending);
        } else {
            self.refuse(slot, cause);
        }
    }

    fn is_pending(&self, slot: u32) -> bool {
        let conn = self.conns.get(slot);
        conn.is_some_and(|c| c.flags.has(Flag::Pending))
    }
}
