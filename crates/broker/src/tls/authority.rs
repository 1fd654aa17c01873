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
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{Facts, der, now_secs};
use crate::machine;

/// In the data directory.
const DIR: &str = "tls";
const DAY: i64 = 86_400;
/// Apple's systems take no server's certificate that is valid for longer than 825 days.
const VALID_DAYS: i64 = 820;
/// So long before its end it is made anew.
const RENEW_DAYS: i64 = 90;
/// Permissions of keys, and of what everybody may read.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;
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

/// Makes what is not there yet, and a new certificate if the present one does not fit any more.
///
/// # Errors
/// If a file cannot be read or written. A damaged authority is an error, too: it is not replaced,
/// because clients trust it.
pub(crate) fn ensure(data_dir: &Path) -> io::Result<OwnFiles> {
    let files = own_files(data_dir);
    fs::create_dir_all(data_dir.join(DIR))?;
    let names = names();
    let is_known = files.authority.exists();
    if is_known && fits(&files, &names, now_secs()) {
        return Ok(files);
    }
    if is_known && files.authority_key.exists() {
        issue(&files, &names)?;
    } else if !is_known || !files.certificate.exists() || !files.key.exists() {
        let key = KeyPair::generate().map_err(other)?;
        let made = authority(&key)?.self_signed(&key).map_err(other)?;
        write(&files.authority_key, key.serialize_pem().as_bytes(), SECRET)?;
        write(&files.authority, made.pem().as_bytes(), PUBLIC)?;
        issue(&files, &names)?;
    }
    // Whoever has taken the authority's key away issues certificates by hand.
    Ok(files)
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
            left > RENEW_DAYS * DAY && facts.valid_from <= now && names.iter().all(has)
        })
}

fn issue(files: &OwnFiles, names: &[String]) -> io::Result<()> {
    let key = KeyPair::from_pem(&fs::read_to_string(&files.authority_key)?).map_err(other)?;
    let issuer = Issuer::new(authority(&key)?, key);
    let mut params = CertificateParams::new(names).map_err(other)?;
    params.distinguished_name = DistinguishedName::new();
    let name = names.first().map_or("localhost", |name| name);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let today = now_secs().div_euclid(DAY);
    let (year, month, day) = date(today - EARLIER_DAYS);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(today - EARLIER_DAYS + VALID_DAYS);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let own = KeyPair::generate().map_err(other)?;
    let made = params.signed_by(&own, &issuer).map_err(other)?;
    write(&files.key, own.serialize_pem().as_bytes(), SECRET)?;
    write(&files.certificate, made.pem().as_bytes(), PUBLIC)
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
    let (year, month, day) = der::date(day);
    let small = |n: i64| u8::try_from(n).expect("a month or a day of one");
    let year = i32::try_from(year).expect("a year of a clock");
    (year, small(month), small(day))
}

/// Writes a file with these permissions, whole or not at all.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let partial = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)
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
        let late = facts.valid_until - RENEW_DAYS * DAY;
        assert!(fits(&files, &names, late - 1) && !fits(&files, &names, late));
        let more = [names.clone(), vec!["10.9.8.7".into()]].concat();
        assert!(!fits(&files, &more, now_secs()));
        issue(&files, &more).unwrap();
        assert!(fits(&files, &more, now_secs()));
        assert_ne!(read(&files.certificate), certificate);
        assert_eq!(read(&files.authority), authority, "clients trust it");
        #[cfg(unix)]
        for path in [&files.key, &files.authority_key] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
