//! Stored policy evaluations: the row; the details are a blob.

use crate::tokens::AccountName;
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The outcome of one evaluation, with everything that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Owner.
    pub account: AccountName,
    /// The image.
    pub digest: Digest,
    /// The tag it was judged under: `registry/repository:tag`.
    pub tag: String,
    /// The policy's id.
    pub policy: String,
    /// The policy's document at that time.
    pub document: Digest,
    /// The SBOM.
    pub sbom: Digest,
    /// The feed generation; empty when there was none.
    pub generation: String,
    /// Version of the matching and policy engines.
    pub engine: String,
    /// What to do.
    pub action: Action,
    /// When.
    pub at: Timestamp,
    /// Blob of the details (JSON).
    pub details: Digest,
}

/// What a policy tells people and machines to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Allow.
    Go,
    /// Warn.
    Warn,
    /// Block.
    Stop,
}

impl Action {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Warn => "warn",
            Self::Stop => "stop",
        }
    }

    /// `pass` or `fail`.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::Go | Self::Warn => "pass",
            Self::Stop => "fail",
        }
    }
}
