//! What lies between a socket and the MQTT codec: WebSocket framing, and the polite refusal of
//! peers that speak something else. Bytes in, bytes out: no socket and no clock is known here.

pub mod http;
pub mod proxy;
pub mod websocket;
