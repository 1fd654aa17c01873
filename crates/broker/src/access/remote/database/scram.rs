//! SCRAM-SHA-256 (RFC 5802, RFC 7677) from the client's side, as PostgreSQL asks for it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac as _};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest as _, Sha256};

/// Rounds that a server may ask for: more would be an attack on us.
const ROUNDS_MAX: u32 = 1_000_000;

/// An exchange under way.
pub(super) struct Exchange {
    first: String,
    nonce: String,
    /// What the server has to say in the end.
    due: Option<Vec<u8>>,
}

impl Exchange {
    /// With a nonce that is used once.
    pub(super) fn new(nonce: &[u8; 18]) -> Self {
        let nonce = BASE64_STANDARD.encode(nonce);
        Self {
            // PostgreSQL knows the user already and looks at no name here.
            first: format!("n=,r={nonce}"),
            nonce,
            due: None,
        }
    }

    /// Without channel binding.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// The answer to the server's first message; `None` if that is none.
    pub(super) fn answer(&mut self, password: &str, server: &str) -> Option<String> {
        let field = |name: &str| server.split(',').find_map(|field| field.strip_prefix(name));
        let (nonce, salt, rounds) = (field("r=")?, field("s=")?, field("i=")?);
        let rounds: u32 = rounds
            .parse()
            .ok()
            .filter(|n| (1..=ROUNDS_MAX).contains(n))?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return None;
        }
        let salt = BASE64_STANDARD.decode(salt).ok()?;
        let mut salted = [0; 32];
        pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, rounds, &mut salted);
        let client_key = mac(&salted, b"Client Key");
        let stored_key = Sha256::digest(&client_key);
        let bare = format!("c=biws,r={nonce}");
        let signed = format!("{},{server},{bare}", self.first);
        let signature = mac(&stored_key, signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        self.due = Some(mac(&mac(&salted, b"Server Key"), signed.as_bytes()));
        Some(format!("{bare},p={}", BASE64_STANDARD.encode(proof)))
    }

    /// Whether the server knows the password, too.
    pub(super) fn is_genuine(&self, server: &str) -> bool {
        let shown = server.strip_prefix("v=");
        let shown = shown.and_then(|shown| BASE64_STANDARD.decode(shown).ok());
        shown.is_some() && shown == self.due
    }
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 3, with its user name and nonce.
    #[test]
    fn as_in_the_standard() {
        let nonce = "rOprNGfwEbeRWgbNEkqO";
        let mut exchange = Exchange {
            first: format!("n=user,r={nonce}"),
            nonce: nonce.to_owned(),
            due: None,
        };
        let whole = format!("{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        let server = format!("r={whole},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let due = format!("c=biws,r={whole},{proof}");
        assert_eq!(exchange.answer("pencil", &server), Some(due));
        assert!(exchange.is_genuine("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!exchange.is_genuine("v=AAAA") && !exchange.is_genuine("e=other-error"));
        for bad in [
            "",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            &format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
            &format!("r={whole},s=!,i=4096"),
            &format!("r={whole},s=W22Z,i=0"),
            &format!("r={whole},s=W22Z,i=4000000000"),
        ] {
            assert_eq!(exchange.answer("pencil", bad), None, "{bad}");
        }
    }
}
