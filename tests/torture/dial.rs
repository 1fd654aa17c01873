//! Connections to a broker that may be gone at any moment.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::wire::{Conn, Connect, Kind, Outcome, Packet};

/// How long a client reads before it looks whether it is to stop.
pub(crate) const SLICE: Duration = Duration::from_millis(20);

/// How long a broker may take for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A connection after its CONNACK; None if the broker is gone.
pub(crate) fn dial(address: SocketAddr, connect: &Connect) -> Option<(Conn, Packet)> {
    let stream = TcpStream::connect(address).ok()?;
    let mut conn = Conn::over(stream, connect.version);
    conn.send(&connect.bytes());
    match conn.read_by(Instant::now() + PATIENCE) {
        Outcome::Packet(packet) => {
            assert_eq!(packet.kind, Kind::ConnAck, "{packet:?}");
            assert_eq!(packet.code, 0, "refused: {packet:?}");
            Some((conn, packet))
        }
        Outcome::Closed => None,
        Outcome::Late => panic!("no CONNACK came"),
    }
}
