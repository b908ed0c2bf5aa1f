//! The state machine as the engine sees it.
//!
//! A thread of its own applies entries, so that neither the runtime nor the pool of blocking
//! threads (which analysis may fill) stands between a commit and its answer.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use futures::stream::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::oneshot;

use super::snapshot::SnapshotFile;
use super::store::StateStore;
use super::{InUse, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, TypeConfig};
use crate::events::Events;
use crate::limits::APPLY_CHUNK_ENTRIES;

type Item = EntryResponder<TypeConfig>;

struct Work {
    items: Vec<Item>,
    done: oneshot::Sender<io::Result<()>>,
}

/// Applies entries, makes and loads snapshots.
pub(crate) struct Machine {
    store: Arc<StateStore>,
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    // Tells the stopping node that the engine has let go of the state.
    _in_use: InUse,
}

impl Machine {
    /// Starts the apply thread.
    ///
    /// # Errors
    /// The system refuses another thread.
    pub(crate) fn new(store: Arc<StateStore>, events: Events, in_use: InUse) -> io::Result<Self> {
        let (work, queue) = mpsc::channel();
        let for_thread = Arc::clone(&store);
        let thread = thread::Builder::new()
            .name("kedge-apply".to_owned())
            .spawn(move || apply_all(&for_thread, &events, &queue))?;
        Ok(Self { store, work: Some(work), thread: Some(thread), _in_use: in_use })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.work.take());
        let Some(thread) = self.thread.take() else { return };
        if thread.join().is_err() {
            tracing::error!("apply thread panicked");
        }
    }
}

fn apply_all(store: &StateStore, events: &Events, queue: &mpsc::Receiver<Work>) {
    for work in queue {
        let result = work.items.into_iter().try_for_each(|item| apply(store, events, item));
        // When the engine is gone, nobody needs the answer.
        let _ = work.done.send(result);
    }
}

fn apply(store: &StateStore, events: &Events, (entry, responder): Item) -> io::Result<()> {
    let (reply, announced) = store.apply(entry)?;
    // The answer first: whoever waits for it may look for what the events tell about.
    if let Some(responder) = responder {
        responder.send(reply);
    }
    events.announce(announced);
    Ok(())
}

fn to_snapshot(file: SnapshotFile) -> io::Result<SnapshotOf> {
    let membership: StoredMembershipOf = file
        .header
        .membership
        .clone()
        .try_into()
        .map_err(|reason: String| io::Error::new(io::ErrorKind::InvalidData, reason))?;
    let meta = SnapshotMetaOf {
        last_log_id: file.header.applied.map(|applied| applied.id.into()),
        last_membership: membership,
    };
    Ok(SnapshotOf { meta, snapshot: file })
}

/// Runs a blocking piece of work of the state store.
async fn blocking<R: Send + 'static>(
    store: &Arc<StateStore>,
    work: impl FnOnce(&StateStore) -> R + Send + 'static,
) -> io::Result<R> {
    let store = Arc::clone(store);
    tokio::task::spawn_blocking(move || work(&store)).await.map_err(io::Error::other)
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogIdOf>, StoredMembershipOf)> {
        let (applied, membership) = self.store.applied();
        Ok((applied.map(|applied| applied.id.into()), membership))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<Item>> + Unpin + OptionalSend,
    {
        let ended = || io::Error::other("apply thread has ended");
        let mut chunks = entries.ready_chunks(APPLY_CHUNK_ENTRIES);
        while let Some(chunk) = chunks.next().await {
            let items = chunk.into_iter().collect::<io::Result<Vec<Item>>>()?;
            let (done, applied) = oneshot::channel();
            let work = self.work.as_ref().ok_or_else(ended)?;
            work.send(Work { items, done }).map_err(|_| ended())?;
            applied.await.map_err(|_| ended())??;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder(Arc::clone(&self.store))
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf,
        snapshot: SnapshotFile,
    ) -> io::Result<()> {
        blocking(&self.store, move |store| store.install(&snapshot))
            .await?
            .map_err(io::Error::other)
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf>> {
        self.store.folder().newest().map(to_snapshot).transpose()
    }
}

/// Hands the engine a snapshot: the one that compaction prepared, else a new one.
pub(crate) struct Builder(Arc<StateStore>);

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf> {
        if let Some(file) = self.0.take_prepared() {
            return to_snapshot(file);
        }
        let made = blocking(&self.0, StateStore::make_snapshot).await?;
        to_snapshot(made.map_err(io::Error::other)?)
    }
}
