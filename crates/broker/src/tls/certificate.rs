//! What a certificate says: whose it is, for which names, and how long it is valid. It is read only of
//! certificates that somebody else has verified, or that are our own.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;

use super::date::time;
use crate::asn1::{BOOLEAN, Elements, INTEGER, OCTETS, OID, SEQUENCE, SET};

/// 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Parts of a distinguished name that have a short word, by their object identifier.
const PARTS: [(&[u8], &str); 9] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01],
        "emailAddress",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19],
        "DC",
    ),
];

/// What a certificate says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// CN of the subject, if it has one.
    pub common_name: Option<String>,
    /// The subject as in `CN=pump-7,O=Works`, in the certificate's own order.
    pub subject: String,
    /// Host names, addresses, mail addresses and URIs of the subject.
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub valid_from: i64,
    pub valid_until: i64,
}

impl Facts {
    /// `None` if it is no certificate of version 3 as RFC 5280 has it.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let whole = Elements(certificate.as_ref()).expect(SEQUENCE)?;
        let mut body = Elements(Elements(whole).expect(SEQUENCE)?);
        body.maybe(0xa0); // version
        body.take()?; // serial number
        body.expect(SEQUENCE)?; // algorithm of the signature
        body.expect(SEQUENCE)?; // issuer
        let mut validity = Elements(body.expect(SEQUENCE)?);
        let (from_tag, from) = validity.take()?;
        let (until_tag, until) = validity.take()?;
        let subject = body.expect(SEQUENCE)?;
        body.expect(SEQUENCE)?; // public key
        let mut facts = Self {
            valid_from: time(from_tag, from)?,
            valid_until: time(until_tag, until)?,
            ..Self::default()
        };
        facts.read_subject(subject)?;
        while let Some((tag, content)) = body.take() {
            if tag == 0xa3 {
                facts.read_extensions(Elements(content).expect(SEQUENCE)?)?;
            }
        }
        Some(facts)
    }

    fn read_subject(&mut self, subject: &[u8]) -> Option<()> {
        let mut parts = Elements(subject);
        while !parts.0.is_empty() {
            let mut set = Elements(parts.expect(SET)?);
            while !set.0.is_empty() {
                let mut pair = Elements(set.expect(SEQUENCE)?);
                let oid = pair.expect(OID)?;
                let (tag, value) = pair.take()?;
                let value = text(tag, value)?;
                let Some((_, word)) = PARTS.iter().find(|(known, _)| *known == oid) else {
                    continue;
                };
                if !self.subject.is_empty() {
                    self.subject.push(',');
                }
                self.subject.push_str(word);
                self.subject.push('=');
                // A comma in a value must not look like the next part (RFC 4514).
                for c in value.chars() {
                    if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
                        self.subject.push('\\');
                    }
                    self.subject.push(c);
                }
                if *word == "CN" {
                    self.common_name = Some(value);
                }
            }
        }
        Some(())
    }

    fn read_extensions(&mut self, extensions: &[u8]) -> Option<()> {
        let mut extensions = Elements(extensions);
        while !extensions.0.is_empty() {
            let mut extension = Elements(extensions.expect(SEQUENCE)?);
            let oid = extension.expect(OID)?;
            extension.maybe(BOOLEAN); // critical
            let value = extension.expect(OCTETS)?;
            if oid != SUBJECT_ALT_NAME {
                continue;
            }
            let mut names = Elements(Elements(value).expect(SEQUENCE)?);
            while let Some((tag, name)) = names.take() {
                let name = match tag {
                    // Mail address, host name, URI.
                    0x81 | 0x82 | 0x86 => std::str::from_utf8(name).ok().map(str::to_owned),
                    0x87 => address(name).map(|ip| ip.to_string()),
                    _ => None,
                };
                self.names.extend(name);
            }
        }
        Some(())
    }
}

/// When a revocation list is past its date (RFC 5280 5.1), in seconds since 1970; `None` if it is no such list.
pub(super) fn next_update(list: &[u8]) -> Option<i64> {
    let whole = Elements(list).expect(SEQUENCE)?;
    let mut body = Elements(Elements(whole).expect(SEQUENCE)?);
    body.maybe(INTEGER); // version
    body.expect(SEQUENCE)?; // algorithm of the signature
    body.expect(SEQUENCE)?; // issuer
    body.take()?; // since when it holds
    let (tag, text) = body.take()?;
    time(tag, text)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

/// A string of any of X.500's kinds.
fn text(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        // UTF-8, printable, IA5; T.61, which is Latin-1 where it is met at all.
        0x0c | 0x13 | 0x16 => std::str::from_utf8(bytes).ok().map(str::to_owned),
        0x14 => Some(bytes.iter().map(|b| char::from(*b)).collect()),
        0x1e => {
            let units = bytes.chunks_exact(2);
            let units: Vec<u16> = units.map(|u| u16::from_be_bytes([u[0], u[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn whose_and_how_long() {
        let mut params =
            CertificateParams::new(vec!["pump.local".into(), "10.1.2.3".into()]).unwrap();
        params
            .subject_alt_names
            .push(SanType::Rfc822Name("a@b.example".try_into().unwrap()));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "泵 7, east");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Works");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2060, 6, 1);
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let facts = Facts::of(made.der()).unwrap();
        assert_eq!(facts.common_name.as_deref(), Some("泵 7, east"));
        assert!(
            facts.subject.contains("CN=泵 7\\, east"),
            "{}",
            facts.subject
        );
        assert!(facts.subject.contains("O=Works"));
        assert_eq!(facts.names, ["pump.local", "10.1.2.3", "a@b.example"]);
        assert_eq!(facts.valid_from, 1_577_836_800);
        assert_eq!(facts.valid_until, 2_853_273_600);
    }

    /// Whatever is cut off or turned over, there is an answer.
    #[test]
    fn broken_ones_do_no_harm() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["a.example".into()]).unwrap();
        let whole = params.self_signed(&key).unwrap().der().to_vec();
        for at in 0..whole.len() {
            let cut = CertificateDer::from(whole[..at].to_vec());
            assert_eq!(Facts::of(&cut), None);
            for bit in [0x01, 0x80] {
                let mut turned = whole.clone();
                turned[at] ^= bit;
                let _ = Facts::of(&CertificateDer::from(turned));
            }
        }
    }
}
