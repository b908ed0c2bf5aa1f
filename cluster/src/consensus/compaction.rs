//! Keeps the log short: decides when a snapshot is made and lets the log go up to what two
//! snapshots cover.
//!
//! A snapshot that cannot be written (a full disk, mostly) is reported and tried again after some
//! more entries; it never stops the node, which the engine's own policy would do.

use std::sync::Arc;

use kedge_storage::log::Log;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::watch;

use super::snapshot::SnapshotError;
use super::{Consensus, MakeSnapshotError, Status};

/// The log on disk may be this many times the bytes between two snapshots: it reaches back to the
/// older of two, and a third part is being written.
const LOG_INTERVALS: u64 = 3;

/// When to make snapshots.
#[derive(Debug, Clone)]
pub(crate) struct Compaction {
    /// After so many entries.
    pub(crate) every_entries: u64,
    /// After so many bytes of log.
    pub(crate) every_bytes: u64,
    /// The grain in which the log shrinks.
    pub(crate) segment_bytes: u64,
}

struct Progress {
    appended_bytes: u64,
    not_before_index: u64,
}

impl Compaction {
    /// Runs until `stop` becomes true or the engine stops.
    pub(crate) async fn run(self, consensus: Arc<Consensus>, mut stop: watch::Receiver<bool>) {
        let mut progress = Progress { appended_bytes: 0, not_before_index: 0 };
        let mut metrics = consensus.raft.metrics();
        loop {
            let is_stopped = tokio::select! {
                // An error means that the handle is gone, which is a stop too.
                _ = stop.wait_for(|stop| *stop) => true,
                changed = metrics.changed() => changed.is_err(),
            };
            if is_stopped || self.step(&consensus, &mut progress).await.is_err() {
                return;
            }
        }
    }

    async fn step(&self, consensus: &Consensus, progress: &mut Progress) -> Result<(), ()> {
        let status = consensus.status();
        if self.is_due(&status, consensus, progress) {
            let appended_bytes = consensus.appended_bytes();
            match consensus.make_snapshot().await {
                Ok(_) => progress.appended_bytes = appended_bytes,
                Err(MakeSnapshotError::Engine(_)) => return Err(()),
                Err(MakeSnapshotError::Write(SnapshotError::Stopping)) => return Err(()),
                Err(MakeSnapshotError::Write(error)) => {
                    tracing::error!(%error, "snapshot failed, trying again later");
                    let wait = self.every_entries.div_ceil(8).max(1);
                    progress.not_before_index = status.applied_index.unwrap_or(0) + wait;
                }
            }
        }
        consensus.purge_covered().await.map_err(drop)
    }

    fn is_due(&self, status: &Status, consensus: &Consensus, progress: &Progress) -> bool {
        let Some(applied) = status.applied_index else { return false };
        let since = applied.saturating_sub(status.snapshot_index.unwrap_or(0));
        if since == 0 || applied < progress.not_before_index {
            return false;
        }
        let appended = consensus.appended_bytes() - progress.appended_bytes;
        since >= self.every_entries
            || appended >= self.every_bytes
            || self.is_log_overlong(&consensus.log)
    }

    // What earlier runs of the process left counts too.
    fn is_log_overlong(&self, log: &Log) -> bool {
        let bytes_max = LOG_INTERVALS * self.every_bytes + 2 * self.segment_bytes;
        log.disk_bytes() > bytes_max
    }
}
