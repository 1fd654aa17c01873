//! The server side of WebSocket (RFC 6455) as far as MQTT needs it: the opening handshake and the
//! framing. MQTT packets may be split over and joined in frames in any way [MQTT-6.0.0-2], so
//! frames are taken off as bytes arrive and nothing is ever collected here.

mod frame;
mod handshake;
mod origin;

pub use frame::{Close, Deframer, Progress, put_close, put_header};
pub use handshake::{Agreed, Refusal, Upgrade, agree, upgrade};
