//! How a node comes up: data folder, identity, snapshots, log, state, engine, in this order.
//!
//! The state store is a cache of the newest snapshot and the log. Whatever happened to it, the
//! engine brings it up to date from those two; the only thing that must be checked here is that
//! they reach far enough.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kedge_storage::blobs::{BlobError, Blobs};
use kedge_storage::data_dir::{DataDir, DataDirError};
use kedge_storage::kv::{Kv, KvError};
use kedge_storage::log::{Log, LogError, LogOptions};
use kedge_storage::memory::MemoryKv;
use kedge_storage::sled::{OpenOutcome, SledKv, SledOptions, open_or_set_aside, remove_set_aside};
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tokio::time::MissedTickBehavior;

use crate::consensus::snapshot::{SnapshotError, SnapshotFolder};
use crate::consensus::{Compaction, Consensus, EngineError, StateStore};
use crate::events::Events;
use crate::handle::{DiskReserve, Handle, Inner, Running, proposal_limits};
use crate::identity::{self, Identity, IdentityError};
use crate::options::{Engine, Options};

/// How often the free space is looked at: a second of writing is far less than any sensible
/// reserve.
const DISK_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why a node did not start. Nothing that was there was changed, except that what is damaged may
/// have been set aside under another name.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The consensus log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The state store.
    #[error(transparent)]
    Store(#[from] KvError),
    /// The blob store.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The state store's bookkeeping, or a task of the start.
    #[error("opening the state: {0}")]
    State(#[source] io::Error),
    /// The log begins after the state ends: entries between them are lost on this node.
    #[error(
        "state reaches entry {state_index}, but the log in {log} begins after entry \
         {purged_index}, and no valid snapshot closes the gap; restore a backup, or let this \
         machine join again under a new identity"
    )]
    StateLost {
        /// Folder of the log.
        log: String,
        /// How far state and snapshots reach; 0 when there are none.
        state_index: u64,
        /// The last entry that the log does not have any more.
        purged_index: u64,
    },
    /// There is a state, but the log with this node's votes is gone.
    #[error(
        "the log in {log} is empty, but there is a state up to entry {state_index}; a node that \
         lost its log must not go on under its old identity: restore a backup, or let this \
         machine join again under a new identity"
    )]
    LogLost {
        /// Folder of the log.
        log: String,
        /// How far state and snapshots reach.
        state_index: u64,
    },
    /// The engine did not come up.
    #[error("consensus did not start: {0}")]
    Consensus(String),
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        Self::Consensus(error.to_string())
    }
}

/// Starts the node whose data is in `options.data_dir`; a new folder starts a new cluster of one.
/// Returns once everything that was ever acknowledged can be read and commands are taken.
///
/// # Errors
/// See [`StartError`].
pub async fn start(options: Options) -> Result<Handle, StartError> {
    let opening = options.clone();
    let opened = tokio::task::spawn_blocking(move || open(&opening));
    let opened = opened.await.map_err(|error| StartError::State(io::Error::other(error)))??;
    let Opened { data, identity, log, store, sled, blobs } = opened;

    let events = Events::new();
    let (consensus, let_go) =
        Consensus::start(identity, Arc::clone(&log), Arc::clone(&store), events.clone()).await?;
    let consensus = Arc::new(consensus);
    let came_up = async {
        consensus.form_cluster().await?;
        consensus.recover().await
    };
    if let Err(error) = came_up.await {
        consensus.stop().await;
        return Err(error.into());
    }
    forget_set_aside(&options, &data);

    let (stop, _) = watch::channel(false);
    let disk = Arc::new(DiskReserve {
        reserve_bytes: options.disk_reserve_bytes,
        is_low: AtomicBool::new(false),
    });
    disk.look(data.root());
    let (failed, failure) = watch::channel(None);
    spawn_failure_watch(&consensus, failed);
    spawn_disk_watch(&disk, &data, &stop);
    let compaction = Compaction {
        every_entries: options.snapshot_every_entries,
        every_bytes: options.snapshot_every_bytes,
        segment_bytes: options.log_segment_bytes,
    };
    let compaction = tokio::spawn(compaction.run(Arc::clone(&consensus), stop.subscribe()));
    let (proposals, proposal_bytes) = proposal_limits();
    Ok(Handle::new(Inner {
        identity,
        consensus,
        store,
        log,
        sled,
        blobs,
        events,
        data,
        clock: options.clock,
        propose_timeout: options.propose_timeout,
        disk,
        proposals,
        proposal_bytes,
        stop,
        failure,
        running: Mutex::new(Some(Running { let_go, compaction })),
    }))
}

struct Opened {
    data: Arc<DataDir>,
    identity: Identity,
    log: Arc<Log>,
    store: Arc<StateStore>,
    sled: Option<Arc<SledKv>>,
    blobs: Blobs,
}

fn open(options: &Options) -> Result<Opened, StartError> {
    let data = Arc::new(DataDir::open(&options.data_dir)?);
    let is_new = is_new(&data).map_err(StartError::State)?;
    let identity = identity::load_or_create(data.root(), is_new)?;
    let cluster = identity.cluster.0;
    let folder = SnapshotFolder::open(&data.snapshots(), cluster)?;
    let log_options =
        LogOptions { segment_bytes: options.log_segment_bytes, ..LogOptions::default() };
    let log = Log::open_on(Arc::clone(&options.log_disk), &data.log(), log_options)?;
    let (kv, sled) = open_kv(options, &data)?;
    let store = StateStore::open(kv, folder, cluster, Arc::clone(&options.clock))
        .map_err(StartError::State)?;
    check_reach(&log, &store, &data)?;
    let blobs = Blobs::open(data.blobs())?;
    Ok(Opened { data, identity, log: Arc::new(log), store: Arc::new(store), sled, blobs })
}

/// True when no node ever worked in the folder.
fn is_new(data: &DataDir) -> io::Result<bool> {
    for folder in [data.log(), data.snapshots(), data.state()] {
        if folder.read_dir()?.next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

type OpenedKv = (Arc<dyn Kv>, Option<Arc<SledKv>>);

fn open_kv(options: &Options, data: &DataDir) -> Result<OpenedKv, KvError> {
    let cache_bytes = match options.engine {
        Engine::Memory => return Ok((Arc::new(MemoryKv::new()), None)),
        Engine::Sled { cache_bytes } => cache_bytes,
    };
    let dir = sled_dir(data);
    let sled_options = SledOptions { cache_bytes, ..SledOptions::default() };
    let (kv, outcome) = open_or_set_aside(&dir, &sled_options, data.boot_id())?;
    match outcome {
        OpenOutcome::Clean => {}
        OpenOutcome::SetAside { path, reason } => {
            tracing::warn!(
                reason,
                aside = %path.display(),
                "state store set aside, rebuilding it from snapshot and log"
            );
        }
    }
    let kv = Arc::new(kv);
    Ok((Arc::clone(&kv) as Arc<dyn Kv>, Some(kv)))
}

fn sled_dir(data: &DataDir) -> std::path::PathBuf {
    data.state().join("sled")
}

/// The state, or a snapshot, must reach to where the log begins, and a state without a log has
/// lost its votes.
fn check_reach(log: &Log, store: &StateStore, data: &DataDir) -> Result<(), StartError> {
    let applied = store.applied().0.map(|applied| applied.id.index);
    let snapshot = store.folder().newest().and_then(|snapshot| snapshot.index());
    let reach = applied.max(snapshot);
    let log_dir = || data.log().display().to_string();
    if let (Some(state_index), None) = (reach, log.vote()) {
        return Err(StartError::LogLost { log: log_dir(), state_index });
    }
    let purged = log.state().last_purged.map(|purged| purged.index);
    match purged {
        Some(purged_index) if reach < Some(purged_index) => {
            let state_index = reach.unwrap_or(0);
            Err(StartError::StateLost { log: log_dir(), state_index, purged_index })
        }
        Some(_) | None => Ok(()),
    }
}

/// The state is whole again, so what was set aside has no more use.
fn forget_set_aside(options: &Options, data: &DataDir) {
    if options.engine == Engine::Memory {
        return;
    }
    if let Err(error) = remove_set_aside(&sled_dir(data)) {
        tracing::warn!(%error, "cannot remove the state store that was set aside");
    }
}

fn spawn_failure_watch(consensus: &Consensus, failed: watch::Sender<Option<String>>) {
    let failure = consensus.failure();
    tokio::spawn(async move {
        if let Some(reason) = failure.await {
            tracing::error!(reason, "the node must stop");
            failed.send_replace(Some(reason));
        }
    });
}

fn spawn_disk_watch(disk: &Arc<DiskReserve>, data: &Arc<DataDir>, stop: &watch::Sender<bool>) {
    let disk = Arc::clone(disk);
    let root = data.root().to_owned();
    let mut stop = stop.subscribe();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(DISK_CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // An error means that the handle is gone, which is a stop too.
                _ = stop.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            let (disk, root) = (Arc::clone(&disk), root.clone());
            // A disk that hangs must not hold a runtime thread.
            if let Err(error) = tokio::task::spawn_blocking(move || disk.look(&root)).await {
                tracing::error!(%error, "looking at the free disk space");
            }
        }
    });
}

impl DiskReserve {
    /// Looks at the free space and remembers what it saw.
    pub(crate) fn look(&self, root: &Path) {
        let is_low = match fs4::available_space(root) {
            Ok(free_bytes) => free_bytes < self.reserve_bytes,
            Err(error) => {
                tracing::warn!(%error, path = %root.display(), "cannot tell the free disk space");
                return;
            }
        };
        let was_low = self.is_low.swap(is_low, Ordering::Relaxed);
        if is_low && !was_low {
            tracing::error!(path = %root.display(), "disk nearly full, commands are refused");
        } else if was_low && !is_low {
            tracing::info!(path = %root.display(), "disk has room again");
        }
    }
}
