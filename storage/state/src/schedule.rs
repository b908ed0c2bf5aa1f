//! Which job a worker should ask for: a pure choice over a view.

use crate::row::{self, StateError, at};
use kedge_artifact::time::Timestamp;
use kedge_model::job::{Job, JobKind, JobState};
use kedge_model::limits::{JOB_WAIT_MS_MAX, LEASE_MS_MAX};
use kedge_model::tokens::JobId;
use kedge_storage::keyspaces::{Key, KeyReader, Keyspace};
use kedge_storage::kv::{View, prefix_end};

/// Waiting jobs looked at in one choice. Jobs whose time has not come sort after those whose time
/// has, within one priority, so this bounds only the number of priorities times skips.
const LOOK_MAX: usize = 64;

/// Whether a job that waits until `not_before` may run: its time has come, or is so far ahead that
/// it can only come from a clock that went back since.
#[must_use]
pub fn is_due(not_before: Timestamp, now: Timestamp) -> bool {
    not_before <= now || not_before > now.plus_ms(JOB_WAIT_MS_MAX)
}

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
            if !is_due(not_before, now) {
                continue;
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

/// Leases that ran out at `now`, oldest first, at most `limit`; also those that end later than any
/// lease can, which a clock that went back since has left behind.
///
/// # Errors
/// When the store fails.
pub fn expired(view: &dyn View, now: Timestamp, limit: usize) -> Result<Vec<JobId>, StateError> {
    let mut jobs = Vec::new();
    let latest = now.plus_ms(LEASE_MS_MAX);
    for reverse in [false, true] {
        let prefix = Key::new(Keyspace::JobsLeased).build();
        let left = limit.saturating_sub(jobs.len());
        for (key, _) in view.range(&prefix, prefix_end(&prefix).as_deref(), reverse, left)? {
            let Some((until, id)) = read_leased(&key) else { break };
            let over = if reverse { until > latest } else { until <= now };
            if !over {
                break;
            }
            jobs.push(id);
        }
    }
    Ok(jobs)
}

fn read_leased(key: &[u8]) -> Option<(Timestamp, JobId)> {
    let mut reader = KeyReader::new(Keyspace::JobsLeased, key)?;
    Some((Timestamp(reader.signed()?), JobId(reader.number()?)))
}

fn read_ready(key: &[u8]) -> Option<(Timestamp, JobId)> {
    let mut reader = KeyReader::new(Keyspace::JobsReady, key)?;
    let _kind: [u8; 1] = reader.fixed()?;
    let _priority: [u8; 1] = reader.fixed()?;
    Some((Timestamp(reader.signed()?), JobId(reader.number()?)))
}
