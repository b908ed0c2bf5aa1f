//! The durable consensus log: entries, the vote and the last purge of one consensus group.
//!
//! Called by the cluster's log adapter. What is acknowledged here survives a power cut: one writer
//! thread owns the files and completes a callback only after one write and one `fdatasync` that
//! cover it (group commit: everything queued meanwhile shares the next sync). After the first
//! failure of the file system nothing is acknowledged any more and every call fails with that
//! error, because a page that could not be synced may be gone although it reads back well; the
//! node has to stop and recover from the files.
//!
//! Entries and identifiers are opaque bytes. This module must not learn what is in them.
//!
//! Files: `<dir>/<sequence, 20 digits>.log`, format in `log/segment.rs`; `log/recovery.rs` says what
//! is done about a torn tail.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use thiserror::Error;

use crate::limits::{
    LOG_CACHE_BYTES, LOG_QUEUE_BYTES_MAX, LOG_SEGMENT_BYTES, LOG_SEGMENT_BYTES_MAX,
};

pub mod disk;
mod memory;
mod recovery;
mod segment;
mod writer;

use disk::{Disk, RealDisk};
use memory::Shared;

/// Completes one operation of the log; runs on the log's writer thread, so it must be short and
/// must not call the log.
pub type Ack = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// An entry of the log. `payload` is the whole encoded entry, its identifier included.
#[derive(Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Position in the log.
    pub index: u64,
    /// Opaque bytes.
    pub payload: Vec<u8>,
}

impl fmt::Debug for LogEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads may hold sealed secrets and are never printed.
        write!(out, "LogEntry({}, {} bytes)", self.index, self.payload.len())
    }
}

/// The end of the removed beginning of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// Entries up to this index, inclusive, are gone.
    pub index: u64,
    /// Opaque identifier of that entry.
    pub id: Vec<u8>,
}

/// What the log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogState {
    /// Index of the first entry that can be read.
    pub first_index: Option<u64>,
    /// Index of the last entry that can be read.
    pub last_index: Option<u64>,
    /// Where the log was last purged.
    pub last_purged: Option<Purged>,
}

/// Why the log refused or failed.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum LogError {
    /// The disk is full. The log takes nothing more until it is opened again.
    #[error("disk full while {operation} in log {path}")]
    DiskFull {
        /// What was being done.
        operation: &'static str,
        /// File or folder.
        path: String,
    },
    /// The file system failed. The log takes nothing more until it is opened again.
    #[error("{operation} in log {path}: {message}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// File or folder.
        path: String,
        /// Kind of the failure.
        kind: io::ErrorKind,
        /// What the system said.
        message: String,
    },
    /// Bytes that had been synced are damaged. Never skipped: the node has to be rebuilt under a
    /// fresh identity.
    #[error("log segment {segment} is corrupt at byte {offset}: {reason}")]
    Corrupt {
        /// Path of the segment.
        segment: String,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A segment between others, or one that holds entries still needed, is gone.
    #[error("log segment {sequence} is missing in {path}")]
    MissingSegment {
        /// Sequence number of the segment.
        sequence: u64,
        /// Folder of the log.
        path: String,
    },
    /// Written by a newer version of this program.
    #[error("log segment {segment} has format {found}, this version knows up to {known}")]
    NewerFormat {
        /// Path of the segment.
        segment: String,
        /// Format of the segment.
        found: u32,
        /// Newest known format.
        known: u32,
    },
    /// The files belong to another consensus group.
    #[error("log segment {segment} belongs to group {found}, expected {expected}")]
    WrongGroup {
        /// Path of the segment.
        segment: String,
        /// Group in the file.
        found: u32,
        /// Group asked for.
        expected: u32,
    },
    /// An append does not continue the log.
    #[error("appended entry has index {found}, expected {expected}")]
    NotContiguous {
        /// The next index of the log.
        expected: u64,
        /// The index given.
        found: u64,
    },
    /// An entry, vote or identifier is over its limit.
    #[error("{what} has {bytes} bytes, {limit_name} is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// Name of the limit.
        limit_name: &'static str,
        /// The limit.
        limit: usize,
    },
    /// An entry was asked for that the log does not hold.
    #[error("log entry {index} is not there")]
    Missing {
        /// The first index that is not there.
        index: u64,
    },
    /// The options make no sense.
    #[error("log option {option} must be between {min} and {max}, is {found}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// The value given.
        found: u64,
    },
    /// The log was closed.
    #[error("log is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn from_io(operation: &'static str, path: &Path, error: &io::Error) -> Self {
        let path = path.display().to_string();
        if crate::files::is_disk_full(error) {
            return Self::DiskFull { operation, path };
        }
        Self::Io { operation, path, kind: error.kind(), message: error.to_string() }
    }
}

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Consensus group; every segment and record carries it.
    pub group: u32,
    /// Size at which the next segment is begun.
    pub segment_bytes: u64,
    /// Bytes of recent entries kept in memory.
    pub cache_bytes_max: usize,
    /// Bytes waiting to be written before `append` blocks.
    pub queue_bytes_max: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            group: 0,
            segment_bytes: LOG_SEGMENT_BYTES,
            cache_bytes_max: LOG_CACHE_BYTES,
            queue_bytes_max: LOG_QUEUE_BYTES_MAX,
        }
    }
}

impl LogOptions {
    fn check(&self) -> Result<(), LogError> {
        // A segment must hold its header and the carried-over records with room to spare.
        let min = 4096;
        if !(min..=LOG_SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            let (option, max) = ("segment_bytes", LOG_SEGMENT_BYTES_MAX);
            return Err(LogError::Option { option, min, max, found: self.segment_bytes });
        }
        Ok(())
    }
}

/// The log of one consensus group. Shared as `Arc<Log>`; all methods may be called from several
/// threads. Dropping it writes and syncs what is queued.
pub struct Log {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Log").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens or creates the log in a folder; cuts a torn tail. Everything that can be read
    /// afterwards is durable.
    ///
    /// # Errors
    /// Corruption, a newer format, another group's files, or a failure of the file system.
    pub fn open(dir: &Path, options: LogOptions) -> Result<Self, LogError> {
        Self::open_on(Arc::new(RealDisk), dir, options)
    }

    /// Like [`Log::open`], on another disk than the real one; for fault tests.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: LogOptions) -> Result<Self, LogError> {
        options.check()?;
        let recovered = recovery::recover(disk, dir, options.group)?;
        let (shared, writer) = writer::prepare(recovered, &options)?;
        let shared = Arc::new(shared);
        let for_writer = Arc::clone(&shared);
        let writer = thread::Builder::new()
            .name("kedge-log".to_owned())
            .spawn(move || writer.run(&for_writer))
            .map_err(|error| LogError::from_io("starting writer thread", dir, &error))?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Appends entries. Returns once they can be read and are queued; `done` is called once they
    /// are durable (or have failed). Blocks only while the queue is full.
    ///
    /// # Errors
    /// The entries do not continue the log, one is too large, or the log has failed before; then
    /// nothing was appended and `done` is dropped without being called.
    pub fn append(&self, entries: Vec<LogEntry>, done: Ack) -> Result<(), LogError> {
        self.shared.append(entries, done)
    }

    /// Appends entries and waits until they are durable. For tests and tools.
    ///
    /// # Errors
    /// As [`Log::append`], or the write failed.
    pub fn append_sync(&self, entries: Vec<LogEntry>) -> Result<(), LogError> {
        wait(|done| self.append(entries, done))
    }

    /// Stores the vote; durable when it returns, after everything queued before it.
    ///
    /// # Errors
    /// Too large, or the write failed.
    pub fn save_vote(&self, vote: Vec<u8>) -> Result<(), LogError> {
        wait(|done| self.submit_vote(vote, done))
    }

    /// Like [`Log::save_vote`], but calls `done` instead of blocking.
    ///
    /// # Errors
    /// Too large, or the log has failed before; `done` is not called.
    pub fn submit_vote(&self, vote: Vec<u8>, done: Ack) -> Result<(), LogError> {
        self.shared.submit_vote(vote, done)
    }

    /// Removes the entries after `index` (all of them for `None`). They cannot be read any more
    /// once this was called; durable when it returns.
    ///
    /// # Errors
    /// The write failed.
    pub fn truncate_after(&self, index: Option<u64>) -> Result<(), LogError> {
        wait(|done| self.submit_truncate_after(index, done))
    }

    /// Like [`Log::truncate_after`], but calls `done` instead of blocking. Order with appends is
    /// kept.
    ///
    /// # Errors
    /// The log has failed before; `done` is not called.
    pub fn submit_truncate_after(&self, index: Option<u64>, done: Ack) -> Result<(), LogError> {
        self.shared.submit_truncate_after(index, done)
    }

    /// Removes the entries up to `index`, inclusive, and remembers `id` as the identifier of the
    /// last one. `index` may lie past the end (a snapshot was installed): then the log is empty
    /// and goes on at `index + 1`. Durable when it returns; whole segments are deleted. Going
    /// backwards is a no-op.
    ///
    /// # Errors
    /// The identifier is too large or the write failed.
    pub fn purge(&self, index: u64, id: Vec<u8>) -> Result<(), LogError> {
        wait(|done| self.submit_purge(index, id, done))
    }

    /// Like [`Log::purge`], but calls `done` instead of blocking. Order with appends is kept.
    ///
    /// # Errors
    /// As [`Log::purge`]; `done` is not called.
    pub fn submit_purge(&self, index: u64, id: Vec<u8>, done: Ack) -> Result<(), LogError> {
        self.shared.submit_purge(index, id, done)
    }

    /// Entries of `range` that the log holds, in order, cut after the entry that reaches
    /// `bytes_max` (so that there is progress, at least one entry is returned if the first index
    /// of a non-empty range is there). The part of the range past the end of the log is ignored.
    ///
    /// # Errors
    /// The first index of the range is purged, or a segment cannot be read or is corrupt.
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<LogEntry>, LogError> {
        self.shared.read(range, bytes_max)
    }

    /// First and last index and the last purge, with everything queued taken into account.
    #[must_use]
    pub fn state(&self) -> LogState {
        self.shared.state()
    }

    /// The last durable vote.
    #[must_use]
    pub fn vote(&self) -> Option<Vec<u8>> {
        self.shared.vote()
    }

    /// Bytes of all segments on disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.shared.disk_bytes()
    }

    /// The error after which the log takes nothing more.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.shared.failure()
    }

    /// Waits until everything queued before is durable.
    ///
    /// # Errors
    /// A write failed.
    pub fn flush(&self) -> Result<(), LogError> {
        wait(|done| self.shared.submit_barrier(done))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.close();
        let Some(writer) = self.writer.take() else { return };
        // A callback may own the last handle; the writer cannot wait for itself.
        if writer.thread().id() != thread::current().id() && writer.join().is_err() {
            tracing::error!("log writer thread panicked");
        }
    }
}

/// Runs an operation and waits for its callback.
fn wait(submit: impl FnOnce(Ack) -> Result<(), LogError>) -> Result<(), LogError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    submit(Box::new(move |result| {
        // The receiver lives in this call; it cannot be gone.
        let _ = sender.send(result);
    }))?;
    receiver.recv().unwrap_or(Err(LogError::Closed))
}

/// Path of a segment.
fn segment_path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:020}.log"))
}

#[cfg(test)]
#[path = "log/tests.rs"]
mod tests;
