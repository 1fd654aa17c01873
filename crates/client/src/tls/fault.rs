//! What goes wrong with TLS, told apart by what a person does about it.

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Why TLS did not come about, or ended.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    #[error("the broker's certificate is signed by nobody who is trusted")]
    Issuer,
    /// And the names that it has.
    #[error("the broker's certificate is for another name ({})", list(.0))]
    Name(Vec<String>),
    #[error("the broker's certificate has expired")]
    Expired,
    #[error("the broker's certificate is not valid yet")]
    NotYet,
    #[error("the broker's certificate is unusable: {0}")]
    Certificate(String),
    #[error("no TLS there")]
    NotTls,
    #[error("the connection was closed during the handshake")]
    Closed,
    #[error("the broker wants a certificate of ours")]
    Wanted,
    #[error("the broker does not accept our certificate: {0}")]
    Unwanted(String),
    /// It has no word for why, up to TLS 1.2.
    #[error("the broker broke the handshake off")]
    BrokenOff,
    #[error("neither version nor cipher that both sides have")]
    NothingInCommon,
    #[error("{0}")]
    Other(String),
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "it has none".to_owned();
    }
    // Each is told with its kind, as in `DnsName("example.org")`.
    let bare = names
        .iter()
        .map(|name| name.split('"').nth(1).unwrap_or(name));
    bare.collect::<Vec<_>>().join(", ")
}

impl From<rustls::Error> for TlsFault {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error::{
            AlertReceived, InappropriateMessage, InvalidCertificate, PeerIncompatible,
        };
        match error {
            InvalidCertificate(cause) => of_certificate(cause),
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            AlertReceived(alert) => of_alert(alert),
            PeerIncompatible(_) => Self::NothingInCommon,
            InappropriateMessage { .. } => Self::Other("it speaks out of turn".to_owned()),
            other => Self::Other(other.to_string()),
        }
    }
}

fn of_certificate(cause: CertificateError) -> TlsFault {
    match cause {
        CertificateError::UnknownIssuer => TlsFault::Issuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::NotYet
        }
        CertificateError::NotValidForName => TlsFault::Name(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => TlsFault::Name(presented),
        other => TlsFault::Certificate(other.to_string()),
    }
}

fn of_alert(alert: AlertDescription) -> TlsFault {
    match alert {
        AlertDescription::CertificateRequired => TlsFault::Wanted,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => TlsFault::Unwanted(format!("{alert:?}")),
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => {
            TlsFault::NothingInCommon
        }
        AlertDescription::HandshakeFailure => TlsFault::BrokenOff,
        other => TlsFault::Other(format!("the broker ended TLS: {other:?}")),
    }
}
