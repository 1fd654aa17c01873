//! A socket that waits for nothing, with TLS between it and us or without: whoever reads and writes
//! does not notice. What is encrypted and could not be written yet is kept.

use std::io::{self, ErrorKind, Read, Write};

use rustls::ClientConnection;

use super::fault::TlsFault;

/// What is encrypted at once.
const CHUNK: usize = 64 << 10;

pub(crate) struct Stream<S> {
    pub(crate) socket: S,
    tls: Option<Box<ClientConnection>>,
}

impl<S: Read + Write> Stream<S> {
    pub(crate) fn new(socket: S, tls: Option<Box<ClientConnection>>) -> Self {
        Self { socket, tls }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Whether something that was written is not with the system yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Tells the other side that nothing more follows.
    pub(crate) fn say_no_more(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // Who is gone already has nothing to be told.
            let _ = self.flush();
        }
    }
}

/// The fault behind an error of a stream, if it is one of TLS.
pub(crate) fn fault(error: &io::Error) -> Option<TlsFault> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(inner.clone().into())
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(buf);
        };
        loop {
            match tls.reader().read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Many close without the good-bye of TLS; MQTT has its own.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            if tls.read_tls(&mut self.socket)? == 0 && tls.is_handshaking() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = tls.process_new_packets() {
                // The other side is told why, if it listens.
                let _ = tls.write_tls(&mut self.socket);
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    done => done?,
                };
            }
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            return self.socket.write(buf);
        }
        // Not more than the system takes: whoever writes has a bound of their own.
        self.flush()?;
        let Some(tls) = &mut self.tls else {
            unreachable!("it was looked at above");
        };
        let written = tls.writer().write(&buf[..buf.len().min(CHUNK)])?;
        if written == 0 && !buf.is_empty() {
            // Before the handshake is over little is kept.
            return Err(ErrorKind::WouldBlock.into());
        }
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
        }
        Ok(())
    }
}
