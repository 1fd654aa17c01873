//! What a client is called: its client id and, where there are such, its user name and its mountpoint. All stand
//! in one block, parted by U+0000, which none of them can hold: most clients have the first alone and pay
//! nothing for the others.

use std::ops::Deref;

/// `ID`, `ID 0 USER`, `ID 0 USER 0 MOUNTPOINT` or, without a user name, `ID 0 0 0 MOUNTPOINT`.
#[derive(Debug)]
pub(crate) struct Name(Box<str>);

impl Name {
    /// `mountpoint` is empty where there is none.
    pub(crate) fn new(client_id: &str, user_name: Option<&str>, mountpoint: &str) -> Self {
        Self(match (user_name, mountpoint) {
            (None, "") => client_id.into(),
            (Some(user), "") => [client_id, "\0", user].concat().into(),
            (None, _) => [client_id, "\0\0\0", mountpoint].concat().into(),
            (Some(user), _) => [client_id, "\0", user, "\0", mountpoint].concat().into(),
        })
    }

    pub(crate) fn user_name(&self) -> Option<&str> {
        let mut parts = self.0.split('\0').skip(1);
        let user = parts.next()?;
        parts.nth(1).is_none().then_some(user)
    }

    pub(crate) fn mountpoint(&self) -> &str {
        let mut parts = self.0.split('\0').skip(2);
        let third = parts.next();
        parts.next().or(third).unwrap_or_default()
    }
}

/// The client id.
impl Deref for Name {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        // Most are short, so that a search made for long texts takes longer to begin than this to end.
        let end = self.0.bytes().position(|byte| byte == 0);
        &self.0[..end.unwrap_or(self.0.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_client_id_may_be_absent_or_empty() {
        for user in [None, Some(""), Some("anna"), Some("中文")] {
            for mountpoint in ["", "lab/", "厂/"] {
                let name = Name::new("c/1", user, mountpoint);
                let parts = (&*name, name.user_name(), name.mountpoint());
                assert_eq!(parts, ("c/1", user, mountpoint));
            }
        }
    }
}
