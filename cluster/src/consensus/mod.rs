//! The consensus engine, hidden: the only place that names openraft
//! (docs/decisions/002-openraft-alpha.md). The rest of the crate sees [`Consensus`] and plain
//! types, so another release or engine changes this folder alone.
//!
//! Everything generic in the engine is instantiated here, which costs about 100 CPU-seconds in a
//! release build; nothing generic may leave this module.

mod compaction;
mod cut;
mod encoding;
mod log;
mod machine;
mod network;
mod record;
pub(crate) mod snapshot;
mod store;

#[cfg(test)]
mod suite;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kedge_model::command::Outcome;
use kedge_model::tokens::NodeId;
use kedge_storage::log::Log;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{
    ClientWriteError, Fatal, ForwardToLeader, InitializeError, LinearizableReadError, RaftError,
};
use openraft::{Raft, RaftMetrics, ReadPolicy, SnapshotPolicy};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};

pub(crate) use compaction::Compaction;
pub(crate) use store::StateStore;

use self::log::LogStore;
use crate::events::Events;
use crate::identity::Identity;
use machine::Machine;
use network::Network;
use snapshot::SnapshotError;

/// A token the engine's parts hold. When all are gone, the files may be closed.
pub(crate) type InUse = mpsc::Sender<()>;

/// An encoded command: the engine never looks inside.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandBytes(Vec<u8>);

impl fmt::Debug for CommandBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Commands hold password hashes and sealed secrets; they are never printed.
        write!(out, "command of {} bytes", self.0.len())
    }
}

impl fmt::Display for CommandBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}

/// What applying an entry answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The engine's own entries answer nothing.
    Nothing,
    /// The answer to a command.
    Outcome(Outcome),
}

/// Where a peer listens for other peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerAddress {
    /// `host:port`; empty while there are no peers.
    pub(crate) address: String,
}

// The default runtime goes through a name that the engine deprecates in favour of a crate of its
// own; the type is the same.
#[allow(deprecated, reason = "the macro's default")]
mod types {
    openraft::declare_raft_types!(
        /// The engine's types.
        pub(crate) TypeConfig:
            D = super::CommandBytes,
            R = super::Reply,
            NodeId = u64,
            Node = super::PeerAddress,
    );
}

use openraft::type_config::alias;
pub(crate) use types::TypeConfig;

type LogIdOf = alias::LogIdOf<TypeConfig>;
type LeaderIdOf = alias::LeaderIdOf<TypeConfig>;
type VoteOf = alias::VoteOf<TypeConfig>;
type EntryOf = alias::EntryOf<TypeConfig>;
type PayloadOf = alias::EntryPayloadOf<TypeConfig>;
type MembershipOf = openraft::Membership<u64, PeerAddress>;
type StoredMembershipOf = alias::StoredMembershipOf<TypeConfig>;
type SnapshotMetaOf = alias::SnapshotMetaOf<TypeConfig>;
type SnapshotOf = alias::SnapshotOf<TypeConfig, snapshot::SnapshotFile>;
type EngineMetrics = RaftMetrics<TypeConfig>;

/// Time between two signs of life of a leader. Shorter ones depose leaders on loaded machines.
const HEARTBEAT_MS: u64 = 250;
/// A peer that hears nothing for a random time between these two stands for election.
const ELECTION_MS: (u64, u64) = (1_000, 2_000);

/// Why the engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Another node leads, or none. Nothing was written.
    #[error("this node does not lead")]
    NotLeader { leader: Option<NodeId> },
    /// No majority answered.
    #[error("no majority of the voters answers")]
    NoQuorum,
    /// Leadership changed under a command; whether it took effect is not known.
    #[error("leadership changed")]
    Unknown { leader: Option<NodeId> },
    /// The engine has stopped, and why.
    #[error("{0}")]
    Stopped(String),
}

impl From<Fatal<TypeConfig>> for EngineError {
    fn from(fatal: Fatal<TypeConfig>) -> Self {
        Self::Stopped(explain(&fatal))
    }
}

fn explain(fatal: &Fatal<TypeConfig>) -> String {
    match fatal {
        Fatal::StorageError(error) => format!("storage failed: {error}"),
        Fatal::Panicked => "the consensus engine panicked".to_owned(),
        Fatal::Stopped => "the node is stopping".to_owned(),
    }
}

fn leader_of(forward: &ForwardToLeader<TypeConfig>) -> Option<NodeId> {
    forward.leader_id.map(NodeId)
}

/// Where the engine stands. Indexes are positions in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) term: u64,
    pub(crate) leader: Option<NodeId>,
    pub(crate) voters: Vec<NodeId>,
    pub(crate) last_index: Option<u64>,
    pub(crate) committed_index: Option<u64>,
    pub(crate) applied_index: Option<u64>,
    pub(crate) snapshot_index: Option<u64>,
    pub(crate) purged_index: Option<u64>,
    pub(crate) failure: Option<String>,
}

impl From<&EngineMetrics> for Status {
    fn from(metrics: &EngineMetrics) -> Self {
        let index = |id: &Option<LogIdOf>| id.as_ref().map(|id| id.index);
        Self {
            term: metrics.current_term,
            leader: metrics.current_leader.map(NodeId),
            voters: metrics.membership_config.voter_ids().map(NodeId).collect(),
            last_index: metrics.last_log_index,
            committed_index: index(&metrics.cluster_committed),
            applied_index: index(&metrics.last_applied),
            snapshot_index: index(&metrics.snapshot),
            purged_index: index(&metrics.purged),
            failure: metrics.running_state.as_ref().err().map(explain),
        }
    }
}

/// The running engine of this node.
pub(crate) struct Consensus {
    raft: Raft<TypeConfig, Machine>,
    store: Arc<StateStore>,
    log: Arc<Log>,
    appended_bytes: Arc<AtomicU64>,
    making_snapshot: Mutex<()>,
}

impl fmt::Debug for Consensus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Consensus").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Consensus {
    /// Starts the engine on its log and state. The returned receiver ends when the engine has let
    /// go of both, after [`Consensus::stop`].
    ///
    /// # Errors
    /// The log and the state contradict each other, or storage failed.
    pub(crate) async fn start(
        identity: Identity,
        log: Arc<Log>,
        store: Arc<StateStore>,
        events: Events,
    ) -> Result<(Self, mpsc::Receiver<()>), EngineError> {
        let stopped = |error: &dyn fmt::Display| EngineError::Stopped(error.to_string());
        let (in_use, let_go) = mpsc::channel(1);
        let machine = Machine::new(Arc::clone(&store), events, in_use.clone())
            .map_err(|error| stopped(&error))?;
        let log_store = LogStore::new(Arc::clone(&log), in_use);
        let appended_bytes = log_store.byte_counter();
        let config = openraft::Config {
            cluster_name: identity.cluster.to_string(),
            heartbeat_interval: HEARTBEAT_MS,
            election_timeout_min: ELECTION_MS.0,
            election_timeout_max: ELECTION_MS.1,
            enable_pre_vote: Some(true),
            // `compaction` decides both; the engine's own policy would purge up to the newest
            // snapshot and treat a full disk as fatal.
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            ..openraft::Config::default()
        };
        let config = config.validate().map_err(|error| stopped(&error))?;
        let node = identity.node.0;
        let raft = Raft::new(node, Arc::new(config), Network, log_store, machine).await?;
        let making_snapshot = Mutex::new(());
        Ok((Self { raft, store, log, appended_bytes, making_snapshot }, let_go))
    }

    /// Makes a cluster of this node alone, unless it is part of one.
    ///
    /// # Errors
    /// The engine stopped.
    pub(crate) async fn form_cluster(&self) -> Result<(), EngineError> {
        if self.raft.is_initialized().await? {
            return Ok(());
        }
        let members = BTreeMap::from([(*self.raft.node_id(), PeerAddress::default())]);
        match self.raft.initialize(members).await {
            // Somebody else did it meanwhile, which is what was wanted.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotInMembers(error))) => {
                Err(EngineError::Stopped(error.to_string()))
            }
            Err(RaftError::Fatal(fatal)) => Err(fatal.into()),
        }
    }

    /// Returns once this node has applied everything it ever answered for. A node that is alone
    /// gets there by itself; one with peers needs them, and is not waited for.
    ///
    /// # Errors
    /// The engine stopped.
    pub(crate) async fn recover(&self) -> Result<(), EngineError> {
        let is_alone = |status: &Status| status.voters.len() <= 1;
        let is_recovered = |status: &Status| {
            status.committed_index.is_some()
                && status.committed_index >= status.last_index
                && status.applied_index >= status.committed_index
        };
        self.wait(|status| !is_alone(status) || is_recovered(status)).await
    }

    /// Writes a command and waits until it is applied here.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub(crate) async fn write(&self, command: Vec<u8>) -> Result<Outcome, EngineError> {
        let written = self.raft.client_write(CommandBytes(command)).await;
        match written {
            Ok(answer) => match answer.data {
                Reply::Outcome(outcome) => Ok(outcome),
                Reply::Nothing => {
                    Err(EngineError::Stopped("a command was answered like a blank".to_owned()))
                }
            },
            Err(RaftError::Fatal(fatal)) => Err(fatal.into()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(EngineError::NotLeader { leader: leader_of(&forward) })
            }
            Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(forward))) => {
                Err(EngineError::Unknown { leader: leader_of(&forward) })
            }
            Err(RaftError::APIError(
                error @ (ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_)),
            )) => Err(EngineError::Stopped(format!("a command was answered with: {error}"))),
        }
    }

    /// Confirms with a majority that this node leads and has applied all that was acknowledged
    /// before this call.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub(crate) async fn confirm_leadership(&self) -> Result<(), EngineError> {
        match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(RaftError::Fatal(fatal)) => Err(fatal.into()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(EngineError::NotLeader { leader: leader_of(&forward) })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(EngineError::NoQuorum)
            }
        }
    }

    /// Where the engine stands.
    pub(crate) fn status(&self) -> Status {
        Status::from(&*self.raft.metrics().borrow_watched())
    }

    /// Waits for a condition.
    ///
    /// # Errors
    /// The engine stopped before it came true.
    pub(crate) async fn wait(&self, is_met: impl Fn(&Status) -> bool) -> Result<(), EngineError> {
        let mut metrics = self.raft.metrics();
        loop {
            let status = Status::from(&*metrics.borrow_and_update());
            if let Some(failure) = status.failure {
                return Err(EngineError::Stopped(failure));
            }
            if is_met(&status) {
                return Ok(());
            }
            if metrics.changed().await.is_err() {
                return Err(EngineError::from(Fatal::Stopped));
            }
        }
    }

    /// Waits until the engine fails, and says why; `None` when it was stopped on purpose. Does not
    /// keep the engine alive.
    pub(crate) fn failure(&self) -> impl Future<Output = Option<String>> + Send + 'static {
        let mut metrics = self.raft.metrics();
        async move {
            loop {
                let running = metrics.borrow_and_update().running_state.clone();
                match running {
                    Ok(()) => {}
                    Err(Fatal::Stopped) => return None,
                    Err(fatal) => return Some(explain(&fatal)),
                }
                metrics.changed().await.ok()?;
            }
        }
    }

    /// Makes a snapshot of everything applied so far and tells the engine about it. Returns its
    /// index. When nothing was applied since the newest one, that one will do.
    ///
    /// # Errors
    /// The snapshot could not be written (the engine goes on), or the engine stopped.
    pub(crate) async fn make_snapshot(&self) -> Result<u64, MakeSnapshotError> {
        let _alone = self.making_snapshot.lock().await;
        let applied = self.store.applied().0;
        let newest = self.store.folder().newest();
        let index = match newest {
            Some(newest) if newest.header.applied == applied => newest.index(),
            Some(_) | None => {
                let store = Arc::clone(&self.store);
                let made = tokio::task::spawn_blocking(move || store.make_snapshot()).await;
                let made = made.map_err(|error| EngineError::Stopped(error.to_string()))??;
                let index = made.index();
                self.store.prepare(made);
                index
            }
        };
        if self.status().snapshot_index < index {
            self.raft.trigger().snapshot().await.map_err(EngineError::from)?;
            self.wait(|status| status.snapshot_index >= index).await?;
        }
        Ok(index.unwrap_or(0))
    }

    /// Lets the log go up to the older of the kept snapshots.
    ///
    /// # Errors
    /// The engine stopped.
    pub(crate) async fn purge_covered(&self) -> Result<(), EngineError> {
        let Some(covered) = self.store.folder().purgeable_index() else { return Ok(()) };
        if self.status().purged_index < Some(covered) {
            self.raft.trigger().purge_log(covered).await?;
        }
        Ok(())
    }

    /// Bytes appended to the log since this process started.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended_bytes.load(Ordering::Relaxed)
    }

    /// Stops the engine. What was acknowledged is durable without it.
    pub(crate) async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "consensus engine did not stop cleanly");
        }
    }
}

/// Why there is no new snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeSnapshotError {
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] SnapshotError),
    /// The engine stopped.
    #[error("consensus stopped: {0}")]
    Engine(#[from] EngineError),
}
