//! Clients behind a narrow line: the system keeps little for them, so that whoever stops reading
//! is behind at once. Without this a stopped reader's socket takes megabytes before anybody
//! notices, and a crowd of them takes what the machine has for all sockets.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

use super::conn::Conn;
use super::{Broker, Connect};

impl Broker {
    /// An accepted client behind a narrow line.
    #[track_caller]
    pub(crate) fn narrow(&self, connect: &Connect) -> Conn {
        let mut conn = Conn::over(narrow(self.tcp), connect.version);
        conn.connect(connect);
        conn
    }
}

fn narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    // Small segments keep the sender's side small too: its buffer starts as ten of them.
    socket.set_tcp_mss(1400).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}
