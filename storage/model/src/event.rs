//! Events: what happened, for people and for watchers.

use crate::job::JobKind;
use crate::tokens::{AccountName, NodeId};
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A hint to local watchers after a commit. Never the truth: a watcher that missed one finds the
/// change when its timer makes it look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A job of this kind can be leased.
    JobReady(JobKind),
    /// The active feed generation changed.
    GenerationActivated,
    /// The analysis of an image moved.
    ImageChanged {
        /// Owner.
        account: AccountName,
        /// The image.
        digest: Digest,
    },
    /// A record was added to the event list.
    Recorded,
}

/// An event as people list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Unique and ordered by time; hex.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// In whose account.
    pub account: AccountName,
    /// `user.image.analysis.completed` and so on: see the contract's list.
    pub kind: String,
    /// How bad.
    pub level: EventLevel,
    /// `image_digest`, `image_tag`, `feeds`, `policy`, …
    pub resource_kind: String,
    /// Which one.
    pub resource_id: String,
    /// One line.
    pub message: String,
    /// Further facts, sorted by key.
    pub details: Vec<(String, String)>,
    /// Part of the product that caused it: `analyzer`, `catalog`, `policy_engine`, `apiext`.
    pub service: String,
    /// The node that proposed it.
    pub node: NodeId,
}

/// How bad an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventLevel {
    /// For the record.
    Info,
    /// Something failed.
    Error,
}

impl EventLevel {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}
