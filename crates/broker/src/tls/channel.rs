//! One connection's TLS, as bytes in and bytes out. It owns a buffer only while a record is incomplete
//! or its peer is slow, which is why rustls' unbuffered interface is used: 3.3 KB a connection instead
//! of 7.3 KB.

use std::sync::Arc;

use engine::Cause;
use rustls::{
    AlertDescription, CertificateError, Error, ServerConfig,
    pki_types::CertificateDer,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};

use super::Facts;

/// What may be kept of a peer before it makes sense: a whole record is at most 18,437 bytes.
const WAITING_MAX: usize = 20 * 1024;
/// Plain bytes that are sealed at one go: a few records.
pub(crate) const SEAL_MAX: usize = 64 * 1024;

/// A connection's TLS.
pub(crate) struct Channel {
    conn: UnbufferedServerConnection,
    /// The start of a record that has not arrived whole.
    waiting: Vec<u8>,
    /// Sealed bytes on their way to the socket.
    pub(crate) sealed: Vec<u8>,
    /// How much of `waiting` its shard has counted.
    pub(crate) counted: usize,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing has come yet.
    New,
    Handshake,
    Open,
    /// The peer sends no more.
    Ended,
    Failed,
}

/// Why a connection cannot go on.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Failure {
    error: Option<Error>,
    was_open: bool,
}

impl Failure {
    /// What people are told.
    pub(crate) fn cause(&self) -> Cause {
        if self.was_open {
            return Cause::TlsRecord(match &self.error {
                Some(Error::AlertReceived(_)) => "the client sent a TLS alert",
                Some(Error::DecryptError) => "a record that was changed on its way",
                _ => "",
            });
        }
        match &self.error {
            Some(Error::AlertReceived(alert)) => match alert {
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::UnsupportedCertificate => Cause::TlsNotTrusted,
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity => Cause::TlsVersion,
                _ => Cause::TlsHandshake("the client gave up with a TLS alert"),
            },
            Some(Error::PeerIncompatible(_)) => Cause::TlsVersion,
            Some(Error::NoCertificatesPresented) => Cause::TlsNoCertificate,
            Some(Error::InvalidCertificate(why)) => Cause::TlsCertificate(certificate(why)),
            Some(Error::InvalidMessage(_)) => Cause::TlsHandshake("not TLS, or damaged"),
            Some(_) => Cause::TlsHandshake(""),
            None => Cause::TlsHandshake("more than 20 KB came before it was done"),
        }
    }
}

/// Why a client's certificate is not accepted.
fn certificate(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the client's certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the client's certificate is not valid yet"
        }
        CertificateError::Revoked => "the client's certificate is revoked",
        CertificateError::UnknownIssuer => {
            "the client's certificate is of an authority that cacertfile does not have"
        }
        CertificateError::UnknownRevocationStatus => {
            "crlfile has no list of the authority of the client's certificate"
        }
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            "the revocation list in crlfile is past its date; put a new one in its place"
        }
        _ => "",
    }
}

impl Channel {
    /// For a connection that was just accepted. `None` if rustls cannot make one, which only a lack of
    /// randomness would be.
    pub(crate) fn new(config: Arc<ServerConfig>) -> Option<Self> {
        Some(Self {
            conn: UnbufferedServerConnection::new(config).ok()?,
            waiting: Vec::new(),
            sealed: Vec::new(),
            counted: 0,
            stage: Stage::New,
        })
    }

    pub(crate) fn is_new(&self) -> bool {
        self.stage == Stage::New
    }

    /// The handshake is still to be done.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::New | Stage::Handshake)
    }

    /// The peer said that it sends no more.
    pub(crate) fn is_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Bytes of an incomplete record.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// About how much memory it takes: what is inside rustls was measured.
    pub(crate) fn bytes(&self) -> usize {
        const INSIDE: usize = 2_240;
        size_of::<Self>() + INSIDE + self.waiting.capacity() + self.sealed.capacity()
    }

    /// What the client's certificate says, if it showed one.
    pub(crate) fn peer(&self) -> Option<Facts> {
        let shown: &[CertificateDer<'_>] = self.conn.peer_certificates()?;
        Facts::of(shown.first()?)
    }

    /// Takes what came from the socket: plain bytes are put behind those in `plain`, answers into
    /// `sealed`.
    pub(crate) fn take(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            let used = self.advance(bytes, plain)?;
            self.waiting = bytes[used..].to_vec();
        } else {
            let mut all = std::mem::take(&mut self.waiting);
            all.extend_from_slice(bytes);
            let used = self.advance(&mut all, plain)?;
            all.drain(..used);
            // An empty list keeps its room, which an idle connection must not.
            self.waiting = if all.is_empty() { Vec::new() } else { all };
        }
        if self.waiting.len() > WAITING_MAX {
            return Err(self.failed(None, &mut []));
        }
        Ok(())
    }

    /// Handles what is whole; gives how many bytes that was.
    fn advance(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<usize, Failure> {
        if self.stage == Stage::New && !bytes.is_empty() {
            self.stage = Stage::Handshake;
        }
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.conn.process_tls_records(&mut bytes[used..]);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                used += record.discard;
                                plain.extend_from_slice(record.payload);
                            }
                            Err(error) => return Err(self.failed(Some(error), &mut [])),
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    put(&mut self.sealed, |room| match data.encode(room) {
                        Err(EncodeError::InsufficientSize(more)) => Err(Some(more.required_size)),
                        Err(EncodeError::AlreadyEncoded) => Err(None),
                        Ok(put) => Ok(put),
                    });
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::BlockedHandshake) => return Ok(used),
                Ok(ConnectionState::WriteTraffic(_)) => {
                    self.stage = Stage::Open;
                    return Ok(used);
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.stage = Stage::Ended;
                    return Ok(used);
                }
                // Early data, which is not offered: it could be replayed.
                Ok(_) => return Err(self.failed(None, &mut [])),
                Err(error) => return Err(self.failed(Some(error), &mut bytes[used..])),
            }
        }
    }

    /// Notes why it cannot go on; what the peer is told of it waits in `sealed`.
    fn failed(&mut self, error: Option<Error>, rest: &mut [u8]) -> Failure {
        let was_open = self.stage == Stage::Open;
        self.stage = Stage::Failed;
        // No further than that: what is wrong must not be looked at again.
        while self.conn.wants_write() {
            match self.conn.process_tls_records(rest).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    put(&mut self.sealed, |room| match data.encode(room) {
                        Err(EncodeError::InsufficientSize(more)) => Err(Some(more.required_size)),
                        Err(EncodeError::AlreadyEncoded) => Err(None),
                        Ok(put) => Ok(put),
                    });
                }
                _ => break,
            }
        }
        Failure { error, was_open }
    }

    /// Seals plain bytes, [`SEAL_MAX`] at most, behind those in `sealed`. False if the connection is not
    /// open.
    pub(crate) fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> bool {
        if self.stage != Stage::Open {
            return false;
        }
        // What is incomplete has to be shown again: rustls may have begun with it.
        match self.conn.process_tls_records(&mut self.waiting).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                put(sealed, |room| match traffic.encrypt(plain, room) {
                    Err(EncryptError::InsufficientSize(more)) => Err(Some(more.required_size)),
                    Err(EncryptError::EncryptExhausted) => Err(None),
                    Ok(put) => Ok(put),
                })
            }
            _ => false,
        }
    }

    /// Says that nothing follows: `sealed` has it then, and nothing else is sealed any more. False if
    /// there is nothing to say.
    pub(crate) fn close(&mut self) -> bool {
        if self.stage != Stage::Open {
            return false;
        }
        let (conn, sealed) = (&mut self.conn, &mut self.sealed);
        self.stage = Stage::Ended;
        match conn.process_tls_records(&mut self.waiting).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                put(sealed, |room| match traffic.queue_close_notify(room) {
                    Err(EncryptError::InsufficientSize(more)) => Err(Some(more.required_size)),
                    Err(EncryptError::EncryptExhausted) => Err(None),
                    Ok(put) => Ok(put),
                })
            }
            _ => false,
        }
    }
}

/// Lets somebody write behind what is there. Who finds too little room says how much it takes. False
/// if nothing can be written.
fn put(
    sealed: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> bool {
    let before = sealed.len();
    let mut room = 0;
    loop {
        sealed.resize(before + room, 0);
        match write(&mut sealed[before..]) {
            Ok(put) => {
                sealed.truncate(before + put);
                return true;
            }
            Err(Some(more)) if more > room => room = more,
            Err(_) => {
                sealed.truncate(before);
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, path::PathBuf};

    use rustls::{
        ClientConfig, ClientConnection, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    };

    use super::*;
    use crate::{
        config::{SslOptions, TlsVersion},
        tls::{Terms, own_files},
    };

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("ternmq-{name}-{}", std::process::id())))
        }

        fn terms(&self, versions: Vec<TlsVersion>) -> Terms {
            let options = SslOptions {
                versions,
                ..SslOptions::default()
            };
            Terms::load(&options, &self.0).unwrap()
        }

        /// A client that trusts the broker's own authority.
        fn client(&self, name: &str) -> ClientConnection {
            let bytes = std::fs::read(own_files(&self.0).authority).unwrap();
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(&bytes).unwrap())
                .unwrap();
            let config = ClientConfig::builder_with_provider(ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let name = ServerName::try_from(name.to_owned()).unwrap();
            ClientConnection::new(config.into(), name).unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            // Left behind, it would only take room.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Hands bytes over, `step` at a time, until neither has any. Gives what the broker and the client
    /// got.
    fn exchange(
        client: &mut ClientConnection,
        channel: &mut Channel,
        step: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let mut plain = Vec::new();
        let mut got = Vec::new();
        loop {
            let mut sent = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut sent).unwrap();
            }
            for part in sent.chunks_mut(step) {
                channel.take(part, &mut plain)?;
            }
            let answer = std::mem::take(&mut channel.sealed);
            let mut answer = &answer[..];
            let quiet = answer.is_empty();
            while !answer.is_empty() {
                client.read_tls(&mut answer).unwrap();
                if client.process_new_packets().is_err() {
                    break;
                }
                // At the end of what there is, it says that it would block.
                let _ = client.reader().read_to_end(&mut got);
            }
            if quiet && !client.wants_write() {
                return Ok((plain, got));
            }
        }
    }

    /// Both versions, records in one piece and byte by byte, large ones, and the end.
    #[test]
    fn bytes_in_and_out() {
        use std::io::Write as _;
        let place = Place::new("channel");
        for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
            let terms = place.terms(vec![version]);
            for step in [1, 7, usize::MAX] {
                let mut client = place.client("localhost");
                let mut channel = Channel::new(terms.config.clone()).unwrap();
                assert!(channel.is_new() && channel.is_opening());
                client.writer().write_all(b"early bird").unwrap();
                let (plain, _) = exchange(&mut client, &mut channel, step).unwrap();
                assert_eq!(plain, b"early bird");
                assert!(!channel.is_opening() && channel.peer().is_none());
                let large: Vec<u8> = (0..60_000u32).map(|n| n.to_le_bytes()[0]).collect();
                let mut sealed = Vec::new();
                assert!(channel.seal(&large, &mut sealed));
                channel.sealed = sealed;
                client.writer().write_all(&large).unwrap();
                let (plain, got) = exchange(&mut client, &mut channel, step).unwrap();
                assert!(plain == large && got == large);
                assert_eq!((channel.waiting(), channel.waiting.capacity()), (0, 0));
                assert!(channel.close() && !channel.close());
                assert!(!channel.seal(b"x", &mut Vec::new()));
                client.send_close_notify();
                exchange(&mut client, &mut channel, step).unwrap();
                assert!(channel.is_ended());
            }
        }
    }

    #[test]
    fn why_a_handshake_fails() {
        let place = Place::new("failures");
        let terms = place.terms(vec![TlsVersion::V1_2, TlsVersion::V1_3]);
        let fresh = || Channel::new(terms.config.clone()).unwrap();
        let mut channel = fresh();
        let failure = channel.take(&mut [0x10; 40], &mut Vec::new()).unwrap_err();
        assert_eq!(failure.cause(), Cause::TlsHandshake("not TLS, or damaged"));
        assert!(!channel.sealed.is_empty(), "the peer is told");
        let mut channel = fresh();
        let mut client = place.client("somebody.example");
        let failure = exchange(&mut client, &mut channel, usize::MAX).unwrap_err();
        assert_eq!(failure.cause(), Cause::TlsNotTrusted);
        // A record that never ends, and a message that is spread over many.
        let mut channel = fresh();
        let mut half = [&[22, 3, 1, 0x40, 0][..], &[1; 9_000]].concat();
        channel.take(&mut half, &mut Vec::new()).unwrap();
        assert_eq!(channel.waiting(), half.len());
        let mut channel = fresh();
        let mut result = Ok(());
        for first in [true, false, false] {
            let body: &[u8] = if first { &[1, 0, 0xf0, 0] } else { &[] };
            let mut record = [&[22, 3, 1, 0x2e, 0xe0][..], body].concat();
            record.resize(5 + 12_000, 0);
            result = channel.take(&mut record, &mut Vec::new());
        }
        assert!(matches!(
            result.unwrap_err().cause(),
            Cause::TlsHandshake(_)
        ));
    }
}
