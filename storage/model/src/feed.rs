//! The vulnerability data in use: pointers to immutable generations.

use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Which generation is in use, which one was before, and how the drivers fared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedState {
    /// In use.
    pub active: Option<Generation>,
    /// The one before, kept for going back.
    pub previous: Option<Generation>,
    /// The last outcome of each driver, sorted by name.
    pub drivers: Vec<DriverStatus>,
    /// When the last sync ended, whatever its outcome.
    pub last_sync: Option<Timestamp>,
}

/// An immutable set of advisory data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Digest of its content.
    pub id: String,
    /// Blob of the file.
    pub blob: Digest,
    /// Size of the file.
    pub bytes: u64,
    /// When it was built.
    pub built_at: Timestamp,
    /// Advisory rows in it.
    pub record_count: u64,
    /// Whether a person imported it, rather than a sync.
    pub imported: bool,
}

/// How one driver fared last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverStatus {
    /// Its name.
    pub name: String,
    /// Records it contributes to the active generation.
    pub record_count: u64,
    /// When its data was last fetched or found unchanged.
    pub last_success: Option<Timestamp>,
    /// Why the last sync failed for it; empty when it did not.
    pub error: String,
}
