//! The log as its callers see it: where every entry is, the recent payloads, and the queue of
//! operations for the writer thread. Memory changes and queueing happen under one lock, so files
//! always see operations in the order callers saw them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::DiskFile;
use super::segment::{RECORD_HEADER_BYTES, SegmentId, read_record};
use super::{Ack, LogEntry, LogError, LogState, Purged};
use crate::limits::{LOG_BATCH_BYTES_MAX, LOG_ENTRY_BYTES_MAX, LOG_META_BYTES_MAX};

/// Where a durable entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) sequence: u64,
    pub(super) offset: u64,
    /// Bytes of the whole record.
    pub(super) bytes: u32,
}

/// One readable entry. At least one of `payload` and `location` is there.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Tells this entry from an earlier one of the same index that was truncated.
    serial: u64,
    location: Option<Location>,
    payload: Option<Arc<[u8]>>,
}

impl Slot {
    pub(super) fn stored(location: Location) -> Self {
        Self { serial: 0, location: Some(location), payload: None }
    }
}

/// An entry on its way to the file.
pub(super) struct Pending {
    pub(super) index: u64,
    pub(super) serial: u64,
    pub(super) payload: Arc<[u8]>,
}

/// What the writer is asked to do.
pub(super) enum Operation {
    Append(Vec<Pending>),
    Vote(Vec<u8>),
    TruncateAfter(Option<u64>),
    Purge(Purged),
    Barrier,
}

impl Operation {
    /// Bytes it will take in a segment.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append(entries) => {
                entries.iter().map(|entry| RECORD_HEADER_BYTES + entry.payload.len()).sum()
            }
            Self::Vote(vote) => RECORD_HEADER_BYTES + vote.len(),
            Self::Purge(purged) => RECORD_HEADER_BYTES + purged.id.len(),
            Self::TruncateAfter(_) | Self::Barrier => RECORD_HEADER_BYTES,
        }
    }
}

pub(super) struct Queued {
    pub(super) operation: Operation,
    pub(super) done: Option<Ack>,
}

/// A segment that can be read.
#[derive(Clone)]
pub(super) struct OpenSegment {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What recovery found; the start of [`Inner`].
#[derive(Default)]
pub(super) struct Content {
    pub(super) first: u64,
    pub(super) slots: VecDeque<Slot>,
    pub(super) purged: Option<Purged>,
    pub(super) vote: Option<Vec<u8>>,
    pub(super) segments: BTreeMap<u64, OpenSegment>,
}

impl Content {
    /// Index after the last entry; `None` when any index may come next.
    pub(super) fn next_index(&self) -> Option<u64> {
        if self.slots.is_empty() {
            return self.purged.as_ref().map(|purged| purged.index.saturating_add(1));
        }
        Some(self.first + self.slots.len() as u64)
    }

    pub(super) fn push(&mut self, index: u64, slot: Slot) {
        if self.slots.is_empty() {
            self.first = index;
        }
        self.slots.push_back(slot);
    }

    pub(super) fn truncate_after(&mut self, index: Option<u64>) -> Vec<Slot> {
        let keep = match index {
            Some(index) if index >= self.first => index - self.first + 1,
            Some(_) | None => 0,
        };
        let keep = usize::try_from(keep).unwrap_or(usize::MAX).min(self.slots.len());
        self.slots.split_off(keep).into()
    }

    /// Returns the removed slots, so that the caller can drop many of them outside its lock.
    pub(super) fn purge(&mut self, purged: Purged) -> Vec<Slot> {
        let gone = if purged.index >= self.first { purged.index - self.first + 1 } else { 0 };
        let gone = usize::try_from(gone).unwrap_or(usize::MAX).min(self.slots.len());
        let removed = self.slots.drain(..gone).collect();
        self.first = purged.index.saturating_add(1).max(self.first);
        self.purged = Some(purged);
        removed
    }

    fn slot_mut(&mut self, index: u64) -> Option<&mut Slot> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(at)
    }
}

pub(super) struct Inner {
    pub(super) content: Content,
    pub(super) queue: VecDeque<Queued>,
    pub(super) queue_bytes: usize,
    pub(super) failure: Option<LogError>,
    pub(super) closing: bool,
    next_serial: u64,
    cached_bytes: usize,
    /// Entries before this index have no cached payload.
    evict_from: u64,
}

/// Shared by the callers and the writer thread.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// The queue has work, or the log is closing.
    pub(super) work: Condvar,
    /// The queue has room, or the log has failed.
    pub(super) room: Condvar,
    group: u32,
    cache_bytes_max: usize,
    queue_bytes_max: usize,
}

impl Shared {
    pub(super) fn new(
        content: Content,
        group: u32,
        cache_bytes_max: usize,
        queue_bytes_max: usize,
    ) -> Self {
        let evict_from = content.first;
        let inner = Inner {
            content,
            queue: VecDeque::new(),
            queue_bytes: 0,
            failure: None,
            closing: false,
            next_serial: 1,
            cached_bytes: 0,
            evict_from,
        };
        Self {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            room: Condvar::new(),
            group,
            cache_bytes_max,
            queue_bytes_max,
        }
    }

    // Nothing between lock and unlock can panic half-way through a change, so a poisoned lock
    // still guards whole data.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room in the queue.
    fn lock_with_room(&self) -> Result<MutexGuard<'_, Inner>, LogError> {
        let mut inner = self.lock();
        loop {
            if let Some(failure) = &inner.failure {
                return Err(failure.clone());
            }
            if inner.closing {
                return Err(LogError::Closed);
            }
            // An empty queue takes an operation of any size.
            if inner.queue.is_empty() || inner.queue_bytes < self.queue_bytes_max {
                return Ok(inner);
            }
            inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn enqueue(&self, inner: &mut Inner, operation: Operation, done: Option<Ack>) {
        inner.queue_bytes += operation.bytes();
        inner.queue.push_back(Queued { operation, done });
        self.work.notify_one();
    }

    pub(super) fn append(&self, entries: Vec<LogEntry>, done: Ack) -> Result<(), LogError> {
        for entry in &entries {
            check_size("log entry", entry.payload.len(), "LOG_ENTRY_BYTES_MAX")?;
        }
        let mut guard = self.lock_with_room()?;
        let inner = &mut *guard;
        check_contiguous(inner.content.next_index(), &entries)?;
        // One operation never exceeds a batch, so a huge append is several operations; the last
        // one carries the callback.
        let mut pending = Vec::new();
        let mut pending_bytes = 0;
        for LogEntry { index, payload } in entries {
            let payload: Arc<[u8]> = payload.into();
            let serial = inner.next_serial;
            inner.next_serial += 1;
            inner.cached_bytes += payload.len();
            let slot = Slot { serial, location: None, payload: Some(Arc::clone(&payload)) };
            if inner.content.slots.is_empty() {
                inner.evict_from = index;
            }
            inner.content.push(index, slot);
            if pending_bytes + payload.len() > LOG_BATCH_BYTES_MAX && !pending.is_empty() {
                self.enqueue(inner, Operation::Append(std::mem::take(&mut pending)), None);
                pending_bytes = 0;
            }
            pending_bytes += payload.len();
            pending.push(Pending { index, serial, payload });
        }
        self.enqueue(inner, Operation::Append(pending), Some(done));
        Ok(())
    }

    pub(super) fn submit_vote(&self, vote: Vec<u8>, done: Ack) -> Result<(), LogError> {
        check_size("vote", vote.len(), "LOG_META_BYTES_MAX")?;
        let mut inner = self.lock_with_room()?;
        self.enqueue(&mut inner, Operation::Vote(vote), Some(done));
        Ok(())
    }

    pub(super) fn submit_barrier(&self, done: Ack) -> Result<(), LogError> {
        let mut inner = self.lock_with_room()?;
        self.enqueue(&mut inner, Operation::Barrier, Some(done));
        Ok(())
    }

    pub(super) fn submit_truncate_after(
        &self,
        index: Option<u64>,
        done: Ack,
    ) -> Result<(), LogError> {
        let mut inner = self.lock_with_room()?;
        let removed = inner.content.truncate_after(index);
        inner.forget(&removed);
        self.enqueue(&mut inner, Operation::TruncateAfter(index), Some(done));
        drop(inner);
        drop(removed);
        Ok(())
    }

    pub(super) fn submit_purge(&self, index: u64, id: Vec<u8>, done: Ack) -> Result<(), LogError> {
        check_size("purge identifier", id.len(), "LOG_META_BYTES_MAX")?;
        let mut inner = self.lock_with_room()?;
        if inner.content.purged.as_ref().is_some_and(|purged| purged.index >= index) {
            self.enqueue(&mut inner, Operation::Barrier, Some(done));
            return Ok(());
        }
        let purged = Purged { index, id };
        let removed = inner.content.purge(purged.clone());
        inner.forget(&removed);
        self.enqueue(&mut inner, Operation::Purge(purged), Some(done));
        drop(inner);
        // Freeing a long prefix takes a while; nobody waits for it here.
        drop(removed);
        Ok(())
    }

    pub(super) fn read(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<LogEntry>, LogError> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut index = range.start;
        while index < range.end && (entries.is_empty() || bytes < bytes_max) {
            let Some(found) = self.find(index)? else { break };
            let payload = match found {
                Found::Cached(payload) => payload.to_vec(),
                Found::Stored(segment, location) => self.read_stored(&segment, location, index)?,
            };
            bytes += payload.len();
            entries.push(LogEntry { index, payload });
            index += 1;
        }
        Ok(entries)
    }

    fn find(&self, index: u64) -> Result<Option<Found>, LogError> {
        let mut inner = self.lock();
        let content = &mut inner.content;
        if content.purged.as_ref().is_some_and(|purged| index <= purged.index)
            || (!content.slots.is_empty() && index < content.first)
        {
            return Err(LogError::Missing { index });
        }
        let Some(slot) = content.slot_mut(index) else { return Ok(None) };
        if let Some(payload) = &slot.payload {
            return Ok(Some(Found::Cached(Arc::clone(payload))));
        }
        let location = slot.location.ok_or(LogError::Missing { index })?;
        let segment = content.segments.get(&location.sequence);
        let segment = segment.ok_or(LogError::Missing { index })?.clone();
        Ok(Some(Found::Stored(segment, location)))
    }

    fn read_stored(
        &self,
        segment: &OpenSegment,
        location: Location,
        index: u64,
    ) -> Result<Vec<u8>, LogError> {
        let mut record = vec![0; location.bytes as usize];
        segment
            .file
            .read_at(&mut record, location.offset)
            .map_err(|error| LogError::from_io("reading entry", &segment.path, &error))?;
        let id = SegmentId { sequence: location.sequence, group: self.group };
        match read_record(id, location.offset, &record) {
            Some(read) if read.index == index => Ok(read.payload.to_vec()),
            Some(_) | None => Err(LogError::Corrupt {
                segment: segment.path.display().to_string(),
                offset: location.offset,
                reason: "entry does not match its checksum any more",
            }),
        }
    }

    pub(super) fn state(&self) -> LogState {
        let inner = self.lock();
        let content = &inner.content;
        let (first_index, last_index) = match content.slots.len() as u64 {
            0 => (None, None),
            count => (Some(content.first), Some(content.first + count - 1)),
        };
        LogState { first_index, last_index, last_purged: content.purged.clone() }
    }

    pub(super) fn vote(&self) -> Option<Vec<u8>> {
        self.lock().content.vote.clone()
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.lock().content.segments.values().map(|segment| segment.bytes).sum()
    }

    pub(super) fn failure(&self) -> Option<LogError> {
        self.lock().failure.clone()
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Notes where entries are that have just become durable, and lets old payloads go.
    pub(super) fn settle(&self, written: &[(u64, u64, Location)]) {
        let mut inner = self.lock();
        for (index, serial, location) in written {
            let slot = inner.content.slot_mut(*index).filter(|slot| slot.serial == *serial);
            if let Some(slot) = slot {
                slot.location = Some(*location);
            }
        }
        inner.evict(self.cache_bytes_max);
    }
}

enum Found {
    Cached(Arc<[u8]>),
    Stored(OpenSegment, Location),
}

impl Inner {
    fn forget(&mut self, removed: &[Slot]) {
        let bytes = removed.iter().filter_map(|slot| slot.payload.as_ref()).map(|p| p.len());
        self.cached_bytes -= bytes.sum::<usize>();
        let end = self.content.first + self.content.slots.len() as u64;
        self.evict_from = self.evict_from.clamp(self.content.first.min(end), end);
    }

    /// Drops the oldest cached payloads that are durable. Entries still queued stay, so the queue
    /// bound adds to the cache bound.
    fn evict(&mut self, cache_bytes_max: usize) {
        self.evict_from = self.evict_from.max(self.content.first);
        while self.cached_bytes > cache_bytes_max {
            let Some(slot) = self.content.slot_mut(self.evict_from) else { break };
            if slot.location.is_none() {
                break;
            }
            let freed = slot.payload.take().map_or(0, |payload| payload.len());
            self.cached_bytes -= freed;
            self.evict_from += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn cached_bytes(&self) -> usize {
        self.cached_bytes
    }
}

fn check_contiguous(next: Option<u64>, entries: &[LogEntry]) -> Result<(), LogError> {
    let mut expected = next;
    for entry in entries {
        match expected {
            Some(expected) if expected != entry.index => {
                return Err(LogError::NotContiguous { expected, found: entry.index });
            }
            Some(_) | None => expected = Some(entry.index.saturating_add(1)),
        }
    }
    Ok(())
}

fn check_size(what: &'static str, bytes: usize, limit_name: &'static str) -> Result<(), LogError> {
    let limit =
        if limit_name == "LOG_ENTRY_BYTES_MAX" { LOG_ENTRY_BYTES_MAX } else { LOG_META_BYTES_MAX };
    if bytes > limit {
        return Err(LogError::TooLarge { what, bytes, limit_name, limit });
    }
    Ok(())
}
