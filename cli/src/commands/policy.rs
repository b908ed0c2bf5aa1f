//! `kedgectl policy`: the policies of a node, and checking documents before they get there.

use crate::Session;
use crate::client::{Query, put};
use crate::commands::scan::read_policy;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::list::{Column, ListOutput, column, wide};
use crate::output::pretty;
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{Args, Subcommand};
use kedge_api::policies::{PolicyRecord, PolicyUpdateRequest};
use kedge_api::system::{GateSpec, TriggerParamSpec};
use reqwest::Method;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  kedgectl policy init > policy.json                  the default policy, to start from
  kedgectl policy lint policy.json                    local, every mistake is told
  kedgectl policy add policy.json --activate
  kedgectl policy spec -o table                       gates, triggers and parameters";

/// Manage the policies that images are judged by
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum PolicyCommand {
    /// List policies
    List(ListOutput),
    /// Show a policy
    Get(IdArgs),
    /// Add a policy document
    #[command(after_help = EXAMPLES)]
    Add(AddArgs),
    /// Replace the document of a policy
    Update(UpdateArgs),
    /// Judge by this policy when no other is named
    Activate(IdArgs),
    /// Delete a policy that is not active
    Delete(DeleteArgs),
    /// Write the document of a policy
    Export(ExportArgs),
    /// Show the policy language: gates, triggers, parameters
    Spec(SpecArgs),
    /// Check a document, without a server
    Lint(LintArgs),
    /// Write the default policy, without a server
    Init,
}

#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// Id of the policy
    id: String,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Policy document; - for standard input
    file: PathBuf,
    /// Make it the active one
    #[arg(long)]
    activate: bool,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Id of the policy
    id: String,
    /// Policy document; - for standard input
    file: PathBuf,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Id of the policy
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Id of the policy
    id: String,
    /// File to write; standard output when absent
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SpecArgs {
    /// Only this gate
    gate: Option<String>,
    /// That of this program, without a server
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Policy document; - for standard input
    file: PathBuf,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::List(output) => {
            let rows: Vec<PolicyRecord> =
                session.client()?.get(&["v2", "policies"], Vec::new()).await?;
            output.list(session.out, "PolicyList", &rows, &columns())?;
        }
        PolicyCommand::Get(args) => {
            let record = get(session, &args.id).await?;
            show(session, &args.output, &record)?;
        }
        PolicyCommand::Add(args) => add(session, args).await?,
        PolicyCommand::Update(args) => {
            let active = get(session, &args.id).await?.active;
            let document = raw(&args.file)?;
            let record = replace(session, &args.id, active, Some(document)).await?;
            show(session, &args.output, &record)?;
        }
        PolicyCommand::Activate(args) => {
            let record = replace(session, &args.id, true, None).await?;
            show(session, &args.output, &record)?;
        }
        PolicyCommand::Delete(args) => {
            session.confirm(&format!("delete policy {}?", args.id))?;
            session.client()?.delete(&["v2", "policies", &args.id], Vec::new()).await?;
            session.ui.note(&format!("policy {} is deleted", args.id));
        }
        PolicyCommand::Export(args) => export(session, &args).await?,
        PolicyCommand::Spec(args) => spec(session, &args).await?,
        PolicyCommand::Lint(args) => {
            read_policy(session, &args.file)?;
            session.ui.note(&format!("{} is a usable policy", args.file.display()));
        }
        PolicyCommand::Init => {
            session.out.print(&pretty(&kedge_policy::default::default_policy())?)?;
        }
    }
    Ok(Exit::Ok)
}

async fn get(session: &Session, id: &str) -> Result<PolicyRecord, Failure> {
    let mut query = Query::new();
    put(&mut query, "detail", Some(true));
    session.client()?.get(&["v2", "policies", id], query).await
}

/// The document as it was written: the server tells every mistake in it, so it is not read here.
fn raw(path: &Path) -> Result<Box<RawValue>, Failure> {
    serde_json::from_slice(&input::document(path)?)
        .map_err(|error| Failure::error(format!("{} is not JSON: {error}", path.display())))
}

async fn add(session: &Session, args: AddArgs) -> Result<(), Failure> {
    let document = raw(&args.file)?;
    let place = ["v2", "policies"];
    let client = session.client()?;
    let mut record: PolicyRecord =
        client.send_json(Method::POST, &place, Vec::new(), &document).await?;
    if args.activate {
        record = replace(session, &record.policy_id, true, None).await?;
    }
    show(session, &args.output, &record)
}

async fn replace(
    session: &Session,
    id: &str,
    active: bool,
    policy: Option<Box<RawValue>>,
) -> Result<PolicyRecord, Failure> {
    let body = PolicyUpdateRequest {
        policy_id: id.to_owned(),
        active,
        account_name: None,
        policy_source: None,
        name: None,
        description: None,
        policy,
        created_at: None,
        last_updated: None,
    };
    let mut query = Query::new();
    put(&mut query, "active", Some(active));
    session.client()?.send_json(Method::PUT, &["v2", "policies", id], query, &body).await
}

async fn export(session: &Session, args: &ExportArgs) -> Result<(), Failure> {
    let record = get(session, &args.id).await?;
    let Some(document) = record.policy else {
        return Err(Failure::error("the node sent no document"));
    };
    let bytes = pretty(&document)?;
    match &args.file {
        Some(path) => std::fs::write(path, bytes).map_err(|error| Failure::file(path, &error)),
        None => session.out.print(&bytes),
    }
}

fn show(session: &Session, output: &ListOutput, record: &PolicyRecord) -> Result<(), Failure> {
    let facts = vec![
        ("policy", record.policy_id.as_str().into()),
        ("name", record.name.as_str().into()),
        ("active", active(record)),
        ("description", record.description.clone().unwrap_or_default().into()),
        ("source", record.policy_source.as_str().into()),
        ("updated", text::ago_text(&record.last_updated).into()),
    ];
    output.object(session.out, "Policy", record, facts)
}

fn active(record: &PolicyRecord) -> Cell {
    if record.active { Cell::toned("yes", Tone::Good) } else { "no".into() }
}

fn columns() -> [Column<PolicyRecord>; 6] {
    [
        column("POLICY", |row| row.policy_id.as_str().into()),
        column("NAME", |row| row.name.as_str().into()),
        column("ACTIVE", active),
        column("UPDATED", |row| text::ago_text(&row.last_updated).into()),
        wide("SOURCE", |row| row.policy_source.as_str().into()),
        wide("DESCRIPTION", |row| row.description.clone().unwrap_or_default().into()),
    ]
}

#[derive(serde::Serialize)]
struct TriggerRow {
    gate: String,
    trigger: String,
    description: String,
    parameters: Vec<TriggerParamSpec>,
}

fn parameters(row: &TriggerRow) -> String {
    let mark =
        |p: &TriggerParamSpec| if p.required { format!("{}*", p.name) } else { p.name.clone() };
    row.parameters.iter().map(mark).collect::<Vec<_>>().join(" ")
}

async fn spec(session: &Session, args: &SpecArgs) -> Result<(), Failure> {
    let mut gates: Vec<GateSpec> = if args.local {
        serde_json::from_value(kedge_policy::spec::spec(false)).map_err(Failure::error)?
    } else {
        session.client()?.get(&["v2", "system", "policy-spec"], Vec::new()).await?
    };
    if let Some(name) = &args.gate {
        let names: Vec<String> = gates.iter().map(|gate| gate.name.clone()).collect();
        gates.retain(|gate| gate.name == *name);
        if gates.is_empty() {
            return Err(Failure::not_found(format!("there is no gate '{name}'"))
                .hint(format!("known are {}", names.join(", "))));
        }
    }
    let rows: Vec<TriggerRow> = gates
        .iter()
        .flat_map(|gate| gate.triggers.iter().map(move |trigger| (gate, trigger)))
        .map(|(gate, trigger)| TriggerRow {
            gate: gate.name.clone(),
            trigger: trigger.name.clone(),
            description: trigger.description.clone(),
            parameters: trigger.parameters.clone(),
        })
        .collect();
    let columns = [
        column("GATE", |row: &TriggerRow| row.gate.as_str().into()),
        column("TRIGGER", |row: &TriggerRow| row.trigger.as_str().into()),
        column("PARAMETERS (* required)", |row: &TriggerRow| parameters(row).into()),
        wide("DESCRIPTION", |row: &TriggerRow| row.description.as_str().into()),
    ];
    args.output.list(session.out, "PolicySpec", &rows, &columns)
}
