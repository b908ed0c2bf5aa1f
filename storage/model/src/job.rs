//! Jobs: work that one worker at a time holds under a lease.

use crate::image::Failure;
use crate::tokens::{AccountName, Epoch, JobId, NodeId};
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A unit of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// For whom.
    pub account: AccountName,
    /// What to do.
    pub task: Task,
    /// Where it stands.
    pub state: JobState,
    /// How urgent.
    pub priority: Priority,
    /// Times it was handed out.
    pub attempts: u32,
    /// Counts hand-outs; fences late results.
    pub epoch: Epoch,
    /// Not before this time.
    pub not_before: Timestamp,
    /// Who holds it.
    pub lease: Option<Lease>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Pull and inventory an image.
    Analyze {
        /// The image.
        digest: Digest,
        /// Repository to pull from: `registry/repository`.
        source: String,
    },
    /// Match and evaluate an image against the active policy, for every tag.
    Evaluate {
        /// The image.
        digest: Digest,
    },
    /// Fetch feeds and activate a new generation.
    SyncFeeds {
        /// Ignore validators and fetch everything again.
        force: bool,
    },
}

/// The kind of a [`Task`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobKind {
    /// [`Task::Analyze`].
    Analyze,
    /// [`Task::Evaluate`].
    Evaluate,
    /// [`Task::SyncFeeds`].
    SyncFeeds,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Analyze, Self::Evaluate, Self::SyncFeeds];

    /// The word in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analyze => "analyze",
            Self::Evaluate => "evaluate",
            Self::SyncFeeds => "sync_feeds",
        }
    }

    /// One byte for keys; never reused.
    #[must_use]
    pub const fn key_byte(self) -> u8 {
        match self {
            Self::Analyze => 1,
            Self::Evaluate => 2,
            Self::SyncFeeds => 3,
        }
    }
}

impl Task {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Analyze { .. } => JobKind::Analyze,
            Self::Evaluate { .. } => JobKind::Evaluate,
            Self::SyncFeeds { .. } => JobKind::SyncFeeds,
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// Waiting for a worker.
    Ready,
    /// A worker holds it.
    Leased,
    /// Finished.
    Done,
    /// Given up after the last attempt; waits for a person.
    Parked,
    /// Withdrawn.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Ready, Self::Leased, Self::Done, Self::Parked, Self::Cancelled];

    /// The word in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Parked | Self::Cancelled)
    }
}

/// How urgent a job is; the lower key byte goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Somebody waits for it.
    Interactive,
    /// Nobody waits.
    Background,
}

impl Priority {
    /// One byte for keys.
    #[must_use]
    pub const fn key_byte(self) -> u8 {
        match self {
            Self::Interactive => 1,
            Self::Background => 2,
        }
    }
}

/// Who holds a job, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The worker's node.
    pub node: NodeId,
    /// Runs out then unless renewed.
    pub until: Timestamp,
}
