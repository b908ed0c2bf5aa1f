//! `kedgectl event`: what happened on a node.

use crate::Session;
use crate::client::{Query, put};
use crate::exit::{Exit, Failure};
use crate::limits::PAGES_MAX;
use crate::output::list::{Column, ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{Args, Subcommand};
use kedge_api::events::{
    EVENTS_PAGE_MAX, EventCategory, EventDescription, EventResponse, EventsList,
};

/// See what happened on a node
#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// List events, newest first
    List(ListArgs),
    /// Show an event
    Get(IdArgs),
    /// Delete one event, or all that --before, --since and --level choose
    Delete(DeleteArgs),
    /// List the types of events
    Types(ListOutput),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this level: info or error
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Only this type; * stands for any text
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only about this kind of resource
    #[arg(long, value_name = "TYPE")]
    resource_type: Option<String>,
    /// Only at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// At most so many; all with --all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// Id of the event
    id: String,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Id of the event
    #[arg(required_unless_present_any = ["before", "since", "level", "all"])]
    id: Option<String>,
    /// Events before this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    before: Option<String>,
    /// Events at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    since: Option<String>,
    /// Events of this level
    #[arg(long, value_name = "LEVEL", conflicts_with = "id")]
    level: Option<String>,
    /// All events
    #[arg(long, conflicts_with = "id")]
    all: bool,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: EventCommand) -> Result<Exit, Failure> {
    match command {
        EventCommand::List(args) => list(session, &args).await?,
        EventCommand::Get(args) => {
            let event: EventResponse =
                session.client()?.get(&["v2", "events", &args.id], Vec::new()).await?;
            let facts = vec![
                ("event", event.event_id.as_str().into()),
                ("time", event.event.timestamp.as_str().into()),
                ("level", level(&event)),
                ("type", event.event.kind.as_str().into()),
                ("message", event.event.message.as_str().into()),
                ("resource", resource(&event).into()),
                ("account", event.event.resource.account_name.as_str().into()),
                ("service", event.event.source.service_name.as_str().into()),
                ("details", event.event.details.to_string().into()),
            ];
            args.output.object(session.out, "Event", &event, facts)?;
        }
        EventCommand::Delete(args) => delete(session, &args).await?,
        EventCommand::Types(output) => types(session, &output).await?,
    }
    Ok(Exit::Ok)
}

async fn list(session: &Session, args: &ListArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let wanted = if args.all { usize::MAX } else { args.limit as usize };
    let mut rows: Vec<EventResponse> = Vec::new();
    let mut more = false;
    for page in 1..=PAGES_MAX {
        let mut query = Query::new();
        put(&mut query, "level", args.level.as_deref());
        put(&mut query, "event_type", args.kind.as_deref());
        put(&mut query, "resource_type", args.resource_type.as_deref());
        put(&mut query, "since", args.since.as_deref());
        put(&mut query, "before", args.before.as_deref());
        put(&mut query, "page", Some(page));
        put(&mut query, "limit", Some(EVENTS_PAGE_MAX));
        let answer: EventsList = client.get(&["v2", "events"], query).await?;
        let empty = answer.results.is_empty();
        rows.extend(answer.results);
        more = answer.next_page && !empty;
        if !more || rows.len() >= wanted {
            break;
        }
    }
    more |= rows.len() > wanted;
    rows.truncate(wanted);
    args.output.list(session.out, "EventList", &rows, &columns())?;
    if more {
        session.ui.note("there are more; raise --limit or use --all");
    }
    Ok(())
}

async fn delete(session: &Session, args: &DeleteArgs) -> Result<(), Failure> {
    let client = session.client()?;
    if let Some(id) = &args.id {
        session.confirm(&format!("delete event {id}?"))?;
        client.delete(&["v2", "events", id], Vec::new()).await?;
        session.ui.note(&format!("event {id} is deleted"));
        return Ok(());
    }
    session.confirm("delete all chosen events?")?;
    let mut query = Query::new();
    put(&mut query, "before", args.before.as_deref());
    put(&mut query, "since", args.since.as_deref());
    put(&mut query, "level", args.level.as_deref());
    let answer = client.delete(&["v2", "events"], query).await?;
    let ids: Vec<String> = serde_json::from_slice(&answer).unwrap_or_default();
    session.ui.note(&format!("{} deleted", text::count(ids.len(), "event")));
    Ok(())
}

async fn types(session: &Session, output: &ListOutput) -> Result<(), Failure> {
    let categories: Vec<EventCategory> =
        session.client()?.get(&["v2", "event-types"], Vec::new()).await?;
    let rows: Vec<EventDescription> = categories
        .into_iter()
        .flat_map(|category| category.subcategories)
        .flat_map(|subcategory| subcategory.events)
        .collect();
    let columns = [
        column("TYPE", |row: &EventDescription| row.kind.as_str().into()),
        column("MESSAGE", |row: &EventDescription| row.message.as_str().into()),
        column("RESOURCE", |row: &EventDescription| row.resource_type.as_str().into()),
    ];
    output.list(session.out, "EventTypeList", &rows, &columns)
}

fn level(event: &EventResponse) -> Cell {
    let level = event.event.level.as_str();
    let bad = level.eq_ignore_ascii_case("error");
    if bad { Cell::toned(level, Tone::Bad) } else { level.into() }
}

fn resource(event: &EventResponse) -> String {
    let resource = &event.event.resource;
    if resource.kind.is_empty() {
        resource.id.clone()
    } else {
        format!("{} {}", resource.kind, resource.id)
    }
}

fn columns() -> [Column<EventResponse>; 7] {
    [
        column("EVENT", |row| row.event_id.as_str().into()),
        column("TIME", |row| text::ago_text(&row.event.timestamp).into()),
        column("LEVEL", level),
        column("TYPE", |row| row.event.kind.as_str().into()),
        column("MESSAGE", |row| row.event.message.as_str().into()),
        wide("RESOURCE", |row| resource(row).into()),
        wide("SERVICE", |row| row.event.source.service_name.as_str().into()),
    ]
}
