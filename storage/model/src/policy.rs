//! Policies: the row; the document is a blob.

use crate::tokens::AccountName;
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A policy of an account. Exactly one is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Owner.
    pub account: AccountName,
    /// `id` of the document.
    pub id: String,
    /// `name` of the document.
    pub name: String,
    /// `description` of the document.
    pub description: String,
    /// Whether evaluations use it when they name none.
    pub active: bool,
    /// Where it came from.
    pub source: PolicySource,
    /// Blob of the document (JSON).
    pub document: Digest,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
}

/// Where a policy came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicySource {
    /// Installed with the account.
    Default,
    /// A user's.
    Local,
}

impl PolicySource {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Local => "local",
        }
    }
}
