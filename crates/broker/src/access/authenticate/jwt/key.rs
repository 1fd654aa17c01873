//! Keys that tell whether a token is genuine: a shared secret, or public keys as PEM or JWKS have them.
//! A key says itself which algorithms it may be used with, so that no token can choose another kind.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Sha256, Sha384, Sha512};

/// Keys of one set at most.
const KEYS_MAX: usize = 100;

/// How a token says that it is signed; nothing else is any signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signing {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Signing {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Curve {
    P256,
    P384,
}

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Key {
    Secret(Box<[u8]>),
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    Ec(Curve, Box<[u8]>),
    Ed25519(Box<[u8]>),
}

/// A key of a set, by the name that tokens may call it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: Option<String>,
    pub(super) key: Key,
}

impl Key {
    /// Whether this signature of a message is this key's.
    pub(super) fn is_signed(&self, signing: Signing, message: &[u8], signature: &[u8]) -> bool {
        match (self, signing) {
            (Self::Secret(secret), Signing::Hs256) => {
                let mac = <Hmac<Sha256>>::new_from_slice(secret);
                mac.is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
            }
            (Self::Secret(secret), Signing::Hs384) => {
                let mac = <Hmac<Sha384>>::new_from_slice(secret);
                mac.is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
            }
            (Self::Secret(secret), Signing::Hs512) => {
                let mac = <Hmac<Sha512>>::new_from_slice(secret);
                mac.is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
            }
            (Self::Rsa { n, e }, signing) => {
                let parameters = match signing {
                    Signing::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Signing::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Signing::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Signing::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    Signing::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    Signing::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }
            (Self::Ec(Curve::P256, point), Signing::Es256) => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            (Self::Ec(Curve::P384, point), Signing::Es384) => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            (Self::Ed25519(point), Signing::EdDsa) => {
                let key = UnparsedPublicKey::new(&signature::ED25519, point);
                key.verify(message, signature).is_ok()
            }
            _ => false,
        }
    }

    /// A public key in PEM, as `openssl pkey -pubout` writes it.
    pub(super) fn of_pem(text: &str) -> Option<Self> {
        let begin = text.find("-----BEGIN ")? + "-----BEGIN ".len();
        let (label, rest) = text[begin..].split_once("-----")?;
        let (body, _) = rest.split_once("-----END ")?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(body).ok()?;
        match label {
            "PUBLIC KEY" => Self::of_spki(&der),
            "RSA PUBLIC KEY" => Self::of_pkcs1(&der),
            _ => None,
        }
    }

    /// SubjectPublicKeyInfo (RFC 5280 4.1).
    fn of_spki(der: &[u8]) -> Option<Self> {
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
        const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
        const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
        let (whole, _) = element(der, SEQUENCE)?;
        let (algorithm, rest) = element(whole, SEQUENCE)?;
        let (kind, parameters) = element(algorithm, OBJECT_ID)?;
        let (bits, _) = element(rest, BIT_STRING)?;
        let key = bits.strip_prefix(&[0])?;
        if kind == RSA {
            return Self::of_pkcs1(key);
        }
        if kind == ED25519 {
            return (key.len() == 32).then(|| Self::Ed25519(key.into()));
        }
        let (curve, _) = element(parameters, OBJECT_ID).filter(|_| kind == EC)?;
        let curve = match curve {
            P256 => Curve::P256,
            P384 => Curve::P384,
            _ => return None,
        };
        Some(Self::Ec(curve, key.into()))
    }

    /// RSAPublicKey (RFC 8017 A.1.1).
    fn of_pkcs1(der: &[u8]) -> Option<Self> {
        let (whole, _) = element(der, SEQUENCE)?;
        let (n, rest) = element(whole, INTEGER)?;
        let (e, _) = element(rest, INTEGER)?;
        Some(Self::Rsa {
            n: unsigned(n).into(),
            e: unsigned(e).into(),
        })
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The content of the first element of DER, if it is of this kind, and what is behind it.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    (*first == kind).then_some((content, rest))
}

/// A positive number without the zero that keeps its sign.
fn unsigned(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|b| **b == 0).count();
    &integer[zeros..]
}

/// A JSON Web Key (RFC 7517 4), as far as it is of use here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

/// The public keys of a set; those of kinds that are not known here are passed over.
pub(super) fn of_jwks(text: &str) -> Result<Vec<Named>, String> {
    let set: Jwks = serde_json::from_str(text).map_err(|_| "it is no set of keys".to_owned())?;
    if set.keys.len() > KEYS_MAX {
        return Err(format!("there are more than {KEYS_MAX} keys in it"));
    }
    let keys: Vec<Named> = set.keys.into_iter().filter_map(of_jwk).collect();
    if keys.is_empty() {
        return Err("there is no public key in it that can be used here".to_owned());
    }
    Ok(keys)
}

fn of_jwk(value: serde_json::Value) -> Option<Named> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.used_for.is_some_and(|used_for| used_for != "sig") {
        return None;
    }
    let bytes = |text: Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
    let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Key::Rsa {
            n: unsigned(&bytes(jwk.n)?).into(),
            e: unsigned(&bytes(jwk.e)?).into(),
        },
        ("EC", Some(curve)) => {
            let (curve, length) = match curve {
                "P-256" => (Curve::P256, 32),
                "P-384" => (Curve::P384, 48),
                _ => return None,
            };
            let (x, y) = (bytes(jwk.x)?, bytes(jwk.y)?);
            if (x.len(), y.len()) != (length, length) {
                return None;
            }
            Key::Ec(curve, [&[4], &x[..], &y[..]].concat().into())
        }
        ("OKP", Some("Ed25519")) => {
            let x = bytes(jwk.x)?;
            (x.len() == 32).then(|| Key::Ed25519(x.into()))?
        }
        // Secrets among them, which are no business of a set of public keys.
        _ => return None,
    };
    Some(Named { id: jwk.kid, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key() {
        for text in [
            "",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
            "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert!(Key::of_pem(text).is_none(), "{text}");
        }
        for text in [
            "",
            "{}",
            "[]",
            r#"{"keys": []}"#,
            r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#,
            r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}"#,
            r#"{"keys": [{"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQAB"}]}"#,
        ] {
            assert!(of_jwks(text).is_err(), "{text}");
        }
    }

    #[test]
    fn der_is_taken_apart() {
        assert_eq!(
            element(&[0x30, 2, 1, 2, 3], SEQUENCE),
            Some((&[1, 2][..], &[3][..]))
        );
        let long = [&[0x30, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(element(&long, SEQUENCE), Some((&[7; 0x80][..], &[][..])));
        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 5, 1],
            &[0x30, 0x80, 0],
            &[0x30, 0x84, 0, 0, 0, 0],
            &[2, 0],
        ] {
            assert_eq!(element(bad, SEQUENCE), None);
        }
    }
}
