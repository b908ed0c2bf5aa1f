//! Reading the segments back after a stop of any kind.
//!
//! Only the last batch of the last segment can be torn: a batch is begun only after the one before
//! it was synced, and a segment only after the one before it. So when a record of the last segment
//! is not valid, the rest of the file is searched for valid records. One that belongs to a later
//! batch proves that the damaged bytes had been synced: that is corruption, and an error. One of
//! the same batch proves nothing, because a disk may write the pages of a batch in any order;
//! nobody was told that this batch is durable, so it is cut from the first invalid record on.
//! (Damage to the last batch after it was acknowledged cannot be told from a torn write, except
//! after an orderly close, which appends a batch of its own.)

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::memory::{Content, Location, OpenSegment, Slot};
use super::segment::{
    FORMAT, HEADER_BYTES, Header, Kind, RECORD_HEADER_BYTES, Record, SegmentId, read_record,
};
use super::writer::create_segment;
use super::{LogError, Purged, segment_path};
use crate::limits::{LOG_BATCH_BYTES_MAX, LOG_ENTRY_BYTES_MAX, LOG_SEGMENT_BYTES_MAX};

/// A segment is closed once it passes its size, so it can exceed it by one batch.
const SEGMENT_FILE_BYTES_MAX: u64 =
    LOG_SEGMENT_BYTES_MAX + 2 * (LOG_BATCH_BYTES_MAX + LOG_ENTRY_BYTES_MAX) as u64;

/// The log as it was found.
pub(super) struct Recovered {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) content: Content,
    /// Sequence of the segment to write to.
    pub(super) active: u64,
    /// Highest entry index ever written to each segment.
    pub(super) last_index: BTreeMap<u64, u64>,
}

pub(super) fn recover(disk: Arc<dyn Disk>, dir: &Path, group: u32) -> Result<Recovered, LogError> {
    let fail = |operation, error: std::io::Error| LogError::from_io(operation, dir, &error);
    disk.create_dir(dir).map_err(|e| fail("creating folder", e))?;
    let mut sequences: Vec<u64> = disk
        .list(dir)
        .map_err(|e| fail("listing", e))?
        .iter()
        .filter_map(|name| parse_name(name))
        .collect();
    sequences.sort_unstable();
    let (stale, run) = split_at_gap(&sequences);
    let mut replay =
        Replay { dir, group, content: Content::default(), last_index: BTreeMap::new() };
    let Some(active) = run.last().copied() else {
        let segment = create_segment(&*disk, dir, SegmentId { sequence: 1, group })?;
        replay.content.segments.insert(1, segment);
        let Replay { content, last_index, .. } = replay;
        return Ok(Recovered { disk, dir: dir.to_owned(), content, active: 1, last_index });
    };
    for sequence in run {
        replay.segment(&*disk, *sequence, *sequence == active)?;
    }
    replay.check_front(run[0], stale)?;
    let Replay { content, last_index, .. } = replay;
    // Deleting a purged segment is not synced segment by segment, so a power cut may bring an
    // older one back after a newer one was gone. What it holds is purged.
    for sequence in stale {
        let path = segment_path(dir, *sequence);
        disk.remove(&path).map_err(|e| fail("deleting purged segment", e))?;
    }
    // What was read may so far be only in the page cache, if just the process died. From here on
    // callers count on it, so it has to be durable first.
    let segment = &content.segments[&active];
    segment.file.sync().map_err(|e| LogError::from_io("syncing", &segment.path, &e))?;
    disk.sync_dir(dir).map_err(|e| fail("syncing folder", e))?;
    Ok(Recovered { disk, dir: dir.to_owned(), content, active, last_index })
}

fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// The last contiguous run of sequences, and what is before it.
fn split_at_gap(sequences: &[u64]) -> (&[u64], &[u64]) {
    let gap = sequences.windows(2).rposition(|pair| pair[1] != pair[0] + 1);
    sequences.split_at(gap.map_or(0, |at| at + 1))
}

struct Replay<'a> {
    dir: &'a Path,
    group: u32,
    content: Content,
    last_index: BTreeMap<u64, u64>,
}

impl Replay<'_> {
    fn segment(&mut self, disk: &dyn Disk, sequence: u64, is_last: bool) -> Result<(), LogError> {
        let id = SegmentId { sequence, group: self.group };
        let path = segment_path(self.dir, sequence);
        let fail = |operation, error: std::io::Error| LogError::from_io(operation, &path, &error);
        let file = disk.open(&path).map_err(|e| fail("opening segment", e))?;
        let size = file.size().map_err(|e| fail("reading size of segment", e))?;
        let corrupt = |offset, reason| {
            Err(LogError::Corrupt { segment: path.display().to_string(), offset, reason })
        };
        if size > SEGMENT_FILE_BYTES_MAX {
            return corrupt(0, "segment is larger than any the log writes");
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_at(&mut bytes, 0).map_err(|e| fail("reading segment", e))?;
        match id.check_header(&bytes) {
            Header::Good => {}
            // A header is synced before the first record is written.
            Header::Damaged if is_last && size <= HEADER_BYTES => {
                let segment = create_segment(disk, self.dir, id)?;
                self.content.segments.insert(sequence, segment);
                return Ok(());
            }
            Header::Damaged => return corrupt(0, "segment header is damaged"),
            Header::OtherSequence => return corrupt(0, "segment was renamed"),
            Header::Newer(found) => {
                let segment = path.display().to_string();
                return Err(LogError::NewerFormat { segment, found, known: FORMAT });
            }
            Header::OtherGroup(found) => {
                let (segment, expected) = (path.display().to_string(), self.group);
                return Err(LogError::WrongGroup { segment, found, expected });
            }
        }
        let (end, last_batch) = self.records(id, &bytes, &path)?;
        if end < size {
            let at = usize::try_from(end).unwrap_or(usize::MAX);
            if !is_last || has_later_batch(id, &bytes, at) {
                return corrupt(end, "record is damaged, valid records follow");
            }
            tracing::warn!(segment = %path.display(), offset = end, cut_bytes = size - end,
                "torn tail of the log cut");
            file.set_size(end).map_err(|e| fail("cutting torn tail", e))?;
            file.sync().map_err(|e| fail("syncing cut tail", e))?;
        }
        if is_last {
            refresh(&*file, &bytes, last_batch, end).map_err(|e| fail("rewriting tail", e))?;
        }
        self.content.segments.insert(sequence, OpenSegment { file, path, bytes: end });
        Ok(())
    }

    /// Replays records up to the first that is not valid; returns its offset and that of the last
    /// batch.
    fn records(
        &mut self,
        id: SegmentId,
        bytes: &[u8],
        path: &Path,
    ) -> Result<(u64, u64), LogError> {
        let mut offset = HEADER_BYTES;
        let mut last_batch = HEADER_BYTES;
        while let Some(record) = usize::try_from(offset)
            .ok()
            .and_then(|at| bytes.get(at..))
            .and_then(|rest| read_record(id, offset, rest))
        {
            self.record(id.sequence, offset, &record).map_err(|reason| LogError::Corrupt {
                segment: path.display().to_string(),
                offset,
                reason,
            })?;
            offset += record.bytes();
            last_batch = record.batch_offset;
        }
        Ok((offset, last_batch))
    }

    fn record(
        &mut self,
        sequence: u64,
        offset: u64,
        record: &Record<'_>,
    ) -> Result<(), &'static str> {
        match record.kind {
            Kind::Entry => {
                let bytes = u32::try_from(record.bytes()).map_err(|_| "entry is too large")?;
                self.entry(record.index, Location { sequence, offset, bytes })
            }
            Kind::Vote => {
                self.content.vote = Some(record.payload.to_vec());
                Ok(())
            }
            Kind::TruncateAfter => {
                self.content.truncate_after(Some(record.index));
                Ok(())
            }
            Kind::TruncateAll => {
                self.content.truncate_after(None);
                Ok(())
            }
            Kind::Purge => {
                let is_forward =
                    self.content.purged.as_ref().is_none_or(|p| p.index < record.index);
                if is_forward {
                    let id = record.payload.to_vec();
                    self.content.purge(Purged { index: record.index, id });
                }
                Ok(())
            }
            Kind::Closed => Ok(()),
        }
    }

    fn entry(&mut self, index: u64, location: Location) -> Result<(), &'static str> {
        let content = &mut self.content;
        // In an empty log the entries before may have been in a deleted segment; `check_front`
        // looks whether they were purged.
        if !content.slots.is_empty() && content.next_index() != Some(index) {
            return Err("entry does not continue the log");
        }
        content.push(index, Slot::stored(location));
        let last = self.last_index.entry(location.sequence).or_insert(index);
        *last = (*last).max(index);
        Ok(())
    }

    /// Checks that nothing needed was in segments that are not there any more.
    fn check_front(&self, oldest: u64, stale: &[u64]) -> Result<(), LogError> {
        let content = &self.content;
        // Segments are only deleted by a purge, from the first on.
        let is_whole = match (&content.purged, content.slots.is_empty()) {
            (_, _) if oldest == 1 && stale.is_empty() => true,
            (Some(purged), false) => content.first <= purged.index.saturating_add(1),
            (Some(_), true) => true,
            (None, _) => false,
        };
        if is_whole {
            return Ok(());
        }
        let path = self.dir.display().to_string();
        Err(LogError::MissingSegment { sequence: oldest.saturating_sub(1), path })
    }
}

/// Writes the header and the last batch once more, with the bytes they have. After a failed sync a
/// system may hold pages that it takes for written and that are not on disk; the sync at the end
/// of recovery would then do nothing. Only what was written after the last good sync can be such:
/// one batch, or the header of a new segment.
fn refresh(file: &dyn DiskFile, bytes: &[u8], last_batch: u64, end: u64) -> std::io::Result<()> {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    file.write_at(&bytes[..at(HEADER_BYTES)], 0)?;
    file.write_at(&bytes[at(last_batch)..at(end)], last_batch)
}

/// True when a valid record of a batch that begins after `damage` follows.
fn has_later_batch(id: SegmentId, bytes: &[u8], damage: usize) -> bool {
    let last = bytes.len().saturating_sub(RECORD_HEADER_BYTES);
    (damage + 1..=last).any(|at| {
        read_record(id, at as u64, &bytes[at..])
            .is_some_and(|record| record.batch_offset > damage as u64)
    })
}
