//! What the rest of the node holds of the cluster: the one way to change the replicated state, and
//! the ways to read it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kedge_model::command::{Command, Entry, Response};
use kedge_model::event::Event;
use kedge_model::tokens::{Caller, NodeId, RequestId};
use kedge_storage::blobs::Blobs;
use kedge_storage::data_dir::DataDir;
use kedge_storage::kv::{KvError, KvStats, View};
use kedge_storage::log::Log;
use kedge_storage::sled::SledKv;
use tokio::sync::{Mutex, Semaphore, broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use crate::consensus::{Consensus, StateStore};
use crate::errors::{ProposeError, ShutdownError, SnapshotNowError, StoppedError, Unavailable};
use crate::events::Events;
use crate::identity::Identity;
use crate::limits::{ENTRY_BYTES_MAX, PROPOSAL_BYTES_IN_FLIGHT_MAX, PROPOSALS_IN_FLIGHT_MAX};
use crate::options::Clock;

/// The cluster, as one node sees it. Cheap to clone; the node runs until [`Handle::shutdown`].
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
}

/// What a running node is made of.
pub(crate) struct Inner {
    pub(crate) identity: Identity,
    pub(crate) consensus: Arc<Consensus>,
    pub(crate) store: Arc<StateStore>,
    pub(crate) log: Arc<Log>,
    pub(crate) sled: Option<Arc<SledKv>>,
    pub(crate) blobs: Blobs,
    pub(crate) events: Events,
    pub(crate) data: Arc<DataDir>,
    pub(crate) clock: Clock,
    pub(crate) propose_timeout: Duration,
    pub(crate) disk: Arc<DiskReserve>,
    pub(crate) proposals: Arc<Semaphore>,
    pub(crate) proposal_bytes: Arc<Semaphore>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) failure: watch::Receiver<Option<String>>,
    // Taken by the first shutdown.
    pub(crate) running: Mutex<Option<Running>>,
}

/// What a shutdown waits for.
pub(crate) struct Running {
    /// Ends when the engine has let go of the files.
    pub(crate) let_go: mpsc::Receiver<()>,
    /// Makes snapshots.
    pub(crate) compaction: JoinHandle<()>,
}

/// Whether the disk has room for what is not ours to refuse.
#[derive(Debug)]
pub(crate) struct DiskReserve {
    pub(crate) reserve_bytes: u64,
    pub(crate) is_low: AtomicBool,
}

/// Where the node stands. Indexes are positions in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// This node.
    pub node: NodeId,
    /// The current term.
    pub term: u64,
    /// Who leads, if known.
    pub leader: Option<NodeId>,
    /// Whether this node leads.
    pub is_leader: bool,
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// End of the log.
    pub last_index: Option<u64>,
    /// Up to where a majority has the log.
    pub committed_index: Option<u64>,
    /// Up to where this node's state is.
    pub applied_index: Option<u64>,
    /// Up to where the newest snapshot is.
    pub snapshot_index: Option<u64>,
    /// Up to where the log is purged.
    pub purged_index: Option<u64>,
    /// Bytes of the log on disk.
    pub log_bytes: u64,
    /// Bytes of the newest snapshot.
    pub snapshot_bytes: Option<u64>,
    /// Age of the newest snapshot.
    pub snapshot_age_ms: Option<i64>,
    /// Commands waiting for their commit.
    pub proposals_in_flight_count: usize,
    /// Whether commands are refused for want of disk space.
    pub is_disk_low: bool,
}

impl Handle {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.inner.identity
    }

    /// The data folder; held until the last handle is dropped.
    #[must_use]
    pub fn data_dir(&self) -> &Arc<DataDir> {
        &self.inner.data
    }

    /// The blob store of this node.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Proposes a command under a fresh request id, and waits until it is applied on this node.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn propose(
        &self,
        caller: Caller,
        command: Command,
    ) -> Result<Response, ProposeError> {
        self.propose_with(RequestId(random()?), caller, command).await
    }

    /// Like [`Handle::propose`], under a request id of the caller's: proposing it again gives the
    /// first answer again.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn propose_with(
        &self,
        request: RequestId,
        caller: Caller,
        command: Command,
    ) -> Result<Response, ProposeError> {
        let relief = command.is_relief();
        let encoded = self.encode(request, caller, command)?;
        let inner = &*self.inner;
        if *inner.stop.borrow() {
            return Err(ProposeError::Stopped("the node is stopping".to_owned()));
        }
        if inner.disk.is_low.load(Ordering::Relaxed) && !relief {
            let reserve_bytes = inner.disk.reserve_bytes;
            return Err(Unavailable::DiskFull { reserve_bytes }.into());
        }
        let overloaded = |_| ProposeError::from(Unavailable::Overloaded);
        let place = Arc::clone(&inner.proposals).try_acquire_owned().map_err(overloaded)?;
        let bytes = u32::try_from(encoded.len()).expect("checked against ENTRY_BYTES_MAX");
        let room =
            Arc::clone(&inner.proposal_bytes).try_acquire_many_owned(bytes).map_err(overloaded)?;
        let consensus = Arc::clone(&inner.consensus);
        // A task of its own: when the caller gives up, the entry is still in the log's queue, and
        // must go on to count.
        let written = tokio::spawn(async move {
            let outcome = consensus.write(encoded).await;
            drop((place, room));
            outcome
        });
        match tokio::time::timeout(inner.propose_timeout, written).await {
            Ok(Ok(outcome)) => Ok(outcome??),
            Ok(Err(error)) => Err(ProposeError::Stopped(error.to_string())),
            Err(_) => Err(Unavailable::Timeout.into()),
        }
    }

    fn encode(
        &self,
        request: RequestId,
        caller: Caller,
        command: Command,
    ) -> Result<Vec<u8>, ProposeError> {
        let mut entry = Entry {
            at: Default::default(),
            proposer: self.inner.identity.node,
            request,
            random: random()?,
            caller,
            command,
        };
        entry.at.0 = (self.inner.clock)();
        let encoded = kedge_state::encode_entry(&entry)?;
        if encoded.len() > ENTRY_BYTES_MAX {
            let (bytes, limit) = (encoded.len(), ENTRY_BYTES_MAX);
            return Err(ProposeError::TooLarge { bytes, limit });
        }
        Ok(encoded)
    }

    /// Reads the state of this node, which may lag behind the cluster's. The closure runs at once,
    /// on this thread; it must be short and must not call the handle.
    ///
    /// Each look into the view is consistent, two looks may have an entry applied between them.
    pub fn read<R>(&self, query: impl FnOnce(&dyn View) -> R) -> R {
        self.inner.store.read(query)
    }

    /// Like [`Handle::read`], but sees everything that was acknowledged before the call, wherever
    /// in the cluster.
    ///
    /// # Errors
    /// This node cannot confirm that it is up to date.
    pub async fn read_linearizable<R>(
        &self,
        query: impl FnOnce(&dyn View) -> R,
    ) -> Result<R, ProposeError> {
        let confirmed = self.inner.consensus.confirm_leadership();
        match tokio::time::timeout(self.inner.propose_timeout, confirmed).await {
            Ok(confirmed) => confirmed?,
            // A read takes no effect, so nothing is unknown about it.
            Err(_) => return Err(Unavailable::NoQuorum.into()),
        }
        Ok(self.read(query))
    }

    /// What happens from now on. A receiver that falls behind misses events and is told so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// Where the node stands.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let inner = &*self.inner;
        let status = inner.consensus.status();
        let (applied, _) = inner.store.applied();
        let snapshot = inner.store.folder().newest();
        let now_ms = (inner.clock)();
        let free = inner.proposals.available_permits();
        Metrics {
            node: inner.identity.node,
            term: status.term,
            is_leader: status.leader == Some(inner.identity.node),
            leader: status.leader,
            voters: status.voters,
            // What the log and the state say themselves is ahead of what the engine published.
            last_index: inner.log.state().last_index.max(status.last_index),
            committed_index: status.committed_index,
            applied_index: applied.map(|applied| applied.id.index),
            snapshot_index: status.snapshot_index,
            purged_index: status.purged_index,
            log_bytes: inner.log.disk_bytes(),
            snapshot_bytes: snapshot.as_ref().map(|snapshot| snapshot.bytes),
            snapshot_age_ms: snapshot.map(|snapshot| now_ms - snapshot.header.created_ms),
            proposals_in_flight_count: PROPOSALS_IN_FLIGHT_MAX.saturating_sub(free),
            is_disk_low: inner.disk.is_low.load(Ordering::Relaxed),
        }
    }

    /// Waits until the metrics meet a condition; looks whenever the engine moves.
    ///
    /// # Errors
    /// The node stopped before.
    pub async fn wait_for(&self, is_met: impl Fn(&Metrics) -> bool) -> Result<(), StoppedError> {
        Ok(self.inner.consensus.wait(|_| is_met(&self.metrics())).await?)
    }

    /// Sizes of the state store; walks all of it, so not for a busy path.
    ///
    /// # Errors
    /// The store failed.
    pub async fn state_stats(&self) -> Result<KvStats, KvError> {
        let kv = Arc::clone(self.inner.store.kv());
        let stats = tokio::task::spawn_blocking(move || kv.stats());
        // The task is neither cancelled nor does it panic on purpose.
        stats.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// The digest over all writes up to the newest applied entry, and that entry's index. Equal
    /// indexes with unequal digests on two nodes mean that one of them is wrong.
    #[must_use]
    pub fn state_digest(&self) -> Option<(u64, [u8; 32])> {
        let applied = self.inner.store.applied().0?;
        Some((applied.id.index, applied.digest))
    }

    /// The digest kept for an earlier entry; every `DIGEST_EVERY_ENTRIES`th is, the newest
    /// `DIGESTS_KEPT` of them.
    ///
    /// # Errors
    /// The store failed.
    pub fn state_digest_at(&self, index: u64) -> Result<Option<[u8; 32]>, KvError> {
        self.inner.store.digest_at(index)
    }

    /// Makes a snapshot of the state as it is now, durable when this returns, and answers the
    /// index it covers. The log may then be purged up to the snapshot before it.
    ///
    /// # Errors
    /// It could not be written, or the node stopped.
    pub async fn snapshot_now(&self) -> Result<u64, SnapshotNowError> {
        let consensus = &self.inner.consensus;
        let index = consensus.make_snapshot().await?;
        consensus.purge_covered().await?;
        Ok(index)
    }

    /// Waits until storage or the engine fails in a way that only a restart can mend, and says
    /// why. The caller must end the process then: what could not be synced may read back well and
    /// be gone all the same. Never returns while the node is well or stops on purpose.
    pub async fn fatal(&self) -> String {
        let mut failure = self.inner.failure.clone();
        loop {
            if let Some(reason) = failure.borrow_and_update().clone() {
                return reason;
            }
            if failure.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops the node: no more commands, everything on disk, the state store marked clean. The
    /// data folder is free once all handles are dropped. Later calls do nothing.
    ///
    /// # Errors
    /// See [`ShutdownError`].
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        let inner = &*self.inner;
        inner.stop.send_replace(true);
        inner.store.stop_snapshots();
        let mut running = inner.running.lock().await;
        let Some(Running { mut let_go, compaction }) = running.take() else { return Ok(()) };
        compaction.await?;
        inner.consensus.stop().await;
        // Nothing is ever sent: this ends when the engine's last part is gone.
        let _ = let_go.recv().await;
        let (log, store, sled) =
            (Arc::clone(&inner.log), Arc::clone(&inner.store), inner.sled.clone());
        tokio::task::spawn_blocking(move || {
            let flushed = log.flush();
            // A log that failed leaves the state store as it is: marked as not clean.
            flushed?;
            store.durable_point()?;
            match sled {
                Some(sled) => Ok(sled.mark_clean()?),
                None => Ok(()),
            }
        })
        .await?
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Handle").field("identity", &self.inner.identity).finish_non_exhaustive()
    }
}

/// The limits of proposals, fresh.
pub(crate) fn proposal_limits() -> (Arc<Semaphore>, Arc<Semaphore>) {
    let limit = |count| Arc::new(Semaphore::new(count));
    (limit(PROPOSALS_IN_FLIGHT_MAX), limit(PROPOSAL_BYTES_IN_FLIGHT_MAX))
}

fn random() -> Result<[u8; 16], ProposeError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(ProposeError::Random)?;
    Ok(bytes)
}
