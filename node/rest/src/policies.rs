//! Policies. Documents pass as they came: the engine reports every mistake in them.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Asked, Params, PolicyBody, Who, parse_json};
use crate::large::large;
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kedge_api::policies::{
    Policy, PolicyDetailQuery, PolicyRecord, PolicyUpdateRequest, UpdatePolicyQuery,
};
use kedge_app::policies::{PolicyChange, PolicyView};

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("list_policies", list_policies)
        .on("add_policy", add_policy)
        .on("get_policy", get_policy)
        .on("update_policy", update_policy)
        .on("delete_policy", delete_policy)
}

fn record(view: PolicyView) -> Result<PolicyRecord, Failure> {
    let document: Option<Policy> = match &view.document {
        None => None,
        Some(bytes) => Some(serde_json::from_slice(bytes).map_err(|error| {
            tracing::error!(%error, "a stored policy has not the form of the interface");
            Failure::Panicked
        })?),
    };
    let policy = view.policy;
    Ok(PolicyRecord {
        policy_id: policy.id,
        active: policy.active,
        account_name: policy.account.0,
        policy_source: policy.source.as_str().to_owned(),
        name: policy.name,
        description: Some(policy.description).filter(|text| !text.is_empty()),
        policy: document,
        created_at: policy.created_at.to_string(),
        last_updated: policy.last_updated.to_string(),
    })
}

async fn list_policies(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<PolicyDetailQuery>,
) -> Result<Response, Failure> {
    let views = server.app.list_policies(&who, query.detail.unwrap_or(false)).await?;
    large(move || views.into_iter().map(record).collect::<Result<Vec<PolicyRecord>, _>>()).await
}

async fn add_policy(
    State(server): State<Server>,
    Who(who): Who,
    PolicyBody(body): PolicyBody,
) -> Answer<PolicyRecord> {
    Ok(Json(record(server.app.add_policy(&who, &body).await?)?))
}

async fn get_policy(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
    Asked(query): Asked<PolicyDetailQuery>,
) -> Answer<PolicyRecord> {
    let detail = query.detail.unwrap_or(true);
    Ok(Json(record(server.app.get_policy(&who, &id, detail).await?)?))
}

async fn update_policy(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
    Asked(query): Asked<UpdatePolicyQuery>,
    PolicyBody(body): PolicyBody,
) -> Answer<PolicyRecord> {
    let body: PolicyUpdateRequest = parse_json(&body)?;
    let change = PolicyChange {
        policy_id: body.policy_id,
        document: body.policy.map(|document| document.get().as_bytes().to_vec()),
        active: query.active.unwrap_or(body.active),
    };
    Ok(Json(record(server.app.update_policy(&who, &id, change).await?)?))
}

async fn delete_policy(
    State(server): State<Server>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Result<StatusCode, Failure> {
    server.app.delete_policy(&who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
