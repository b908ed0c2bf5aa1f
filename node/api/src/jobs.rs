//! Jobs: what the cluster is working on. Ours, not the contract's.

use crate::findings::Problem;
use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/kedge/v1/jobs", "list_jobs")
        .access(InAccount("listJobs"))
        .params(query::<ListJobsQuery>)
        .gives(Body::Json(schema::<JobList>))
        .about("Jobs, newest first"),
    Route::get("/kedge/v1/jobs/{job_id}", "get_job")
        .access(InAccount("getJob"))
        .gives(Body::Json(schema::<Job>))
        .about("One job"),
    Route::post("/kedge/v1/jobs/{job_id}/retry", "retry_job")
        .access(InAccount("updateJob"))
        .gives(Body::Json(schema::<Job>))
        .about("Put a parked or cancelled job back in the queue"),
    Route::post("/kedge/v1/jobs/{job_id}/cancel", "cancel_job")
        .access(InAccount("updateJob"))
        .gives(Body::Json(schema::<Job>))
        .about("Stop a job"),
];

/// Jobs on a page when the request does not say.
pub const JOBS_PAGE_DEFAULT: u32 = 100;

/// Most jobs on a page: an answer stays well below a megabyte.
pub const JOBS_PAGE_MAX: u32 = 1000;

/// Life cycle of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for a worker, perhaps after a failure.
    Ready,
    /// A worker holds it.
    Leased,
    /// Finished.
    Done,
    /// Given up after its retries; waits for a person.
    Parked,
    /// Stopped by a person.
    Cancelled,
}

/// Query of `GET /kedge/v1/jobs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListJobsQuery {
    /// Only in this state.
    #[param(inline)]
    pub state: Option<JobState>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only about this image, feed or other subject.
    pub subject: Option<String>,
    /// Jobs on a page, at most [`JOBS_PAGE_MAX`].
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// A page of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What to pass as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A unit of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Id.
    pub id: String,
    /// A verb: `analyze`, `match`, `evaluate`, `sync`, …
    pub kind: String,
    /// Owner.
    pub account_name: String,
    /// What it works on: an image digest, a driver.
    pub subject: String,
    /// Where it stands.
    pub state: JobState,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it may be tried.
    pub attempts_max: u32,
    /// Node that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Fencing epoch of the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// When the lease runs out, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub lease_until: Option<String>,
    /// Not before this RFC 3339 time, after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub not_before: Option<String>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What was wrong with parts of the input.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub updated_at: String,
}
