//! Housekeeping, a bounded amount in each entry.

use super::{Result, Work, account, event};
use crate::query;
use crate::row::{self, StateError, at};
use kedge_artifact::time::Timestamp;
use kedge_model::account::AccountState;
use kedge_model::command::Response;
use kedge_model::job::{Job, Task};
use kedge_model::limits::{EVENTS_KEPT_MAX, JOB_KEPT_MS, PAGE_ROWS_MAX, REQUEST_KEPT_MS};
use kedge_model::tokens::{AccountName, JobId};
use kedge_storage::keyspaces::{Key, KeyReader, Keyspace};
use kedge_storage::kv::{View, prefix_end};

pub(super) fn prune(work: &mut Work<'_, '_>) -> Result<Response> {
    work.only_nodes()?;
    let mut count = requests(work)? + jobs(work)?;
    for known in query::account::list(&work.txn)? {
        count += events(work, &known.name)?;
        if known.state == AccountState::Deleting {
            count += account::sweep(work, &known.name, PAGE_ROWS_MAX)?;
        }
    }
    Ok(Response::Count(count))
}

fn requests(work: &mut Work<'_, '_>) -> Result<u64> {
    let horizon = Timestamp(work.at().0.saturating_sub(REQUEST_KEPT_MS));
    let mut count = 0;
    for key in row::keys(&work.txn, &Key::new(Keyspace::RequestsByTime), PAGE_ROWS_MAX)? {
        let mut reader = KeyReader::new(Keyspace::RequestsByTime, &key);
        let parts = reader.as_mut().and_then(|r| Some((r.signed()?, r.fixed::<16>()?)));
        let Some((at, request)) = parts else { break };
        if Timestamp(at) > horizon {
            break;
        }
        row::delete(&mut work.txn, Key::new(Keyspace::Requests).fixed(&request))?;
        work.txn.delete(key).map_err(StateError::from)?;
        count += 1;
    }
    Ok(count)
}

/// Ended jobs, parked ones too: what a person has not looked at for that long is in the events.
fn jobs(work: &mut Work<'_, '_>) -> Result<u64> {
    let horizon = Timestamp(work.at().0.saturating_sub(JOB_KEPT_MS));
    let mut count = 0;
    for key in row::keys(&work.txn, &Key::new(Keyspace::JobsEnded), PAGE_ROWS_MAX)? {
        let mut reader = KeyReader::new(Keyspace::JobsEnded, &key);
        let parts = reader.as_mut().and_then(|r| Some((r.signed()?, r.number()?)));
        let Some((at, id)) = parts else { break };
        if Timestamp(at) > horizon {
            break;
        }
        if let Some(job) = row::get::<Job>(&work.txn, at::job(JobId(id)))? {
            if let Task::Analyze { digest, .. } | Task::Evaluate { digest } = &job.task {
                let index = at::jobs_of_image(&job.account, digest).number(id);
                row::delete(&mut work.txn, index)?;
            }
            row::delete(&mut work.txn, at::job(job.id))?;
        }
        work.txn.delete(key).map_err(StateError::from)?;
        count += 1;
    }
    Ok(count)
}

/// The oldest events beyond the limit. They are at the end of the newest-first order.
fn events(work: &mut Work<'_, '_>, account: &AccountName) -> Result<u64> {
    let counter = at::counter(event::COUNTER, account);
    let known = row::counter(&work.txn, counter.clone())?;
    let excess = known.saturating_sub(EVENTS_KEPT_MAX as u64).min(PAGE_ROWS_MAX as u64);
    if excess == 0 {
        return Ok(0);
    }
    let prefix = at::events(account).build();
    let oldest = work
        .txn
        .range(&prefix, prefix_end(&prefix).as_deref(), true, excess as usize)
        .map_err(StateError::from)?;
    let count = oldest.len() as u64;
    for (key, _) in oldest {
        work.txn.delete(key).map_err(StateError::from)?;
    }
    row::set_counter(&mut work.txn, counter, known - count)?;
    Ok(count)
}
