//! A client's side of WebSocket (RFC 6455): the handshake on a socket that blocks, frames as bytes.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;

/// An answer to the handshake may be this long.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What RFC 6455 1.3 has the server append to the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

mod opcode {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
}

fn fault(cause: &str) -> Error {
    Error::WebSocket(cause.to_owned())
}

/// Asks for WebSocket and reads the answer, byte by byte so that no frame is swallowed.
pub(crate) fn shake(stream: &mut (impl Read + Write), host: &str, path: &str) -> Result<(), Error> {
    let mut nonce = [0; 16];
    fill(&mut nonce)?;
    let key = STANDARD.encode(nonce);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let closed = |_| fault("the connection was closed during the handshake");
    stream.write_all(request.as_bytes()).map_err(closed)?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(fault("the answer does not end"));
        }
        stream.read_exact(&mut byte).map_err(closed)?;
        head.push(byte[0]);
    }
    check(&String::from_utf8_lossy(&head), &accept(&key))
}

fn check(head: &str, accept: &str) -> Result<(), Error> {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(Error::WebSocket(format!("the answer is {status}")));
    }
    let header = |name: &str| {
        head.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    if header("Sec-WebSocket-Accept") != Some(accept) {
        return Err(fault("the answer belongs to another request"));
    }
    // [MQTT-6.0.0-4]
    if header("Sec-WebSocket-Protocol") != Some("mqtt") {
        return Err(fault("the other side does not speak MQTT"));
    }
    Ok(())
}

fn accept(key: &str) -> String {
    let mut sha = sha1_smol::Sha1::new();
    sha.update(key.as_bytes());
    sha.update(GUID.as_bytes());
    STANDARD.encode(sha.digest().bytes())
}

/// Appends a binary frame with these bytes [MQTT-6.0.0-1].
pub(crate) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    put(out, opcode::BINARY, bytes)
}

fn put(out: &mut Vec<u8>, opcode: u8, bytes: &[u8]) -> Result<(), Error> {
    out.push(0x80 | opcode);
    // A client masks what it sends (5.3).
    if let Ok(len @ 0..126) = u8::try_from(bytes.len()) {
        out.push(0x80 | len);
    } else if let Ok(len) = u16::try_from(bytes.len()) {
        out.push(0x80 | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        out.extend_from_slice(&len.to_be_bytes());
    }
    let mut mask = [0; 4];
    fill(&mut mask)?;
    out.extend_from_slice(&mask);
    out.extend(bytes.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    Ok(())
}

fn fill(random: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(random).map_err(|error| Error::System(std::io::Error::other(error.to_string())))
}

/// Takes whole frames from `raw`: MQTT's bytes go to `inbox`, answers to pings to `out`. False when
/// the other side says that it is over.
pub(crate) fn take(
    raw: &mut Vec<u8>,
    inbox: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let mut at = 0;
    let mut goes_on = true;
    while let Some((opcode, start, end)) = frame(&raw[at..])? {
        let bytes = &raw[at + start..at + end];
        match opcode {
            opcode::BINARY | opcode::CONTINUATION => inbox.extend_from_slice(bytes),
            opcode::PING => put(out, opcode::PONG, bytes)?,
            opcode::PONG => {}
            opcode::CLOSE => goes_on = false,
            opcode::TEXT => return Err(fault("a text frame")),
            _ => return Err(fault("a frame of unknown kind")),
        }
        at += end;
    }
    raw.drain(..at);
    Ok(goes_on)
}

/// Kind of the first frame, and where its bytes begin and end, once they are all there.
fn frame(raw: &[u8]) -> Result<Option<(u8, usize, usize)>, Error> {
    let (Some(first), Some(second)) = (raw.first(), raw.get(1)) else {
        return Ok(None);
    };
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(fault("a frame that a server may not send"));
    }
    let (start, len) = match second {
        126 => match raw.get(2..4) {
            Some(len) => (4, u64::from(u16::from_be_bytes([len[0], len[1]]))),
            None => return Ok(None),
        },
        127 => match raw.get(2..10).and_then(|len| len.first_chunk()) {
            Some(len) => (10, u64::from_be_bytes(*len)),
            None => return Ok(None),
        },
        len => (2, u64::from(*len)),
    };
    if len > u64::from(protocol::PACKET_BYTES_MAX) {
        return Err(fault("a frame longer than any packet"));
    }
    let len = usize::try_from(len).map_err(|_| fault("a frame longer than memory"))?;
    Ok((raw.len() >= start + len).then_some((first & 0x0F, start, start + len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 1.3.
    #[test]
    fn the_answer_belongs_to_the_key() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        assert_eq!(accept(key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let answer = |accept: &str, protocol: &str| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {accept}\r\n\
                 Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
            )
        };
        assert!(check(&answer("a", "mqtt"), "a").is_ok());
        for (head, told) in [
            (answer("b", "mqtt"), "another request"),
            (answer("a", "soap"), "does not speak MQTT"),
            ("HTTP/1.1 404 Not Found\r\n\r\n".to_owned(), "404"),
        ] {
            let error = check(&head, "a").unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn frames_come_in_pieces_and_several_at_once() {
        let mut long = vec![0x82, 126, 0x01, 0x00];
        long.extend([7; 256]);
        let wire = [
            &[0x82, 2, 1, 2, 0x89, 1, b'x', 0x02, 1, 3, 0x80, 1, 4][..],
            &long,
        ]
        .concat();
        for cut in 0..wire.len() {
            let (mut raw, mut inbox, mut out) = (Vec::new(), Vec::new(), Vec::new());
            for part in [&wire[..cut], &wire[cut..]] {
                raw.extend_from_slice(part);
                assert!(take(&mut raw, &mut inbox, &mut out).unwrap());
            }
            assert!(raw.is_empty() && inbox[..4] == [1, 2, 3, 4] && inbox.len() == 260);
            // The answer to the ping is masked.
            assert_eq!((out[0], out[1], out.len()), (0x8A, 0x81, 7));
            assert_eq!(out[6] ^ out[2], b'x');
        }
        let over = take(&mut vec![0x88, 0], &mut Vec::new(), &mut Vec::new());
        assert!(!over.unwrap());
        for bad in [&[0x81, 0][..], &[0x82, 0x80], &[0xC2, 0], &[0x83, 0]] {
            assert!(
                take(&mut bad.to_vec(), &mut Vec::new(), &mut Vec::new()).is_err(),
                "{bad:?}"
            );
        }
    }
}
