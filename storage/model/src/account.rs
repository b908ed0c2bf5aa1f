//! Accounts and users.

use crate::tokens::AccountName;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name; never reused after deletion.
    pub name: AccountName,
    /// What it is for.
    pub kind: AccountKind,
    /// Whether its users may work.
    pub state: AccountState,
    /// Contact; may be empty.
    pub email: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
    /// The account's data key, wrapped by the cluster's key: seals its secrets.
    pub data_key: Vec<u8>,
}

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountKind {
    /// The administrators.
    Admin,
    /// A tenant.
    User,
    /// Ours.
    Service,
}

/// Whether an account's users may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountState {
    /// Normal.
    Enabled,
    /// Users are refused; data stays.
    Disabled,
    /// The data is being removed; the name stays reserved.
    Deleting,
}

/// A user. Names are unique in the whole deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// The account it belongs to.
    pub account: AccountName,
    /// argon2id hash in PHC string form.
    pub password_hash: String,
    /// What it may do, where.
    pub roles: Vec<Grant>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
    /// When the password last changed.
    pub password_updated_at: Timestamp,
}

/// A role in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which role.
    pub role: Role,
    /// Where it holds.
    pub account: AccountName,
    /// Since when.
    pub granted_at: Timestamp,
}

/// The roles of the REST contract (api.md 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Everything in the account.
    FullControl,
    /// The account's users and their roles.
    AccountUserAdmin,
    /// Images, policies, registries, subscriptions.
    ReadWrite,
    /// Look, do not touch.
    ReadOnly,
    /// Policies.
    PolicyEditor,
    /// Add images and read their results.
    ImageAnalyzer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] = [
        Self::FullControl,
        Self::AccountUserAdmin,
        Self::ReadWrite,
        Self::ReadOnly,
        Self::PolicyEditor,
        Self::ImageAnalyzer,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullControl => "full-control",
            Self::AccountUserAdmin => "account-user-admin",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::PolicyEditor => "policy-editor",
            Self::ImageAnalyzer => "image-analyzer",
        }
    }
}
