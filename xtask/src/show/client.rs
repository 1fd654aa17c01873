//! A client that writes and reads MQTT 3.1.1 by hand, for what the load generator does not do: wait
//! for each acknowledgement, send at a pace, make a hundred thousand sessions.

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Clients that share a source address, which has a limited number of ports.
const PER_ADDRESS: usize = 5_000;

pub(super) const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;

pub(super) struct Client {
    stream: TcpStream,
    buf: Vec<u8>,
    /// What of `buf` was looked at.
    read: usize,
}

/// A packet that came: its first byte, and where its rest stands in the buffer.
pub(super) struct Packet<'a> {
    pub(super) first: u8,
    pub(super) rest: &'a [u8],
}

impl Client {
    /// With clean session off, unless it is only for now.
    pub(super) fn persistent(address: SocketAddr, id: &str) -> Result<Self> {
        Self::open(address, id, 0, None)
    }

    pub(super) fn passing(address: SocketAddr, id: &str) -> Result<Self> {
        Self::open(address, id, 2, None)
    }

    /// The `n`th of very many, from an address that it shares with some thousand.
    pub(super) fn one_of_many(address: SocketAddr, id: &str, n: usize) -> Result<Self> {
        Self::open(address, id, 0, Some(n))
    }

    fn open(address: SocketAddr, id: &str, flags: u8, number: Option<usize>) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(n) = number {
            let host = u8::try_from(2 + n / PER_ADDRESS)?;
            socket.bind(&SocketAddr::from(([127, 0, 100, host], 0)).into())?;
        }
        socket.connect(&address.into())?;
        let mut client = Self {
            stream: socket.into(),
            buf: Vec::new(),
            read: 0,
        };
        client.stream.set_nodelay(true)?;
        client.stream.set_read_timeout(Some(PATIENCE))?;
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 0];
        text(id, &mut body);
        client.send(&packet(0x10, &body))?;
        let answer = client.next()?;
        ensure!(
            answer.first == 0x20 && answer.rest[1] == 0,
            "{id} was refused: {:?}",
            answer.rest
        );
        Ok(client)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Subscribes with QoS 1 and waits for SUBACK. Messages may come before it: those of QoS 0 are
    /// passed over.
    pub(super) fn subscribe(&mut self, filters: &[String]) -> Result<()> {
        let mut body = vec![0, 1];
        for filter in filters {
            text(filter, &mut body);
            body.push(1);
        }
        self.send(&packet(0x82, &body))?;
        loop {
            let answer = self.next()?;
            if answer.first & !1 == PUBLISH {
                continue;
            }
            ensure!(answer.first == 0x90, "no SUBACK but {:#x}", answer.first);
            let granted = answer.rest[2..].iter().all(|&code| code <= 2);
            ensure!(granted, "refused: {:?}", answer.rest);
            return Ok(());
        }
    }

    pub(super) fn disconnect(mut self) -> Result<()> {
        self.send(&[0xE0, 0])
    }

    /// Waits for a PUBACK and gives its packet identifier.
    pub(super) fn acknowledged(&mut self) -> Result<u16> {
        let answer = self.next()?;
        ensure!(answer.first == PUBACK, "no PUBACK but {:#x}", answer.first);
        Ok(u16::from_be_bytes([answer.rest[0], answer.rest[1]]))
    }

    /// The next message: its topic and payload. One of QoS 1 is acknowledged.
    pub(super) fn message(&mut self) -> Result<(String, Vec<u8>)> {
        loop {
            let Packet { first, rest } = self.next()?;
            if first & 0xF0 != PUBLISH {
                continue;
            }
            let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let topic = String::from_utf8_lossy(&rest[2..2 + len]).into_owned();
            let rest = &rest[2 + len..];
            if first & 0b110 == 0 {
                return Ok((topic, rest.to_vec()));
            }
            let (id, payload) = ([rest[0], rest[1]], rest[2..].to_vec());
            self.send(&[PUBACK, 2, id[0], id[1]])?;
            return Ok((topic, payload));
        }
    }

    /// Takes messages of QoS 1 for as long as it is called for, and acknowledges what came at once
    /// with one write. Gives how many came: 0 if none did within `patience`.
    pub(super) fn take_some(&mut self, patience: Duration) -> Result<usize> {
        let mut acks = Vec::new();
        let mut count = 0;
        self.stream.set_read_timeout(Some(patience))?;
        let filled = self.fill();
        self.stream.set_read_timeout(Some(PATIENCE))?;
        if !filled? {
            return Ok(0);
        }
        while let Some(Packet { first, rest }) = self.parse()? {
            if first & 0xF0 != PUBLISH {
                continue;
            }
            count += 1;
            if first & 0b110 != 0 {
                let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                acks.extend([PUBACK, 2, rest[2 + len], rest[3 + len]]);
            }
        }
        self.send(&acks)?;
        Ok(count)
    }

    fn next(&mut self) -> Result<Packet<'_>> {
        let until = Instant::now() + PATIENCE;
        while length(&self.buf[self.read..])?.is_none() {
            ensure!(self.fill()? && Instant::now() < until, "nothing came");
        }
        self.parse()?.context("it is whole")
    }

    /// Reads what is there; false if nothing came in time.
    fn fill(&mut self) -> Result<bool> {
        self.buf.drain(..self.read);
        self.read = 0;
        let have = self.buf.len();
        self.buf.resize(have + 64 * 1024, 0);
        let got = self.stream.read(&mut self.buf[have..]);
        self.buf.truncate(have + *got.as_ref().unwrap_or(&0));
        match got {
            Ok(0) => anyhow::bail!("the broker closed the connection"),
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    fn parse(&mut self) -> Result<Option<Packet<'_>>> {
        let bytes = &self.buf[self.read..];
        let Some((header, len)) = length(bytes)? else {
            return Ok(None);
        };
        self.read += header + len;
        Ok(Some(Packet {
            first: bytes[0],
            rest: &bytes[header..header + len],
        }))
    }
}

/// Of a packet that is there whole: the bytes of its fixed header, and of the rest.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let (mut len, mut shift) = (0, 0);
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        len |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            let whole = bytes.len() > at + len;
            return Ok(whole.then_some((at + 1, len)));
        }
        ensure!(shift < 28, "a length of more than four bytes");
    }
    Ok(None)
}

/// A message with QoS 1 and this packet identifier.
pub(super) fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(topic, &mut body);
    body.extend(id.to_be_bytes());
    body.extend(payload);
    packet(PUBLISH | 2, &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut len = body.len();
    loop {
        let low = u8::try_from(len & 127).unwrap_or(127);
        len >>= 7;
        out.push(if len > 0 { low | 128 } else { low });
        if len == 0 {
            break;
        }
    }
    out.extend(body);
    out
}

fn text(text: &str, out: &mut Vec<u8>) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_whole_or_not() {
        let bytes = publish("a/b", 7, &[b'x'; 200]);
        assert_eq!(length(&bytes).unwrap(), Some((3, 207)));
        assert_eq!(length(&bytes[..bytes.len() - 1]).unwrap(), None);
        assert_eq!(length(&bytes[..1]).unwrap(), None);
        assert_eq!(length(&[0xD0, 0]).unwrap(), Some((2, 0)));
        assert!(length(&[0x30, 255, 255, 255, 255, 1]).is_err());
    }
}
