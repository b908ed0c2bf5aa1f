//! `kedgectl context`: saved nodes.

use crate::Session;
use crate::context::Config;
use crate::exit::{Exit, Failure};
use crate::output::list::{ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use clap::{Args, Subcommand};
use serde::Serialize;

/// List and choose saved nodes
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List contexts
    List(ListOutput),
    /// Choose the context for the commands to come
    Use(NameArgs),
    /// Remove a context with its password
    Rm(NameArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Name of the context
    name: String,
}

#[derive(Serialize)]
struct Row {
    name: String,
    current: bool,
    url: String,
    username: Option<String>,
    account: Option<String>,
    has_password: bool,
}

/// Runs the area.
pub(crate) fn run(session: &Session, command: ContextCommand) -> Result<Exit, Failure> {
    let mut config = Config::load()?;
    match command {
        ContextCommand::List(output) => list(session, &config, &output)?,
        ContextCommand::Use(args) => {
            require(&config, &args.name)?;
            config.current = Some(args.name.clone());
            config.save()?;
            session.ui.note(&format!("context '{}' is in use", args.name));
        }
        ContextCommand::Rm(args) => {
            require(&config, &args.name)?;
            config.contexts.remove(&args.name);
            if config.current.as_ref() == Some(&args.name) {
                config.current = None;
            }
            config.save()?;
            session.ui.note(&format!("context '{}' is removed", args.name));
        }
    }
    Ok(Exit::Ok)
}

fn require(config: &Config, name: &str) -> Result<(), Failure> {
    if config.contexts.contains_key(name) {
        return Ok(());
    }
    let names: Vec<&str> = config.contexts.keys().map(String::as_str).collect();
    Err(Failure::not_found(format!("there is no context '{name}'"))
        .hint(format!("known are: {}", names.join(", "))))
}

fn list(session: &Session, config: &Config, output: &ListOutput) -> Result<(), Failure> {
    if let Ok(path) = Config::path()
        && Config::is_exposed(&path)
    {
        session.ui.warn(&format!("others can read {}: chmod 600 it", path.display()));
    }
    let rows: Vec<Row> = config
        .contexts
        .iter()
        .map(|(name, context)| Row {
            name: name.clone(),
            current: config.current.as_ref() == Some(name),
            url: context.url.clone(),
            username: context.username.clone(),
            account: context.account.clone(),
            has_password: context.password.is_some(),
        })
        .collect();
    let columns = [
        column("NAME", |row: &Row| row.name.as_str().into()),
        column(
            "CURRENT",
            |row: &Row| {
                if row.current { Cell::toned("*", Tone::Good) } else { "".into() }
            },
        ),
        column("URL", |row: &Row| row.url.as_str().into()),
        column("USER", |row: &Row| row.username.clone().unwrap_or_default().into()),
        wide("ACCOUNT", |row: &Row| row.account.clone().unwrap_or_default().into()),
        wide("PASSWORD", |row: &Row| if row.has_password { "saved".into() } else { "".into() }),
    ];
    output.list(session.out, "ContextList", &rows, &columns)
}
