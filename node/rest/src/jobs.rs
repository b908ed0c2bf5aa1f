//! Jobs.

use crate::Answer;
use crate::Server;
use crate::extract::{Asked, Params, Who};
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use kedge_api::jobs::{Job, JobList, JobState, ListJobsQuery};
use kedge_app::jobs::{JobFilter, subject};
use kedge_model::job as model;
use kedge_model::limits::JOB_ATTEMPTS_MAX;

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("list_jobs", list_jobs)
        .on("get_job", get_job)
        .on("retry_job", retry_job)
        .on("cancel_job", cancel_job)
}

const fn state_word(state: model::JobState) -> JobState {
    match state {
        model::JobState::Ready => JobState::Ready,
        model::JobState::Leased => JobState::Leased,
        model::JobState::Done => JobState::Done,
        model::JobState::Parked => JobState::Parked,
        model::JobState::Cancelled => JobState::Cancelled,
    }
}

const fn wanted_state(state: JobState) -> model::JobState {
    match state {
        JobState::Ready => model::JobState::Ready,
        JobState::Leased => model::JobState::Leased,
        JobState::Done => model::JobState::Done,
        JobState::Parked => model::JobState::Parked,
        JobState::Cancelled => model::JobState::Cancelled,
    }
}

fn job(row: model::Job) -> Job {
    let retried = row.state == model::JobState::Ready && row.failure.is_some();
    Job {
        id: row.id.to_string(),
        kind: row.task.kind().as_str().to_owned(),
        subject: subject(&row),
        account_name: row.account.0,
        state: state_word(row.state),
        attempts: row.attempts,
        attempts_max: JOB_ATTEMPTS_MAX,
        epoch: row.lease.as_ref().map(|_| row.epoch.0),
        node: row.lease.as_ref().map(|lease| lease.node.to_string()),
        lease_until: row.lease.as_ref().map(|lease| lease.until.to_string()),
        not_before: retried.then(|| row.not_before.to_string()),
        last_error: row.failure.map(|failure| format!("{}: {}", failure.code, failure.message)),
        problems: Vec::new(),
        created_at: row.created_at.to_string(),
        updated_at: row.last_updated.to_string(),
    }
}

async fn list_jobs(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<ListJobsQuery>,
) -> Answer<JobList> {
    let filter = JobFilter {
        state: query.state.map(wanted_state),
        kind: query.kind,
        subject: query.subject,
        limit: query.limit,
        after: query.after,
    };
    let page = server.app.list_jobs(&who, filter).await?;
    Ok(Json(JobList { jobs: page.jobs.into_iter().map(job).collect(), next: page.next }))
}

async fn get_job(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<Job> {
    Ok(Json(job(server.app.get_job(&who, &id).await?)))
}

async fn retry_job(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<Job> {
    Ok(Json(job(server.app.retry_job(&who, &id).await?)))
}

async fn cancel_job(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<Job> {
    Ok(Json(job(server.app.cancel_job(&who, &id).await?)))
}
