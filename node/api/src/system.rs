//! Version, health, status, services, policy language.

use crate::error::AnchoreErrorCode;
use crate::routes::Access::{AnyUser, InAccount, InSystem, Open};
use crate::routes::{Body, Route, schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What `api.version` must be: agents compare the text and fall back to version 1 otherwise.
pub const API_VERSION: &str = "2";

/// The product version reported to clients of the contract. Agents refuse anything below 5.11.0,
/// so it is the release of Anchore Enterprise whose API is served, not ours.
pub const CONTRACT_RELEASE: &str = "5.21.0";

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/", "ping_root").access(Open).gives(Body::JsonString).about("API version"),
    Route::get("/v2", "ping").access(Open).gives(Body::JsonString).about("API version"),
    Route::get("/health", "health_check_root").access(Open).about("The server answers"),
    Route::get("/v2/health", "health_check").access(Open).about("The server answers"),
    Route::get("/version", "version_check_root")
        .access(Open)
        .gives(Body::Json(schema::<ServiceVersion>))
        .about("Versions of service, API and store"),
    Route::get("/v2/version", "version_check")
        .access(Open)
        .gives(Body::Json(schema::<ServiceVersion>))
        .about("Versions of service, API and store"),
    Route::get("/swagger.json", "get_swagger")
        .access(Open)
        .gives(Body::JsonObject)
        .about("This document, where older clients look for it"),
    Route::get("/v2/openapi.json", "get_openapi")
        .access(Open)
        .gives(Body::JsonObject)
        .about("This document"),
    Route::get("/livez", "livez").access(Open).gives(Body::Bytes("text/plain")).about("Alive"),
    Route::get("/readyz", "readyz")
        .access(Open)
        .gives(Body::Bytes("text/plain"))
        .about("Ready for requests"),
    Route::get("/metrics", "metrics")
        .access(Open)
        .gives(Body::Bytes("text/plain"))
        .about("Prometheus metrics"),
    Route::get("/v2/status", "get_status")
        .access(AnyUser)
        .gives(Body::Json(schema::<StatusResponse>))
        .about("Status of the API service"),
    Route::get("/v2/system", "get_service_detail")
        .access(AnyUser)
        .gives(Body::Json(schema::<SystemStatusResponse>))
        .about("Status of all services"),
    Route::get("/v2/system/error-codes", "describe_error_codes")
        .access(AnyUser)
        .gives(Body::List(schema::<AnchoreErrorCode>))
        .about("Stable error codes"),
    Route::get("/v2/system/policy-spec", "describe_policy")
        .access(AnyUser)
        .gives(Body::List(schema::<GateSpec>))
        .about("The policy language"),
    Route::get("/v2/system/services", "list_services")
        .access(InAccount("listServices"))
        .gives(Body::List(schema::<Service>))
        .about("Services of all nodes"),
    Route::get("/v2/system/services/{service_name}", "get_services_by_name")
        .access(InAccount("getService"))
        .gives(Body::List(schema::<Service>))
        .about("One service on all nodes"),
    Route::get("/v2/system/services/{service_name}/{host_id}", "get_services_by_name_and_host")
        .access(InAccount("getService"))
        .gives(Body::List(schema::<Service>))
        .about("One service on one node"),
    Route::delete("/v2/system/services/{service_name}/{host_id}", "delete_service")
        .access(InSystem("deleteService"))
        .about("Forget a service that is down"),
];

/// Answer of `GET /version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceVersion {
    /// The service.
    pub service: ServiceRelease,
    /// The API.
    pub api: ApiRelease,
    /// The store.
    pub db: DbRelease,
}

/// Version of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceRelease {
    /// Semantic version.
    pub version: String,
}

/// Version of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiRelease {
    /// [`API_VERSION`].
    pub version: String,
}

/// Version of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DbRelease {
    /// Digits, as text.
    pub schema_version: String,
}

/// Status of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusResponse {
    /// Takes work.
    pub available: bool,
    /// Works on something.
    pub busy: bool,
    /// Runs.
    pub up: bool,
    /// For people.
    pub message: String,
    /// Version of the service.
    pub version: String,
    /// Version of the store.
    pub db_version: String,
    /// Open object with what the service tells about itself.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// Answer of `GET /v2/system`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SystemStatusResponse {
    /// Every service of every node.
    pub service_states: Vec<Service>,
}

/// Names under which a node reports its roles. Clients poll until each of these has an entry
/// whose `status` is true, so every node reports all of them.
pub const SERVICE_NAMES: &[&str] =
    &["apiext", "catalog", "policy_engine", "simplequeue", "analyzer"];

/// One role of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Id of the node.
    pub host_id: String,
    /// One of [`SERVICE_NAMES`].
    pub service_name: String,
    /// Where it listens.
    pub base_url: String,
    /// `available`, `down`, `orphaned`, `registered`.
    pub status_message: String,
    /// What it says about itself.
    pub service_detail: StatusResponse,
    /// Whether it works.
    pub status: bool,
    /// Version of the service.
    pub version: String,
}

/// Whether a gate, trigger or parameter may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpecState {
    /// In use.
    Active,
    /// Works, will go.
    Deprecated,
    /// Gone; a policy that uses it is refused.
    Eol,
}

/// What a gate judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactType {
    /// A container image.
    Image,
    /// A source repository.
    Source,
}

/// A gate of the policy language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateSpec {
    /// Name in policy documents.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it judges.
    pub supported_artifact_type: ArtifactType,
    /// Whether it may be used.
    pub state: SpecState,
    /// The gate to use instead.
    pub superseded_by: Option<String>,
    /// Its triggers.
    pub triggers: Vec<TriggerSpec>,
}

/// A trigger of a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerSpec {
    /// Name in policy documents.
    pub name: String,
    /// For people.
    pub description: String,
    /// Whether it may be used.
    pub state: SpecState,
    /// The trigger to use instead.
    pub superseded_by: Option<String>,
    /// Its parameters.
    pub parameters: Vec<TriggerParamSpec>,
}

/// A parameter of a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerParamSpec {
    /// Name in policy documents.
    pub name: String,
    /// For people.
    pub description: String,
    /// An example value.
    pub example: Option<String>,
    /// Whether it may be used.
    pub state: SpecState,
    /// The parameter to use instead.
    pub superseded_by: Option<String>,
    /// Whether a rule must set it.
    pub required: bool,
    /// What values it takes.
    #[schema(value_type = Object)]
    pub validator: Value,
}
