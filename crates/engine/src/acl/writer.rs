//! Who wrote what is retained, so that it can be asked later whether they still may.

use std::sync::Arc;

use super::{Asks, Principal, Subject};

/// Who wrote what is retained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Writer {
    pub(crate) who: Principal,
    pub(crate) client_id: Box<str>,
    /// It came with rules of its own. They are not kept, so nobody can ask later.
    pub(crate) had_rules: bool,
}

impl Writer {
    pub(crate) fn new(mut who: Principal, client_id: &str) -> Self {
        let rules = match &mut who {
            Principal::User(user) => user.rules.take(),
            _ => None,
        };
        Self {
            who,
            client_id: client_id.into(),
            had_rules: rules.is_some(),
        }
    }

    /// The user whose bound of retained messages holds for it: superusers have none, and whoever is nobody in
    /// particular shares that of all.
    pub(crate) fn bounded(&self) -> Option<&str> {
        match &self.who {
            Principal::User(user) if !user.superuser => Some(&user.name),
            _ => None,
        }
    }
}

impl Asks for Writer {
    fn principal(&self) -> &Principal {
        &self.who
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            who: &self.who,
            client_id: &self.client_id,
            // Where it came from is not known any more.
            access: None,
        }
    }
}

/// Clients that retained something lately: what one of them retains next names it in the same place of
/// memory.
#[derive(Debug, Default)]
pub(crate) struct Writers(Vec<Option<Arc<Writer>>>);

/// Direct-mapped.
const WRITERS_MAX: usize = 256;

impl Writers {
    /// `None` for the broker, whom nobody asks.
    pub(crate) fn of(&mut self, asks: &impl Asks, hash: u64) -> Option<Arc<Writer>> {
        let who = asks.principal();
        if *who == Principal::Broker {
            return None;
        }
        let client_id = asks.subject().client_id;
        if self.0.is_empty() {
            self.0.resize(WRITERS_MAX, None);
        }
        let at = usize::try_from(hash % WRITERS_MAX as u64).unwrap_or(0);
        let had_rules = who.rules().is_some();
        let is_same = |w: &&Arc<Writer>| {
            *w.client_id == *client_id
                && w.who == *who
                && w.who.is_super() == who.is_super()
                && w.had_rules == had_rules
        };
        if let Some(known) = self.0[at].as_ref().filter(is_same) {
            return Some(known.clone());
        }
        let writer = Arc::new(Writer::new(who.clone(), client_id));
        self.0[at] = Some(writer.clone());
        Some(writer)
    }
}
