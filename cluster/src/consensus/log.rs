//! The consensus engine's log, kept in the durable log of the storage crate.
//!
//! Appends return as soon as the entries can be read and are queued; the engine learns from the
//! log's writer thread that they are durable. Everything that blocks runs on a blocking thread.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, Stream};
use kedge_storage::log::{Ack, Log, LogEntry, LogError};
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use tokio::sync::oneshot;

use super::{EntryOf, InUse, LogIdOf, TypeConfig, VoteOf, encoding};
use crate::limits::READ_BYTES_MAX;

/// The log as the engine sees it; also its reader. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LogStore {
    log: Arc<Log>,
    appended_bytes: Arc<AtomicU64>,
    // Tells the stopping node that the engine has let go of the log.
    _in_use: InUse,
}

impl LogStore {
    pub(crate) fn new(log: Arc<Log>, in_use: InUse) -> Self {
        Self { log, appended_bytes: Arc::new(AtomicU64::new(0)), _in_use: in_use }
    }

    /// Counts the bytes appended since this process started; drives compaction. Does not keep the
    /// log in use.
    pub(crate) fn byte_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.appended_bytes)
    }

    async fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<EntryOf>> {
        if start >= end {
            return Ok(Vec::new());
        }
        let log = Arc::clone(&self.log);
        tokio::task::spawn_blocking(move || read(&log, start, end, bytes_max))
            .await
            .map_err(io::Error::other)?
    }

    fn bounds(&self, range: &impl RangeBounds<u64>) -> (u64, u64) {
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        (start, end)
    }
}

fn read(log: &Log, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<EntryOf>> {
    loop {
        // The engine tolerates a purged beginning; the log calls it missing.
        let start = start.max(first_index(log));
        if start >= end {
            return Ok(Vec::new());
        }
        match log.read(start..end, bytes_max) {
            Ok(entries) => {
                return entries.iter().map(decode).collect();
            }
            // A purge came between the two calls.
            Err(LogError::Missing { .. }) if first_index(log) > start => {}
            Err(error) => return Err(io_error(error)),
        }
    }
}

/// The first index that is not purged.
fn first_index(log: &Log) -> u64 {
    let state = log.state();
    let after_purged = state.last_purged.map(|purged| purged.index + 1);
    state.first_index.or(after_purged).unwrap_or(0)
}

fn decode(entry: &LogEntry) -> io::Result<EntryOf> {
    let decoded = encoding::decode_entry(&entry.payload)?;
    if decoded.log_id.index == entry.index {
        return Ok(decoded);
    }
    let (found, expected) = (decoded.log_id.index, entry.index);
    let message = format!("log entry {expected} says that it is entry {found}");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

fn io_error(error: LogError) -> io::Error {
    io::Error::other(error)
}

/// Runs an operation of the log and waits for it without holding a thread.
async fn wait(submit: impl FnOnce(Ack) -> Result<(), LogError>) -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    // When the engine gave up waiting, nobody needs the answer.
    submit(Box::new(move |result| drop(sender.send(result)))).map_err(io_error)?;
    receiver.await.unwrap_or(Err(LogError::Closed)).map_err(io_error)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<EntryOf>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = self.bounds(&range);
        self.read(start, end, usize::MAX).await
    }

    // The engine applies committed entries through this. After a restart that can be the whole
    // log, so it is read page by page.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<EntryOf>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = self.bounds(&range);
        let store = self.clone();
        let pages = stream::try_unfold((store, start), move |(store, next)| async move {
            let page = store.read(next, end, READ_BYTES_MAX).await?;
            let Some(last) = page.last() else { return Ok::<_, io::Error>(None) };
            let next = last.log_id.index + 1;
            Ok(Some((stream::iter(page.into_iter().map(Ok)), (store, next))))
        });
        Box::pin(futures::TryStreamExt::try_flatten(pages))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<EntryOf>> {
        self.read(start, end, READ_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<VoteOf>> {
        self.log.vote().map(|bytes| encoding::decode_vote(&bytes)).transpose()
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.log.state();
        let purged = state.last_purged.as_ref().map(|purged| encoding::decode_log_id(&purged.id));
        let last_purged_log_id = purged.transpose()?;
        let last_log_id = match state.last_index {
            Some(last) => {
                let entries = self.read(last, last + 1, READ_BYTES_MAX).await?;
                entries.first().map(|entry| entry.log_id)
            }
            None => last_purged_log_id,
        };
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf) -> io::Result<()> {
        let vote = encoding::encode_vote(*vote);
        wait(|done| self.log.submit_vote(vote, done)).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = EntryOf> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<LogEntry> = entries
            .into_iter()
            .map(|entry| {
                let index = entry.log_id.index;
                LogEntry { index, payload: encoding::encode_entry(entry) }
            })
            .collect();
        let bytes: usize = entries.iter().map(|entry| entry.payload.len()).sum();
        self.appended_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        // This may block while the log's queue is full; PROPOSAL_BYTES_IN_FLIGHT_MAX keeps the
        // proposals of this node below that.
        let done: Ack = Box::new(move |result| callback.io_completed(result.map_err(io_error)));
        self.log.append(entries, done).map_err(io_error)
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf>) -> io::Result<()> {
        let index = last.map(|id| id.index);
        wait(|done| self.log.submit_truncate_after(index, done)).await
    }

    async fn purge(&mut self, upto: LogIdOf) -> io::Result<()> {
        let id = encoding::encode_log_id(upto);
        wait(|done| self.log.submit_purge(upto.index, id, done)).await
    }
}
