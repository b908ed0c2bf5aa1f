//! `kedgectl feed`: the vulnerability data of a node.

use crate::Session;
use crate::client::{Query, put};
use crate::exit::{Exit, Failure};
use crate::output::list::{ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{Args, Subcommand};
use kedge_api::feeds::{
    FeedDriver, FeedDriverList, FeedGeneration, FeedMetadata, SyncFeedsResponse,
};
use reqwest::Method;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

const EXAMPLES: &str = "\
Examples:
  kedgectl feed list
  kedgectl feed drivers
  kedgectl feed sync
  kedgectl feed export feeds.kdb          also usable with 'kedgectl db import'
  kedgectl feed import feeds.kdb          made by 'feed export' or 'db export'";

/// Manage the vulnerability data of a node
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum FeedCommand {
    /// List feeds, their groups and their age
    List(ListOutput),
    /// List drivers and when each ran
    Drivers(ListOutput),
    /// Fetch all feeds now and wait
    Sync(SyncArgs),
    /// Take over a generation from a file
    Import(FileArgs),
    /// Write the generation in use to a file
    Export(FileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Parse everything again, changed or not
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The file
    file: PathBuf,
}

#[derive(Serialize)]
struct Row {
    feed: String,
    group: String,
    records: u64,
    enabled: bool,
    last_sync: Option<String>,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: FeedCommand) -> Result<Exit, Failure> {
    match command {
        FeedCommand::List(output) => list(session, &output).await?,
        FeedCommand::Drivers(output) => drivers(session, &output).await?,
        FeedCommand::Sync(args) => {
            let mut query = Query::new();
            put(&mut query, "force_sync", args.force.then_some(true));
            let stage = session.ui.stage("Syncing feeds");
            let answer: SyncFeedsResponse =
                session.client()?.post(&["v2", "system", "feeds"], query).await?;
            stage.done("Synced feeds", &answer.message);
        }
        FeedCommand::Import(args) => import(session, &args.file).await?,
        FeedCommand::Export(args) => export(session, &args.file).await?,
    }
    Ok(Exit::Ok)
}

async fn list(session: &Session, output: &ListOutput) -> Result<(), Failure> {
    let feeds: Vec<FeedMetadata> =
        session.client()?.get(&["v2", "system", "feeds"], Vec::new()).await?;
    let mut rows = Vec::new();
    for feed in &feeds {
        for group in &feed.groups {
            rows.push(Row {
                feed: feed.name.clone(),
                group: group.name.clone(),
                records: group.record_count,
                enabled: feed.enabled && group.enabled,
                last_sync: group.last_sync.clone().or_else(|| feed.last_full_sync.clone()),
            });
        }
    }
    let columns = [
        column("FEED", |row: &Row| row.feed.as_str().into()),
        column("GROUP", |row: &Row| row.group.as_str().into()),
        column("RECORDS", |row: &Row| row.records.to_string().into()),
        column("SYNCED", |row: &Row| synced(row.last_sync.as_deref())),
        wide("ENABLED", |row: &Row| if row.enabled { "yes".into() } else { "no".into() }),
    ];
    output.list(session.out, "FeedList", &rows, &columns)
}

fn synced(time: Option<&str>) -> Cell {
    time.map_or_else(|| Cell::toned("never", Tone::Warn), |time| text::ago_text(time).into())
}

async fn drivers(session: &Session, output: &ListOutput) -> Result<(), Failure> {
    let list: FeedDriverList =
        session.client()?.get(&["kedge", "v1", "feeds", "drivers"], Vec::new()).await?;
    let columns = [
        column("NAME", |row: &FeedDriver| row.name.as_str().into()),
        column("RECORDS", |row: &FeedDriver| row.record_count.to_string().into()),
        column("SUCCEEDED", |row: &FeedDriver| synced(row.last_success.as_deref())),
        column("ERROR", |row: &FeedDriver| match &row.last_error {
            Some(error) => Cell::toned(error.as_str(), Tone::Bad),
            None => "".into(),
        }),
        wide("ENABLED", |row: &FeedDriver| if row.enabled { "yes".into() } else { "no".into() }),
        wide("BASE URL", |row: &FeedDriver| row.base_url.as_str().into()),
        wide("SCOPES", |row: &FeedDriver| row.scopes.join(" ").into()),
    ];
    output.list(session.out, "FeedDriverList", &list.drivers, &columns)
}

async fn import(session: &Session, path: &Path) -> Result<(), Failure> {
    let file = tokio::fs::File::open(path).await.map_err(|error| Failure::file(path, &error))?;
    let stage = session.ui.stage(&format!("Uploading {}", path.display()));
    let body = ("application/octet-stream", reqwest::Body::from(file));
    let place = ["kedge", "v1", "feeds", "bundle"];
    let generation: FeedGeneration =
        session.client()?.send_bytes(Method::POST, &place, Vec::new(), body).await?;
    stage.done("Imported", &headline(&generation));
    Ok(())
}

fn headline(generation: &FeedGeneration) -> String {
    format!(
        "generation {}, built {}, {} records",
        generation.id.chars().take(12).collect::<String>(),
        text::ago_text(&generation.built_at),
        generation.record_count
    )
}

/// Streams to a file beside the target and checks it there: a cut download must not look whole.
async fn export(session: &Session, path: &Path) -> Result<(), Failure> {
    let stage = session.ui.stage("Downloading");
    let client = session.client()?;
    let mut response = client.stream(&["kedge", "v1", "feeds", "bundle"]).await?;
    stage.total(response.content_length().unwrap_or(0));
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".part");
    let fresh = PathBuf::from(fresh);
    let failed = |error: std::io::Error| Failure::file(&fresh, &error);
    let mut file = tokio::fs::File::create(&fresh).await.map_err(failed)?;
    let mut count = 0;
    loop {
        let chunk = response.chunk().await.map_err(|_| {
            Failure::new(Exit::Unavailable, format!("the download broke off after {count} bytes"))
        })?;
        let Some(chunk) = chunk else { break };
        count += chunk.len() as u64;
        file.write_all(&chunk).await.map_err(failed)?;
        stage.position(count);
    }
    file.sync_all().await.map_err(failed)?;
    let whole = kedge_fetch::open_file(&fresh).and_then(|dataset| dataset.verify());
    if let Err(error) = whole {
        let _ = std::fs::remove_file(&fresh);
        return Err(Failure::error(format!("what the node sent is not usable: {error}")));
    }
    std::fs::rename(&fresh, path).map_err(|error| Failure::file(path, &error))?;
    stage.done("Exported", &format!("{} ({})", path.display(), text::bytes(count)));
    Ok(())
}
