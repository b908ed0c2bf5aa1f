//! Small identifying types that several entities share.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Name of an account: the boundary between tenants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountName(pub String);

impl AccountName {
    /// The account of the administrators.
    pub const ADMIN: &'static str = "admin";

    /// Whether this is the administrators' account, whose members pass every check.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0 == Self::ADMIN
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for AccountName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// A node of the cluster. Never reused: a node that lost its log comes back under a new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}

/// Chosen by whoever proposes a command; proposing twice with one id applies once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub [u8; 16]);

/// A job. Derived from the log index that created it, so it is unique and ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Counts how often a job was handed out. A result that carries an old epoch is refused.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A person or program, already authenticated.
    User {
        /// User name, unique in the whole deployment.
        user: String,
        /// The account acted in (`x-anchore-account`), usually the user's own.
        account: AccountName,
    },
    /// A node working on its own account: leases, results, housekeeping.
    Node(NodeId),
}
