//! Everything that can change the replicated state.
//!
//! A command is imperative and complete: time, random bytes and the caller are in its entry, so
//! that applying it is a function. Nothing larger than a few KiB belongs in one: documents are
//! blobs, and the command carries their digest.

use crate::account::{Account, AccountState, User};
use crate::evaluation::Evaluation;
use crate::feed::{DriverStatus, FeedState, Generation};
use crate::image::{AnalysisResult, Failure, Image};
use crate::job::{Job, JobKind};
use crate::policy::Policy;
use crate::registry::{Registry, RegistryKind};
use crate::rejection::Rejection;
use crate::tokens::{AccountName, Caller, Epoch, JobId, NodeId, RequestId};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One entry of the replicated log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The proposer's clock.
    pub at: Timestamp,
    /// Who proposed it.
    pub proposer: NodeId,
    /// Applying a request twice gives the first answer again.
    pub request: RequestId,
    /// Fresh random bytes, for ids.
    pub random: [u8; 16],
    /// On whose behalf.
    pub caller: Caller,
    /// What to do.
    pub command: Command,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The first command of a cluster: its id, the administrators' account and first user.
    Bootstrap(Box<Bootstrap>),
    /// Make a tenant with its default policy.
    CreateAccount(Box<CreateAccount>),
    /// Change the contact of an account.
    UpdateAccount {
        /// Which.
        account: AccountName,
        /// New e-mail address.
        email: String,
    },
    /// Enable, disable or delete an account.
    SetAccountState {
        /// Which.
        account: AccountName,
        /// New state.
        state: AccountState,
    },
    /// Make a user.
    CreateUser {
        /// In which account.
        account: AccountName,
        /// Its name.
        name: String,
        /// argon2id PHC string.
        password_hash: String,
    },
    /// Change a password.
    SetPassword {
        /// Whose.
        name: String,
        /// argon2id PHC string.
        password_hash: String,
    },
    /// Remove a user.
    DeleteUser {
        /// In which account.
        account: AccountName,
        /// Its name.
        name: String,
    },
    /// Add or replace a registry credential.
    PutRegistry(Box<PutRegistry>),
    /// Remove a registry credential; images stay.
    DeleteRegistry {
        /// In which account.
        account: AccountName,
        /// The registry string.
        registry: String,
    },
    /// Add an image, or analyse it again.
    AddImage(Box<AddImage>),
    /// Remove an image and its results.
    DeleteImage {
        /// In which account.
        account: AccountName,
        /// Which.
        digest: Digest,
        /// Also when it is the newest of a tag or being analysed.
        force: bool,
    },
    /// Hand a job to a worker. Refused when somebody else got it first.
    LeaseJob {
        /// Which.
        job: JobId,
        /// The worker.
        node: NodeId,
        /// Until when.
        until: Timestamp,
    },
    /// Prolong a lease.
    RenewLease {
        /// Which.
        job: JobId,
        /// The holder's epoch.
        epoch: Epoch,
        /// Until when.
        until: Timestamp,
    },
    /// Take back leases that ran out, at the entry's time.
    ExpireLeases,
    /// The analysis succeeded: store the result and queue the evaluation.
    FinishAnalysis {
        /// Which.
        job: JobId,
        /// The holder's epoch.
        epoch: Epoch,
        /// The result.
        result: Box<AnalysisResult>,
    },
    /// An attempt failed.
    FailJob {
        /// Which.
        job: JobId,
        /// The holder's epoch.
        epoch: Epoch,
        /// Why.
        failure: Failure,
        /// Whether trying again can help.
        transient: bool,
    },
    /// A job without a result of its own is done.
    FinishJob {
        /// Which.
        job: JobId,
        /// The holder's epoch.
        epoch: Epoch,
    },
    /// Give a job back untried: the node is stopping.
    ReleaseJob {
        /// Which.
        job: JobId,
        /// The holder's epoch.
        epoch: Epoch,
    },
    /// Try a parked or cancelled job again, from the first attempt.
    RetryJob {
        /// Which.
        job: JobId,
    },
    /// Withdraw a job.
    CancelJob {
        /// Which.
        job: JobId,
    },
    /// Add or replace a policy.
    PutPolicy(Box<PutPolicy>),
    /// Remove a policy.
    DeletePolicy {
        /// In which account.
        account: AccountName,
        /// Which.
        id: String,
    },
    /// Store an evaluation.
    RecordEvaluation(Box<Evaluation>),
    /// Ask for a feed sync.
    SyncFeeds {
        /// Fetch everything again.
        force: bool,
    },
    /// Put a generation to use, everywhere from this index on.
    ActivateGeneration(Box<ActivateGeneration>),
    /// Remove events.
    DeleteEvents {
        /// In which account.
        account: AccountName,
        /// These; at most `PAGE_ROWS_MAX`.
        ids: Vec<String>,
    },
    /// Housekeeping, bounded per call: old events, finished jobs, remembered requests.
    Prune,
}

impl Command {
    /// Whether it frees space or ends work: taken even while the disk is nearly full, or nothing
    /// could ever get better and finished work would be lost.
    #[must_use]
    pub const fn is_relief(&self) -> bool {
        match self {
            Self::DeleteImage { .. }
            | Self::DeleteRegistry { .. }
            | Self::DeletePolicy { .. }
            | Self::DeleteUser { .. }
            | Self::DeleteEvents { .. }
            | Self::RenewLease { .. }
            | Self::ExpireLeases
            | Self::FinishAnalysis { .. }
            | Self::FailJob { .. }
            | Self::FinishJob { .. }
            | Self::ReleaseJob { .. }
            | Self::CancelJob { .. }
            | Self::Prune => true,
            Self::Bootstrap(_)
            | Self::CreateAccount(_)
            | Self::UpdateAccount { .. }
            | Self::SetAccountState { .. }
            | Self::CreateUser { .. }
            | Self::SetPassword { .. }
            | Self::PutRegistry(_)
            | Self::AddImage(_)
            | Self::LeaseJob { .. }
            | Self::RetryJob { .. }
            | Self::PutPolicy(_)
            | Self::RecordEvaluation(_)
            | Self::SyncFeeds { .. }
            | Self::ActivateGeneration(_) => false,
        }
    }
}

/// See [`Command::Bootstrap`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The first user's name.
    pub user: String,
    /// argon2id PHC string.
    pub password_hash: String,
    /// Wrapped data key of the administrators' account.
    pub data_key: Vec<u8>,
    /// The default policy.
    pub policy: PolicySeed,
}

/// See [`Command::CreateAccount`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateAccount {
    /// Its name.
    pub name: AccountName,
    /// Contact; may be empty.
    pub email: String,
    /// Wrapped data key.
    pub data_key: Vec<u8>,
    /// The default policy.
    pub policy: PolicySeed,
}

/// A policy whose document is stored already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySeed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Blob of the document.
    pub document: Digest,
}

/// See [`Command::PutRegistry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutRegistry {
    /// In which account.
    pub account: AccountName,
    /// `host[:port][/path][/*]`.
    pub registry: String,
    /// For people.
    pub name: String,
    /// How to authenticate.
    pub kind: RegistryKind,
    /// User name.
    pub user: String,
    /// Sealed password; `None` keeps the stored one.
    pub sealed_password: Option<Vec<u8>>,
    /// Verify the TLS certificate.
    pub verify_tls: bool,
    /// Must not exist (create) or must exist (update).
    pub create: bool,
}

/// See [`Command::AddImage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddImage {
    /// In which account.
    pub account: AccountName,
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// Digest of the index, or of the manifest itself.
    pub parent_digest: Digest,
    /// Digest of the configuration.
    pub image_id: Option<Digest>,
    /// Host with port.
    pub registry: String,
    /// Repository path.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// Which platform.
    pub platform: Platform,
    /// Key-value pairs to set; a value `null` removes the key.
    pub annotations: Vec<(String, String)>,
    /// Blob of the Dockerfile.
    pub dockerfile: Option<Digest>,
    /// Analyse again although there is a result.
    pub force: bool,
    /// Recorded as the image's creation time instead of the entry's.
    pub created_at: Option<Timestamp>,
}

/// See [`Command::PutPolicy`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutPolicy {
    /// In which account.
    pub account: AccountName,
    /// The policy.
    pub policy: PolicySeed,
    /// Must not exist (create) or must exist (update).
    pub create: bool,
    /// Make it the active one; `Some(false)` on the active one is refused.
    pub active: Option<bool>,
}

/// See [`Command::ActivateGeneration`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateGeneration {
    /// The sync job that made it; `None` for an import.
    pub job: Option<(JobId, Epoch)>,
    /// The new generation; `None` when nothing changed.
    pub generation: Option<Generation>,
    /// How the drivers fared; empty keeps what is known.
    pub drivers: Vec<DriverStatus>,
}

/// What an accepted command answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Done.
    Done,
    /// The account as it is now.
    Account(Box<Account>),
    /// The user as it is now.
    User(Box<User>),
    /// The registry entry as it is now.
    Registry(Box<Registry>),
    /// The image as it is now.
    Image(Box<Image>),
    /// The job as it is now.
    Job(Box<Job>),
    /// The policy as it is now.
    Policy(Box<Policy>),
    /// The feeds as they are now.
    Feeds(Box<FeedState>),
    /// How many rows changed.
    Count(u64),
    /// Ids of removed events.
    Removed(Vec<String>),
}

/// What applying an entry gives: replicated, so part of the request table.
pub type Outcome = Result<Response, Rejection>;

/// Filter of job kinds a worker serves.
pub type JobKinds = Vec<JobKind>;
