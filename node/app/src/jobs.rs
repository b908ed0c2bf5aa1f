//! Jobs: what the cluster works on for an account.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use crate::limits::{JOBS_PAGE_DEFAULT, JOBS_PAGE_MAX};
use kedge_model::command::{Command, Response};
use kedge_model::job::{Job, JobKind, JobState, Task};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_model::tokens::JobId;
use kedge_state::query;

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only about this subject.
    pub subject: Option<String>,
    /// Jobs on a page.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What to pass as `after` for the next page.
    pub next: Option<String>,
}

/// What a job works on: a digest, or `vulnerabilities` for feeds.
#[must_use]
pub fn subject(job: &Job) -> String {
    match &job.task {
        Task::Analyze { digest, .. } | Task::Evaluate { digest } => digest.to_string(),
        Task::SyncFeeds { .. } => "vulnerabilities".to_owned(),
    }
}

fn job_not_found() -> AppError {
    Rejection::new(RejectionCode::JobNotFound, "job not found").into()
}

fn read_id(text: &str) -> Result<JobId, AppError> {
    text.parse().map(JobId).map_err(|_| job_not_found())
}

fn cut_page(mut jobs: Vec<Job>, filter: &JobFilter) -> Result<JobPage, AppError> {
    if let Some(kind) = &filter.kind
        && !JobKind::ALL.iter().any(|known| known.as_str() == kind)
    {
        let words: Vec<&str> = JobKind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(AppError::invalid(format!("kind must be one of {}", words.join(", "))));
    }
    let after = match &filter.after {
        None => u64::MAX,
        Some(text) => text
            .parse()
            .map_err(|_| AppError::invalid("after must be the 'next' of an earlier page"))?,
    };
    let limit = filter.limit.map_or(JOBS_PAGE_DEFAULT, |limit| limit as usize);
    let limit = limit.clamp(1, JOBS_PAGE_MAX);
    jobs.retain(|job| {
        job.id.0 < after
            && filter.state.is_none_or(|state| job.state == state)
            && filter.kind.as_ref().is_none_or(|kind| job.task.kind().as_str() == kind)
            && filter.subject.as_ref().is_none_or(|wanted| subject(job) == *wanted)
    });
    jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next = jobs.last().filter(|_| more).map(|job| job.id.to_string());
    Ok(JobPage { jobs, next })
}

fn job_of(response: Response) -> Result<Job, AppError> {
    let Response::Job(job) = response else { return Err(AppError::unexpected("a job")) };
    Ok(*job)
}

impl App {
    /// Jobs of the account, newest first.
    ///
    /// # Errors
    /// 400 for a malformed filter, 403.
    pub async fn list_jobs(&self, who: &Identity, filter: JobFilter) -> Result<JobPage, AppError> {
        self.allow(who, "listJobs")?;
        let account = who.account.clone();
        let page = self.read_blocking(move |handle| {
            let mut jobs = handle.read(query::job::list)?;
            jobs.retain(|job| job.account == account);
            cut_page(jobs, &filter)
        });
        page.await
    }

    async fn existing_job(&self, who: &Identity, id: &str) -> Result<Job, AppError> {
        let id = read_id(id)?;
        let found = self.handle().read_linearizable(|view| query::job::get(view, id)).await??;
        // Another account's job is as good as none.
        found.filter(|job| job.account == who.account).ok_or_else(job_not_found)
    }

    /// One job.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn get_job(&self, who: &Identity, id: &str) -> Result<Job, AppError> {
        self.allow(who, "getJob")?;
        self.existing_job(who, id).await
    }

    /// Tries a parked or cancelled job again.
    ///
    /// # Errors
    /// 403, 404, 409 when it is in another state.
    pub async fn retry_job(&self, who: &Identity, id: &str) -> Result<Job, AppError> {
        self.allow(who, "updateJob")?;
        let job = self.existing_job(who, id).await?.id;
        job_of(self.propose(who.caller(), Command::RetryJob { job }).await?)
    }

    /// Withdraws a job that has not ended.
    ///
    /// # Errors
    /// 403, 404, 409 when it has ended.
    pub async fn cancel_job(&self, who: &Identity, id: &str) -> Result<Job, AppError> {
        self.allow(who, "updateJob")?;
        let job = self.existing_job(who, id).await?.id;
        job_of(self.propose(who.caller(), Command::CancelJob { job }).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kedge_artifact::time::Timestamp;
    use kedge_model::job::Priority;
    use kedge_model::tokens::Epoch;

    fn jobs() -> Vec<Job> {
        let job = |number: u64| Job {
            id: JobId(number),
            account: "a".into(),
            task: Task::SyncFeeds { force: false },
            state: if number.is_multiple_of(2) { JobState::Done } else { JobState::Parked },
            priority: Priority::Background,
            attempts: 1,
            epoch: Epoch(1),
            not_before: Timestamp(0),
            lease: None,
            created_at: Timestamp(0),
            last_updated: Timestamp(0),
            failure: None,
        };
        (1..=5).map(job).collect()
    }

    fn ids(filter: &JobFilter) -> (Vec<u64>, Option<String>) {
        let page = cut_page(jobs(), filter).unwrap();
        (page.jobs.iter().map(|job| job.id.0).collect(), page.next)
    }

    #[test]
    fn pages_follow_each_other() {
        let first = JobFilter { limit: Some(2), ..Default::default() };
        assert_eq!(ids(&first), (vec![5, 4], Some("4".into())));
        let second = JobFilter { after: Some("4".into()), ..first.clone() };
        assert_eq!(ids(&second), (vec![3, 2], Some("2".into())));
        let third = JobFilter { after: Some("2".into()), ..first };
        assert_eq!(ids(&third), (vec![1], None));
        assert_eq!(ids(&JobFilter { limit: Some(u32::MAX), ..Default::default() }).0.len(), 5);
    }

    #[test]
    fn filters() {
        let parked = JobFilter { state: Some(JobState::Parked), ..Default::default() };
        assert_eq!(ids(&parked).0, [5, 3, 1]);
        let kind = JobFilter { kind: Some("analyze".into()), ..Default::default() };
        assert!(ids(&kind).0.is_empty());
        let unknown = JobFilter { kind: Some("dance".into()), ..Default::default() };
        assert!(cut_page(jobs(), &unknown).unwrap_err().to_string().contains("sync_feeds"));
        let after = JobFilter { after: Some("x".into()), ..Default::default() };
        assert_eq!(cut_page(jobs(), &after).unwrap_err().status(), 400);
    }
}
