//! Events.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Asked, Params, Who};
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kedge_api::events::{
    DeleteEventsQuery, Event, EventCategory, EventDescription, EventResource, EventResponse,
    EventSource, EventSubcategory, EventsList, ListEventsQuery,
};
use kedge_app::event_types::{EVENT_TYPES, category_description};
use kedge_app::events::EventFilter;
use kedge_model::event::EventRecord;
use serde_json::{Map, Value};

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("list_event_types", list_event_types)
        .on("list_events", list_events)
        .on("delete_events", delete_events)
        .on("get_event", get_event)
        .on("delete_event", delete_event)
}

fn event(record: EventRecord, base_url: &str) -> EventResponse {
    let details = record.details.into_iter().map(|(key, value)| (key, Value::String(value)));
    let at = record.at.to_string();
    EventResponse {
        event_id: record.id,
        created_at: at.clone(),
        event: Event {
            source: EventSource {
                service_name: record.service,
                host_id: record.node.to_string(),
                base_url: base_url.to_owned(),
                request_id: String::new(),
            },
            resource: EventResource {
                account_name: record.account.0,
                id: record.resource_id,
                kind: record.resource_kind,
            },
            category: record.kind.split('.').next().unwrap_or_default().to_owned(),
            kind: record.kind,
            level: record.level.as_str().to_owned(),
            message: record.message,
            details: Value::Object(details.collect::<Map<_, _>>()),
            timestamp: at,
        },
    }
}

/// The table of types as the contract's tree.
fn event_types() -> Vec<EventCategory> {
    let mut categories: Vec<EventCategory> = Vec::new();
    for row in EVENT_TYPES {
        let (category, middle, name) = row.parts();
        let description = EventDescription {
            name: name.to_owned(),
            kind: row.kind.to_owned(),
            message: row.message.to_owned(),
            resource_type: row.resource.to_owned(),
        };
        if categories.last().is_none_or(|known| known.name != category) {
            categories.push(EventCategory {
                name: category.to_owned(),
                description: category_description(category).to_owned(),
                subcategories: Vec::new(),
            });
        }
        // The table is sorted, so both are the last ones.
        let Some(of) = categories.last_mut() else { continue };
        match of.subcategories.last_mut() {
            Some(known) if known.name == middle => known.events.push(description),
            Some(_) | None => of.subcategories.push(EventSubcategory {
                name: middle.to_owned(),
                description: format!("Events about {}", middle.replace(['.', '_'], " ")),
                events: vec![description],
            }),
        }
    }
    categories
}

async fn list_event_types(Who(_): Who) -> Json<Vec<EventCategory>> {
    Json(event_types())
}

async fn list_events(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<ListEventsQuery>,
) -> Answer<EventsList> {
    let filter = EventFilter {
        service: query.source_service_name,
        node: query.source_host_id,
        kind: query.event_type,
        resource_kind: query.resource_type,
        resource_id: query.resource_id,
        level: query.level,
        since: query.since,
        before: query.before,
    };
    let page = server.app.list_events(&who, filter, query.page, query.limit).await?;
    let base_url = &server.app.options().base_url;
    let results: Vec<_> = page.events.into_iter().map(|record| event(record, base_url)).collect();
    Ok(Json(EventsList {
        item_count: results.len() as u64,
        results,
        next_page: page.more,
        page: page.page,
    }))
}

async fn delete_events(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<DeleteEventsQuery>,
) -> Answer<Vec<String>> {
    let filter = EventFilter {
        before: query.before,
        since: query.since,
        level: query.level,
        ..Default::default()
    };
    Ok(Json(server.app.delete_events(&who, filter).await?))
}

async fn get_event(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<EventResponse> {
    let record = server.app.get_event(&who, &id).await?;
    Ok(Json(event(record, &server.app.options().base_url)))
}

async fn delete_event(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Result<StatusCode, Failure> {
    server.app.delete_event(&who, &id).await?;
    Ok(StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_in_the_tree_once() {
        let tree = event_types();
        let names: Vec<&str> = tree.iter().map(|category| category.name.as_str()).collect();
        assert_eq!(names, ["system", "user"]);
        let count: usize = tree.iter().flat_map(|c| &c.subcategories).map(|s| s.events.len()).sum();
        assert_eq!(count, EVENT_TYPES.len());
    }
}
