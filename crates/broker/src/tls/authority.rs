//! The installation's own authority, and the certificate that it issues for the names and addresses of
//! this machine: made at the first start, so that TLS is there before anybody asks. Clients trust the
//! authority; the certificate is made anew when an address comes or its end comes near.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};

use super::{DAY_SECS, Facts, date, now_secs};
use crate::{
    machine,
    store::{private_dir, sync_dir},
};

/// In the data directory.
const DIR: &str = "tls";
/// What the files were when they were written, a line for each: SHA-256 and name.
const SUMS: &str = "sums";
/// Apple's systems take no server's certificate that is valid for longer than 825 days.
const VALID_DAYS: i64 = 820;
/// So long before its end it is made anew.
const RENEW_DAYS: i64 = 90;
/// So much earlier than now it is valid: clocks of small devices lag.
const EARLIER_DAYS: i64 = 2;

/// The files.
#[derive(Clone, Debug)]
pub(crate) struct OwnFiles {
    /// What clients are given.
    pub(crate) authority: PathBuf,
    authority_key: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Where they are in a data directory.
pub(crate) fn own_files(data_dir: &Path) -> OwnFiles {
    let dir = data_dir.join(DIR);
    OwnFiles {
        authority: dir.join("ca.pem"),
        authority_key: dir.join("ca.key"),
        certificate: dir.join("cert.pem"),
        key: dir.join("cert.key"),
    }
}

/// Makes what is not there yet or is damaged, and a new certificate if the present one does not fit any
/// more. Damaged files are set aside, and told.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn ensure(data_dir: &Path) -> io::Result<OwnFiles> {
    let files = own_files(data_dir);
    let dir = data_dir.join(DIR);
    if !dir.exists() {
        private_dir().recursive(true).create(&dir)?;
        sync_dir(data_dir)?;
    }
    mend(&dir, &files)?;
    let names = names();
    let key = match fs::read_to_string(&files.authority_key) {
        Ok(pem) => Some(KeyPair::from_pem(&pem).map_err(other)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let whole = [&files.authority, &files.certificate, &files.key];
    let whole = whole.iter().all(|path| path.exists());
    match key {
        Some(_) if whole && fits(&files, &names, now_secs()) => {}
        Some(key) => {
            if !files.authority.exists() {
                let made = authority(&key)?.self_signed(&key).map_err(other)?;
                write(&files.authority, made.pem().as_bytes())?;
            }
            issue(&files, key, &names)?;
        }
        // Whoever has taken the authority's key away issues certificates by hand.
        None if whole => {}
        None => {
            let key = KeyPair::generate().map_err(other)?;
            let made = authority(&key)?.self_signed(&key).map_err(other)?;
            write(&files.authority_key, key.serialize_pem().as_bytes())?;
            write(&files.authority, made.pem().as_bytes())?;
            issue(&files, key, &names)?;
        }
    }
    remember(&dir, &files)?;
    Ok(files)
}

impl OwnFiles {
    /// What nobody else should read.
    pub(crate) fn keys(&self) -> Vec<PathBuf> {
        vec![self.authority_key.clone(), self.key.clone()]
    }

    /// The authority's key first: what can be made anew hangs on it.
    fn all(&self) -> [&PathBuf; 4] {
        [
            &self.authority_key,
            &self.authority,
            &self.key,
            &self.certificate,
        ]
    }

    /// Whether what is in this file can be used at all.
    fn can_use(&self, path: &Path, bytes: &[u8]) -> bool {
        if *path == self.authority_key {
            let key = std::str::from_utf8(bytes).ok();
            let Some(key) = key.and_then(|pem| KeyPair::from_pem(pem).ok()) else {
                return false;
            };
            // Of another authority's key nothing is known, if the authority cannot be read.
            let public = key.public_key_raw();
            let whole = fs::read(&self.authority).ok();
            let whole = whole.and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
            return whole.is_none_or(|der| der.windows(public.len()).any(|part| part == public));
        }
        if *path == self.key {
            return PrivateKeyDer::from_pem_slice(bytes).is_ok();
        }
        CertificateDer::from_pem_slice(bytes).is_ok_and(|der| Facts::of(&der).is_some())
    }
}

/// Sets aside what is not as it was written and can be made anew, or cannot be used.
fn mend(dir: &Path, files: &OwnFiles) -> io::Result<()> {
    let known = match fs::read(dir.join(SUMS)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut renews = false;
    for path in files.all() {
        let Ok(bytes) = fs::read(path) else {
            continue; // taken away, or told by whoever needs it
        };
        let can_use = files.can_use(path, &bytes);
        let is_key = *path == files.authority_key;
        let as_written = known.lines().any(|line| line == sum(path, &bytes));
        renews |= is_key && can_use;
        if as_written && can_use {
            continue;
        }
        let shown = path.display();
        if can_use && (is_key || !renews) {
            tracing::warn!(
                "{shown} or {SUMS} beside it is damaged, or was changed by hand; it is used as it is"
            );
            continue;
        }
        let aside = path.with_added_extension("damaged");
        tracing::warn!(
            "{shown} is damaged, or was changed by hand: it is kept as {}, and {}. Certificates of your \
             own are named by listeners.ssl.default.ssl_options.certfile",
            aside.display(),
            if is_key {
                "what it has signed is used until its end"
            } else {
                "made anew"
            }
        );
        fs::rename(path, &aside)?;
        sync_dir(dir)?;
    }
    Ok(())
}

/// Notes what the files are.
fn remember(dir: &Path, files: &OwnFiles) -> io::Result<()> {
    let lines = files.all().into_iter();
    let lines = lines.filter_map(|path| Some(sum(path, &fs::read(path).ok()?) + "\n"));
    let (path, text) = (dir.join(SUMS), lines.collect::<String>());
    if fs::read(&path).is_ok_and(|before| before == text.as_bytes()) {
        return Ok(());
    }
    write(&path, text.as_bytes())
}

fn sum(path: &Path, bytes: &[u8]) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digest = Sha256::digest(bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}  {name}")
}

/// Whether the certificate is this authority's, has all names and is valid for long enough.
fn fits(files: &OwnFiles, names: &[String], now: i64) -> bool {
    let facts = || {
        let bytes = fs::read(&files.certificate).ok()?;
        let certificate = CertificateDer::from_pem_slice(&bytes).ok()?;
        Facts::of(&certificate)
    };
    let newer = |a: &Path, b: &Path| {
        let time = |p: &Path| fs::metadata(p).and_then(|m| m.modified()).ok();
        time(a) >= time(b)
    };
    files.key.exists()
        && newer(&files.certificate, &files.authority)
        && facts().is_some_and(|facts| {
            let left = facts.valid_until - now;
            let has = |name: &String| facts.names.contains(name);
            left > RENEW_DAYS * DAY_SECS && facts.valid_from <= now && names.iter().all(has)
        })
}

fn issue(files: &OwnFiles, key: KeyPair, names: &[String]) -> io::Result<()> {
    let issuer = Issuer::new(authority(&key)?, key);
    let mut params = CertificateParams::new(names).map_err(other)?;
    params.distinguished_name = DistinguishedName::new();
    let name = names.first().map_or("localhost", |name| name);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let today = now_secs().div_euclid(DAY_SECS);
    let (year, month, day) = date(today - EARLIER_DAYS);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(today - EARLIER_DAYS + VALID_DAYS);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let own = KeyPair::generate().map_err(other)?;
    let made = params.signed_by(&own, &issuer).map_err(other)?;
    write(&files.key, own.serialize_pem().as_bytes())?;
    write(&files.certificate, made.pem().as_bytes())
}

/// The authority's part of what is signed; its name follows from its key, so that no two
/// installations' are called the same.
fn authority(key: &KeyPair) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).map_err(other)?;
    let digest = sha1_smol::Sha1::from(key.public_key_raw()).digest();
    let digest = digest.to_string();
    params.distinguished_name = DistinguishedName::new();
    let name = format!("TernMQ {}", &digest[..8]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // It ends when nobody uses it any more: devices that trust it cannot be visited each.
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 12, 31);
    Ok(params)
}

/// What clients may call this machine: its own name first.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    let is_name = |name: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        !name.is_empty() && name.bytes().all(fits)
    };
    let own = machine::name().to_ascii_lowercase();
    if is_name(&own) && own != "localhost" {
        if !own.contains('.') {
            names.push(own.clone());
            names.push(format!("{own}.local"));
        } else {
            names.push(own);
        }
    }
    names.push("localhost".to_owned());
    let mut addresses: Vec<IpAddr> =
        vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
    // Without a list of them the machine is known by its names.
    for interface in if_addrs::get_if_addrs().unwrap_or_default() {
        let address = interface.ip();
        let is_lasting = match address {
            IpAddr::V4(_) => true,
            // Those of a link have a scope that a certificate cannot have; global ones change daily.
            IpAddr::V6(v6) => v6.is_unique_local(),
        };
        if is_lasting && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    names.extend(addresses.iter().map(IpAddr::to_string));
    names
}

/// Year, month and day of a day counted from 1970.
fn date(day: i64) -> (i32, u8, u8) {
    let (year, month, day) = date::date(day);
    let small = |n: i64| u8::try_from(n).expect("a month or a day of one");
    let year = i32::try_from(year).expect("a year of a clock");
    (year, small(month), small(day))
}

/// Writes a file, whole or not at all: its owner's alone, like all that is in the data directory. Clients get
/// the authority over HTTP.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn other(error: rcgen::Error) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_renewed_when_it_no_longer_fits() {
        let dir = std::env::temp_dir().join(format!("ternmq-authority-{}", std::process::id()));
        let files = ensure(&dir).unwrap();
        let read = |path: &Path| fs::read(path).unwrap();
        let (authority, certificate) = (read(&files.authority), read(&files.certificate));
        let der = CertificateDer::from_pem_slice(&certificate).unwrap();
        let facts = Facts::of(&der).unwrap();
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(facts.names.contains(&name.to_owned()), "{facts:?}");
        }
        ensure(&dir).unwrap();
        assert_eq!(read(&files.certificate), certificate, "made once");
        let names = names();
        let late = facts.valid_until - RENEW_DAYS * DAY_SECS;
        assert!(fits(&files, &names, late - 1) && !fits(&files, &names, late));
        let more = [names.clone(), vec!["10.9.8.7".into()]].concat();
        assert!(!fits(&files, &more, now_secs()));
        let key = KeyPair::from_pem(&fs::read_to_string(&files.authority_key).unwrap()).unwrap();
        issue(&files, key, &more).unwrap();
        assert!(fits(&files, &more, now_secs()));
        assert_ne!(read(&files.certificate), certificate);
        assert_eq!(read(&files.authority), authority, "clients trust it");
        remember(&dir.join(DIR), &files).unwrap();
        #[cfg(unix)]
        for path in [&files.key, &files.authority_key] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::remove_dir_all(dir).unwrap();
    }

    /// One bit of each file in turn: what can be made anew is, and clients that trust the authority go on
    /// trusting it but where its key is gone.
    #[test]
    fn a_damaged_file_is_made_anew() {
        let dir = std::env::temp_dir().join(format!("ternmq-damage-{}", std::process::id()));
        let files = ensure(&dir).unwrap();
        let read = |path: &Path| fs::read(path).unwrap();
        for (path, at) in [
            (&files.key, 2),
            (&files.key, 90),
            (&files.certificate, 200),
            (&files.certificate, 3),
            (&files.authority, 4),
            (&dir.join(DIR).join(SUMS), 7),
            // From then on nothing can be issued, but what there is goes on.
            (&files.authority_key, 5),
        ] {
            let authority = read(&files.authority);
            let mut bytes = read(path);
            bytes[at] ^= 4;
            fs::write(path, &bytes).unwrap();
            ensure(&dir).unwrap();
            let der = CertificateDer::from_pem_slice(&read(&files.authority)).unwrap();
            if let Ok(key) = fs::read_to_string(&files.authority_key) {
                let public = KeyPair::from_pem(&key).unwrap().public_key_raw().to_owned();
                assert!(der.windows(public.len()).any(|part| part == public));
            }
            let own = fs::read_to_string(&files.key).unwrap();
            let own = KeyPair::from_pem(&own).unwrap().public_key_raw().to_owned();
            let leaf = CertificateDer::from_pem_slice(&read(&files.certificate)).unwrap();
            assert!(
                leaf.windows(own.len()).any(|part| part == own),
                "{path:?} {at}"
            );
            let kept = read(&files.authority) == authority;
            let own_files = [&files.key, &files.certificate];
            assert!(
                kept || !own_files.contains(&path),
                "{path:?}: clients trust it"
            );
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
