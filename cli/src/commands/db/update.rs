//! `db update` and `db check`: the same synchronisation, with and without taking it over.

use super::{DatabaseFlags, headline, store_failure};
use crate::Session;
use crate::commands::scan::target::is_offline;
use crate::environment;
use crate::exit::{Exit, Failure};
use crate::text;
use crate::ui::Stage;
use clap::Args;
use kedge_feeds::dataset::Dataset;
use kedge_fetch::{
    DocumentState, DriverState, LocalStore, Location, Options, Progress, SyncError, SyncOutcome,
    sync,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Folder or URL to read in place of the internet, laid out as HOST/PATH
    #[arg(long, value_name = "FOLDER|URL", env = "KEDGE_FEEDS_MIRROR", hide_env_values = true)]
    mirror: Option<String>,
    /// Folder or URL of one feed: NAME=PLACE. Repeatable
    #[arg(long, value_name = "NAME=PLACE")]
    base: Vec<String>,
    /// Only these feeds; the data of the others is kept. Repeatable
    #[arg(long, value_name = "NAME")]
    driver: Vec<String>,
    /// Leave these feeds out. Repeatable
    #[arg(long, value_name = "NAME")]
    disable: Vec<String>,
    /// PEM file with certificates to trust for mirrors
    #[arg(long, value_name = "FILE")]
    mirror_cacert: Option<PathBuf>,
    /// Also when it is older than what is there, or what is there is damaged
    #[arg(long)]
    force: bool,
    /// Open no connection; only folders can be read
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    database: DatabaseFlags,
}

/// Fetches and takes over.
pub(crate) async fn update(session: &Session, args: UpdateArgs) -> Result<Exit, Failure> {
    let store = args.database.store()?;
    let outcome = fetch(session, &args, &store).await?;
    let Some(file) = &outcome.file else { return Err(nothing(&outcome)) };
    let manifest = store.install(file, args.force).map_err(|error| {
        let _ = std::fs::remove_file(file);
        store_failure(error)
    })?;
    let what = if outcome.changed { "Updated" } else { "Already current" };
    session.ui.finished(what, &headline(&manifest));
    finish(&outcome, Exit::Ok)
}

/// Fetches and tells whether there is something new. What was downloaded is kept for `update`.
pub(crate) async fn check(session: &Session, args: UpdateArgs) -> Result<Exit, Failure> {
    let store = args.database.store()?;
    let outcome = fetch(session, &args, &store).await?;
    let Some(file) = &outcome.file else { return Err(nothing(&outcome)) };
    let _ = std::fs::remove_file(file);
    if outcome.changed {
        session.ui.note("newer data is there: kedgectl db update");
        return finish(&outcome, Exit::UpdateAvailable);
    }
    session.ui.note("the database is current");
    finish(&outcome, Exit::Ok)
}

async fn fetch(
    session: &Session,
    args: &UpdateArgs,
    store: &LocalStore,
) -> Result<SyncOutcome, Failure> {
    let previous: Option<Dataset> = match store.current() {
        Ok(previous) => previous,
        Err(error) if args.force => {
            session.ui.warn(&error.to_string());
            None
        }
        Err(error) => return Err(store_failure(error)),
    };
    let options = options(args, store)?;
    let stage = Arc::new(session.ui.stage("Fetching vulnerability data"));
    let report = report(&stage);
    let outcome = sync(&options, previous.map(Arc::new), report).await.map_err(sync_failure)?;
    if let Ok(stage) = Arc::try_unwrap(stage) {
        stage.done("Fetched feeds", &counts(&outcome));
    }
    tell(session, &outcome);
    Ok(outcome)
}

fn options(args: &UpdateArgs, store: &LocalStore) -> Result<Options, Failure> {
    let mut options = Options::new(store.dir().join("raw"), store.scratch(), text::now());
    options.drivers = args.driver.iter().cloned().collect();
    options.disabled = args.disable.iter().cloned().collect();
    options.mirror = args.mirror.as_deref().map(location).transpose()?;
    let mut bases = BTreeMap::new();
    for base in &args.base {
        let (name, place) = base.split_once('=').ok_or_else(|| {
            Failure::usage("--base needs NAME=PLACE, for instance debian=/srv/debian")
        })?;
        bases.insert(name.to_owned(), location(place)?);
    }
    options.bases = bases;
    options.proxy = environment::first(&["HTTPS_PROXY", "https_proxy"]);
    if let Some(path) = &args.mirror_cacert {
        options.extra_roots_pem = crate::input::document(path)?;
    }
    if is_offline(args.offline) {
        for source in kedge_feeds::SOURCES.iter().filter(|source| options.fetches(source)) {
            if let Location::Web(_) = options.base(source) {
                let what = format!("offline: feed '{}' is not in a folder", source.name);
                return Err(
                    Failure::usage(what).hint("give a folder with --mirror, or use 'db import'")
                );
            }
        }
    }
    Ok(options)
}

/// A URL, or a path that may be relative here.
fn location(text: &str) -> Result<Location, Failure> {
    let absolute = match text.contains("://") {
        true => text.to_owned(),
        false => {
            let path = std::path::absolute(Path::new(text))
                .map_err(|error| Failure::file(Path::new(text), &error))?;
            if !path.is_dir() {
                return Err(Failure::not_found(format!("{} is not a folder", path.display())));
            }
            path.display().to_string()
        }
    };
    absolute.parse().map_err(|error: kedge_fetch::location::LocationError| Failure::usage(error))
}

fn sync_failure(error: SyncError) -> Failure {
    let failure = match &error {
        SyncError::UnknownDriver { .. } => return Failure::usage(&error),
        SyncError::Client(_)
        | SyncError::Cache { .. }
        | SyncError::Output { .. }
        | SyncError::Build(_)
        | SyncError::Stopped(_) => Failure::error(&error),
    };
    failure.code("feed_sync_failed")
}

/// Shows which feeds are being worked on.
fn report(stage: &Arc<Stage>) -> Arc<dyn Fn(Progress) + Send + Sync> {
    let stage = Arc::downgrade(stage);
    let received = Mutex::new(BTreeMap::<String, u64>::new());
    Arc::new(move |progress| {
        let Some(stage) = stage.upgrade() else { return };
        let Ok(mut received) = received.lock() else { return };
        if let kedge_fetch::Stage::Received { bytes } = progress.stage {
            received.insert(format!("{}/{}", progress.driver, progress.document), bytes);
        }
        let total: u64 = received.values().sum();
        let step = match progress.stage {
            kedge_fetch::Stage::Fetching | kedge_fetch::Stage::Received { .. } => "fetching",
            kedge_fetch::Stage::Reading => "reading",
            kedge_fetch::Stage::Done { .. } => "done",
            kedge_fetch::Stage::Failed => "failed",
        };
        let (driver, document) = (progress.driver, progress.document);
        let received = if total > 0 { format!(" ({})", text::bytes(total)) } else { String::new() };
        stage.detail(&format!("{step} {driver} {document}{received}"));
    })
}

fn counts(outcome: &SyncOutcome) -> String {
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for driver in &outcome.drivers {
        *parts.entry(word(&driver.state)).or_default() += 1;
    }
    let parts: Vec<String> = parts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    parts.join(", ")
}

const fn word(state: &DriverState) -> &'static str {
    match state {
        DriverState::Updated => "updated",
        DriverState::Unchanged => "unchanged",
        DriverState::Failed { .. } => "failed",
        DriverState::Absent { .. } => "absent",
        DriverState::NotAsked => "kept",
        DriverState::Disabled => "disabled",
    }
}

/// What could not be had: every gap is named, because it limits what scans can find.
fn tell(session: &Session, outcome: &SyncOutcome) {
    if let Some(damage) = &outcome.previous_damaged {
        session.ui.warn(&format!("the previous database is damaged and was not used: {damage}"));
    }
    let mut absent = BTreeSet::new();
    for driver in &outcome.drivers {
        match &driver.state {
            DriverState::Failed { reason } => {
                session.ui.warn(&format!("feed {}: {reason}", driver.driver));
            }
            DriverState::Absent { .. } => {
                absent.insert(driver.driver);
            }
            DriverState::Updated
            | DriverState::Unchanged
            | DriverState::NotAsked
            | DriverState::Disabled => {}
        }
        for document in &driver.documents {
            if let DocumentState::Failed { reason, kept } = &document.state {
                let kept = if *kept { "; its previous data is kept" } else { "" };
                session.ui.warn(&format!("{}: {reason}{kept}", document.location));
            }
            if !document.problems.is_empty() {
                let count = text::count(document.problems.len(), "problem");
                let first = document.problems.first().map_or("", |p| p.message.as_str());
                session.ui.note(&format!("{}: {count}, first: {first}", document.location));
            }
        }
    }
    if !absent.is_empty() {
        let names: Vec<&str> = absent.into_iter().collect();
        session.ui.note(&format!(
            "the mirror has nothing of {}: scans will say that these were not checked",
            names.join(", ")
        ));
    }
}

fn failed(outcome: &SyncOutcome) -> Vec<&'static str> {
    let failed = outcome.drivers.iter();
    failed.filter(|d| matches!(d.state, DriverState::Failed { .. })).map(|d| d.driver).collect()
}

/// No feed could be read.
fn nothing(outcome: &SyncOutcome) -> Failure {
    let failed = failed(outcome);
    if failed.is_empty() {
        return Failure::not_found("no feed was found there; the database is unchanged")
            .code("feeds_absent")
            .hint("a mirror is laid out as HOST/PATH, see 'kedgectl db providers -o wide'");
    }
    let what = format!("no feed could be read ({}); the database is unchanged", failed.join(", "));
    Failure::new(Exit::Unavailable, what).code("feeds_unavailable")
}

/// Some feeds failed: what is new is in use, but the exit code says that it is not everything.
fn finish(outcome: &SyncOutcome, exit: Exit) -> Result<Exit, Failure> {
    let failed = failed(outcome);
    if failed.is_empty() {
        return Ok(exit);
    }
    let what = format!("these feeds failed, their previous data is kept: {}", failed.join(", "));
    Err(Failure::error(what).code("feed_sync_failed"))
}
