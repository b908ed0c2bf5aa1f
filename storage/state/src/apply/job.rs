//! Jobs: leased with an epoch, retried a bounded number of times, then parked.

use super::{Result, Work, cut, event, image, reject};
use crate::query;
use crate::row::{self, at};
use crate::schedule;
use kedge_artifact::time::Timestamp;
use kedge_model::command::Response;
use kedge_model::event::EventLevel;
use kedge_model::image::{AnalysisState, Failure, Image};
use kedge_model::job::{Job, JobState, Lease, Priority, Task};
use kedge_model::limits::{
    ERROR_BYTES_MAX, JOB_ATTEMPTS_MAX, JOB_RETRY_BASE_MS, JOBS_WAITING_MAX, LEASE_MS_MAX,
    PAGE_ROWS_MAX,
};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::{AccountName, Epoch, JobId, NodeId};

/// Makes a job that waits.
pub(super) fn enqueue(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    task: Task,
    priority: Priority,
) -> Result<Job> {
    let waiting = row::counter(&work.txn, at::counter("jobs_open", account))?;
    if waiting >= JOBS_WAITING_MAX {
        let text = format!("the account has {JOBS_WAITING_MAX} open jobs (JOBS_WAITING_MAX)");
        return reject(RejectionCode::Limit, text);
    }
    row::set_counter(&mut work.txn, at::counter("jobs_open", account), waiting + 1)?;
    let job = Job {
        id: work.fresh_job(),
        account: account.clone(),
        state: JobState::Ready,
        priority,
        attempts: 0,
        epoch: Epoch(0),
        not_before: work.at(),
        lease: None,
        created_at: work.at(),
        last_updated: work.at(),
        failure: None,
        task,
    };
    if let Some(digest) = image_of(&job) {
        let key = at::jobs_of_image(account, &digest).number(job.id.0);
        row::mark(&mut work.txn, key)?;
    }
    write(work, None, &job)?;
    Ok(job)
}

const fn image_of(job: &Job) -> Option<kedge_artifact::digest::Digest> {
    match job.task {
        Task::Analyze { digest, .. } | Task::Evaluate { digest } => Some(digest),
        Task::SyncFeeds { .. } => None,
    }
}

/// Writes a job and moves its index entries from the old to the new state.
fn write(work: &mut Work<'_, '_>, old: Option<&Job>, job: &Job) -> Result<()> {
    if let Some(old) = old {
        match (&old.state, &old.lease) {
            (JobState::Ready, _) => row::delete(&mut work.txn, at::job_ready(old))?,
            (JobState::Leased, Some(lease)) => {
                row::delete(&mut work.txn, at::job_leased(lease.until, old.id))?;
            }
            (JobState::Done | JobState::Parked | JobState::Cancelled, _) => {
                row::delete(&mut work.txn, at::job_ended(old.last_updated, old.id))?;
            }
            (JobState::Leased, None) => {}
        }
    }
    match (&job.state, &job.lease) {
        (JobState::Ready, _) => {
            row::mark(&mut work.txn, at::job_ready(job))?;
            work.announce_ready(job.task.kind());
        }
        (JobState::Leased, Some(lease)) => {
            row::mark(&mut work.txn, at::job_leased(lease.until, job.id))?;
        }
        (JobState::Done | JobState::Parked | JobState::Cancelled, _) => {
            row::mark(&mut work.txn, at::job_ended(job.last_updated, job.id))?;
        }
        (JobState::Leased, None) => {}
    }
    count_open(work, old, job)?;
    row::put(&mut work.txn, at::job(job.id), job)?;
    Ok(())
}

fn count_open(work: &mut Work<'_, '_>, old: Option<&Job>, job: &Job) -> Result<()> {
    let was_open = old.is_some_and(|old| !old.state.is_final());
    let key = at::counter("jobs_open", &job.account);
    let open = row::counter(&work.txn, key.clone())?;
    let now = match (was_open, old.is_some(), !job.state.is_final()) {
        (true, _, false) => open.saturating_sub(1),
        (false, true, true) => open + 1,
        (true, _, true) | (false, false, _) | (false, true, false) => return Ok(()),
    };
    row::set_counter(&mut work.txn, key, now)?;
    Ok(())
}

fn existing(work: &Work<'_, '_>, id: JobId) -> Result<Job> {
    match row::get::<Job>(&work.txn, at::job(id))? {
        Some(job) => Ok(job),
        None => reject(RejectionCode::JobNotFound, format!("job {id} not found")),
    }
}

/// The job, if the caller still holds it: the fence against late results.
pub(super) fn held(work: &Work<'_, '_>, id: JobId, epoch: Epoch) -> Result<Job> {
    let job = existing(work, id)?;
    if job.state != JobState::Leased || job.epoch != epoch {
        let text = format!("the lease of job {id} with epoch {} was lost", epoch.0);
        return reject(RejectionCode::LeaseLost, text);
    }
    Ok(job)
}

pub(super) fn lease(
    work: &mut Work<'_, '_>,
    id: JobId,
    node: NodeId,
    until: Timestamp,
) -> Result<Response> {
    work.only_nodes()?;
    let old = existing(work, id)?;
    if old.state != JobState::Ready || !schedule::is_due(old.not_before, work.at()) {
        return reject(RejectionCode::JobState, format!("job {id} does not wait for a worker"));
    }
    let mut job = old.clone();
    job.state = JobState::Leased;
    job.attempts += 1;
    job.epoch = Epoch(job.epoch.0 + 1);
    job.lease = Some(Lease { node, until: bounded(work, until) });
    job.last_updated = work.at();
    write(work, Some(&old), &job)?;
    set_image(work, &job, AnalysisState::Analyzing, None)?;
    Ok(Response::Job(Box::new(job)))
}

/// A lease never lasts longer than the limit, whatever a worker with a strange clock asks for.
fn bounded(work: &Work<'_, '_>, until: Timestamp) -> Timestamp {
    until.min(work.at().plus_ms(LEASE_MS_MAX))
}

pub(super) fn renew(
    work: &mut Work<'_, '_>,
    id: JobId,
    epoch: Epoch,
    until: Timestamp,
) -> Result<Response> {
    work.only_nodes()?;
    let old = held(work, id, epoch)?;
    let until = bounded(work, until);
    let mut job = old.clone();
    if let Some(lease) = &mut job.lease {
        lease.until = lease.until.max(until);
    }
    job.last_updated = work.at();
    write(work, Some(&old), &job)?;
    Ok(Response::Done)
}

/// Takes back leases that ran out. Counts as a failed attempt: the worker died or hung.
pub(super) fn expire(work: &mut Work<'_, '_>) -> Result<Response> {
    work.only_nodes()?;
    let ids = schedule::expired(&work.txn, work.at(), PAGE_ROWS_MAX)?;
    let count = ids.len() as u64;
    for id in ids {
        let old = existing(work, id)?;
        let failure = Failure {
            code: "lease_expired".into(),
            message: "the worker stopped answering while it held the job".into(),
        };
        attempt_failed(work, old, failure, true)?;
    }
    Ok(Response::Count(count))
}

pub(super) fn fail(
    work: &mut Work<'_, '_>,
    id: JobId,
    epoch: Epoch,
    failure: &Failure,
    transient: bool,
) -> Result<Response> {
    work.only_nodes()?;
    let old = held(work, id, epoch)?;
    let failure =
        Failure { code: cut(&failure.code, 64), message: cut(&failure.message, ERROR_BYTES_MAX) };
    let job = attempt_failed(work, old, failure, transient)?;
    Ok(Response::Job(Box::new(job)))
}

fn attempt_failed(
    work: &mut Work<'_, '_>,
    old: Job,
    failure: Failure,
    transient: bool,
) -> Result<Job> {
    let mut job = old.clone();
    job.lease = None;
    job.failure = Some(failure.clone());
    job.last_updated = work.at();
    if transient && job.attempts < JOB_ATTEMPTS_MAX {
        job.state = JobState::Ready;
        let wait = JOB_RETRY_BASE_MS << job.attempts.saturating_sub(1).min(10);
        job.not_before = work.at().plus_ms(wait);
        write(work, Some(&old), &job)?;
        set_image(work, &job, AnalysisState::NotAnalyzed, None)?;
        return Ok(job);
    }
    job.state = JobState::Parked;
    write(work, Some(&old), &job)?;
    set_image(work, &job, AnalysisState::Failed, Some(&failure))?;
    record_parked(work, &job, &failure)?;
    Ok(job)
}

fn record_parked(work: &mut Work<'_, '_>, job: &Job, failure: &Failure) -> Result<()> {
    let (kind, resource_kind, resource, service) = match &job.task {
        Task::Analyze { digest, .. } => {
            ("user.image.analysis.failed", "image_digest", digest.to_string(), "analyzer")
        }
        Task::Evaluate { digest } => (
            "system.image_analysis.policy_engine_load_failed",
            "image_digest",
            digest.to_string(),
            "policy_engine",
        ),
        Task::SyncFeeds { .. } => {
            ("system.feeds.sync.failed", "feeds", "vulnerabilities".to_owned(), "policy_engine")
        }
    };
    let details = vec![
        ("attempts".to_owned(), job.attempts.to_string()),
        ("code".to_owned(), failure.code.clone()),
        ("job".to_owned(), job.id.to_string()),
    ];
    event::record_for(
        work,
        &job.account,
        event::Draft {
            kind,
            level: EventLevel::Error,
            resource: (resource_kind, &resource),
            message: &failure.message,
            details,
            service,
        },
    )
}

/// Keeps the image's analysis state in step with its analysis job.
fn set_image(
    work: &mut Work<'_, '_>,
    job: &Job,
    state: AnalysisState,
    failure: Option<&Failure>,
) -> Result<()> {
    let Task::Analyze { digest, .. } = &job.task else { return Ok(()) };
    let Some(mut image) = row::get::<Image>(&work.txn, at::image(&job.account, digest))? else {
        return Ok(());
    };
    image.analysis = state;
    image.failure = failure.cloned();
    image.last_updated = work.at();
    image::write(work, &image)
}

/// Ends a held job successfully.
pub(super) fn done(work: &mut Work<'_, '_>, old: Job) -> Result<()> {
    let mut job = old.clone();
    job.state = JobState::Done;
    job.lease = None;
    job.failure = None;
    job.last_updated = work.at();
    write(work, Some(&old), &job)
}

pub(super) fn finish(work: &mut Work<'_, '_>, id: JobId, epoch: Epoch) -> Result<Response> {
    work.only_nodes()?;
    let old = held(work, id, epoch)?;
    done(work, old)?;
    Ok(Response::Done)
}

pub(super) fn release(work: &mut Work<'_, '_>, id: JobId, epoch: Epoch) -> Result<Response> {
    work.only_nodes()?;
    let old = held(work, id, epoch)?;
    let mut job = old.clone();
    job.state = JobState::Ready;
    job.attempts = job.attempts.saturating_sub(1);
    job.lease = None;
    job.not_before = work.at();
    job.last_updated = work.at();
    write(work, Some(&old), &job)?;
    set_image(work, &job, AnalysisState::NotAnalyzed, None)?;
    Ok(Response::Done)
}

/// The permission for a person to touch a job: the right to make such a job.
fn allow(work: &Work<'_, '_>, job: &Job) -> Result<()> {
    match job.task {
        Task::Analyze { .. } | Task::Evaluate { .. } => work.allow(&job.account, "createImage"),
        Task::SyncFeeds { .. } => work.allow(&job.account, "updateFeeds"),
    }
}

pub(super) fn retry(work: &mut Work<'_, '_>, id: JobId) -> Result<Response> {
    let old = existing(work, id)?;
    allow(work, &old)?;
    if !matches!(old.state, JobState::Parked | JobState::Cancelled) {
        let text = format!(
            "job {id} is {}, only parked or cancelled jobs can be retried",
            old.state.as_str()
        );
        return reject(RejectionCode::JobState, text);
    }
    refuse_second(work, &old)?;
    let mut job = old.clone();
    job.state = JobState::Ready;
    job.attempts = 0;
    job.not_before = work.at();
    job.last_updated = work.at();
    write(work, Some(&old), &job)?;
    set_image(work, &job, AnalysisState::NotAnalyzed, None)?;
    Ok(Response::Job(Box::new(job)))
}

/// A retried job must not run beside a newer one for the same thing, nor for a thing that is gone.
fn refuse_second(work: &Work<'_, '_>, job: &Job) -> Result<()> {
    let second = match &job.task {
        Task::Analyze { digest, .. } | Task::Evaluate { digest } => {
            if row::get::<Image>(&work.txn, at::image(&job.account, digest))?.is_none() {
                return reject(RejectionCode::ImageNotFound, "the image of this job was deleted");
            }
            query::job::of_image(&work.txn, &job.account, digest)?
                .into_iter()
                .find(|other| other.task.kind() == job.task.kind() && !other.state.is_final())
        }
        Task::SyncFeeds { .. } => query::feed::open_sync(&work.txn)?,
    };
    match second {
        Some(other) => {
            let text = format!("job {} does the same and is {}", other.id, other.state.as_str());
            reject(RejectionCode::JobState, text)
        }
        None => Ok(()),
    }
}

pub(super) fn cancel(work: &mut Work<'_, '_>, id: JobId) -> Result<Response> {
    let old = existing(work, id)?;
    allow(work, &old)?;
    if old.state.is_final() {
        let text = format!("job {id} has ended already: it is {}", old.state.as_str());
        return reject(RejectionCode::JobState, text);
    }
    let job = withdraw(work, old)?;
    let failure = Failure { code: "cancelled".into(), message: "the job was cancelled".into() };
    set_image(work, &job, AnalysisState::Failed, Some(&failure))?;
    Ok(Response::Job(Box::new(job)))
}

pub(super) fn withdraw(work: &mut Work<'_, '_>, old: Job) -> Result<Job> {
    let mut job = old.clone();
    job.state = JobState::Cancelled;
    job.lease = None;
    job.last_updated = work.at();
    write(work, Some(&old), &job)?;
    Ok(job)
}
