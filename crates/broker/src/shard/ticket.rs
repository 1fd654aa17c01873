//! Tickets: with one of these a page of the dashboard connects as the user who is signed in there, once
//! and soon. Every shard has them all; that one is used is known to all at once, without a lock.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use engine::{Time, acl::Principal};

/// How a password begins that is a ticket.
pub(crate) const PREFIX: &str = "ternmq-ticket-";
/// Tickets that nobody has used yet; the oldest goes.
const TICKETS_MAX: usize = 1_000;

/// A ticket.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Shown as the password.
    pub(crate) secret: String,
    /// Who the holder is.
    pub(crate) who: Arc<Principal>,
    pub(crate) until: Time,
    pub(crate) used: AtomicBool,
}

/// Whether a password is meant to be one.
pub(super) fn is_ticket(password: &[u8]) -> bool {
    password.starts_with(PREFIX.as_bytes())
}

/// Those of a shard.
#[derive(Debug, Default)]
pub(super) struct Tickets(Vec<Arc<Ticket>>);

impl Tickets {
    pub(super) fn add(&mut self, ticket: Arc<Ticket>, now: Time) {
        self.0
            .retain(|t| t.until > now && !t.used.load(Ordering::Relaxed));
        if self.0.len() >= TICKETS_MAX {
            self.0.remove(0);
        }
        self.0.push(ticket);
    }

    /// Who shows a ticket under this user name; nobody if it is none, too old, another user's or used.
    pub(super) fn redeem(
        &mut self,
        secret: &[u8],
        user_name: Option<&str>,
        now: Time,
    ) -> Option<Arc<Principal>> {
        let at = self.0.iter().position(|t| t.secret.as_bytes() == secret)?;
        // Whoever knows it had their one try.
        let ticket = self.0.remove(at);
        let first = !ticket.used.swap(true, Ordering::AcqRel);
        let fits = user_name.is_some() && ticket.who.user() == user_name;
        (first && fits && ticket.until > now).then(|| ticket.who.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(secret: &str, user: &str, until: u64) -> Arc<Ticket> {
        Arc::new(Ticket {
            secret: secret.to_owned(),
            who: Arc::new(Principal::Administrator(user.into())),
            until: Time(until),
            used: AtomicBool::new(false),
        })
    }

    #[test]
    fn once_and_soon_and_by_its_user() {
        let mut shards = [Tickets::default(), Tickets::default()];
        let mut show = |secret: &str, until, tries: &[(usize, Option<&str>, u64)]| {
            let made = ticket(secret, "anna", until);
            for shard in &mut shards {
                shard.add(made.clone(), Time(0));
            }
            let each = tries.iter();
            each.map(|(shard, user, now)| {
                let who = shards[*shard].redeem(secret.as_bytes(), *user, Time(*now));
                who.is_some()
            })
            .collect::<Vec<_>>()
        };
        let anna = Some("anna");
        assert_eq!(
            show("a", 60, &[(0, anna, 1), (0, anna, 1), (1, anna, 1)]),
            [true, false, false]
        );
        assert_eq!(
            show("b", 60, &[(0, anna, 60), (1, anna, 1)]),
            [false, false]
        );
        assert_eq!(
            show("c", 60, &[(0, Some("bert"), 1), (1, anna, 1)]),
            [false, false]
        );
        assert_eq!(show("d", 60, &[(0, None, 1)]), [false]);
        assert!(shards[0].redeem(b"e", anna, Time(1)).is_none());
    }

    #[test]
    fn there_are_no_more_than_so_many() {
        let mut tickets = Tickets::default();
        for n in 0..TICKETS_MAX + 5 {
            tickets.add(ticket(&n.to_string(), "anna", 60), Time(0));
        }
        assert_eq!(tickets.0.len(), TICKETS_MAX);
        assert!(tickets.redeem(b"4", Some("anna"), Time(1)).is_none());
        assert!(tickets.redeem(b"5", Some("anna"), Time(1)).is_some());
        tickets.add(ticket("new", "anna", 100), Time(70));
        assert_eq!(tickets.0.len(), 1);
    }
}
