//! Version, health, readiness, metrics, status, services, the policy language.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Params, Who};
use crate::metrics::MEDIA_TYPE;
use crate::table::Table;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use kedge_api::error::{AnchoreErrorCode, error_codes};
use kedge_api::openapi::OPENAPI_JSON;
use kedge_api::system::{
    API_VERSION, ApiRelease, CONTRACT_RELEASE, DbRelease, GateSpec, SERVICE_NAMES, Service,
    ServiceRelease, ServiceVersion, StatusResponse, SystemStatusResponse,
};
use kedge_app::system::NodeStatus;
use serde_json::{Value, json};

/// Version of the store's schema as the contract writes it: digits.
const DB_VERSION: &str = "5210";

/// The prefix of the contract served, as `GET /` and `GET /v2` answer it.
const PREFIX: &str = "v2";

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("ping_root", ping)
        .on("ping", ping)
        .on("health_check_root", health)
        .on("health_check", health)
        .on("version_check_root", version)
        .on("version_check", version)
        .on("get_swagger", openapi)
        .on("get_openapi", openapi)
        .on("livez", livez)
        .on("readyz", readyz)
        .on("metrics", metrics)
        .on("get_status", get_status)
        .on("get_service_detail", get_service_detail)
        .on("describe_error_codes", describe_error_codes)
        .on("describe_policy", describe_policy)
        .on("list_services", list_services)
        .on("get_services_by_name", get_services_by_name)
        .on("get_services_by_name_and_host", get_services_by_name_and_host)
        .on("delete_service", delete_service)
}

async fn ping() -> Json<&'static str> {
    Json(PREFIX)
}

async fn health() -> StatusCode {
    StatusCode::OK
}

async fn version() -> Json<ServiceVersion> {
    Json(ServiceVersion {
        service: ServiceRelease { version: CONTRACT_RELEASE.to_owned() },
        api: ApiRelease { version: API_VERSION.to_owned() },
        db: DbRelease { schema_version: DB_VERSION.to_owned() },
    })
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI_JSON).into_response()
}

async fn livez() -> &'static str {
    "ok"
}

async fn readyz(State(server): State<Server>, RawQuery(query): RawQuery) -> Response {
    let checks = server.app.readiness();
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = String::new();
    if query.as_deref().is_some_and(|query| query.split('&').any(is_verbose)) {
        for check in &checks {
            let mark = if check.ok { "+" } else { "-" };
            text.push_str(format!("[{mark}] {} {}", check.name, check.text).trim_end());
            text.push('\n');
        }
    }
    text.push_str(if ready { "ok\n" } else { "not ready\n" });
    (status, text).into_response()
}

fn is_verbose(pair: &str) -> bool {
    matches!(pair, "verbose" | "verbose=" | "verbose=1" | "verbose=true")
}

async fn metrics(State(server): State<Server>) -> Response {
    let text = server.metrics.scrape(&server.app).await;
    ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
}

fn status_response(status: &NodeStatus) -> StatusResponse {
    StatusResponse {
        available: status.available,
        busy: status.busy,
        up: true,
        message: if status.message.is_empty() { "all good".into() } else { status.message.clone() },
        version: CONTRACT_RELEASE.to_owned(),
        db_version: DB_VERSION.to_owned(),
        detail: json!({"kedge_version": env!("CARGO_PKG_VERSION")}),
    }
}

/// Every node has every role, so every node stands for all services of the contract.
fn services(nodes: &[NodeStatus]) -> Vec<Service> {
    let of_node = |status: &NodeStatus| {
        let detail = status_response(status);
        let status = status.clone();
        SERVICE_NAMES.iter().map(move |name| Service {
            host_id: status.node.to_string(),
            service_name: (*name).to_owned(),
            base_url: status.base_url.clone(),
            status_message: if status.available { "available" } else { "down" }.to_owned(),
            service_detail: detail.clone(),
            status: status.available,
            version: CONTRACT_RELEASE.to_owned(),
        })
    };
    nodes.iter().flat_map(of_node).collect()
}

async fn get_status(State(server): State<Server>, Who(who): Who) -> Answer<StatusResponse> {
    Ok(Json(status_response(&server.app.status(&who)?)))
}

async fn get_service_detail(
    State(server): State<Server>,
    Who(who): Who,
) -> Answer<SystemStatusResponse> {
    let status = server.app.status(&who)?;
    Ok(Json(SystemStatusResponse { service_states: services(&[status]) }))
}

async fn describe_error_codes(Who(_): Who) -> Json<Vec<AnchoreErrorCode>> {
    Json(error_codes())
}

async fn describe_policy(State(server): State<Server>, Who(who): Who) -> Answer<Vec<GateSpec>> {
    let spec: Value = server.app.policy_spec(&who)?;
    Ok(Json(bridge(&spec)?))
}

/// Turns a value of the engines into the words of the interface, where both have the same form.
pub(crate) fn bridge<A, B>(value: &A) -> Result<B, Failure>
where
    A: serde::Serialize,
    B: serde::de::DeserializeOwned,
{
    let broken = |error: serde_json::Error| {
        tracing::error!(%error, "a result has not the form of the interface");
        Failure::Panicked
    };
    serde_json::from_value(serde_json::to_value(value).map_err(broken)?).map_err(broken)
}

async fn list_services(State(server): State<Server>, Who(who): Who) -> Answer<Vec<Service>> {
    Ok(Json(services(&server.app.nodes(&who, "listServices")?)))
}

async fn get_services_by_name(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
) -> Answer<Vec<Service>> {
    let mut services = services(&server.app.nodes(&who, "getService")?);
    services.retain(|service| service.service_name == name);
    Ok(Json(services))
}

async fn get_services_by_name_and_host(
    State(server): State<Server>,
    Who(who): Who,
    Params((name, host)): Params<(String, String)>,
) -> Answer<Vec<Service>> {
    let mut services = services(&server.app.nodes(&who, "getService")?);
    services.retain(|service| service.service_name == name && service.host_id == host);
    Ok(Json(services))
}

async fn delete_service(
    State(server): State<Server>,
    Who(who): Who,
    Params((name, host)): Params<(String, String)>,
) -> Result<StatusCode, Failure> {
    server.app.delete_service(&who, SERVICE_NAMES, &name, &host)?;
    Ok(StatusCode::OK)
}
