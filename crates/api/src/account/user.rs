//! Who may sign in: as kept, and the rules of names and roles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::password::Hashed;

/// The name of the first user, who is always there.
pub(crate) const ADMIN: &str = "admin";
/// Users at most.
pub(crate) const USERS_MAX: usize = 1_000;
/// Longest name, in bytes.
pub(crate) const NAME_MAX: usize = 64;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything.
    Administrator,
    /// Look at everything, change nothing.
    Viewer,
    /// Look at what a wall display shows, and at nothing else. A key's alone, never a user's.
    Wall,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Viewer => "viewer",
            Self::Wall => "wall",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "administrator" => Some(Self::Administrator),
            "viewer" => Some(Self::Viewer),
            _ => None,
        }
    }
}

/// A user as kept, under the name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) password: Hashed,
    pub(crate) role: Role,
    pub(crate) description: String,
}

/// Whether a text may be a user's name.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(crate) const FIRST_DESCRIPTION: &str = "administrator";

impl User {
    /// The one who is there from the first start.
    pub(crate) fn first(password: Hashed) -> Self {
        Self {
            password,
            role: Role::Administrator,
            description: FIRST_DESCRIPTION.to_owned(),
        }
    }
}
