//! WebSocket (RFC 6455) from the client's side, by hand: the opening handshake and frames.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A frame as it came from the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;

    /// The bytes of a client's frame: masked, as RFC 6455 5.1 wants it.
    pub(crate) fn client(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
        let mut out = vec![if fin { 0x80 } else { 0 } | opcode];
        match payload.len() {
            n @ 0..=125 => out.push(0x80 | n as u8),
            n @ 126..=0xFFFF => {
                out.push(0x80 | 126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(0x80 | 127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        out.extend(MASK);
        out.extend(payload.iter().enumerate().map(|(i, b)| b ^ MASK[i % 4]));
        out
    }

    /// Takes the first whole frame of a server off the buffer.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let (first, second) = (*buffer.first()?, *buffer.get(1)?);
        assert_eq!(second & 0x80, 0, "a server never masks (RFC 6455 5.1)");
        assert_eq!(
            first & 0x70,
            0,
            "reserved bits without an extension (RFC 6455 5.2)"
        );
        let (start, len) = match second {
            126 => (
                4,
                usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().unwrap())),
            ),
            127 => (
                10,
                u64::from_be_bytes(buffer.get(2..10)?.try_into().unwrap()) as usize,
            ),
            n => (2, usize::from(n)),
        };
        if buffer.len() < start + len {
            return None;
        }
        let payload = buffer[start..start + len].to_vec();
        buffer.drain(..start + len);
        Some(Self {
            fin: first & 0x80 != 0,
            opcode: first & 0x0F,
            payload,
        })
    }
}

/// Opens a connection and asks for an upgrade on `path`, offering `protocols` if not empty.
/// Gives the socket, the head of the answer, and what came after it.
pub(crate) fn handshake(
    address: SocketAddr,
    path: &str,
    protocols: &str,
) -> (TcpStream, String, Vec<u8>) {
    let offer = if protocols.is_empty() {
        String::new()
    } else {
        format!("Sec-WebSocket-Protocol: {protocols}\r\n")
    };
    http(
        address,
        &format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        ),
    )
}

/// Sends a request and reads the head of the answer (empty if the peer closed without one).
pub(crate) fn http(address: SocketAddr, request: &str) -> (TcpStream, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("the listener accepts");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream.set_nodelay(true).unwrap();
    // The peer may close before it read everything; what it answered is still there to read.
    let _ = stream.write_all(request.as_bytes());
    let mut got = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = got.split_off(end + 4);
            return (stream, String::from_utf8_lossy(&got).into_owned(), rest);
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => got.extend_from_slice(&chunk[..n]),
            _ => {
                return (
                    stream,
                    String::from_utf8_lossy(&got).into_owned(),
                    Vec::new(),
                );
            }
        }
    }
}
