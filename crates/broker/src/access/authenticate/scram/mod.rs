//! The authenticator by SCRAM over users that the broker keeps: they prove to know their password without
//! sending it, and learn that the broker knows it, too.

mod conversation;
mod keys;

use std::sync::Arc;

use engine::Cause;

use super::{
    chain::{Answer, Authenticator, Challenge, Granted, Question},
    hash::Hashed,
    method::Scram,
    users::{User, Users},
};
use conversation::{First, NONCE_BYTES};

pub(crate) use conversation::{Conversation, NAME_BYTES_MAX};
pub(crate) use keys::{Keys, ROUNDS, prepared};

pub(super) struct Exchanges {
    pub(super) users: Arc<Users>,
    pub(super) setup: Scram,
}

impl Exchanges {
    fn begin(&self, data: &[u8]) -> Result<Challenge, Cause> {
        let first = First::read(data)?;
        let (digest, rounds) = (self.setup.algorithm, self.setup.iteration_count);
        // Also for those who exist, so that it takes the same time.
        let seed = self.setup.seed.0.as_bytes();
        let nobody = Keys::of_nobody(digest, rounds, seed, &first.name);
        let user = self.users.find(&first.name);
        let found = user.and_then(|User { kept, superuser }| match &*kept {
            Hashed::Scram(keys) if keys.digest() == digest => Some((keys.clone(), Some(superuser))),
            _ => None,
        });
        let (keys, superuser) = found.unwrap_or((nobody, None));
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| Cause::AuthenticatorFailed)?;
        let (conversation, asked) = first.ask(keys, superuser, &nonce);
        Ok(Challenge {
            data: asked.into_bytes().into(),
            conversation: Box::new(conversation),
        })
    }
}

impl Authenticator for Exchanges {
    fn ask(self: Arc<Self>, mut question: Question) {
        let Some(step) = question.credentials.step.take().map(|step| *step) else {
            return question.answer(Answer::Ignore);
        };
        let answer = match step.conversation {
            None => self.begin(&step.data).map(Answer::Challenge),
            Some(conversation) => conversation.end(&step.data).and_then(|proven| {
                // Who calls itself something else in CONNECT would be known by that.
                let called = question.credentials.user_name.as_deref();
                if called.is_some_and(|called| prepared(called) != *proven.name) {
                    return Err(Cause::WrongPassword);
                }
                let mut granted = Granted::user(&proven.name, proven.superuser);
                granted.proof = Some(proven.proof);
                Ok(Answer::Allow(granted))
            }),
        };
        question.answer(answer.unwrap_or_else(Answer::Deny));
    }

    fn speaks(&self, method: Option<&str>) -> bool {
        method == Some(self.setup.algorithm.method())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        time::{Duration, Instant},
    };

    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};

    use super::{
        super::{
            chain::{Chain, Credentials, Judged, Link, Step, Verdict},
            hash::Digest,
            tally::Tally,
            verify::Verifier,
        },
        *,
    };

    const METHOD: &str = "SCRAM-SHA-512";

    fn chain() -> Arc<Chain> {
        let users = Arc::new(Users::default());
        let keys = Keys::of_password(Digest::Sha512, 10, b"secret").unwrap();
        let user = User {
            kept: Arc::new(Hashed::Scram(keys)),
            superuser: true,
        };
        users.write().insert("anna".into(), user);
        let setup = Scram::new(Digest::Sha512, 10).unwrap();
        let link = Link {
            id: "scram".to_owned(),
            authenticator: Arc::new(Exchanges { users, setup }),
            tally: Arc::new(Tally::new()),
        };
        Arc::new(Chain {
            links: vec![link],
            verifier: Arc::new(Verifier::new().unwrap()),
        })
    }

    fn ask(chain: &Arc<Chain>, user_name: Option<&str>, step: Step) -> Verdict {
        let credentials = Credentials {
            user_name: user_name.map(Into::into),
            step: Some(Box::new(step)),
            ..Credentials::of("c")
        };
        let (sender, receiver) = mpsc::channel();
        let deadline = Instant::now() + Duration::from_secs(60);
        let reply = move |verdict| sender.send(verdict).unwrap();
        Question::new(chain.clone(), credentials, deadline, reply).go_on();
        receiver.recv().unwrap()
    }

    fn step(method: &str, data: String, conversation: Option<Box<Conversation>>) -> Step {
        Step {
            method: method.into(),
            data: data.into_bytes().into(),
            conversation,
        }
    }

    /// A client that knows a password, as the standard has it.
    fn try_in(chain: &Arc<Chain>, called: Option<&str>, name: &str, password: &str) -> Verdict {
        let bare = format!("n={name},r=abc");
        let begun = ask(chain, called, step(METHOD, format!("n,,{bare}"), None))?;
        let Judged::Challenged(challenge) = begun else {
            panic!("in without a proof");
        };
        let asked = String::from_utf8(challenge.data.to_vec()).unwrap();
        let field = |key: &str| asked.split(',').find_map(|f| f.strip_prefix(key)).unwrap();
        let salt = BASE64.decode(field("s=")).unwrap();
        assert_eq!((salt.len(), field("i=")), (keys::SALT_BYTES, "10"));
        let last = format!("c=biws,r={}", field("r="));
        let message = format!("{bare},{asked},{last}");
        let digest = Digest::Sha512;
        let mut salted = [0; 64];
        pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password.as_bytes(), &salt, 10, &mut salted);
        let key = digest.mac(&salted, b"Client Key");
        let stored = <sha2::Sha512 as sha2::Digest>::digest(&key);
        let signature = digest.mac(&stored, message.as_bytes());
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let answer = format!("{last},p={}", BASE64.encode(proof));
        ask(
            chain,
            called,
            step(METHOD, answer, Some(challenge.conversation)),
        )
    }

    /// The right password lets in and nothing else does; of a user who does not exist the client learns
    /// nothing before its proof. Another method is none, and who shows a password is not asked about.
    #[test]
    fn proven_in_two_steps() {
        let chain = chain();
        let Ok(Judged::In(granted)) = try_in(&chain, None, "anna", "secret") else {
            panic!("not in");
        };
        assert!(granted.proof.unwrap().starts_with(b"v="));
        assert_eq!(granted.who.user(), Some("anna"));
        assert!(try_in(&chain, Some("anna"), "anna", "secret").is_ok());
        let failed = |called, name, password| try_in(&chain, called, name, password).unwrap_err();
        assert_eq!(failed(None, "anna", "wrong"), Cause::WrongPassword);
        assert_eq!(failed(Some("root"), "anna", "secret"), Cause::WrongPassword);
        assert_eq!(failed(None, "bert", "secret"), Cause::UnknownUser);
        let first = || "n,,n=anna,r=x".to_owned();
        let other = ask(&chain, None, step("SCRAM-SHA-256", first(), None));
        assert_eq!(other, Err(Cause::AuthenticationMethod));
        let counts = chain.links[0].tally.counts();
        assert_eq!((counts.success, counts.failed, counts.nomatch), (2, 3, 0));
    }
}
