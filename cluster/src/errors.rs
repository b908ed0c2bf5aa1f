//! Why the cluster did not do what it was asked, as its callers see it.

use std::time::Duration;

use kedge_model::rejection::Rejection;
use kedge_model::tokens::NodeId;
use kedge_storage::codec::CodecError;
use kedge_storage::kv::KvError;
use kedge_storage::log::LogError;
use thiserror::Error;

use crate::consensus::snapshot::SnapshotError;
use crate::consensus::{EngineError, MakeSnapshotError};

/// A client that was told to come back waits this long when a leader is being found.
const RETRY_ELECTION: Duration = Duration::from_secs(1);
/// And this long when too many proposals are waiting.
const RETRY_OVERLOAD: Duration = Duration::from_millis(200);
/// And this long when the disk is full: somebody has to act.
const RETRY_DISK: Duration = Duration::from_secs(10);

/// Why a command did not take effect, or is not known to have.
#[derive(Debug, Error)]
pub enum ProposeError {
    /// It was applied and refused; asking again gives the same answer.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Not now; the same request id may be proposed again.
    #[error("the cluster does not take commands: {reason}")]
    Unavailable {
        /// Why.
        reason: Unavailable,
        /// When it makes sense to come back.
        retry_after: Duration,
    },
    /// The entry is over [`ENTRY_BYTES_MAX`](crate::limits::ENTRY_BYTES_MAX); what is large belongs in a blob.
    #[error("command has {bytes} bytes, ENTRY_BYTES_MAX is {limit}")]
    TooLarge {
        /// Its size when encoded.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The command cannot be encoded.
    #[error(transparent)]
    Encode(#[from] CodecError),
    /// The system gave no random bytes.
    #[error("no random bytes for a command: {0}")]
    Random(getrandom::Error),
    /// This node has stopped or is stopping.
    #[error("the node has stopped: {0}")]
    Stopped(String),
}

/// See [`ProposeError::Unavailable`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// No leader is known; nothing was written.
    #[error("there is no leader")]
    NoLeader,
    /// Another node leads; nothing was written.
    #[error("{leader} leads, not this node")]
    NotLeader {
        /// Who leads.
        leader: NodeId,
    },
    /// No majority answers.
    #[error("no majority of the voters answers")]
    NoQuorum,
    /// Leadership changed meanwhile; whether the command took effect is not known.
    #[error("leadership changed, the outcome is not known")]
    LeaderChanged,
    /// Not committed in time; whether the command will take effect is not known.
    #[error("not committed in time, the outcome is not known")]
    Timeout,
    /// Too many commands are waiting; nothing was written.
    #[error(
        "too many commands are waiting (PROPOSALS_IN_FLIGHT_MAX, PROPOSAL_BYTES_IN_FLIGHT_MAX)"
    )]
    Overloaded,
    /// The disk is nearly full; nothing was written.
    #[error("less than {reserve_bytes} bytes are free on the disk of the data folder")]
    DiskFull {
        /// What must stay free.
        reserve_bytes: u64,
    },
}

impl Unavailable {
    /// True when the command may have taken effect; proposing it again under the same request id
    /// tells.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::LeaderChanged | Self::Timeout => true,
            Self::NoLeader
            | Self::NotLeader { .. }
            | Self::NoQuorum
            | Self::Overloaded
            | Self::DiskFull { .. } => false,
        }
    }

    const fn retry_after(&self) -> Duration {
        match self {
            Self::Overloaded => RETRY_OVERLOAD,
            Self::DiskFull { .. } => RETRY_DISK,
            Self::NoLeader
            | Self::NotLeader { .. }
            | Self::NoQuorum
            | Self::LeaderChanged
            | Self::Timeout => RETRY_ELECTION,
        }
    }
}

impl From<Unavailable> for ProposeError {
    fn from(reason: Unavailable) -> Self {
        let retry_after = reason.retry_after();
        Self::Unavailable { reason, retry_after }
    }
}

impl From<EngineError> for ProposeError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotLeader { leader: Some(leader) } => {
                Unavailable::NotLeader { leader }.into()
            }
            EngineError::NotLeader { leader: None } => Unavailable::NoLeader.into(),
            EngineError::NoQuorum => Unavailable::NoQuorum.into(),
            EngineError::Unknown { leader: _ } => Unavailable::LeaderChanged.into(),
            EngineError::Stopped(reason) => Self::Stopped(reason),
        }
    }
}

/// The node has stopped or is stopping, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the node has stopped: {0}")]
pub struct StoppedError(pub String);

/// Why there is no new snapshot.
#[derive(Debug, Error)]
pub enum SnapshotNowError {
    /// It could not be written; the node goes on.
    #[error(transparent)]
    Write(#[from] SnapshotError),
    /// This node has stopped or is stopping.
    #[error("the node has stopped: {0}")]
    Stopped(String),
}

/// Why a node did not stop cleanly. What was acknowledged is in the log all the same.
#[derive(Debug, Error)]
pub enum ShutdownError {
    /// The log could not be flushed.
    #[error("flushing the log: {0}")]
    Log(#[from] LogError),
    /// The state store could not be closed; it will be rebuilt at the next start.
    #[error("closing the state store: {0}")]
    Store(#[from] KvError),
    /// A task of the node panicked.
    #[error("stopping the node: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<EngineError> for StoppedError {
    fn from(error: EngineError) -> Self {
        Self(error.to_string())
    }
}

impl From<EngineError> for SnapshotNowError {
    fn from(error: EngineError) -> Self {
        Self::Stopped(error.to_string())
    }
}

impl From<MakeSnapshotError> for SnapshotNowError {
    fn from(error: MakeSnapshotError) -> Self {
        match error {
            MakeSnapshotError::Write(error) => Self::Write(error),
            MakeSnapshotError::Engine(error) => error.into(),
        }
    }
}
