//! `kedgectl db`: the local vulnerability database.

mod search;
mod update;

use crate::Session;
use crate::environment;
use crate::exit::{Exit, Failure};
use crate::output::list::{ListOutput, column, wide};
use crate::output::table::Cell;
use crate::text;
use clap::{Args, Subcommand};
use kedge_feeds::SOURCES;
use kedge_feeds::dataset::{Dataset, Manifest};
use kedge_fetch::{LocalStore, StoreError};
use serde::Serialize;
use std::path::PathBuf;

pub(crate) use search::advisory_rows;

const EXAMPLES: &str = "\
Examples:
  kedgectl db update                                  fetch all feeds from their sources
  kedgectl db update --mirror /srv/feeds              from a folder, laid out as HOST/PATH
  kedgectl db update --driver debian --driver epss
  kedgectl db export feeds.kdb                        on a machine with internet
  kedgectl db import feeds.kdb                        on one without
  kedgectl db search CVE-2021-44228
  kedgectl db search --pkg openssl";

/// Manage the local vulnerability database, without a server
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum DbCommand {
    /// Show what the database holds and how old it is
    Status(StatusArgs),
    /// Fetch new data
    #[command(after_help = EXAMPLES)]
    Update(update::UpdateArgs),
    /// Look for newer data: exit code 100 when there is some
    Check(update::UpdateArgs),
    /// Take over a database file
    Import(ImportArgs),
    /// Write the database to a file
    Export(ExportArgs),
    /// Find advisories by id or package
    Search(search::SearchArgs),
    /// List the feeds that can be read, with their licences
    Providers(ListOutput),
}

/// Where the database is.
#[derive(Debug, Clone, Args)]
pub(crate) struct DatabaseFlags {
    /// Folder of the vulnerability database
    #[arg(long, value_name = "DIR", env = "KEDGE_DB_DIR", hide_env_values = true)]
    db_dir: Option<PathBuf>,
}

impl DatabaseFlags {
    /// The folder.
    pub(crate) fn dir(&self) -> Result<PathBuf, Failure> {
        self.db_dir
            .clone()
            .or_else(environment::database_dir)
            .ok_or_else(|| Failure::error("neither --db-dir nor XDG_CACHE_HOME nor HOME is set"))
    }

    /// The store.
    pub(crate) fn store(&self) -> Result<LocalStore, Failure> {
        LocalStore::open(&self.dir()?).map_err(store_failure)
    }

    /// The current generation, which must be there: without data nothing can be said.
    pub(crate) fn open(&self) -> Result<Dataset, Failure> {
        let dir = self.dir()?;
        // Looking must not create folders.
        let empty = || store_failure(StoreError::Empty { path: dir.clone() });
        if !dir.is_dir() {
            return Err(empty());
        }
        let store = LocalStore::open(&dir).map_err(store_failure)?;
        store.current().map_err(store_failure)?.ok_or_else(empty)
    }
}

/// A store's error with its hint.
pub(crate) fn store_failure(error: StoreError) -> Failure {
    let failure = Failure::error(&error);
    match error {
        StoreError::Empty { .. } => failure.code("database_missing").hint(
            "get it with 'kedgectl db update', or 'kedgectl db import FILE' without internet",
        ),
        StoreError::Busy { .. } => failure.code("database_busy").hint("wait until it has finished"),
        StoreError::Dataset { .. } | StoreError::Pointer { .. } => {
            failure.code("database_damaged").hint("fetch it anew: kedgectl db update --force")
        }
        StoreError::Refused { source: kedge_fetch::VerifyError::Older { .. }, .. } => {
            failure.code("database_older").hint("--force takes it over nevertheless")
        }
        StoreError::Refused { .. } => failure.code("database_refused"),
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure { exit: Exit::NotFound, ..failure }
        }
        StoreError::Io { .. } => failure.code("database_io"),
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    database: DatabaseFlags,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// File made by 'db export' or 'feed export'
    file: PathBuf,
    /// Also when it is older than what is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    database: DatabaseFlags,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// File to write
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseFlags,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: DbCommand) -> Result<Exit, Failure> {
    match command {
        DbCommand::Status(args) => status(session, &args),
        DbCommand::Update(args) => update::update(session, args).await,
        DbCommand::Check(args) => update::check(session, args).await,
        DbCommand::Import(args) => import(session, &args),
        DbCommand::Export(args) => export(session, &args),
        DbCommand::Search(args) => search::run(session, &args),
        DbCommand::Providers(output) => providers(session, &output),
    }
}

#[derive(Serialize)]
struct GroupRow {
    driver: String,
    group: String,
    rows: u64,
    fetched: Option<String>,
}

fn status(session: &Session, args: &StatusArgs) -> Result<Exit, Failure> {
    let dataset = args.database.open()?;
    let manifest = dataset.manifest();
    session.ui.note(&headline(manifest));
    let groups: Vec<GroupRow> = dataset
        .groups()
        .iter()
        .map(|group| GroupRow {
            driver: group.driver.clone(),
            group: group.label(),
            rows: group.rows,
            fetched: group.fetched.map(|time| time.to_string()),
        })
        .collect();
    let columns = [
        column("GROUP", |row: &GroupRow| row.group.as_str().into()),
        column("DRIVER", |row: &GroupRow| row.driver.as_str().into()),
        column("ROWS", |row: &GroupRow| row.rows.to_string().into()),
        column("FETCHED", |row: &GroupRow| {
            row.fetched.as_deref().map_or_else(|| "never".to_owned(), text::ago_text).into()
        }),
        wide("TIME", |row: &GroupRow| row.fetched.clone().unwrap_or_default().into()),
    ];
    args.output.list(session.out, "DatabaseStatus", &groups, &columns)?;
    Ok(Exit::Ok)
}

/// One line about a generation.
fn headline(manifest: &Manifest) -> String {
    let records: u64 = manifest.drivers.iter().map(|driver| driver.records).sum();
    format!(
        "generation {}, format {}, built {} ({}), {records} records",
        manifest.generation.chars().take(12).collect::<String>(),
        manifest.format,
        text::ago(manifest.built, text::now()),
        manifest.built
    )
}

fn import(session: &Session, args: &ImportArgs) -> Result<Exit, Failure> {
    let stage = session.ui.stage("Checking and copying");
    let store = args.database.store()?;
    if !args.file.is_file() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Failure::file(&args.file, &missing));
    }
    let manifest = store.import(&args.file, args.force).map_err(store_failure)?;
    stage.done("Imported", &headline(&manifest));
    Ok(Exit::Ok)
}

fn export(session: &Session, args: &ExportArgs) -> Result<Exit, Failure> {
    let stage = session.ui.stage("Checking and copying");
    // Opened first, so that a missing database is told as such.
    args.database.open()?;
    let manifest = args.database.store()?.export(&args.file).map_err(store_failure)?;
    stage.done("Exported", &format!("{}: {}", args.file.display(), headline(&manifest)));
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Provider {
    name: &'static str,
    description: &'static str,
    licence: &'static str,
    attribution: &'static str,
    base_url: &'static str,
    interval_minutes: u32,
}

fn providers(session: &Session, output: &ListOutput) -> Result<Exit, Failure> {
    let rows: Vec<Provider> = SOURCES
        .iter()
        .map(|source| Provider {
            name: source.name,
            description: source.description,
            licence: source.licence,
            attribution: source.attribution,
            base_url: source.base_url,
            interval_minutes: source.interval_minutes,
        })
        .collect();
    let columns = [
        column("NAME", |row: &Provider| row.name.into()),
        column("LICENCE", |row: &Provider| row.licence.into()),
        column("DESCRIPTION", |row: &Provider| row.description.into()),
        wide("BASE URL", |row: &Provider| row.base_url.into()),
        wide("ATTRIBUTION", |row: &Provider| Cell::new(row.attribution)),
    ];
    output.list(session.out, "ProviderList", &rows, &columns)?;
    Ok(Exit::Ok)
}
