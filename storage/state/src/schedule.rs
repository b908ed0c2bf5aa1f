//! Which job a worker should ask for: a pure choice over a view.

use crate::row::{self, StateError, at};
use kedge_artifact::time::Timestamp;
use kedge_model::job::{Job, JobKind, JobState};
use kedge_model::tokens::JobId;
use kedge_storage::keyspaces::{KeyReader, Keyspace};
use kedge_storage::kv::View;

/// Waiting jobs looked at in one choice. Jobs whose time has not come sort after those whose time
/// has, within one priority, so this bounds only the number of priorities times skips.
const LOOK_MAX: usize = 64;

/// The jobs of `kind` that may be leased at `now`, most urgent first, at most `limit`.
///
/// # Errors
/// When the store fails.
pub fn next(
    view: &dyn View,
    kind: JobKind,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Job>, StateError> {
    let mut jobs = Vec::new();
    for priority in [1_u8, 2] {
        let prefix = at::jobs_ready(kind).byte(priority);
        for key in row::keys(view, &prefix, LOOK_MAX)? {
            if jobs.len() >= limit {
                return Ok(jobs);
            }
            let Some((not_before, id)) = read_ready(&key) else { continue };
            if not_before > now {
                break;
            }
            if let Some(job) = row::get::<Job>(view, at::job(id))?
                && job.state == JobState::Ready
            {
                jobs.push(job);
            }
        }
    }
    Ok(jobs)
}

/// The earliest time at which a job of `kind` that waits now may be leased.
///
/// # Errors
/// When the store fails.
pub fn earliest(view: &dyn View, kind: JobKind) -> Result<Option<Timestamp>, StateError> {
    let mut earliest: Option<Timestamp> = None;
    for priority in [1_u8, 2] {
        let prefix = at::jobs_ready(kind).byte(priority);
        let first = row::keys(view, &prefix, 1)?.first().and_then(|key| read_ready(key));
        if let Some((not_before, _)) = first {
            earliest = Some(earliest.map_or(not_before, |known| known.min(not_before)));
        }
    }
    Ok(earliest)
}

/// Leases that ran out at `now`, oldest first, at most `limit`.
///
/// # Errors
/// When the store fails.
pub fn expired(view: &dyn View, now: Timestamp, limit: usize) -> Result<Vec<JobId>, StateError> {
    let prefix = kedge_storage::keyspaces::Key::new(Keyspace::JobsLeased);
    let mut jobs = Vec::new();
    for key in row::keys(view, &prefix, limit)? {
        let mut reader = KeyReader::new(Keyspace::JobsLeased, &key);
        let parts = reader.as_mut().and_then(|r| Some((r.signed()?, r.number()?)));
        match parts {
            Some((until, id)) if Timestamp(until) <= now => jobs.push(JobId(id)),
            Some(_) | None => break,
        }
    }
    Ok(jobs)
}

fn read_ready(key: &[u8]) -> Option<(Timestamp, JobId)> {
    let mut reader = KeyReader::new(Keyspace::JobsReady, key)?;
    let _kind: [u8; 1] = reader.fixed()?;
    let _priority: [u8; 1] = reader.fixed()?;
    Some((Timestamp(reader.signed()?), JobId(reader.number()?)))
}
