//! Registries. Every method answers a list, also for one; no answer has a password.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Asked, JsonBody, Params, Who};
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kedge_api::registries::{RegistryConfiguration, RegistryConfigurationRequest, ValidateQuery};
use kedge_api::users::Secret;
use kedge_app::registries::RegistryInput;
use kedge_model::registry::Registry;

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("list_registries", list_registries)
        .on("create_registry", create_registry)
        .on("get_registry", get_registry)
        .on("update_registry", update_registry)
        .on("delete_registry", delete_registry)
}

fn registry(row: Registry) -> RegistryConfiguration {
    RegistryConfiguration {
        registry: row.registry,
        registry_name: row.name,
        registry_user: row.user,
        registry_type: row.kind.as_str().to_owned(),
        registry_verify: row.verify_tls,
        account_name: row.account.0,
        created_at: row.created_at.to_string(),
        last_updated: row.last_updated.to_string(),
    }
}

fn input(body: RegistryConfigurationRequest) -> RegistryInput {
    RegistryInput {
        registry: body.registry,
        name: body.registry_name,
        user: body.registry_user,
        password: body.registry_pass.map(Secret::into_text),
        kind: body.registry_type,
        verify_tls: body.registry_verify,
    }
}

async fn list_registries(
    State(server): State<Server>,
    Who(who): Who,
) -> Answer<Vec<RegistryConfiguration>> {
    let rows = server.app.list_registries(&who).await?;
    Ok(Json(rows.into_iter().map(registry).collect()))
}

async fn create_registry(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<ValidateQuery>,
    JsonBody(body): JsonBody<RegistryConfigurationRequest>,
) -> Answer<Vec<RegistryConfiguration>> {
    let validate = query.validate.unwrap_or(true);
    let row = server.app.create_registry(&who, input(body), validate).await?;
    Ok(Json(vec![registry(row)]))
}

async fn get_registry(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
) -> Answer<Vec<RegistryConfiguration>> {
    Ok(Json(vec![registry(server.app.get_registry(&who, &name).await?)]))
}

async fn update_registry(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
    Asked(query): Asked<ValidateQuery>,
    JsonBody(body): JsonBody<RegistryConfigurationRequest>,
) -> Answer<Vec<RegistryConfiguration>> {
    let validate = query.validate.unwrap_or(true);
    let row = server.app.update_registry(&who, &name, input(body), validate).await?;
    Ok(Json(vec![registry(row)]))
}

async fn delete_registry(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
) -> Result<StatusCode, Failure> {
    server.app.delete_registry(&who, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
