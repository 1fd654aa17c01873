//! With what `admin` signs in while no password was set: what everybody knows, from near addresses, or a secret
//! of this start that only its log tells, for a while and from anywhere; or either.

use std::time::{Duration, Instant};

use super::{
    password::DEFAULT,
    secret::{Secret, is_equal},
};

/// How long the secret is good.
const GOOD_FOR: Duration = Duration::from_secs(3600);

pub(crate) struct First {
    is_known: bool,
    drawn: Option<Drawn>,
}

struct Drawn {
    secret: Secret,
    until: Instant,
}

impl First {
    pub(crate) fn known() -> Self {
        Self {
            is_known: true,
            drawn: None,
        }
    }

    pub(crate) fn drawn() -> Self {
        let secret = Secret::random();
        let until = Instant::now() + GOOD_FOR;
        Self {
            is_known: false,
            drawn: Some(Drawn { secret, until }),
        }
    }

    /// What everybody knows from near, and the secret from where that is refused.
    pub(crate) fn known_and_drawn() -> Self {
        Self {
            is_known: true,
            ..Self::drawn()
        }
    }

    pub(super) fn is(&self, password: &Secret) -> bool {
        let is_default = is_equal(password.reveal().as_bytes(), DEFAULT.as_bytes());
        (self.is_known && is_default) || self.is_drawn(password)
    }

    /// Whether it is the secret, in time.
    pub(super) fn is_drawn(&self, password: &Secret) -> bool {
        let drawn = self.drawn.as_ref();
        drawn.is_some_and(|drawn| drawn.is_good() && drawn.secret.is(password))
    }

    /// Whether there is a secret that still lets in.
    pub(super) fn has_drawn(&self) -> bool {
        self.drawn.as_ref().is_some_and(Drawn::is_good)
    }

    /// Whether everybody knows it.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// For the log of the start.
    pub(super) fn secret(&self) -> Option<&Secret> {
        self.drawn.as_ref().map(|drawn| &drawn.secret)
    }
}

impl Drawn {
    fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_or_drawn_and_for_a_while() {
        let public = Secret::new(DEFAULT);
        assert!(First::known().is(&public) && First::known().secret().is_none());
        let drawn = First::drawn();
        let secret = drawn.secret().unwrap().clone();
        assert!(drawn.is(&secret) && !drawn.is(&public) && !drawn.is_known());
        let both = First::known_and_drawn();
        let secret = both.secret().unwrap().clone();
        assert!(both.is(&secret) && both.is(&public) && both.is_known());
        assert!(both.is_drawn(&secret) && !both.is_drawn(&public));
        let late = First {
            is_known: true,
            drawn: Some(Drawn {
                secret: secret.clone(),
                until: Instant::now(),
            }),
        };
        assert!(!late.is(&secret) && late.is(&public) && !late.has_drawn());
    }
}
