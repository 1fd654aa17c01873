//! The chain: authenticators in their order. Each allows, denies, or says that it is none of its
//! business, and then the next one is asked; whom none of them knows is not let in.

use std::{fmt, net::IpAddr, sync::Arc, time::Instant};

use engine::{
    Cause, Time,
    acl::{Principal, Rules, User},
};

use super::{
    hash::Hashed,
    scram::Conversation,
    tally::{Said, Tally},
    verify::Verifier,
};
use crate::access::remote::{Facts, Place};

/// A password as a client sends it: bytes, and shown to nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Password(Box<[u8]>);

impl Password {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// What a guest shows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// Empty where one is to be assigned.
    pub(crate) client_id: Box<str>,
    pub(crate) user_name: Option<Box<str>>,
    pub(crate) password: Option<Password>,
    pub(crate) address: IpAddr,
    /// What its certificate says, if it showed one: CN, and the whole subject.
    pub(crate) certificate: Option<(Option<Box<str>>, Box<str>)>,
    /// Where it proves itself in several steps.
    pub(crate) step: Option<Box<Step>>,
    /// The authenticators that are asked about it, if those are not all.
    pub(crate) only: Option<Arc<[String]>>,
}

/// A step of enhanced authentication.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) method: Box<str>,
    pub(crate) data: Box<[u8]>,
    /// What was said before; nothing with the first step.
    pub(crate) conversation: Option<Box<Conversation>>,
}

impl Credentials {
    /// Who it is, once it has proven it.
    pub(super) fn name(&self) -> &str {
        self.user_name.as_deref().unwrap_or(&self.client_id)
    }

    /// The same where somebody says so who was told these things of it: what they were not told, they have
    /// not looked at.
    pub(super) fn name_by(&self, is_told: impl Fn(Place) -> bool) -> &str {
        let certificate = self.certificate.as_ref();
        let known = [
            (Place::UserName, self.user_name.as_deref()),
            (Place::ClientId, Some(&*self.client_id)),
            (
                Place::CommonName,
                certificate.and_then(|(name, _)| name.as_deref()),
            ),
            (Place::Subject, certificate.map(|(_, subject)| &**subject)),
        ];
        let told = known.into_iter().filter(|(place, _)| is_told(*place));
        let mut told = told.filter_map(|(_, name)| name.filter(|name| !name.is_empty()));
        told.next().unwrap_or_else(|| self.name())
    }

    /// What back ends may be told of it.
    pub(super) fn facts(&self) -> Facts<'_> {
        let certificate = self.certificate.as_ref();
        Facts {
            client_id: &self.client_id,
            user_name: self.user_name.as_deref(),
            password: self.password.as_ref().map(Password::bytes),
            address: self.address,
            common_name: certificate.and_then(|(name, _)| name.as_deref()),
            subject: certificate.map(|(_, subject)| &**subject),
            deed: None,
        }
    }
}

#[cfg(test)]
impl Credentials {
    /// Of a client on this machine that shows nothing else.
    pub(super) fn of(client_id: &str) -> Self {
        Self {
            client_id: client_id.into(),
            user_name: None,
            password: None,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            certificate: None,
            step: None,
            only: None,
        }
    }
}

/// Somebody who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) who: Arc<Principal>,
    /// Until when, if that ends by itself.
    pub(crate) until: Option<Time>,
    /// The last word of the method by which it has proven itself, if that has several steps.
    pub(crate) proof: Option<Box<[u8]>>,
}

impl Granted {
    pub(super) fn user(name: &str, superuser: bool) -> Self {
        Self::with_rules(name, superuser, None)
    }

    /// Somebody with rules of its own.
    pub(super) fn with_rules(name: &str, superuser: bool, rules: Option<Arc<Rules>>) -> Self {
        let user = User {
            superuser,
            rules,
            ..User::new(name)
        };
        Self {
            who: Arc::new(Principal::User(user)),
            until: None,
            proof: None,
        }
    }

    /// The same until then, if that is told.
    pub(super) fn until(self, until: Option<Time>) -> Self {
        let Some(at) = until else { return self };
        Self {
            who: Arc::new(Arc::unwrap_or_clone(self.who).until(at)),
            until,
            ..self
        }
    }
}

/// What a guest is asked, and what was said so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) data: Box<[u8]>,
    pub(crate) conversation: Box<Conversation>,
}

/// What the chain says of a guest whom it does not turn away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    In(Granted),
    /// It has to answer this first.
    Challenged(Challenge),
}

pub(crate) type Verdict = Result<Judged, Cause>;

/// What one authenticator says.
#[derive(Debug)]
pub(super) enum Answer {
    Allow(Granted),
    Challenge(Challenge),
    Deny(Cause),
    Ignore,
}

/// One who knows users. It may answer at once or later, from any thread; whoever drops a question
/// without an answer has failed, and the guest is not let in. How long a guest waits is not its
/// business: who waits too long was told so, and an answer is then for nobody.
pub(super) trait Authenticator: Send + Sync {
    fn ask(self: Arc<Self>, question: Question);

    /// Whether guests are its business who prove themselves so: by a method of several steps, or by what they
    /// bring with CONNECT.
    fn speaks(&self, method: Option<&str>) -> bool {
        method.is_none()
    }

    /// What is wrong with it; it goes on with what it had.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// An authenticator's place in the chain.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) tally: Arc<Tally>,
}

/// All that are asked.
pub(crate) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) verifier: Arc<Verifier>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.links.iter().map(|l| &l.id))
            .finish()
    }
}

type Reply = Box<dyn FnOnce(Verdict) + Send>;

/// Whether a guest may come in. It goes from authenticator to authenticator, and its end is a verdict,
/// whatever happens to it.
pub(crate) struct Question {
    pub(super) credentials: Credentials,
    chain: Arc<Chain>,
    /// Who is asked next.
    next: usize,
    /// A user whom a store does not know has to cost what a wrong password does.
    decoy: Option<Hashed>,
    deadline: Instant,
    reply: Option<Reply>,
}

impl Question {
    pub(crate) fn new(
        chain: Arc<Chain>,
        credentials: Credentials,
        deadline: Instant,
        reply: impl FnOnce(Verdict) + Send + 'static,
    ) -> Self {
        Self {
            credentials,
            chain,
            next: 0,
            decoy: None,
            deadline,
            reply: Some(Box::new(reply)),
        }
    }

    /// Whether the guest was told that it takes too long.
    pub(super) fn is_late(&self) -> bool {
        self.deadline <= Instant::now()
    }

    /// Nobody wants to know any more.
    pub(super) fn forget(mut self) {
        self.reply = None;
    }

    pub(super) fn verifier(&self) -> Arc<Verifier> {
        self.chain.verifier.clone()
    }

    /// Notes that a store does not know the user: if nobody does, that takes as long as a comparison
    /// with this.
    pub(super) fn unknown(&mut self, decoy: impl FnOnce() -> Hashed) {
        self.decoy.get_or_insert_with(decoy);
    }

    /// Asks whoever is next.
    pub(super) fn go_on(mut self) {
        let method = self.credentials.step.as_ref().map(|step| &*step.method);
        let only = self.credentials.only.as_deref();
        let links = self.chain.links.iter().enumerate().skip(self.next);
        let mut next = links.filter(|(_, link)| {
            let is_asked = only.is_none_or(|only| only.contains(&link.id));
            is_asked && link.authenticator.speaks(method)
        });
        match next
            .next()
            .map(|(at, link)| (at, link.authenticator.clone()))
        {
            Some((at, next)) => {
                self.next = at;
                next.ask(self);
            }
            None if method.is_some() => self.end(Err(Cause::AuthenticationMethod)),
            None => self.known_to_nobody(),
        }
    }

    /// Of the authenticator that was asked.
    pub(super) fn answer(mut self, answer: Answer) {
        let said = match &answer {
            Answer::Allow(_) => Some(Said::Allow),
            Answer::Deny(_) => Some(Said::Deny),
            Answer::Ignore => Some(Said::Ignore),
            // Counted when it ends.
            Answer::Challenge(_) => None,
        };
        if let (Some(link), Some(said)) = (self.chain.links.get(self.next), said) {
            link.tally.count(said);
        }
        self.next += 1;
        match answer {
            Answer::Allow(granted) => self.end(Ok(Judged::In(granted))),
            Answer::Challenge(challenge) => self.end(Ok(Judged::Challenged(challenge))),
            Answer::Deny(cause) => self.end(Err(cause)),
            Answer::Ignore => self.go_on(),
        }
    }

    fn known_to_nobody(self) {
        if let Some(decoy) = &self.decoy {
            let password = self.credentials.password.clone().unwrap_or_default();
            self.chain.verifier.waste(decoy, &password);
        }
        self.end(Err(Cause::UnknownUser));
    }

    fn end(mut self, verdict: Verdict) {
        if let Some(reply) = self.reply.take() {
            reply(verdict);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply(Err(Cause::AuthenticatorFailed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    /// Says what it was told to, and what it is asked.
    struct Fixed(fn(Question));

    impl Authenticator for Fixed {
        fn ask(self: Arc<Self>, question: Question) {
            (self.0)(question);
        }
    }

    fn granted() -> Granted {
        Granted::user("anna", false)
    }

    type Ask = fn(Question);
    /// Who is asked, what comes of it, and how often each was.
    type Case<'a> = (&'a [Ask], Verdict, &'a [u64]);

    fn verdict(links: &[Ask]) -> (Verdict, Vec<u64>) {
        let links = links.iter().map(|ask| Link {
            id: "fixed".to_owned(),
            authenticator: Arc::new(Fixed(*ask)),
            tally: Arc::new(Tally::new()),
        });
        let chain = Arc::new(Chain {
            links: links.collect(),
            verifier: Arc::new(Verifier::new().unwrap()),
        });
        let credentials = Credentials {
            user_name: Some("anna".into()),
            password: Some(Password::new(b"secret")),
            ..Credentials::of("c")
        };
        let (sender, receiver) = mpsc::channel();
        let deadline = Instant::now() + Duration::from_secs(60);
        let reply = move |verdict| sender.send(verdict).unwrap();
        Question::new(chain.clone(), credentials, deadline, reply).go_on();
        let verdict = receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(receiver.try_recv().is_err(), "one verdict");
        let asked = chain.links.iter().map(|link| link.tally.counts().total);
        (verdict, asked.collect())
    }

    /// The first one that allows or denies decides; one that fails denies; a late answer from another
    /// thread is as good; whom nobody knows is not let in.
    #[test]
    fn allow_deny_ignore() {
        let allow: Ask = |q| q.answer(Answer::Allow(granted()));
        let deny: Ask = |q| q.answer(Answer::Deny(Cause::WrongPassword));
        let ignore: Ask = |q| q.answer(Answer::Ignore);
        let fail: Ask = |q| drop(q);
        let later: Ask = |q| {
            std::thread::spawn(move || q.answer(Answer::Allow(granted())));
        };
        let unknown = Err(Cause::UnknownUser);
        let wrong = Err(Cause::WrongPassword);
        let failed = Err(Cause::AuthenticatorFailed);
        let table: [Case<'_>; 8] = [
            (&[], unknown.clone(), &[]),
            (&[allow, deny], Ok(Judged::In(granted())), &[1, 0]),
            (&[deny, allow], wrong.clone(), &[1, 0]),
            (&[ignore, allow], Ok(Judged::In(granted())), &[1, 1]),
            (
                &[ignore, later, deny],
                Ok(Judged::In(granted())),
                &[1, 1, 0],
            ),
            (&[ignore, ignore], unknown, &[1, 1]),
            (&[fail, allow], failed.clone(), &[0, 0]),
            (&[ignore, fail], failed, &[1, 0]),
        ];
        for (links, due, asked) in table {
            assert_eq!(verdict(links), (due, asked.to_vec()));
        }
    }
}
