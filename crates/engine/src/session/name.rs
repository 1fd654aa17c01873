//! What a client is called: its client id and, where CONNECT had one, its user name. Both stand in one
//! block, parted by U+0000, which neither can hold: most clients have no user name and pay nothing for it.

use std::ops::Deref;

#[derive(Debug)]
pub(crate) struct Name(Box<str>);

impl Name {
    pub(crate) fn new(client_id: &str, user_name: Option<&str>) -> Self {
        Self(match user_name {
            None => client_id.into(),
            Some(user) => [client_id, "\0", user].concat().into(),
        })
    }

    pub(crate) fn user_name(&self) -> Option<&str> {
        self.0.split_once('\0').map(|(_, user)| user)
    }
}

/// The client id.
impl Deref for Name {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.0.split_once('\0').map_or(&*self.0, |(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_may_be_absent_or_empty() {
        for user in [None, Some(""), Some("anna"), Some("中文")] {
            let name = Name::new("c/1", user);
            assert_eq!((&*name, name.user_name()), ("c/1", user));
        }
    }
}
