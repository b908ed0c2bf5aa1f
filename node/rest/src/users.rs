//! Users and their passwords.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Asked, JsonBody, Params, Who};
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kedge_api::users::{
    AccessCredential, CredentialKind, CredentialRequest, DeleteCredentialQuery, GrantType, MASKED,
    Secret, UnifiedRole, User, UserCreationRequest, UserKind, Users,
};
use kedge_app::users::{NewUser, has_password};
use kedge_model::account as model;

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("get_user", get_user)
        .on("get_credentials", get_credentials)
        .on("add_credential", add_credential)
        .on("list_all_system_users", list_all_system_users)
        .on("list_users", list_users)
        .on("create_user", create_user)
        .on("list_users_with_roles", list_users_with_roles)
        .on("get_account_user", get_account_user)
        .on("delete_user", delete_user)
        .on("list_user_credentials", list_user_credentials)
        .on("create_user_credential", create_user_credential)
        .on("delete_user_credential", delete_user_credential)
}

fn user(row: model::User) -> User {
    let with_password = has_password(&row);
    let role = |grant: model::Grant| UnifiedRole {
        role_name: grant.role.as_str().to_owned(),
        domain_name: grant.account.0,
        granter: None,
        grant_type: GrantType::Direct,
        granted_at: grant.granted_at.to_string(),
    };
    User {
        username: row.name,
        account_name: row.account.0,
        kind: UserKind::Native,
        source: None,
        created_at: row.created_at.to_string(),
        last_updated: row.last_updated.to_string(),
        idp_name: None,
        password_last_updated: with_password.then(|| row.password_updated_at.to_string()),
        unified_roles: row.roles.into_iter().map(role).collect(),
    }
}

fn users(rows: Vec<model::User>) -> Users {
    let items: Vec<User> = rows.into_iter().map(user).collect();
    Users { total_rows: items.len() as u64, items }
}

fn credentials(row: &model::User) -> Vec<AccessCredential> {
    let credential = || AccessCredential {
        kind: CredentialKind::Password,
        value: MASKED.to_owned(),
        created_at: row.password_updated_at.to_string(),
    };
    has_password(row).then(credential).into_iter().collect()
}

async fn get_user(State(server): State<Server>, Who(who): Who) -> Answer<User> {
    Ok(Json(user(server.app.own_user(&who).await?)))
}

async fn get_credentials(
    State(server): State<Server>,
    Who(who): Who,
) -> Answer<Vec<AccessCredential>> {
    Ok(Json(credentials(&server.app.own_user(&who).await?)))
}

async fn add_credential(
    State(server): State<Server>,
    Who(who): Who,
    JsonBody(body): JsonBody<CredentialRequest>,
) -> Answer<User> {
    Ok(Json(user(server.app.set_own_password(&who, body.value.into_text()).await?)))
}

async fn list_all_system_users(State(server): State<Server>, Who(who): Who) -> Answer<Users> {
    Ok(Json(users(server.app.list_all_users(&who).await?)))
}

async fn list_users(
    State(server): State<Server>,
    Who(who): Who,
    Params(account): Params<String>,
) -> Answer<Vec<User>> {
    Ok(Json(users(server.app.list_users(&who, &account).await?).items))
}

async fn create_user(
    State(server): State<Server>,
    Who(who): Who,
    Params(account): Params<String>,
    JsonBody(body): JsonBody<UserCreationRequest>,
) -> Answer<User> {
    let new = NewUser {
        name: body.username,
        password: body.password.map(Secret::into_text),
        external: body.user_type == Some(UserKind::Saml) || body.idp_name.is_some(),
    };
    Ok(Json(user(server.app.create_user(&who, &account, new).await?)))
}

async fn list_users_with_roles(
    State(server): State<Server>,
    Who(who): Who,
    Params(account): Params<String>,
) -> Answer<Users> {
    Ok(Json(users(server.app.list_users_with_roles(&who, &account).await?)))
}

type OfAccount = (String, String);

async fn get_account_user(
    State(server): State<Server>,
    Who(who): Who,
    Params((account, name)): Params<OfAccount>,
) -> Answer<User> {
    Ok(Json(user(server.app.get_user(&who, &account, &name).await?)))
}

async fn delete_user(
    State(server): State<Server>,
    Who(who): Who,
    Params((account, name)): Params<OfAccount>,
) -> Result<StatusCode, Failure> {
    server.app.delete_user(&who, &account, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_user_credentials(
    State(server): State<Server>,
    Who(who): Who,
    Params((account, name)): Params<OfAccount>,
) -> Answer<Vec<AccessCredential>> {
    Ok(Json(credentials(&server.app.get_user(&who, &account, &name).await?)))
}

async fn create_user_credential(
    State(server): State<Server>,
    Who(who): Who,
    Params((account, name)): Params<OfAccount>,
    JsonBody(body): JsonBody<CredentialRequest>,
) -> Answer<User> {
    let password = body.value.into_text();
    Ok(Json(user(server.app.set_password(&who, &account, &name, password).await?)))
}

async fn delete_user_credential(
    State(server): State<Server>,
    Who(who): Who,
    Params((account, name)): Params<OfAccount>,
    Asked(query): Asked<DeleteCredentialQuery>,
) -> Result<StatusCode, Failure> {
    let CredentialKind::Password = query.credential_type;
    server.app.remove_password(&who, &account, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
