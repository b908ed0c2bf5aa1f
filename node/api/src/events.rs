//! Events.

use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Routes of this file. Reading actions do not suffice to delete, also for one event, although
/// the contract's document says so.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/event-types", "list_event_types")
        .access(InAccount("listEvents"))
        .gives(Body::List(schema::<EventCategory>))
        .about("Event types"),
    Route::get("/v2/events", "list_events")
        .access(InAccount("listEvents"))
        .params(query::<ListEventsQuery>)
        .gives(Body::Json(schema::<EventsList>))
        .about("Events, newest first"),
    Route::delete("/v2/events", "delete_events")
        .access(InAccount("deleteEvents"))
        .params(query::<DeleteEventsQuery>)
        .gives(Body::StringList)
        .about("Delete events; answers their ids"),
    Route::get("/v2/events/{event_id}", "get_event")
        .access(InAccount("getEvent"))
        .gives(Body::Json(schema::<EventResponse>))
        .about("One event"),
    Route::delete("/v2/events/{event_id}", "delete_event")
        .access(InAccount("deleteEvents"))
        .about("Delete an event"),
];

/// Events on a page when the request does not say, and the most it may say.
pub const EVENTS_PAGE_MAX: u32 = 100;

/// Query of `GET /v2/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListEventsQuery {
    /// Only of this service.
    pub source_service_name: Option<String>,
    /// Only of this node.
    pub source_host_id: Option<String>,
    /// Only types with this prefix; `*` stands for any text.
    #[param(pattern = "^[a-z0-9-_.*]+$")]
    pub event_type: Option<String>,
    /// Only about this type of resource.
    pub resource_type: Option<String>,
    /// Only about this resource.
    pub resource_id: Option<String>,
    /// `INFO` or `ERROR`.
    pub level: Option<String>,
    /// Only after this RFC 3339 time.
    pub since: Option<String>,
    /// Only before this RFC 3339 time.
    pub before: Option<String>,
    /// Page, from 1.
    pub page: Option<u32>,
    /// Events on a page, at most [`EVENTS_PAGE_MAX`].
    pub limit: Option<u32>,
}

/// Query of `DELETE /v2/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteEventsQuery {
    /// Only before this RFC 3339 time.
    pub before: Option<String>,
    /// Only after this RFC 3339 time.
    pub since: Option<String>,
    /// `INFO` or `ERROR`.
    pub level: Option<String>,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventsList {
    /// The events.
    pub results: Vec<EventResponse>,
    /// Whether there are more.
    pub next_page: bool,
    /// Events on this page.
    pub item_count: u64,
    /// This page.
    pub page: u32,
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventResponse {
    /// Id of the record.
    pub event_id: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Who tells.
    pub source: EventSource,
    /// About what.
    pub resource: EventResource,
    /// `category.subcategory.name`.
    #[serde(rename = "type")]
    pub kind: String,
    /// First part of the type.
    pub category: String,
    /// `info` or `error`.
    pub level: String,
    /// For people.
    pub message: String,
    /// Always an object.
    #[schema(value_type = Object)]
    pub details: Value,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub timestamp: String,
}

/// Who tells of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventSource {
    /// Service.
    pub service_name: String,
    /// Node.
    pub host_id: String,
    /// Where it listens.
    pub base_url: String,
    /// Request that led to it, or empty.
    pub request_id: String,
}

/// What an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventResource {
    /// Owner.
    pub account_name: String,
    /// Id.
    pub id: String,
    /// `image_digest`, `image_tag`, `image_reference`, `repository`, `feeds`, `feed`,
    /// `feed_group`, `policy_bundle`, `service`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A group of event types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventCategory {
    /// First part of the type.
    pub name: String,
    /// For people.
    pub description: String,
    /// Next parts.
    pub subcategories: Vec<EventSubcategory>,
}

/// A smaller group of event types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventSubcategory {
    /// Middle part of the type.
    pub name: String,
    /// For people.
    pub description: String,
    /// The types.
    pub events: Vec<EventDescription>,
}

/// An event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventDescription {
    /// Last part of the type.
    pub name: String,
    /// The whole type.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    pub message: String,
    /// What it is about.
    pub resource_type: String,
}
