//! The authenticator over the broker's own users.

use std::sync::Arc;

use engine::Cause;

use super::{
    chain::{Answer, Authenticator, Granted, Question},
    hash::{Algorithm, Hashed},
    method::UserIdType,
    users::{User, Users},
};

pub(super) struct Own {
    pub(super) users: Arc<Users>,
    pub(super) by: UserIdType,
    /// How new users' passwords are kept.
    pub(super) algorithm: Algorithm,
}

impl Authenticator for Own {
    fn ask(self: Arc<Self>, question: Question) {
        let shown = &question.credentials;
        let name = match self.by {
            UserIdType::Username => shown.user_name.clone(),
            UserIdType::Clientid => Some(shown.client_id.clone()).filter(|id| !id.is_empty()),
        };
        let Some(name) = name else {
            return question.answer(Answer::Ignore);
        };
        let user = self.users.find(&name);
        compare(question, name, user, || self.algorithm.decoy());
    }
}

/// Answers as the password says: of a user who is not known, it is not this store's business. A guest
/// without a password has a wrong one.
pub(super) fn compare(
    mut question: Question,
    name: Box<str>,
    user: Option<User>,
    decoy: impl FnOnce() -> Hashed,
) {
    let Some(user) = user else {
        question.unknown(decoy);
        return question.answer(Answer::Ignore);
    };
    let shown = question.credentials.password.clone();
    let brought = shown.is_some();
    let verifier = question.verifier();
    verifier.check(&user.kept, &shown.unwrap_or_default(), move |right| {
        question.answer(if right && brought {
            Answer::Allow(Granted::user(&name, user.superuser))
        } else {
            Answer::Deny(Cause::WrongPassword)
        });
    });
}
