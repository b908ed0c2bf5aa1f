//! `kedgectl registry`: registries that the node may pull from.

use crate::Session;
use crate::client::{Query, put};
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::list::{Column, ListOutput, column, wide};
use crate::text;
use clap::{ArgAction, Args, Subcommand};
use kedge_api::registries::{RegistryConfiguration, RegistryConfigurationRequest};
use reqwest::Method;

const PASSWORDS: [&str; 2] = ["KEDGE_REGISTRY_PASSWORD", "ANCHORECTL_REGISTRY_PASSWORD"];

const EXAMPLES: &str = "\
Examples:
  kedgectl registry add registry.example.com:5000 --username bot --password-stdin < password.txt
  kedgectl registry add registry.example.com/team --username team       only below that path
  kedgectl registry add 127.0.0.1:5000 --secure-connection=false        plain HTTP, no login
  kedgectl registry list

Of several entries of one host, the one with the longest matching path is used.";

/// Manage the registries that a node pulls from
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum RegistryCommand {
    /// Add a registry
    #[command(after_help = EXAMPLES)]
    Add(RegistryArgs),
    /// List registries
    List(ListOutput),
    /// Show a registry
    Get(GetArgs),
    /// Replace a registry's settings
    Update(RegistryArgs),
    /// Remove a registry; its images stay
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RegistryArgs {
    /// Host with port, and a path when the login is for that path only
    registry: String,
    /// Kind of registry
    #[arg(long = "type", value_name = "TYPE", default_value = "docker_v2")]
    kind: String,
    /// User name
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Verify the certificate; =false also allows plain HTTP
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    secure_connection: bool,
    /// Try the login before it is stored
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    validate: bool,
    /// Name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Registry as it was added
    registry: String,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Registry as it was added
    registry: String,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: RegistryCommand) -> Result<Exit, Failure> {
    match command {
        RegistryCommand::Add(args) => store(session, args, Method::POST).await?,
        RegistryCommand::Update(args) => store(session, args, Method::PUT).await?,
        RegistryCommand::List(output) => {
            let rows = session.client()?.get(&["v2", "registries"], Vec::new()).await?;
            show(session, &output, rows)?;
        }
        RegistryCommand::Get(args) => {
            let rows = session.client()?.get(&path(&args.registry), Vec::new()).await?;
            show(session, &args.output, rows)?;
        }
        RegistryCommand::Delete(args) => {
            session.confirm(&format!("remove registry {} and its password?", args.registry))?;
            session.client()?.delete(&path(&args.registry), Vec::new()).await?;
            session.ui.note(&format!("registry {} is removed", args.registry));
        }
    }
    Ok(Exit::Ok)
}

/// The route takes the rest of the path, slashes included.
fn path(registry: &str) -> Vec<&str> {
    ["v2", "registries"].into_iter().chain(registry.split('/')).collect()
}

async fn store(session: &Session, args: RegistryArgs, method: Method) -> Result<(), Failure> {
    let password = match &args.username {
        Some(username) => {
            let question = format!("password of {username} at {}", args.registry);
            let stdin = args.password_stdin;
            Some(input::required_password(session.ui, stdin, &PASSWORDS, &question)?)
        }
        None if args.password_stdin => {
            return Err(Failure::usage("--password-stdin needs --username"));
        }
        None => None,
    };
    let body = RegistryConfigurationRequest {
        registry: Some(args.registry.clone()),
        registry_name: args.name.clone().or_else(|| Some(args.registry.clone())),
        registry_user: args.username.clone(),
        registry_pass: password,
        registry_type: Some(args.kind.clone()),
        registry_verify: Some(args.secure_connection),
    };
    let mut query = Query::new();
    put(&mut query, "validate", Some(args.validate));
    let client = session.client()?;
    let place =
        if method == Method::POST { vec!["v2", "registries"] } else { path(&args.registry) };
    let stage = session.ui.stage("Checking the registry");
    let stored = client.send_json(method, &place, query, &body).await.map_err(|failure| {
        if args.validate && failure.hint.is_none() {
            failure.hint("store it unchecked with --validate=false")
        } else {
            failure
        }
    })?;
    drop(stage);
    show(session, &args.output, stored)
}

fn show(
    session: &Session,
    output: &ListOutput,
    rows: Vec<RegistryConfiguration>,
) -> Result<(), Failure> {
    output.list(session.out, "RegistryList", &rows, &columns())
}

fn columns() -> [Column<RegistryConfiguration>; 7] {
    [
        column("REGISTRY", |row| row.registry.as_str().into()),
        column("NAME", |row| row.registry_name.as_str().into()),
        column("TYPE", |row| row.registry_type.as_str().into()),
        column("USER", |row| row.registry_user.as_str().into()),
        column("TLS VERIFIED", |row| if row.registry_verify { "yes".into() } else { "no".into() }),
        column("UPDATED", |row| text::ago_text(&row.last_updated).into()),
        wide("ACCOUNT", |row| row.account_name.as_str().into()),
    ]
}
