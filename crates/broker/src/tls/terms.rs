//! On which terms a listener speaks TLS: its certificates, whom it asks for one, and which versions.
//! Read from files by the control plane; shards only see what was read whole and fits together.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{Facts, authority, certificate::next_update};
use crate::config::{SslOptions, TlsVersion, Verify};

/// Certificates of a directory.
const CERTIFICATES_MAX: usize = 1000;
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a listener cannot speak TLS: which setting, which file, what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Under `ssl_options`.
    pub key: &'static str,
    what: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ssl_options.{}: {}", self.key, self.what)
    }
}

impl std::error::Error for LoadError {}

fn wrong(key: &'static str, what: impl fmt::Display) -> LoadError {
    let what = what.to_string();
    LoadError { key, what }
}

fn of_file(key: &'static str, path: &Path, what: impl fmt::Display) -> LoadError {
    wrong(key, format_args!("{}: {what}", path.display()))
}

/// What was read.
pub(crate) struct Terms {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) handshake_timeout: Duration,
    /// Of the listener's own certificate.
    pub(crate) facts: Facts,
    /// The broker made it for itself.
    pub(crate) is_own: bool,
    /// When the first of its revocation lists is past its date, in seconds since 1970: from then on client
    /// certificates of that authority are refused.
    pub(crate) lists_until: Option<i64>,
    options: SslOptions,
    data_dir: PathBuf,
    /// The files as they were found.
    files: Vec<(PathBuf, Stamp)>,
}

/// When a file was written, and its size; `None` if it is not there.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

impl Terms {
    /// Reads what a listener's settings name.
    ///
    /// # Errors
    /// If a file cannot be read, or what they say does not fit together.
    pub(crate) fn load(options: &SslOptions, data_dir: &Path) -> Result<Self, LoadError> {
        let mut reader = Reader::default();
        let is_own = options.certfile.is_none();
        let provider = Arc::new(ring::default_provider());
        let (default, facts) = reader.identity(options, data_dir, &provider)?;
        let resolver = ByName {
            default,
            named: reader.named(options, &provider)?,
        };
        let versions: Vec<&'static SupportedProtocolVersion> =
            options.versions.iter().map(|v| version(*v)).collect();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|e| wrong("versions", e))?;
        let verifier = reader.verifier(options, provider)?;
        let asks = verifier.is_some();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        // Nothing is kept here for clients that come again: what they need is in their ticket. With
        // certificates there are none, because a ticket would outlive a revocation.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = usize::from(!asks);
        if !asks {
            config.ticketer = ring::Ticketer::new().map_err(|e| wrong("certfile", e))?;
        }
        Ok(Self {
            config: Arc::new(config),
            handshake_timeout: options.handshake_timeout,
            facts,
            is_own,
            lists_until: reader.lists_until,
            options: options.clone(),
            data_dir: data_dir.to_owned(),
            files: reader.files,
        })
    }
}

/// Certificates, of which a client gets the one for the name that it asks for.
#[derive(Debug)]
struct ByName {
    default: Arc<CertifiedKey>,
    /// Host names in small letters, `*.` at the start of those for a whole domain.
    named: BTreeMap<String, Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| {
            let name = name.to_ascii_lowercase();
            let domain = || {
                let (_, rest) = name.split_once('.')?;
                self.named.get(&format!("*.{rest}"))
            };
            self.named.get(&name).or_else(domain)
        });
        Some(found.unwrap_or(&self.default).clone())
    }
}

const fn version(version: TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        TlsVersion::V1_2 => &TLS12,
        TlsVersion::V1_3 => &TLS13,
    }
}

/// Reads files and remembers which.
#[derive(Default)]
struct Reader {
    files: Vec<(PathBuf, Stamp)>,
    lists_until: Option<i64>,
}

impl Reader {
    fn bytes(&mut self, key: &'static str, path: &Path) -> Result<Vec<u8>, LoadError> {
        let found = stamp(path);
        self.files.push((path.to_owned(), found));
        if found.is_some_and(|(_, bytes)| bytes > FILE_BYTES_MAX) {
            return Err(of_file(
                key,
                path,
                "larger than 4 MB; is it the right file?",
            ));
        }
        std::fs::read(path).map_err(|e| {
            // ENFILE and EMFILE have no kind of their own.
            let remedy = match e.raw_os_error() {
                Some(23 | 24) if cfg!(unix) => {
                    "more open files must be allowed (LimitNOFILE, ulimit -n)"
                }
                _ => "check the path and who may read it",
            };
            of_file(key, path, format_args!("{e}; {remedy}"))
        })
    }

    fn all<T: PemObject>(&mut self, key: &'static str, path: &Path) -> Result<Vec<T>, LoadError> {
        let bytes = self.bytes(key, path)?;
        let all: Result<Vec<T>, _> = T::pem_slice_iter(&bytes).collect();
        let all = all.map_err(|e| of_file(key, path, format_args!("not PEM: {e}")))?;
        if all.is_empty() {
            return Err(of_file(key, path, "there is none in it; it has to be PEM"));
        }
        Ok(all)
    }

    /// The certificate with its key that is named, or the broker's own.
    fn identity(
        &mut self,
        options: &SslOptions,
        data_dir: &Path,
        provider: &CryptoProvider,
    ) -> Result<(Arc<CertifiedKey>, Facts), LoadError> {
        let (certificate, key) = match (&options.certfile, &options.keyfile) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (Some(_), None) => return Err(wrong("keyfile", "is missing beside certfile")),
            (None, Some(_)) => return Err(wrong("certfile", "is missing beside keyfile")),
            (None, None) => {
                let made = authority::ensure(data_dir);
                let own = made.map_err(|e| {
                    let what = "the broker's own certificate cannot be made or read";
                    wrong("certfile", format_args!("{what}: {e}"))
                })?;
                (own.certificate, own.key)
            }
        };
        self.pair(("certfile", &certificate), ("keyfile", &key), provider)
    }

    /// A certificate and its key; each is named by its setting and its path.
    fn pair(
        &mut self,
        (setting, certificate): (&'static str, &Path),
        (key_setting, key): (&'static str, &Path),
        provider: &CryptoProvider,
    ) -> Result<(Arc<CertifiedKey>, Facts), LoadError> {
        let chain: Vec<CertificateDer<'static>> = self.all(setting, certificate)?;
        let bytes = self.bytes(key_setting, key)?;
        let secret = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
            of_file(
                key_setting,
                key,
                "no private key without a password in PEM is in it",
            )
        })?;
        let facts = chain.first().and_then(Facts::of);
        let facts = facts.ok_or_else(|| of_file(setting, certificate, "no certificate"))?;
        let pair = CertifiedKey::from_der(chain, secret, provider).map_err(|e| {
            of_file(
                key_setting,
                key,
                format_args!("{e}; the key has to be the certificate's"),
            )
        })?;
        Ok((Arc::new(pair), facts))
    }

    /// Those of the directory, by the host names that they are for.
    fn named(
        &mut self,
        options: &SslOptions,
        provider: &CryptoProvider,
    ) -> Result<BTreeMap<String, Arc<CertifiedKey>>, LoadError> {
        const SETTING: &str = "certdir";
        let mut named = BTreeMap::new();
        let Some(dir) = &options.certdir else {
            return Ok(named);
        };
        self.files.push((dir.clone(), stamp(dir)));
        let unreadable = |e| of_file(SETTING, dir, e);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            paths.push(entry.map_err(unreadable)?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|end| end == "pem"));
        if paths.len() > CERTIFICATES_MAX {
            return Err(of_file(SETTING, dir, "more than 1000 certificates"));
        }
        // Of two for one name, the last in the order of the files' names counts.
        paths.sort();
        for path in paths {
            let key = path.with_extension("key");
            let (pair, facts) = self.pair((SETTING, &path), (SETTING, &key), provider)?;
            for name in facts.names {
                named.insert(name.to_ascii_lowercase(), pair.clone());
            }
        }
        Ok(named)
    }

    /// Who looks at the certificates of clients, if anybody does.
    fn verifier(
        &mut self,
        options: &SslOptions,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, LoadError> {
        if options.verify == Verify::None {
            return Ok(None);
        }
        let Some(path) = &options.cacertfile else {
            return Err(wrong("cacertfile", "is needed for verify_peer"));
        };
        let mut roots = RootCertStore::empty();
        for certificate in self.all::<CertificateDer<'static>>("cacertfile", path)? {
            roots
                .add(certificate)
                .map_err(|e| of_file("cacertfile", path, e))?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if let Some(path) = &options.crlfile {
            let lists = self.all::<CertificateRevocationListDer<'static>>("crlfile", path)?;
            let each = lists.iter().filter_map(|list| next_update(list.as_ref()));
            self.lists_until = each.min();
            // Whoever was revoked since would come in by a list that is past its date.
            builder = builder
                .with_crls(lists)
                .only_check_end_entity_revocation()
                .enforce_revocation_expiration();
        }
        if !options.fail_if_no_peer_cert {
            builder = builder.allow_unauthenticated();
        }
        let built = builder.build();
        let key = if options.crlfile.is_some() {
            "crlfile"
        } else {
            "cacertfile"
        };
        built.map(Some).map_err(|e| wrong(key, e))
    }
}

/// The terms of a listener as they are now. Shards look at them when a connection comes.
pub(crate) struct Context(RwLock<Now>);

struct Now {
    terms: Arc<Terms>,
    /// How changed files were found at the last look.
    seen: Vec<(PathBuf, Stamp)>,
    /// They were read, and this is why they are not used.
    trouble: Option<LoadError>,
}

/// What a look at the files of a listener has found.
pub(crate) enum Looked {
    /// Nothing that was not known.
    Same,
    Renewed(Arc<Terms>),
    /// The old ones are used on.
    Broken(LoadError),
}

impl Now {
    fn new(terms: Arc<Terms>) -> Self {
        Self {
            terms,
            seen: Vec::new(),
            trouble: None,
        }
    }
}

impl Context {
    pub(crate) fn new(terms: Arc<Terms>) -> Self {
        Self(RwLock::new(Now::new(terms)))
    }

    fn now(&self) -> RwLockReadGuard<'_, Now> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Now> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn terms(&self) -> Arc<Terms> {
        self.now().terms.clone()
    }

    /// Why the files as they are now are not used, if so.
    pub(crate) fn trouble(&self) -> Option<LoadError> {
        self.now().trouble.clone()
    }

    pub(crate) fn set(&self, terms: Arc<Terms>) {
        *self.change() = Now::new(terms);
    }

    /// Reads the files again when they have changed and then rested until the next look: they are written
    /// one after the other. Connections that there are keep their terms.
    pub(crate) fn look(&self) -> Looked {
        let terms = self.terms();
        if terms.is_own
            && let Err(error) = authority::ensure(&terms.data_dir)
        {
            tracing::warn!("the broker's own certificate cannot be renewed: {error}");
        }
        let each = terms.files.iter();
        let seen: Vec<_> = each.map(|(path, _)| (path.clone(), stamp(path))).collect();
        let mut now = self.change();
        if seen == terms.files {
            now.trouble = None;
            now.seen = seen;
            return Looked::Same;
        }
        if seen != now.seen {
            now.seen = seen;
            return Looked::Same;
        }
        drop(now);
        // Those that could not be used, too: perhaps it was not they that were at fault.
        let loaded = Terms::load(&terms.options, &terms.data_dir);
        let mut now = self.change();
        // A change of the settings meanwhile has read them, too.
        if !Arc::ptr_eq(&now.terms, &terms) {
            return Looked::Same;
        }
        match loaded {
            Ok(fresh) => {
                let fresh = Arc::new(fresh);
                *now = Now::new(fresh.clone());
                Looked::Renewed(fresh)
            }
            Err(error) if now.trouble.as_ref() == Some(&error) => Looked::Same,
            Err(error) => {
                now.trouble = Some(error.clone());
                Looked::Broken(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls::own_files;

    #[test]
    fn what_does_not_fit_together_is_told() {
        let dir = std::env::temp_dir().join(format!("ternmq-terms-{}", std::process::id()));
        let blank = SslOptions::default();
        let own = Terms::load(&blank, &dir).unwrap();
        assert!(own.is_own && own.facts.names.contains(&"localhost".to_owned()));
        let files = own_files(&dir);
        let (good, key) = (files.certificate.clone(), files.key.clone());
        let none = dir.join("none.pem");
        let table = [
            (
                Some(good.clone()),
                None,
                None,
                "ssl_options.keyfile: is missing",
            ),
            (
                None,
                Some(key.clone()),
                None,
                "ssl_options.certfile: is missing",
            ),
            (
                Some(none),
                Some(key.clone()),
                None,
                "none.pem: No such file",
            ),
            (
                Some(key.clone()),
                Some(key.clone()),
                None,
                "there is none in it",
            ),
            (
                Some(good.clone()),
                Some(good.clone()),
                None,
                "no private key",
            ),
            (
                Some(files.authority.clone()),
                Some(key.clone()),
                None,
                "the key has to be the certificate's",
            ),
            (
                Some(good.clone()),
                Some(key.clone()),
                Some(Verify::Peer),
                "ssl_options.cacertfile: is needed",
            ),
        ];
        for (certfile, keyfile, verify, due) in table {
            let options = SslOptions {
                certfile,
                keyfile,
                verify: verify.unwrap_or(Verify::None),
                ..SslOptions::default()
            };
            let error = Terms::load(&options, &dir).err().unwrap().to_string();
            assert!(error.contains(due), "{error}");
        }
        fs::remove_dir_all(dir).unwrap();
    }

    /// New files are taken when they have rested; broken ones leave the old in use, and mended ones are
    /// taken again.
    #[test]
    fn files_are_read_again() {
        let dir = std::env::temp_dir().join(format!("ternmq-look-{}", std::process::id()));
        let made = authority::ensure(&dir).unwrap();
        let (cert, key) = (dir.join("my.pem"), dir.join("my.key"));
        fs::copy(&made.certificate, &cert).unwrap();
        fs::copy(&made.key, &key).unwrap();
        let options = SslOptions {
            certfile: Some(cert.clone()),
            keyfile: Some(key.clone()),
            ..SslOptions::default()
        };
        let context = Context::new(Arc::new(Terms::load(&options, &dir).unwrap()));
        let first = context.terms();
        assert!(matches!(context.look(), Looked::Same));
        fs::write(&cert, "half a fi").unwrap();
        assert!(matches!(context.look(), Looked::Same), "may be under way");
        let Looked::Broken(error) = context.look() else {
            panic!("a broken file was taken");
        };
        assert_eq!(context.trouble(), Some(error));
        assert!(matches!(context.look(), Looked::Same), "told once");
        assert!(Arc::ptr_eq(&context.terms(), &first));
        let other = dir.join("other");
        let other = authority::ensure(&other).unwrap();
        fs::copy(&other.certificate, &cert).unwrap();
        fs::copy(&other.key, &key).unwrap();
        assert!(matches!(context.look(), Looked::Same));
        assert!(matches!(context.look(), Looked::Renewed(_)));
        assert_eq!(context.trouble(), None);
        assert!(!Arc::ptr_eq(&context.terms(), &first));
        fs::remove_dir_all(dir).unwrap();
    }
}
