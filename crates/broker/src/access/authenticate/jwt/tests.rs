//! What tokens let in, and what they do not (A19).

use engine::acl::Principal;
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::{
    fixture::{EC, JWKS, RSA, SIGNED},
    *,
};
use crate::access::{authenticate::chain::Password, remote::Masked};

const SECRET: &str = "a secret of some length";

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token signed with HMAC-SHA-256, whatever its header says.
fn token_of(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let mac = <Hmac<Sha256>>::new_from_slice(secret).unwrap();
    let mac = mac.chain_update(&signed).finalize().into_bytes();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
}

fn token(claims: &Value) -> String {
    token_of(
        &json!({"alg": "HS256", "typ": "JWT"}),
        claims,
        SECRET.as_bytes(),
    )
}

fn guest() -> Credentials {
    Credentials {
        user_name: Some("u".into()),
        password: Some(Password::default()),
        ..Credentials::of("c")
    }
}

fn secret(text: &str) -> JwtKeys {
    JwtKeys::Secret {
        secret: Masked(text.to_owned()),
        base64: false,
    }
}

fn tokens(keys: JwtKeys, claims: &[(&str, &str)]) -> Tokens {
    let claims = claims.iter();
    let claims = claims.map(|(name, due)| ((*name).to_owned(), (*due).to_owned()));
    let setup = Jwt {
        keys,
        from: Shown::Password,
        verify_claims: claims.collect(),
        disconnect_after_expire: true,
        acl_claim_name: "acl".to_owned(),
    };
    Tokens::new(setup, Clock::new(), Arc::default(), Arc::new(Desk::new()))
}

fn read(tokens: &Tokens, token: &str) -> Result<Granted, Flaw> {
    let keys = match &tokens.keys {
        Ok(Keys::Fixed(keys)) => keys.clone(),
        Ok(Keys::Set(set)) => set.good().unwrap(),
        Ok(Keys::Fetched(_)) | Err(_) => unreachable!("no test has such keys"),
    };
    tokens.read(token.as_bytes(), &guest(), &keys)
}

fn name(granted: &Result<Granted, Flaw>) -> Option<String> {
    granted.as_ref().ok()?.who.user().map(str::to_owned)
}

/// Tokens that others signed, with a key in PEM and with the same key in a set.
#[test]
fn signatures_of_others() {
    let set = of_jwks(JWKS).unwrap();
    for (signing, id, pem, token) in SIGNED {
        let tokens = tokens(
            JwtKeys::Public {
                pem: (*pem).to_owned(),
            },
            &[],
        );
        assert!(tokens.trouble().is_none());
        assert_eq!(
            name(&read(&tokens, token)).as_deref(),
            Some("anna"),
            "{signing}"
        );
        let granted = tokens.read(token.as_bytes(), &guest(), &set);
        assert_eq!(name(&granted).as_deref(), Some("anna"), "{signing} {id}");
        // What is signed counts, and each key is one alone.
        let parts: Vec<&str> = token.split('.').collect();
        let other = encoded(&json!({"sub": "bert"}));
        let changed = format!("{}.{other}.{}", parts[0], parts[2]);
        assert_eq!(read(&tokens, &changed), Err(Flaw::Foreign));
        let others: Vec<Named> = set
            .iter()
            .filter(|n| n.id.as_deref() != Some(*id))
            .cloned()
            .collect();
        let granted = tokens.read(token.as_bytes(), &guest(), &others);
        assert_eq!(granted, Err(Flaw::Foreign), "{signing}");
    }
}

/// A19. No signature, another kind of signature made with what is public, a key by the name of a file, an
/// extension that has to be understood: none of them is a token of ours.
#[test]
fn forged() {
    let hmac = tokens(secret(SECRET), &[]);
    let rsa = tokens(
        JwtKeys::Public {
            pem: RSA.to_owned(),
        },
        &[],
    );
    let ec = tokens(JwtKeys::Public { pem: EC.to_owned() }, &[]);
    let claims = json!({"sub": "anna"});
    assert_eq!(name(&read(&hmac, &token(&claims))).as_deref(), Some("anna"));
    for alg in ["none", "None", "NONE", "", "HS255", "hs256"] {
        let unsigned = format!("{}.{}.", encoded(&json!({"alg": alg})), encoded(&claims));
        let signed = token_of(&json!({"alg": alg}), &claims, SECRET.as_bytes());
        for token in [unsigned, signed] {
            assert_eq!(read(&hmac, &token), Err(Flaw::Foreign), "{alg}");
            assert_eq!(read(&rsa, &token), Err(Flaw::Foreign), "{alg}");
        }
    }
    // The public key as a secret.
    for pem in [RSA, EC] {
        let confused = token_of(&json!({"alg": "HS256"}), &claims, pem.as_bytes());
        assert_eq!(read(&rsa, &confused), Err(Flaw::Foreign));
        assert_eq!(read(&ec, &confused), Err(Flaw::Foreign));
    }
    for alg in ["RS256", "ES256", "EdDSA", "HS512"] {
        let confused = token_of(&json!({"alg": alg}), &claims, SECRET.as_bytes());
        assert_eq!(read(&hmac, &confused), Err(Flaw::Foreign));
    }
    let set = of_jwks(JWKS).unwrap();
    for kid in ["../../etc/passwd", "", "RSA"] {
        let (_, _, _, genuine) = SIGNED[0];
        let rest = genuine.split_once('.').unwrap().1;
        let header = encoded(&json!({"alg": "RS256", "kid": kid}));
        let granted = rsa.read(format!("{header}.{rest}").as_bytes(), &guest(), &set);
        assert_eq!(granted, Err(Flaw::Foreign), "{kid}");
    }
    let odd = [
        json!({"alg": "HS256", "crit": ["b64"]}),
        json!({"alg": "HS256", "kid": 7}),
        json!({"alg": 256}),
        json!({}),
        json!([]),
    ];
    for header in odd {
        let token = token_of(&header, &claims, SECRET.as_bytes());
        assert_eq!(read(&hmac, &token), Err(Flaw::Foreign), "{header}");
    }
    let whole = token(&claims);
    for bad in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        &whole[1..],
        &whole[..whole.len() - 1],
    ] {
        assert_eq!(read(&hmac, bad), Err(Flaw::Foreign), "{bad}");
    }
    let long = token(&json!({"sub": "a".repeat(TOKEN_BYTES_MAX)}));
    assert_eq!(read(&hmac, &long), Err(Flaw::Foreign));
}

/// What a token claims has to hold: its time, who it is for and whose it is. Rights that are not understood
/// let nobody in.
#[test]
fn claims() {
    let now = Clock::new().now().0 / 1000;
    let plain = tokens(secret(SECRET), &[]);
    let bound = tokens(
        secret(SECRET),
        &[("name", "${username}"), ("id", "${clientid}")],
    );
    let meant = tokens(secret(SECRET), &[("aud", "mqtt")]);
    // It proves the client id; a user name besides is only claimed.
    let by_id = tokens(secret(SECRET), &[("id", "${clientid}")]);
    let table: [(&Tokens, Value, Result<&str, Flaw>); 22] = [
        (&by_id, json!({"id": "c"}), Ok("c")),
        (&by_id, json!({"id": "c", "sub": "anna"}), Ok("anna")),
        (&plain, json!({}), Ok("u")),
        (&plain, json!({"sub": "anna"}), Ok("anna")),
        (&plain, json!({"sub": ""}), Ok("u")),
        (
            &plain,
            json!({"exp": now + 60, "nbf": now - 60, "iat": now}),
            Ok("u"),
        ),
        (&plain, json!({"exp": now - 60}), Err(Flaw::Expired)),
        (&plain, json!({"exp": "never"}), Err(Flaw::Claims)),
        (&plain, json!({"exp": null}), Err(Flaw::Claims)),
        (&plain, json!({"nbf": now + 60}), Err(Flaw::Claims)),
        (&plain, json!({"iat": now + 60}), Err(Flaw::Claims)),
        (&plain, json!({"acl": {"pub": ["t"]}}), Ok("u")),
        (&plain, json!({"acl": ["t"]}), Err(Flaw::Claims)),
        (&plain, json!({"acl": null}), Err(Flaw::Claims)),
        (
            &bound,
            json!({"name": "u", "id": "c", "sub": "anna"}),
            Ok("u"),
        ),
        (&bound, json!({"name": "v", "id": "c"}), Err(Flaw::Claims)),
        (&bound, json!({"name": "u"}), Err(Flaw::Claims)),
        (&meant, json!({"aud": "mqtt"}), Ok("u")),
        (&meant, json!({"aud": ["web", "mqtt"]}), Ok("u")),
        (&meant, json!({"aud": "web"}), Err(Flaw::Claims)),
        (&meant, json!({"aud": []}), Err(Flaw::Claims)),
        (&meant, json!({}), Err(Flaw::Claims)),
    ];
    for (tokens, claims, due) in table {
        let granted = read(tokens, &token(&claims));
        match due {
            Ok(user) => assert_eq!(name(&granted).as_deref(), Some(user), "{claims}"),
            Err(flaw) => assert_eq!(granted, Err(flaw), "{claims}"),
        }
    }
    let ends = |claims: &Value| read(&plain, &token(claims)).unwrap().until;
    assert_eq!(
        ends(&json!({"exp": now + 60})),
        Some(Time((now + 60) * 1000))
    );
    assert_eq!(ends(&json!({"exp": 1e300})), None);
    assert_eq!(ends(&json!({})), None);
}

/// Who stays when the token ends goes all the same if it was the token that had the rights.
#[test]
fn rights_end_with_the_token() {
    let now = Clock::new().now().0 / 1000;
    let mut tokens = tokens(secret(SECRET), &[]);
    tokens.setup.disconnect_after_expire = false;
    let granted = |claims: &Value| read(&tokens, &token(claims)).unwrap();
    let plain = granted(&json!({"exp": now + 60}));
    assert_eq!(plain.until, None);
    let narrow = granted(&json!({"exp": now + 60, "acl": {"pub": ["t"]}}));
    assert_eq!(narrow.until, Some(Time((now + 60) * 1000)));
    let has_rules = |granted: &Granted| match &*granted.who {
        Principal::User(user) => user.rules.is_some(),
        _ => false,
    };
    assert!(has_rules(&narrow) && !has_rules(&plain));
}
