//! TLS as it is asked for on a command line, made into what rustls needs: whom to trust, who we are,
//! and what is agreed on at least. Files are read here, once.

mod fault;
mod stream;
mod verifier;

pub use fault::TlsFault;
pub(crate) use stream::{Stream, fault};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConnection, ProtocolVersion, RootCertStore, SupportedCipherSuite, version};

use crate::error::Error;
use verifier::Verifier;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Certificates of those who are trusted: a file, and a directory of files.
    pub ca_file: Option<PathBuf>,
    pub ca_path: Option<PathBuf>,
    /// Those whom the system trusts.
    pub os_certs: bool,
    /// Our own certificate with those that lead to it, and its key.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Nothing older.
    pub version: Option<TlsVersion>,
    /// Suites of TLS 1.2 by their OpenSSL names, as OpenSSL lists them.
    pub ciphers: Option<String>,
    pub alpn: Option<String>,
    /// The certificate may be for another name. Who signed it is looked at all the same.
    pub any_name: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// Why TLS cannot even be tried.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum TlsSetup {
    #[error("{path} cannot be read: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} has no certificate in it")]
    NoCertificate(PathBuf),
    #[error("{0} has no private key in it")]
    NoKey(PathBuf),
    #[error("the private key in {0} is encrypted")]
    EncryptedKey(PathBuf),
    #[error("{0} is not in PEM format")]
    NotPem(PathBuf),
    #[error("the system has no certificates of those it trusts")]
    NoSystemCertificates,
    #[error("{0} is no cipher suite that we have")]
    Cipher(String),
    #[error("{0}")]
    Other(String),
}

/// OpenSSL's names of the suites of TLS 1.2.
fn ciphers() -> [(&'static str, SupportedCipherSuite); 6] {
    use ring::cipher_suite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    };
    [
        (
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        ),
        (
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
        (
            "ECDHE-RSA-AES256-GCM-SHA384",
            TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ),
        (
            "ECDHE-RSA-AES128-GCM-SHA256",
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            "ECDHE-RSA-CHACHA20-POLY1305",
            TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
    ]
}

/// TLS, ready to be spoken.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// As in `TLS 1.3`.
    pub version: &'static str,
    pub cipher: String,
}

impl Tls {
    /// Reads the files and fits all together.
    ///
    /// # Errors
    /// What is wrong with a file, or with a choice.
    pub fn new(options: &TlsOptions) -> Result<Self, TlsSetup> {
        let other = |error: rustls::Error| TlsSetup::Other(error.to_string());
        let (roots, trusted) = roots(options)?;
        let mut provider = ring::default_provider();
        if let Some(list) = &options.ciphers {
            provider.cipher_suites = suites(list)?;
        }
        let provider = Arc::new(provider);
        let versions = match options.version {
            None | Some(TlsVersion::V1_2) => &[&version::TLS13, &version::TLS12][..],
            Some(TlsVersion::V1_3) => &[&version::TLS13],
        };
        let verifier = Verifier::new(roots, trusted, options.any_name, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match (&options.cert, &options.key) {
            (Some(cert), Some(key)) => builder
                .with_client_auth_cert(certificates(cert)?, private_key(key)?)
                .map_err(other)?,
            _ => builder.with_no_client_auth(),
        };
        config
            .alpn_protocols
            .extend(options.alpn.iter().map(|name| name.as_bytes().to_vec()));
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// The beginning of a conversation with the machine of this name.
    pub(crate) fn begin(&self, host: &str) -> Result<Box<ClientConnection>, Error> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| TlsFault::Other(format!("{host} is no name for a certificate")))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name);
        Ok(Box::new(connection.map_err(TlsFault::from)?))
    }
}

pub(crate) fn secured(connection: &ClientConnection) -> Secured {
    let suite = connection.negotiated_cipher_suite();
    Secured {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        },
        cipher: suite.map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
    }
}

/// Whom to trust; and all certificates of the files as they stand there.
fn roots(options: &TlsOptions) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsSetup> {
    let mut given = Vec::new();
    if let Some(file) = &options.ca_file {
        given.extend(certificates(file)?);
    }
    if let Some(folder) = &options.ca_path {
        given.extend(certificates_below(folder)?);
    }
    let mut roots = RootCertStore::empty();
    if options.os_certs {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err(TlsSetup::NoSystemCertificates);
        }
    }
    // One that is no certificate of version 3 can be trusted only as it stands.
    roots.add_parsable_certificates(given.iter().cloned());
    Ok((roots, given))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetup> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(found) if found.is_empty() => Err(TlsSetup::NoCertificate(path.to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Those of all files of a directory; other files may lie there.
fn certificates_below(folder: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetup> {
    let fail = |source| TlsSetup::File {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_file() {
            found.extend(certificates(&path).unwrap_or_default());
        }
    }
    if found.is_empty() {
        return Err(TlsSetup::NoCertificate(folder.to_owned()));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsSetup> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if text.contains("ENCRYPTED PRIVATE KEY") {
                TlsSetup::EncryptedKey(path.to_owned())
            } else {
                TlsSetup::NoKey(path.to_owned())
            }
        }
        other => unreadable(path, other),
    })
}

fn unreadable(path: &Path, error: pem::Error) -> TlsSetup {
    match error {
        pem::Error::Io(source) => TlsSetup::File {
            path: path.to_owned(),
            source,
        },
        pem::Error::NoItemsFound => TlsSetup::NoCertificate(path.to_owned()),
        _ => TlsSetup::NotPem(path.to_owned()),
    }
}

/// Those of TLS 1.3 are always there, as OpenSSL has it; `!NAME` and `-NAME` take away.
fn suites(list: &str) -> Result<Vec<SupportedCipherSuite>, TlsSetup> {
    let mut chosen: Vec<(&str, SupportedCipherSuite)> = Vec::new();
    let words = list.split([':', ',', ' ']).filter(|word| !word.is_empty());
    for word in words {
        if let Some(unwanted) = word.strip_prefix(['!', '-']) {
            chosen.retain(|(name, _)| *name != unwanted);
            continue;
        }
        let is_all = matches!(word, "ALL" | "DEFAULT" | "HIGH" | "COMPLEMENTOFDEFAULT");
        let found = ciphers()
            .into_iter()
            .filter(|(name, _)| is_all || *name == word);
        let found: Vec<_> = found.collect();
        if found.is_empty() && !word.starts_with('@') {
            return Err(TlsSetup::Cipher(word.to_owned()));
        }
        chosen.retain(|(name, _)| found.iter().all(|(other, _)| other != name));
        chosen.extend(found);
    }
    let all = ring::ALL_CIPHER_SUITES.iter().copied();
    let newer = all.filter(|suite| suite.tls13().is_some());
    Ok(newer
        .chain(chosen.into_iter().map(|(_, suite)| suite))
        .collect())
}

/// The names that `ciphers` may have.
pub fn tls_ciphers() -> impl Iterator<Item = &'static str> {
    ciphers().into_iter().map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ciphers() {
        let count = |list: &str| suites(list).map(|found| found.len());
        let newer = count("").unwrap();
        assert_eq!(newer, 3);
        assert_eq!(count("ALL").unwrap(), newer + 6);
        assert_eq!(count("ECDHE-RSA-AES128-GCM-SHA256").unwrap(), newer + 1);
        let less = "HIGH:!ECDHE-RSA-AES128-GCM-SHA256:!aNULL:@STRENGTH";
        assert_eq!(count(less).unwrap(), newer + 5);
        let error = count("ALL:RC4-MD5").unwrap_err().to_string();
        assert!(error.contains("RC4-MD5"), "{error}");
    }

    #[test]
    fn files_that_are_not_what_they_should_be() {
        let folder = std::env::temp_dir().join(format!("ternmq-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("x.pem");
        let told = |text: &str, options: &TlsOptions| {
            std::fs::write(&file, text).unwrap();
            Tls::new(options).unwrap_err()
        };
        let ca = TlsOptions {
            ca_file: Some(file.clone()),
            ..TlsOptions::default()
        };
        assert!(matches!(told("hello", &ca), TlsSetup::NoCertificate(_)));
        let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        assert!(matches!(told(broken, &ca), TlsSetup::NotPem(_)));
        let own = |key: &str| {
            std::fs::write(&file, key).unwrap();
            private_key(&file).unwrap_err()
        };
        assert!(matches!(own("hello"), TlsSetup::NoKey(_)));
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(matches!(own(locked), TlsSetup::EncryptedKey(_)));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(Tls::new(&ca), Err(TlsSetup::File { .. })));
        let folder = TlsOptions {
            ca_path: Some(folder),
            ..TlsOptions::default()
        };
        assert!(matches!(Tls::new(&folder), Err(TlsSetup::File { .. })));
    }
}
