//! Bytes to MQTT packets and back, for MQTT 3.1, 3.1.1 and 5. Sans-IO: slices in, values out.
//! Nothing here reads a clock, a socket or a random source, and no input of a peer makes it panic.
//! Decoded packets borrow from the buffer they were read from; limits are arguments.

mod codec;
mod error;
mod frame;
pub mod packet;
mod property;
mod qos;
mod reason;
mod topic;
mod version;

pub use codec::{
    Reader, VARINT_MAX, put_binary, put_string, put_u16, put_u32, put_varint, utf8, varint,
    varint_len,
};
pub use error::{DecodeError, Limits};
pub use frame::{Frame, PACKET_BYTES_MAX, frame, kind};
pub use packet::{
    Ack, AckKind, Auth, ConnAck, Connect, Disconnect, Options, Packet, Publish, Request,
    RetainHandling, SubAck, Subscribe, UnsubAck, Unsubscribe, Will, ack, auth, connack, connect,
    decode, decode_from_server, disconnect, pingreq, pingresp, publish, run, suback, subscribe,
    unsuback, unsubscribe,
};
pub use property::{Place, Properties, Property};
pub use qos::{PacketId, QoS};
pub use reason::Reason;
pub use topic::{Filter, SharedFilter, Topic};
pub use version::Version;
