//! With what `admin` signs in while no password was set: what everybody knows, from near addresses, or a secret
//! of this start that only its log tells, for a while.

use std::time::{Duration, Instant};

use super::{
    password::DEFAULT,
    secret::{Secret, is_equal},
};

/// How long the secret is good.
const GOOD_FOR: Duration = Duration::from_secs(3600);

pub(crate) enum First {
    Known,
    Drawn { secret: Secret, until: Instant },
}

impl First {
    pub(crate) fn drawn() -> Self {
        Self::Drawn {
            secret: Secret::random(),
            until: Instant::now() + GOOD_FOR,
        }
    }

    pub(super) fn is(&self, password: &Secret) -> bool {
        match self {
            Self::Known => is_equal(password.reveal().as_bytes(), DEFAULT.as_bytes()),
            Self::Drawn { secret, until } => Instant::now() < *until && secret.is(password),
        }
    }

    /// Whether everybody knows it.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Known)
    }

    /// For the log of the start.
    pub(super) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Known => None,
            Self::Drawn { secret, .. } => Some(secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_or_drawn_and_for_a_while() {
        let public = Secret::new(DEFAULT);
        assert!(First::Known.is(&public) && First::Known.secret().is_none());
        let drawn = First::drawn();
        let secret = drawn.secret().unwrap().clone();
        assert!(drawn.is(&secret) && !drawn.is(&public) && !drawn.is_known());
        let late = First::Drawn {
            secret: secret.clone(),
            until: Instant::now(),
        };
        assert!(!late.is(&secret));
    }
}
