//! MQTT over WebSocket on the dashboard's port: the handshake is HTTP's, everything behind it a shard's.
//! Whoever is signed in connects with a ticket.

use std::{
    fmt::Write as _,
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use engine::{Cause, acl::Principal};

use super::{Admin, Gone};
use crate::{
    control::listeners::DASHBOARD_NUMBER,
    shard::{Letter, Moving, PREFIX, Ticket},
    transport::websocket,
};

pub use crate::transport::websocket::Agreed;

/// How long a ticket is good for.
pub const TICKET_LIFE: Duration = Duration::from_secs(60);
const SECRET_BYTES: usize = 24;

/// What the holder of a ticket may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// What an MQTT user may.
    Administrator,
    /// Subscribe, and nothing else.
    Viewer,
}

/// Why a handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Of HTTP.
    pub status: u16,
    pub code: &'static str,
    pub text: &'static str,
}

/// Looks at the headers of a request for a WebSocket with MQTT.
///
/// # Errors
/// If it is none, or a page of another host's.
pub fn agree<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Agreed, Refused> {
    websocket::agree(headers).map_err(|cause| {
        let (status, code) = match cause {
            Cause::HttpOnWebSocket => (426, "UPGRADE_REQUIRED"),
            Cause::WebSocketOrigin => (403, "FOREIGN_PAGE"),
            _ => (400, "BAD_REQUEST"),
        };
        let text = cause.text();
        Refused { status, code, text }
    })
}

impl Admin {
    /// Hands a WebSocket over behind its handshake; `bytes` were read already. `far` is told of a page
    /// that came through a proxy from an address that is not near.
    pub fn take_web_socket(&self, stream: TcpStream, bytes: Vec<u8>, peer: SocketAddr, far: bool) {
        let moving = Moving::of_page(stream, bytes, peer, far);
        self.0.post.opened(DASHBOARD_NUMBER);
        self.0.post.send(0, Letter::Stranger(Box::new(moving)));
    }

    /// A ticket for this user of the dashboard: shown as the password, with the user's name, it lets in
    /// once. All shards know it when this returns.
    ///
    /// # Errors
    /// If the broker is shutting down.
    pub async fn ticket(&self, user: &str, holder: Holder) -> Result<String, Gone> {
        let mut random = [0; SECRET_BYTES];
        // Without randomness there is no secret, and then nobody may come in with one.
        getrandom::fill(&mut random).map_err(|_| Gone)?;
        let mut secret = PREFIX.to_owned();
        for byte in random {
            let _ = write!(secret, "{byte:02x}");
        }
        let who = match holder {
            Holder::Administrator => Principal::Administrator(user.into()),
            Holder::Viewer => Principal::Viewer(user.into()),
        };
        let life = u64::try_from(TICKET_LIFE.as_millis()).unwrap_or(u64::MAX);
        let ticket = Arc::new(Ticket {
            secret: secret.clone(),
            who: Arc::new(who),
            until: self.0.clock.now().plus_millis(life),
            used: AtomicBool::new(false),
        });
        self.ask_all(move |visit| visit.conns.expect(ticket))
            .await?;
        Ok(secret)
    }
}
