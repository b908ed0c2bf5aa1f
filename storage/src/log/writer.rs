//! The thread that owns the log's files: drains the queue, writes one batch, syncs once, then
//! completes the callbacks of everything in the batch.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::disk::{Disk, DiskFile};
use super::memory::{Location, OpenSegment, Operation, Queued, Shared};
use super::recovery::Recovered;
use super::segment::{BatchBuilder, HEADER_BYTES, Kind, RECORD_HEADER_BYTES, SegmentId};
use super::{LogError, LogOptions, Purged, segment_path};
use crate::limits::LOG_BATCH_BYTES_MAX;

/// A point at which tests may fail or stop the process; nothing without the feature.
#[cfg(feature = "failpoints")]
fn failpoint(name: &'static str) -> std::io::Result<()> {
    fail::fail_point!(name, |reason| Err(std::io::Error::other(
        reason.unwrap_or_else(|| name.to_owned())
    )));
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "same signature as with failpoints")]
fn failpoint(_name: &'static str) -> std::io::Result<()> {
    Ok(())
}

pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    group: u32,
    segment_bytes: u64,
    sequence: u64,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    end: u64,
    /// Durable vote and purge, carried over into every new segment so that old ones can go.
    vote: Option<Vec<u8>>,
    purged: Option<Purged>,
    /// Highest entry index ever written to each segment.
    last_index: BTreeMap<u64, u64>,
}

/// The durable positions of the entries of a batch: index, serial, location.
type Written = Vec<(u64, u64, Location)>;

pub(super) fn prepare(
    recovered: Recovered,
    options: &LogOptions,
) -> Result<(Shared, Writer), LogError> {
    let Recovered { disk, dir, mut content, active, last_index } = recovered;
    let segment = content.segments[&active].clone();
    let mut writer = Writer {
        disk,
        dir,
        group: options.group,
        segment_bytes: options.segment_bytes,
        sequence: active,
        file: segment.file,
        path: segment.path,
        end: segment.bytes,
        vote: content.vote.clone(),
        purged: content.purged.clone(),
        last_index,
    };
    if content.segments.len() > 1 {
        // The last stop may have come between the new segment and what it carries over, and
        // nothing else keeps the vote when the older segments go.
        writer.carry_over()?;
        if let Some(segment) = content.segments.get_mut(&active) {
            segment.bytes = writer.end;
        }
    }
    let shared =
        Shared::new(content, options.group, options.cache_bytes_max, options.queue_bytes_max);
    Ok((shared, writer))
}

impl Writer {
    pub(super) fn run(mut self, shared: &Shared) {
        // A callback that panics must not leave callers waiting for a thread that is gone.
        let _guard = FailWhenDropped(shared);
        while let Some(batch) = next_batch(shared) {
            let (operations, callbacks): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|queued| (queued.operation, queued.done)).unzip();
            let has_purge = operations.iter().any(|o| matches!(o, Operation::Purge(_)));
            let result = self.write(shared, operations);
            if let Err(error) = &result {
                poison(shared, error);
            }
            for done in callbacks.into_iter().flatten() {
                done(result.clone());
            }
            // After the callbacks: freeing a large file takes its time.
            let cleaned = if has_purge { self.delete_purged(shared) } else { Ok(()) };
            if let Err(error) = &cleaned {
                poison(shared, error);
            }
            if result.is_err() || cleaned.is_err() {
                return;
            }
        }
        // A failure here loses nothing: the mark only helps to tell damage from a torn write.
        if let Err(error) = self.write_one(Kind::Closed, 0, &[]) {
            tracing::warn!(%error, "log could not be marked as closed");
        }
    }

    /// Makes a batch durable. Every error poisons the log.
    fn write(&mut self, shared: &Shared, operations: Vec<Operation>) -> Result<(), LogError> {
        if self.end >= self.segment_bytes {
            self.rotate(shared)?;
        }
        let (bytes, written) = self.encode(&operations);
        if !bytes.is_empty() {
            self.write_durably(&bytes)?;
        }
        if let Some((highest, ..)) = written.iter().max_by_key(|(index, ..)| *index) {
            let last = self.last_index.entry(self.sequence).or_insert(*highest);
            *last = (*last).max(*highest);
        }
        shared.settle(&written);
        for operation in operations {
            match operation {
                Operation::Vote(vote) => self.vote = Some(vote),
                Operation::Purge(purged) => self.purged = Some(purged),
                Operation::Append(_) | Operation::TruncateAfter(_) | Operation::Barrier => {}
            }
        }
        {
            let mut inner = shared.lock();
            inner.content.vote.clone_from(&self.vote);
            if let Some(segment) = inner.content.segments.get_mut(&self.sequence) {
                segment.bytes = self.end;
            }
        }
        failpoint("log::before_ack").map_err(|e| self.failed("acknowledging", &e))
    }

    fn encode(&self, operations: &[Operation]) -> (Vec<u8>, Written) {
        let id = SegmentId { sequence: self.sequence, group: self.group };
        let mut batch = BatchBuilder::new(id, self.end);
        let mut written = Vec::new();
        for operation in operations {
            match operation {
                Operation::Append(entries) => {
                    for entry in entries {
                        let offset = batch.push(Kind::Entry, entry.index, &entry.payload);
                        let bytes = u32::try_from(RECORD_HEADER_BYTES + entry.payload.len())
                            .expect("entries are checked at submission");
                        let location = Location { sequence: self.sequence, offset, bytes };
                        written.push((entry.index, entry.serial, location));
                    }
                }
                Operation::Vote(vote) => _ = batch.push(Kind::Vote, 0, vote),
                Operation::TruncateAfter(Some(index)) => {
                    batch.push(Kind::TruncateAfter, *index, &[]);
                }
                Operation::TruncateAfter(None) => _ = batch.push(Kind::TruncateAll, 0, &[]),
                Operation::Purge(purged) => {
                    batch.push(Kind::Purge, purged.index, &purged.id);
                }
                Operation::Barrier => {}
            }
        }
        (batch.into_bytes(), written)
    }

    fn write_durably(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        failpoint("log::before_write").map_err(|e| self.failed("writing", &e))?;
        self.file.write_at(bytes, self.end).map_err(|e| self.failed("writing", &e))?;
        failpoint("log::before_fsync").map_err(|e| self.failed("syncing", &e))?;
        self.file.sync().map_err(|e| self.failed("syncing", &e))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn write_one(&mut self, kind: Kind, index: u64, payload: &[u8]) -> Result<(), LogError> {
        let id = SegmentId { sequence: self.sequence, group: self.group };
        let mut batch = BatchBuilder::new(id, self.end);
        batch.push(kind, index, payload);
        self.write_durably(batch.bytes())
    }

    /// Begins the next segment: header first and synced on its own, so that a segment with a
    /// record in it always has a whole header; then the vote and the purge.
    fn rotate(&mut self, shared: &Shared) -> Result<(), LogError> {
        let id = SegmentId { sequence: self.sequence + 1, group: self.group };
        let segment = create_segment(&*self.disk, &self.dir, id)?;
        self.sequence = id.sequence;
        self.file = Arc::clone(&segment.file);
        self.path.clone_from(&segment.path);
        self.end = HEADER_BYTES;
        self.carry_over()?;
        let segment = OpenSegment { bytes: self.end, ..segment };
        shared.lock().content.segments.insert(self.sequence, segment);
        Ok(())
    }

    /// Repeats the vote and the purge in the active segment, so that older ones can be deleted.
    fn carry_over(&mut self) -> Result<(), LogError> {
        let id = SegmentId { sequence: self.sequence, group: self.group };
        let mut batch = BatchBuilder::new(id, self.end);
        if let Some(vote) = &self.vote {
            batch.push(Kind::Vote, 0, vote);
        }
        if let Some(purged) = &self.purged {
            batch.push(Kind::Purge, purged.index, &purged.id);
        }
        let bytes = batch.into_bytes();
        if bytes.is_empty() { Ok(()) } else { self.write_durably(&bytes) }
    }

    /// Deletes the segments at the front whose entries are all purged, oldest first.
    fn delete_purged(&mut self, shared: &Shared) -> Result<(), LogError> {
        let Some(purged) = self.purged.as_ref().map(|purged| purged.index) else { return Ok(()) };
        let sequences: Vec<u64> =
            shared.lock().content.segments.range(..self.sequence).map(|(s, _)| *s).collect();
        let is_purged = |s: &u64| self.last_index.get(s).is_none_or(|last| *last <= purged);
        let gone: Vec<u64> = sequences.into_iter().take_while(is_purged).collect();
        for sequence in &gone {
            let path = segment_path(&self.dir, *sequence);
            self.disk
                .remove(&path)
                .map_err(|error| LogError::from_io("deleting purged segment", &path, &error))?;
            shared.lock().content.segments.remove(sequence);
            self.last_index.remove(sequence);
        }
        if !gone.is_empty() {
            self.disk.sync_dir(&self.dir).map_err(|e| self.failed("syncing folder", &e))?;
        }
        Ok(())
    }

    fn failed(&self, operation: &'static str, error: &std::io::Error) -> LogError {
        LogError::from_io(operation, &self.path, error)
    }
}

/// Makes an empty segment durable, its name included.
pub(super) fn create_segment(
    disk: &dyn Disk,
    dir: &std::path::Path,
    id: SegmentId,
) -> Result<OpenSegment, LogError> {
    let path = segment_path(dir, id.sequence);
    let fail = |operation, error: std::io::Error| LogError::from_io(operation, &path, &error);
    let file = disk.open(&path).map_err(|e| fail("creating segment", e))?;
    // There may be a torn header of a crash during an earlier attempt.
    file.set_size(0).map_err(|e| fail("creating segment", e))?;
    file.write_at(&id.encode_header(), 0).map_err(|e| fail("writing segment header", e))?;
    file.sync().map_err(|e| fail("syncing segment header", e))?;
    disk.sync_dir(dir).map_err(|e| fail("syncing folder of segment", e))?;
    Ok(OpenSegment { file, path, bytes: HEADER_BYTES })
}

/// Takes what fits in one batch; `None` when the log is closing and nothing is queued.
fn next_batch(shared: &Shared) -> Option<Vec<Queued>> {
    let mut inner = shared.lock();
    while inner.queue.is_empty() {
        if inner.closing {
            return None;
        }
        inner = shared.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
    }
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some(queued) = inner.queue.pop_front() {
        let more = queued.operation.bytes();
        if !batch.is_empty() && bytes + more > LOG_BATCH_BYTES_MAX {
            inner.queue.push_front(queued);
            break;
        }
        bytes += more;
        batch.push(queued);
    }
    inner.queue_bytes -= bytes;
    shared.room.notify_all();
    Some(batch)
}

fn poison(shared: &Shared, error: &LogError) {
    tracing::error!(%error, "log has failed, nothing more will be acknowledged");
    shared.lock().failure.get_or_insert_with(|| error.clone());
    shared.room.notify_all();
}

/// When the writer ends, for whatever reason, nothing that is queued will be written any more.
struct FailWhenDropped<'a>(&'a Shared);

impl Drop for FailWhenDropped<'_> {
    fn drop(&mut self) {
        let (error, queued) = {
            let mut inner = self.0.lock();
            inner.queue_bytes = 0;
            let error = inner.failure.get_or_insert(LogError::Closed).clone();
            (error, std::mem::take(&mut inner.queue))
        };
        self.0.room.notify_all();
        for done in queued.into_iter().filter_map(|queued| queued.done) {
            done(Err(error.clone()));
        }
    }
}
