//! Vulnerability data: what is in use, bringing it up to date, moving it from node to node.

use crate::App;
use crate::error::AppError;
use crate::identity::{Identity, Need};
use crate::limits::JOB_LOOK_INTERVAL;
use crate::upload::Upload;
use kedge_actors::feeds::{FeedDriver, FeedGroup};
use kedge_artifact::time::Timestamp;
use kedge_model::command::{Command, Response};
use kedge_model::feed::{DriverStatus, FeedState, Generation};
use kedge_model::job::{Job, JobState};
use kedge_state::query;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// A dataset of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dataset {
    /// Advisories.
    Vulnerabilities,
    /// Known exploited vulnerabilities.
    Kev,
    /// Exploit prediction.
    Epss,
}

impl Dataset {
    /// All datasets, in the order they are listed.
    pub const ALL: [Self; 3] = [Self::Vulnerabilities, Self::Kev, Self::Epss];

    /// The feed's name; clients wait for the feed `vulnerabilities`.
    #[must_use]
    pub const fn feed(self) -> &'static str {
        match self {
            Self::Vulnerabilities => "vulnerabilities",
            Self::Kev => "kev",
            Self::Epss => "epss",
        }
    }

    /// The dataset's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vulnerabilities => "vulnerability_db",
            Self::Kev => "kev_db",
            Self::Epss => "epss_db",
        }
    }

    fn of_driver(driver: &str) -> Self {
        match driver {
            "kev" => Self::Kev,
            "epss" => Self::Epss,
            _ => Self::Vulnerabilities,
        }
    }
}

/// A part of a dataset: one scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// For instance `debian:12`.
    pub name: String,
    /// Records of all drivers.
    pub record_count: u64,
    /// When the newest of the data was fetched.
    pub fetched: Option<Timestamp>,
}

/// A dataset with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedView {
    /// Which.
    pub dataset: Dataset,
    /// Its groups, by name.
    pub groups: Vec<Group>,
    /// Whether any driver of it is on.
    pub enabled: bool,
    /// The generation it comes from.
    pub generation: Option<Generation>,
    /// When a sync last ended well for it.
    pub last_success: Option<Timestamp>,
    /// When a sync last ended, whatever its outcome.
    pub last_attempt: Option<Timestamp>,
}

/// A driver and how it fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverView {
    /// The driver.
    pub driver: FeedDriver,
    /// How its last sync went; `None` before the first.
    pub status: Option<DriverStatus>,
    /// Scopes it covers, sorted.
    pub scopes: Vec<String>,
    /// When a sync last ended, whatever its outcome.
    pub last_attempt: Option<Timestamp>,
    /// Seconds between syncs; 0 when nothing but a request starts one.
    pub interval_s: u64,
}

/// How a sync that somebody waited for stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOutcome {
    /// The new data is in use.
    Done,
    /// It still runs.
    Running(Job),
}

/// A generation to be handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its record.
    pub generation: Generation,
    /// Its file.
    pub path: PathBuf,
}

fn groups_of(dataset: Dataset, groups: &[FeedGroup]) -> Vec<Group> {
    let mut merged: BTreeMap<&str, Group> = BTreeMap::new();
    for group in groups.iter().filter(|group| Dataset::of_driver(&group.driver) == dataset) {
        let row = merged.entry(&group.scope).or_default();
        row.name.clone_from(&group.scope);
        row.record_count += group.record_count;
        row.fetched = row.fetched.max(group.fetched);
    }
    merged.into_values().collect()
}

fn no_generation() -> AppError {
    AppError::not_found(
        "feed_generation_not_found",
        "there is no vulnerability data yet; sync or import it",
    )
}

impl App {
    async fn feed_state(&self) -> Result<FeedState, AppError> {
        Ok(self.handle().read_linearizable(query::feed::state).await??)
    }

    /// The datasets with their groups.
    ///
    /// # Errors
    /// 403 when the account is not enabled.
    pub async fn list_feeds(&self, who: &Identity) -> Result<Vec<FeedView>, AppError> {
        self.authorize(who, &Need::Any)?;
        let state = self.feed_state().await?;
        let groups = self.system().feed_groups().await?;
        let drivers = self.system().feed_drivers();
        let view = |dataset| {
            let mine = |name: &str| Dataset::of_driver(name) == dataset;
            let successes = state.drivers.iter().filter(|status| mine(&status.name));
            FeedView {
                dataset,
                groups: groups_of(dataset, &groups),
                enabled: drivers.iter().any(|driver| driver.enabled && mine(&driver.name)),
                generation: state.active.clone(),
                last_success: successes.filter_map(|status| status.last_success).max(),
                last_attempt: state.last_sync,
            }
        };
        Ok(Dataset::ALL.into_iter().map(view).collect())
    }

    /// One dataset.
    ///
    /// # Errors
    /// 403, 404 when there is no data for it.
    pub async fn get_feed(&self, who: &Identity, name: &str) -> Result<FeedView, AppError> {
        self.allow_system(who, "listFeeds")?;
        let feeds = self.list_feeds(who).await?;
        let found = feeds.into_iter().find(|feed| feed.dataset.name() == name);
        found.filter(|feed| feed.generation.is_some()).ok_or_else(no_generation)
    }

    /// The drivers and how each fared.
    ///
    /// # Errors
    /// 403 when the account is not enabled.
    pub async fn list_feed_drivers(&self, who: &Identity) -> Result<Vec<DriverView>, AppError> {
        self.authorize(who, &Need::Any)?;
        let state = self.feed_state().await?;
        let groups = self.system().feed_groups().await?;
        let interval_s = self.options().feed_interval_s;
        let view = |driver: FeedDriver| {
            let mine = groups.iter().filter(|group| group.driver == driver.name);
            let mut scopes: Vec<String> = mine.map(|group| group.scope.clone()).collect();
            scopes.sort();
            scopes.dedup();
            let status = state.drivers.iter().find(|status| status.name == driver.name).cloned();
            let last_attempt = state.last_sync.filter(|_| status.is_some());
            DriverView { driver, status, scopes, last_attempt, interval_s }
        };
        Ok(self.system().feed_drivers().into_iter().map(view).collect())
    }

    /// The generation in use and the one before.
    ///
    /// # Errors
    /// 403 when the account is not enabled, 404 when there is none.
    pub async fn feed_generation(
        &self,
        who: &Identity,
    ) -> Result<(Generation, Option<Generation>), AppError> {
        self.authorize(who, &Need::Any)?;
        let state = self.feed_state().await?;
        Ok((state.active.ok_or_else(no_generation)?, state.previous))
    }

    /// Brings the data up to date and waits for the end, up to a bound.
    ///
    /// # Errors
    /// 403, 409 when a sync runs already, 502 when it failed.
    pub async fn sync_feeds(&self, who: &Identity, force: bool) -> Result<SyncOutcome, AppError> {
        self.allow_system(who, "updateFeeds")?;
        // Before the proposal, so that no event of the job is missed.
        let mut events = self.handle().events();
        let answer = self.propose(who.caller(), Command::SyncFeeds { force }).await?;
        let Response::Job(job) = answer else { return Err(AppError::unexpected("a job")) };
        let patience = Duration::from_secs(u64::from(self.options().feed_sync_wait_s));
        let until = Instant::now() + patience;
        loop {
            let found = self.handle().read(|view| query::job::get(view, job.id))?;
            let job = found.unwrap_or_else(|| (*job).clone());
            match job.state {
                JobState::Done => return Ok(SyncOutcome::Done),
                JobState::Parked | JobState::Cancelled => return Err(sync_failed(&job)),
                JobState::Ready | JobState::Leased => {}
            }
            let now = Instant::now();
            if now >= until {
                return Ok(SyncOutcome::Running(job));
            }
            // Events are hints: a look from time to time finds what one missed.
            let look = JOB_LOOK_INTERVAL.min(until - now);
            let _ = tokio::time::timeout(look, events.recv()).await;
        }
    }

    /// Puts an uploaded generation to use.
    ///
    /// # Errors
    /// 400 when it is damaged or older than the one in use (without `force`), 403.
    pub async fn import_feeds(
        &self,
        who: &Identity,
        mut upload: Upload,
        checksum: Option<&str>,
        force: bool,
    ) -> Result<FeedState, AppError> {
        self.allow_system(who, "updateFeeds")?;
        upload.finish(checksum).await?;
        let path = upload.path().to_owned();
        let state = self.system().import_generation(who.caller(), path, force).await?;
        drop(upload);
        Ok(state)
    }

    /// The generation in use as one file.
    ///
    /// # Errors
    /// 403 when the account is not enabled, 404 when there is none.
    pub async fn export_feeds(&self, who: &Identity) -> Result<Export, AppError> {
        let (generation, _) = self.feed_generation(who).await?;
        let path = self.system().generation_file()?.ok_or_else(no_generation)?;
        Ok(Export { generation, path })
    }
}

fn sync_failed(job: &Job) -> AppError {
    let reason = job.failure.as_ref().map_or("it was cancelled", |failure| &failure.message);
    AppError::refused(502, "feed_sync_failed", format!("feed sync job {} failed: {reason}", job.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_one_scope_are_one_group() {
        let group = |driver: &str, scope: &str, record_count, fetched| FeedGroup {
            driver: driver.into(),
            scope: scope.into(),
            record_count,
            fetched: Some(Timestamp(fetched)),
        };
        let groups = [
            group("debian", "debian:12", 5, 1),
            group("osv", "debian:12", 3, 2),
            group("osv", "npm", 7, 2),
            group("kev", "kev", 9, 3),
        ];
        let merged = groups_of(Dataset::Vulnerabilities, &groups);
        let short: Vec<_> = merged.iter().map(|g| (g.name.as_str(), g.record_count)).collect();
        assert_eq!(short, [("debian:12", 8), ("npm", 7)]);
        assert_eq!(merged[0].fetched, Some(Timestamp(2)));
        assert_eq!(groups_of(Dataset::Kev, &groups).len(), 1);
        assert!(groups_of(Dataset::Epss, &groups).is_empty());
    }
}
