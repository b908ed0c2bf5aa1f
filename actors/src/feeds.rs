//! Feeds: sync, import, and what is in use.

use crate::fault::Fault;
use crate::limits::SYNC_DEADLINE;
use crate::matcher::Matcher;
use crate::pool::{JobError, Work};
use crate::shared::{Shared, blocking};
use kedge_artifact::advisory::Advisory;
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use kedge_feeds::SOURCES;
use kedge_feeds::dataset::Dataset;
use kedge_fetch::{DriverState, Location, SyncOutcome};
use kedge_model::command::{ActivateGeneration, Command, Response};
use kedge_model::feed::{DriverStatus, FeedState, Generation};
use kedge_model::job::{Job, JobKind, Task};
use kedge_model::tokens::{AccountName, Caller};
use kedge_state::{access, query};
use kedge_storage::blobs::BlobDigest;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A driver, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedDriver {
    /// Its name.
    pub name: String,
    /// What it brings.
    pub description: String,
    /// SPDX id of the data's licence.
    pub licence: String,
    /// Where it gets its data here.
    pub base_url: String,
    /// Whether it is on.
    pub enabled: bool,
}

/// What the generation in use has for one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedGroup {
    /// The driver.
    pub driver: String,
    /// `debian:12`, `npm`, or the driver's own name for data without a scope.
    pub scope: String,
    /// Rows.
    pub record_count: u64,
    /// When the data was last known to be current.
    pub fetched: Option<Timestamp>,
}

/// Feeds as a service. Cheap to share.
pub struct Feeds {
    shared: Arc<Shared>,
    matcher: Arc<Matcher>,
    dir: PathBuf,
    mirror: Option<Location>,
    bases: BTreeMap<String, Location>,
    disabled: BTreeSet<String>,
}

impl Feeds {
    /// Feeds over the node's parts.
    ///
    /// # Errors
    /// When a base or the mirror is neither a URL nor an absolute path.
    pub fn new(shared: Arc<Shared>, matcher: Arc<Matcher>) -> Result<Self, String> {
        let options = shared.options.feeds.clone();
        let place = |text: &str| text.parse::<Location>().map_err(|error| error.to_string());
        let mirror = match options.mirror.as_str() {
            "" => None,
            text => Some(place(text)?),
        };
        let bases = options
            .base
            .iter()
            .map(|(name, text)| Ok((name.clone(), place(text)?)))
            .collect::<Result<_, String>>()?;
        let dir = shared.cache.dir().join("feeds");
        std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let disabled = options.disabled.into_iter().collect();
        Ok(Self { shared, matcher, dir, mirror, bases, disabled })
    }

    fn options(&self, output: &Path) -> kedge_fetch::Options {
        let cache_dir = self.dir.join("raw");
        let mut options =
            kedge_fetch::Options::new(cache_dir, output.to_owned(), self.shared.now());
        options.mirror.clone_from(&self.mirror);
        options.bases.clone_from(&self.bases);
        options.disabled.clone_from(&self.disabled);
        options
    }

    /// The drivers there are.
    #[must_use]
    pub fn drivers(&self) -> Vec<FeedDriver> {
        let options = self.options(Path::new(""));
        let row = |source: &kedge_feeds::Source| FeedDriver {
            name: source.name.to_owned(),
            description: source.description.to_owned(),
            licence: source.licence.to_owned(),
            base_url: options.base(source).to_string(),
            enabled: options.fetches(source),
        };
        SOURCES.iter().map(row).collect()
    }

    /// What the generation in use covers.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn groups(&self) -> Result<Vec<FeedGroup>, Fault> {
        let Some(dataset) = self.matcher.dataset().await? else { return Ok(Vec::new()) };
        let rows = dataset.groups().into_iter().map(|group| FeedGroup {
            scope: group.label(),
            driver: group.driver,
            record_count: group.rows,
            fetched: group.fetched,
        });
        Ok(rows.collect())
    }

    /// All records with this id or alias.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub async fn advisories(&self, id: &str) -> Result<Vec<Advisory>, Fault> {
        let Some(dataset) = self.matcher.dataset().await? else { return Ok(Vec::new()) };
        let id = id.to_owned();
        let found = blocking(move || Ok(dataset.search(&id).map_err(|error| error.to_string())));
        found.await?.map_err(|what| Fault::lasting("feed_generation_unreadable", 500, what))
    }

    /// The file of the generation in use.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn file(&self) -> Result<Option<PathBuf>, Fault> {
        let state = self.shared.handle.read(query::feed::state)?;
        let blobs = self.shared.handle.blobs();
        Ok(state.active.map(|active| blobs.path(&BlobDigest::new(*active.blob.as_bytes()))))
    }

    /// Puts a generation file to use in the caller's name.
    ///
    /// # Errors
    /// When it is damaged, older than the one in use (without `force`), or the caller may not.
    pub async fn import(
        &self,
        caller: Caller,
        file: PathBuf,
        force: bool,
    ) -> Result<FeedState, Fault> {
        let admin = AccountName::from(AccountName::ADMIN);
        // Before the work, and once more when the command is applied.
        let allowed = |view: &dyn kedge_storage::kv::View| {
            access::check(view, &caller, &admin, "updateFeeds")
        };
        if let Err(refusal) = self.shared.handle.read(allowed)? {
            return Err(Fault::lasting(
                refusal.code.as_str(),
                refusal.code.status(),
                refusal.message,
            ));
        }
        let current = self.shared.handle.read(query::feed::state)?.active;
        let current = current.map(|active| active.built_at);
        let path = file.clone();
        let checked = blocking(move || {
            let opened = kedge_fetch::open_file(&path).map_err(|error| error.to_string());
            Ok(opened.and_then(|dataset| {
                kedge_fetch::check_replacement(&dataset, current, force)
                    .map_err(|error| error.to_string())?;
                Ok(dataset)
            }))
        })
        .await?;
        let dataset =
            checked.map_err(|what| Fault::lasting("feed_generation_refused", 400, what))?;
        let generation = self.store(&file, &dataset, true).await?;
        let drivers = statuses_of(&dataset);
        let command = ActivateGeneration { job: None, generation: Some(generation), drivers };
        let command = Command::ActivateGeneration(Box::new(command));
        if let Response::Feeds(feeds) = self.shared.handle.propose(caller, command).await? {
            return Ok(*feeds);
        }
        Err(Fault::lasting("internal", 500, "the command answered something else"))
    }

    /// Copies a generation file into the blob store.
    async fn store(
        &self,
        file: &Path,
        dataset: &Dataset,
        imported: bool,
    ) -> Result<Generation, Fault> {
        let (blobs, path) = (self.shared.handle.blobs().clone(), file.to_owned());
        let copied = blocking(move || {
            let mut writer = blobs.writer()?;
            let copied = std::fs::File::open(&path)
                .and_then(|mut source| std::io::copy(&mut source, &mut writer));
            match copied {
                Ok(bytes) => Ok(Ok((writer.commit()?, bytes))),
                Err(error) => Ok(Err(format!("{}: {error}", path.display()))),
            }
        })
        .await?;
        let (blob, bytes) =
            copied.map_err(|what| Fault::passing("feed_generation_unwritable", 500, what))?;
        let manifest = dataset.manifest();
        Ok(Generation {
            id: manifest.generation.clone(),
            blob: Digest::from_bytes(*blob.as_bytes()),
            bytes,
            built_at: manifest.built,
            record_count: manifest.drivers.iter().map(|driver| driver.records).sum(),
            imported,
        })
    }

    /// Fetches, builds, stores; answers the command that puts the result to use.
    async fn sync(&self, job: &Job, force: bool) -> Result<Command, Fault> {
        let output = self.dir.join(format!("new-{}.generation", job.id));
        let previous = match self.matcher.dataset().await {
            Ok(previous) => previous,
            Err(error) => {
                // The sync is how a damaged generation is mended.
                tracing::warn!(%error, "the generation in use cannot be read; starting without it");
                None
            }
        };
        let options = self.options(&output);
        if force && options.cache_dir.exists() {
            let cache = options.cache_dir.clone();
            let removed = blocking(move || Ok(std::fs::remove_dir_all(cache))).await?;
            removed.map_err(|error| Fault::passing("feed_cache", 500, error.to_string()))?;
        }
        let outcome = kedge_fetch::sync(&options, previous, Arc::new(|_| ())).await;
        let outcome =
            outcome.map_err(|error| Fault::passing("feed_sync_failed", 502, error.to_string()));
        let finished = match outcome {
            Ok(outcome) => self.finish(job, outcome).await,
            Err(error) => {
                // Recorded all the same, or the timer would ask again every minute.
                self.record_failure(Vec::new()).await?;
                Err(error)
            }
        };
        // The blob is the copy that stays; a file that is not there needs no removing.
        let _ = std::fs::remove_file(&output);
        finished
    }

    async fn finish(&self, job: &Job, outcome: SyncOutcome) -> Result<Command, Fault> {
        if let Some(damage) = &outcome.previous_damaged {
            tracing::warn!(damage, "the previous generation was damaged and is not used");
        }
        let known = self.shared.handle.read(query::feed::state)?.drivers;
        let drivers = self.statuses(&outcome, &known);
        for status in &drivers {
            if let Some(at) = status.last_success {
                self.shared.metrics.feed(&status.name, at.0 / 1_000, status.record_count);
            }
        }
        let Some(file) = &outcome.file else {
            let reasons: Vec<String> = drivers
                .iter()
                .filter(|status| !status.error.is_empty())
                .map(|status| format!("{}: {}", status.name, status.error))
                .collect();
            self.record_failure(drivers).await?;
            let text = format!("no feed could be fetched: {}", reasons.join("; "));
            return Err(Fault::passing("feed_sync_failed", 502, text));
        };
        let path = file.clone();
        let opened =
            blocking(move || Ok(kedge_fetch::open_file(&path).map_err(|error| error.to_string())));
        let dataset = opened
            .await?
            .map_err(|what| Fault::passing("feed_generation_unreadable", 500, what))?;
        let generation = Some(self.store(file, &dataset, false).await?);
        let command = ActivateGeneration { job: Some((job.id, job.epoch)), generation, drivers };
        Ok(Command::ActivateGeneration(Box::new(command)))
    }

    /// Keeps the reasons for people, although there is nothing to put to use.
    async fn record_failure(&self, drivers: Vec<DriverStatus>) -> Result<(), Fault> {
        let command = ActivateGeneration { job: None, generation: None, drivers };
        self.shared.propose(Command::ActivateGeneration(Box::new(command))).await?;
        Ok(())
    }

    fn statuses(&self, outcome: &SyncOutcome, known: &[DriverStatus]) -> Vec<DriverStatus> {
        let now = self.shared.now();
        let row = |result: &kedge_fetch::DriverResult| {
            let before = known.iter().find(|status| status.name == result.driver);
            let last = before.and_then(|status| status.last_success);
            let (last_success, error) = match &result.state {
                DriverState::Updated | DriverState::Unchanged => (Some(now), String::new()),
                DriverState::Failed { reason } => (last, reason.chars().take(1_000).collect()),
                DriverState::Absent { location } => (last, format!("nothing at {location}")),
                DriverState::NotAsked | DriverState::Disabled => (last, String::new()),
            };
            let name = result.driver.to_owned();
            DriverStatus { name, record_count: result.records, last_success, error }
        };
        outcome.drivers.iter().map(row).collect()
    }
}

/// What an imported generation says about its drivers.
fn statuses_of(dataset: &Dataset) -> Vec<DriverStatus> {
    let row = |driver: &kedge_feeds::dataset::DriverManifest| DriverStatus {
        name: driver.name.clone(),
        record_count: driver.records,
        last_success: driver.inputs.iter().map(|input| input.fetched).max(),
        error: String::new(),
    };
    dataset.manifest().drivers.iter().map(row).collect()
}

/// The background work: one sync at a time in the whole cluster.
pub struct SyncFeeds(pub Arc<Feeds>);

impl Work for SyncFeeds {
    const KIND: JobKind = JobKind::SyncFeeds;
    const DEADLINE: Duration = SYNC_DEADLINE;

    async fn run(&self, job: Job) -> Result<Command, JobError> {
        let Task::SyncFeeds { force } = job.task else {
            return Err(Fault::lasting("internal", 500, "the job is not a feed sync").into());
        };
        Ok(self.0.sync(&job, force).await?)
    }
}

/// How often the timer looks whether a sync is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// The timer's message: look.
pub struct Look;

/// Asks for a sync when one is due.
pub struct Timer;

impl Actor for Timer {
    type Msg = Look;
    type State = (Arc<Shared>, JoinHandle<()>);
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Look>,
        shared: Arc<Shared>,
    ) -> Result<Self::State, ActorProcessingErr> {
        let timer = myself.send_interval(LOOK_INTERVAL, || Look);
        myself.send_message(Look)?;
        Ok((shared, timer))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Look>,
        Look: Look,
        (shared, _): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match is_due(shared) {
            Ok(false) => {}
            Ok(true) => {
                let asked = shared.propose(Command::SyncFeeds { force: false }).await;
                if let Err(error) = asked {
                    tracing::warn!(%error, "cannot ask for a feed sync");
                }
            }
            Err(error) => tracing::error!(%error, "cannot read the feed state"),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Look>,
        (_, timer): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        timer.abort();
        Ok(())
    }
}

fn is_due(shared: &Shared) -> Result<bool, Fault> {
    let hours = i64::from(shared.options.feeds.interval_hours);
    if hours == 0 || shared.handle.read(query::feed::open_sync)?.is_some() {
        return Ok(false);
    }
    let last = shared.handle.read(query::feed::state)?.last_sync;
    // A sync recorded in the future was recorded by a wrong clock.
    let due = |age: i64| age < 0 || age >= hours * 3_600_000;
    Ok(last.is_none_or(|last| due(shared.now().0 - last.0)))
}
