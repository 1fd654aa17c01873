//! Signing in. What it tells and how long it takes does not depend on whether a user exists.

use std::net::IpAddr;

use broker::admin::Bucket;

use super::{
    ADMIN, Accounts, Known, Unchanged,
    hasher::{Busy, Lane},
    password::Hashed,
    secret::Secret,
    throttle::is_here,
    user::NAME_MAX,
};

/// What came of an attempt to sign in.
#[derive(Debug)]
pub(crate) enum SignIn {
    Done {
        token: Secret,
        known: Known,
    },
    /// User or password is wrong; which, is not told.
    Wrong,
    /// So many seconds until the next attempt.
    Wait(u64),
    /// The default password, or no password was set yet, and the address is not near.
    Far,
}

/// Sessions of the link that are known to be; an earlier one signs in again.
const LINKED_MAX: usize = 8;

impl Accounts {
    pub(crate) async fn sign_in(
        &self,
        name: &str,
        password: Secret,
        from: IpAddr,
        is_near: bool,
        now: u64,
    ) -> SignIn {
        // Whoever has the link was at the log of this start: that counts from anywhere.
        let by_link = name == ADMIN && self.has_link() && self.first.is_drawn(&password);
        if !is_near && !by_link && self.is_password_known() {
            return SignIn::Far;
        }
        // Longer ones are nobody's, but have to be slowed as well.
        let name = &name[..name.floor_char_boundary(NAME_MAX)];
        let guess = match self.throttle().enter(from, name, now) {
            Ok(guess) => guess,
            Err(wait) => return SignIn::Wait(wait.0),
        };
        let (kept, known) = {
            let table = self.table();
            let kept = table.users.get(name).map(|user| user.password.clone());
            (kept, table.known(name))
        };
        let is_right = match known {
            Some(_) => self.is_password(kept.clone(), password, from).await,
            None => self.hasher.is(password, None, lane(from)).await,
        };
        match (is_right, known) {
            (Ok(true), Some(known)) => {
                self.throttle().right(guess, now);
                self.begin(known, kept, by_link, now).await
            }
            (Ok(_), _) => SignIn::Wrong,
            (Err(Busy), _) => {
                self.throttle().unseen(&guess);
                SignIn::Wait(1)
            }
        }
    }

    /// Whether it is the password; without a kept one, the first.
    pub(super) async fn is_password(
        &self,
        kept: Option<Hashed>,
        password: Secret,
        from: IpAddr,
    ) -> Result<bool, Busy> {
        let is_first = kept.is_none() && self.first.is(&password);
        let is_kept = self.hasher.is(password, kept, lane(from)).await?;
        Ok(is_kept || is_first)
    }

    async fn begin(&self, known: Known, kept: Option<Hashed>, by_link: bool, now: u64) -> SignIn {
        let token = Secret::random();
        let (value, ended) = {
            let mut table = self.table();
            // It may have been changed while this one was hashed.
            if table.users.get(&known.name).map(|user| &user.password) != kept.as_ref() {
                return SignIn::Wrong;
            }
            if by_link {
                table.linked.truncate(LINKED_MAX - 1);
                table.linked.insert(0, token.digest());
            }
            table.tokens.add(&token, &known.name, now)
        };
        let mut put: Vec<_> = ended.into_iter().map(|d| (d.to_vec(), None)).collect();
        put.push((token.digest().to_vec(), Some(value)));
        if let Err(error) = self.keep.put(Bucket::Token, put).await {
            // To look at a broker whose disk is full is when signing in matters most.
            tracing::warn!(
                "{} is signed in until the next start only: {error}",
                known.name
            );
        }
        SignIn::Done { token, known }
    }

    /// Takes the password that the start was given for `admin`; false if one is set already and this
    /// is another one.
    pub(crate) async fn adopt(&self, password: Secret) -> Result<bool, Unchanged> {
        if !self.is_password_set() {
            self.reset_password(password).await?;
            return Ok(true);
        }
        let kept = self
            .table()
            .users
            .get(ADMIN)
            .map(|user| user.password.clone());
        Ok(self.hasher.is(password, kept, Lane::First).await?)
    }
}

fn lane(from: IpAddr) -> Lane {
    if is_here(from) {
        Lane::First
    } else {
        Lane::Other
    }
}
