//! The built-in roles.

use std::{fmt, str::FromStr};

/// A built-in role (REQUIREMENTS I3). What each may do is written in `roles.cedar`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything in its tenant; in the platform's tenant, the platform.
    Admin,
    /// Calls servers.
    McpUser,
    /// Looks, calls nothing.
    ReadOnly,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Admin, Self::McpUser, Self::ReadOnly];

    /// Its name in policies, records and commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::McpUser => "mcp_user",
            Self::ReadOnly => "read_only",
        }
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role: expected admin, mcp_user or read_only")]
pub struct ParseRoleError;

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(ParseRoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
