//! The replicated state of this node: the key-value store and how far it is.
//!
//! Every entry is one atomic batch that also carries the entry's position, the membership and a
//! rolling digest, so whatever a crash leaves behind is the state after some entry. The store is
//! not durable by itself: it is rebuilt from the newest snapshot and the log.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use kedge_model::command::Outcome;
use kedge_model::event::Event;
use kedge_storage::keyspaces::{Key, Keyspace};
use kedge_storage::kv::{Batch, Kv, KvError, Txn, View};
use sha2::{Digest, Sha256};

use super::cut::Cut;
use super::record::{AppliedRecord, SnapshotHeader};
use super::snapshot::{SnapshotError, SnapshotFile, SnapshotFolder, SnapshotReader};
use super::{EntryOf, LogIdOf, PayloadOf, Reply, StoredMembershipOf, encoding};
use crate::limits::{DIGEST_EVERY_ENTRIES, DIGESTS_KEPT, INSTALL_BATCH_BYTES};
use crate::options::Clock;

const APPLIED: u8 = 0;
const MEMBERSHIP: u8 = 1;
const DIGESTS: u8 = 2;

fn applied_key() -> Vec<u8> {
    Key::new(Keyspace::Consensus).byte(APPLIED).build()
}

fn membership_key() -> Vec<u8> {
    Key::new(Keyspace::Consensus).byte(MEMBERSHIP).build()
}

fn digest_key(index: u64) -> Vec<u8> {
    Key::new(Keyspace::Consensus).byte(DIGESTS).number(index).build()
}

/// The state and its snapshots. The apply thread is the only writer besides [`StateStore::install`].
pub(crate) struct StateStore {
    kv: Arc<dyn Kv>,
    folder: SnapshotFolder,
    cluster: [u8; 16],
    clock: Clock,
    writer: Mutex<Writer>,
    // Readers share it; loading a snapshot, when the store is half empty, excludes them.
    gate: RwLock<()>,
    // One snapshot is made or loaded at a time.
    snapshotting: Mutex<()>,
    // Set when the node stops: a snapshot in the making is given up.
    is_stopping: AtomicBool,
    // Made by this crate's compaction, to be handed to the engine when it asks.
    prepared: Mutex<Option<SnapshotFile>>,
}

struct Writer {
    applied: Option<AppliedRecord>,
    membership: StoredMembershipOf,
    cut: Option<Cut>,
}

impl StateStore {
    /// Takes over a store. One that does not say how far it is (new, or left by a crash while a
    /// snapshot was loaded) is emptied.
    ///
    /// # Errors
    /// The store failed or its bookkeeping cannot be read.
    pub(crate) fn open(
        kv: Arc<dyn Kv>,
        folder: SnapshotFolder,
        cluster: [u8; 16],
        clock: Clock,
    ) -> io::Result<Self> {
        let applied = kv.get(&applied_key()).map_err(store_error)?;
        let applied = applied.map(|bytes| encoding::decode_applied(&bytes)).transpose()?;
        let mut membership = StoredMembershipOf::default();
        if applied.is_none() {
            kv.clear().map_err(store_error)?;
        } else if let Some(bytes) = kv.get(&membership_key()).map_err(store_error)? {
            membership = encoding::decode_membership(&bytes)?;
        }
        let writer = Mutex::new(Writer { applied, membership, cut: None });
        let (gate, snapshotting) = (RwLock::new(()), Mutex::new(()));
        Ok(Self {
            kv,
            folder,
            cluster,
            clock,
            writer,
            gate,
            snapshotting,
            is_stopping: AtomicBool::new(false),
            prepared: Mutex::new(None),
        })
    }

    /// How far the state is, and the membership in effect there.
    pub(crate) fn applied(&self) -> (Option<AppliedRecord>, StoredMembershipOf) {
        let writer = self.writer();
        (writer.applied, writer.membership.clone())
    }

    /// Reads. The closure must not read through the handle again.
    pub(crate) fn read<R>(&self, query: impl FnOnce(&dyn View) -> R) -> R {
        // Nothing is half done under this lock after a panic of a reader.
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        query(&*self.kv)
    }

    /// Everything applied so far is on disk when this returns.
    pub(crate) fn durable_point(&self) -> Result<(), KvError> {
        self.kv.durable_point()
    }

    /// Gives up a snapshot that is being made; none is made from now on.
    pub(crate) fn stop_snapshots(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The engine behind it, for its sizes.
    pub(crate) fn kv(&self) -> &Arc<dyn Kv> {
        &self.kv
    }

    /// The snapshot files.
    pub(crate) fn folder(&self) -> &SnapshotFolder {
        &self.folder
    }

    /// The state digest kept for an entry, if that is one that is kept.
    pub(crate) fn digest_at(&self, index: u64) -> Result<Option<[u8; 32]>, KvError> {
        let digest = self.kv.get(&digest_key(index))?;
        Ok(digest.and_then(|bytes| bytes.try_into().ok()))
    }

    /// Applies one committed entry.
    ///
    /// # Errors
    /// The store failed or the entry cannot be read; nothing was applied, and nothing may be
    /// applied after it.
    pub(crate) fn apply(&self, entry: EntryOf) -> io::Result<(Reply, Vec<Event>)> {
        let mut writer = self.writer();
        let id = entry.log_id;
        let mut membership = None;
        let (mut batch, reply, events) = match entry.payload {
            PayloadOf::Blank => (Batch::new(), Reply::Nothing, Vec::new()),
            PayloadOf::Membership(members) => {
                membership = Some(StoredMembershipOf::new(Some(id), members));
                (Batch::new(), Reply::Nothing, Vec::new())
            }
            PayloadOf::Normal(command) => {
                check_order(writer.applied, id);
                let (batch, outcome, events) = self.run(&command.0, id.index)?;
                (batch, Reply::Outcome(outcome), events)
            }
        };
        let previous = writer.applied.map_or([0; 32], |applied| applied.digest);
        let digest = next_digest(previous, id.index, &batch);
        let applied = AppliedRecord { id: id.into(), digest };
        keep_digest(&mut batch, id.index, digest);
        batch.put(applied_key(), encoding::encode_applied(&applied));
        if let Some(membership) = &membership {
            batch.put(membership_key(), encoding::encode_membership(membership));
        }
        if let Some(cut) = &mut writer.cut {
            cut.remember(&*self.kv, &batch).map_err(store_error)?;
        }
        self.kv.apply(batch).map_err(store_error)?;
        writer.applied = Some(applied);
        writer.membership = membership.unwrap_or_else(|| writer.membership.clone());
        Ok((reply, events))
    }

    fn run(&self, command: &[u8], index: u64) -> io::Result<(Batch, Outcome, Vec<Event>)> {
        let entry = kedge_state::decode_entry(command).map_err(io::Error::other)?;
        let mut txn = Txn::new(&*self.kv);
        let applied = kedge_state::apply(&mut txn, &entry, index).map_err(io::Error::other)?;
        Ok((txn.into_batch(), applied.response, applied.events))
    }

    /// Writes a snapshot of the state as it is now; durable when this returns. Entries go on being
    /// applied meanwhile.
    ///
    /// # Errors
    /// A failure of the store or the file system; the old snapshots
    /// stay.
    pub(crate) fn make_snapshot(&self) -> Result<SnapshotFile, SnapshotError> {
        let _alone = self.snapshotting.lock().unwrap_or_else(PoisonError::into_inner);
        let header = self.begin_cut();
        let result = self.write_snapshot(header);
        self.writer().cut = None;
        let snapshot = result?;
        // From here on the log may lose its beginning; the store should not be far behind then.
        self.kv.durable_point()?;
        Ok(snapshot)
    }

    fn begin_cut(&self) -> SnapshotHeader {
        let mut writer = self.writer();
        writer.cut = Some(Cut::default());
        SnapshotHeader {
            cluster: self.cluster,
            applied: writer.applied,
            membership: (&writer.membership).into(),
            created_ms: (self.clock)(),
        }
    }

    fn write_snapshot(&self, header: SnapshotHeader) -> Result<SnapshotFile, SnapshotError> {
        let mut file = self.folder.create(header)?;
        let mut writer = self.writer();
        loop {
            if self.is_stopping.load(Ordering::Relaxed) {
                return Err(SnapshotError::Stopping);
            }
            let cut = writer.cut.as_mut().expect("set by begin_cut, cleared only after this");
            let piece = cut.next_piece(&*self.kv)?;
            let is_full = cut.is_full();
            // Keeping the lock makes applying wait, which bounds the memory of the cut.
            let held = is_full.then_some(writer);
            for (key, value) in &piece.page {
                file.put(key, value)?;
            }
            writer = held.unwrap_or_else(|| self.writer());
            if piece.is_last {
                break;
            }
        }
        // Syncing a large file takes a while; nothing needs to be remembered meanwhile.
        writer.cut = None;
        drop(writer);
        self.folder.commit(file)
    }

    /// Replaces the state by a snapshot, and keeps the file.
    ///
    /// # Errors
    /// The file is damaged (the state is untouched then), or the store failed (it is empty then,
    /// and the next start loads the file again).
    pub(crate) fn install(&self, snapshot: &SnapshotFile) -> Result<(), SnapshotError> {
        let _alone = self.snapshotting.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.folder.adopt(snapshot)?;
        let membership =
            StoredMembershipOf::try_from(snapshot.header.membership.clone()).map_err(|_| {
                SnapshotError::Corrupt {
                    path: snapshot.path.clone(),
                    reason: "membership is invalid",
                }
            })?;
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.writer();
        writer.applied = None;
        // The position goes first: what is half empty must not look like a state.
        let mut batch = Batch::new();
        batch.delete(applied_key());
        self.kv.apply(batch)?;
        self.kv.durable_point()?;
        self.kv.clear()?;
        self.load(&snapshot)?;
        let applied = snapshot.header.applied;
        let mut batch = Batch::new();
        if let Some(applied) = &applied {
            batch.put(applied_key(), encoding::encode_applied(applied));
        }
        batch.put(membership_key(), encoding::encode_membership(&membership));
        self.kv.apply(batch)?;
        self.kv.durable_point()?;
        writer.applied = applied;
        writer.membership = membership;
        Ok(())
    }

    fn load(&self, snapshot: &SnapshotFile) -> Result<(), SnapshotError> {
        let mut reader = SnapshotReader::open(snapshot)?;
        let mut batch = Batch::new();
        let mut bytes = 0;
        while let Some((key, value)) = reader.next_record()? {
            bytes += key.len() + value.len();
            batch.put(key, value);
            if bytes >= INSTALL_BATCH_BYTES {
                self.kv.apply(std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        self.kv.apply(batch)?;
        Ok(())
    }

    /// Leaves a snapshot for the engine to take notice of.
    pub(crate) fn prepare(&self, snapshot: SnapshotFile) {
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// Takes the snapshot left by [`StateStore::prepare`].
    pub(crate) fn take_prepared(&self) -> Option<SnapshotFile> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic while an entry was applied leaves the old position and the old batch: whole.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn store_error(error: KvError) -> io::Error {
    io::Error::other(error)
}

/// Commands come one after the other without a gap. Anything else means that the log and the state
/// do not belong together, and going on would spread it.
fn check_order(applied: Option<AppliedRecord>, id: LogIdOf) {
    let expected = applied.map_or(0, |applied| applied.id.index + 1);
    if id.index != expected {
        let found = id.index;
        tracing::error!(
            expected,
            found,
            "stopping at once: the log hands out an entry that does not follow the state; \
             one of them is damaged"
        );
        std::process::abort();
    }
}

/// A digest over all writes so far: equal on all peers that applied the same entries.
fn next_digest(previous: [u8; 32], index: u64, batch: &Batch) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(index.to_le_bytes());
    for (key, value) in batch.iter() {
        hash.update((key.len() as u64).to_le_bytes());
        hash.update(key);
        // A removal differs from an empty value.
        let length = value.map_or(u64::MAX, |value| value.len() as u64);
        hash.update(length.to_le_bytes());
        hash.update(value.unwrap_or_default());
    }
    hash.finalize().into()
}

fn keep_digest(batch: &mut Batch, index: u64, digest: [u8; 32]) {
    if !index.is_multiple_of(DIGEST_EVERY_ENTRIES) {
        return;
    }
    batch.put(digest_key(index), digest);
    if let Some(old) = index.checked_sub(DIGEST_EVERY_ENTRIES * DIGESTS_KEPT) {
        batch.delete(digest_key(old));
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
