//! Feeds.

use crate::row::{self, StateError, at};
use crate::schedule;
use kedge_artifact::time::Timestamp;
use kedge_model::feed::FeedState;
use kedge_model::job::{Job, JobKind};
use kedge_model::tokens::JobId;
use kedge_storage::kv::View;

/// The feed state; empty before the first sync.
///
/// # Errors
/// When the store fails.
pub fn state(view: &dyn View) -> Result<FeedState, StateError> {
    Ok(row::get(view, at::feeds())?.unwrap_or_default())
}

/// The feed sync that waits or runs.
///
/// # Errors
/// When the store fails.
pub fn open_sync(view: &dyn View) -> Result<Option<Job>, StateError> {
    let open = |job: &Job| job.task.kind() == JobKind::SyncFeeds && !job.state.is_final();
    // Waiting ones are in the ready index; a held one is among the leases, which are few.
    let far = Timestamp(i64::MAX);
    if let Some(job) = schedule::next(view, JobKind::SyncFeeds, far, 1)?.into_iter().next() {
        return Ok(Some(job));
    }
    for id in schedule::expired(view, far, usize::MAX)? {
        if let Some(job) = row::get::<Job>(view, at::job(JobId(id.0)))?
            && open(&job)
        {
            return Ok(Some(job));
        }
    }
    Ok(None)
}
