//! Accounts.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Asked, JsonBody, Params, Who};
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kedge_api::accounts::{
    Account, AccountCreationRequest, AccountInfo, AccountKind, AccountState, AccountStatus,
    ListAccountsQuery,
};
use kedge_model::account as model;

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("get_users_account", get_users_account)
        .on("list_accounts", list_accounts)
        .on("create_account", create_account)
        .on("get_account", get_account)
        .on("update_account", update_account)
        .on("delete_account", delete_account)
        .on("update_account_state", update_account_state)
}

const fn state_word(state: model::AccountState) -> AccountState {
    match state {
        model::AccountState::Enabled => AccountState::Enabled,
        model::AccountState::Disabled => AccountState::Disabled,
        model::AccountState::Deleting => AccountState::Deleting,
    }
}

const fn wanted_state(state: AccountState) -> model::AccountState {
    match state {
        AccountState::Enabled => model::AccountState::Enabled,
        AccountState::Disabled => model::AccountState::Disabled,
        AccountState::Deleting => model::AccountState::Deleting,
    }
}

fn account(row: model::Account) -> Account {
    Account {
        name: row.name.0,
        kind: match row.kind {
            model::AccountKind::Admin => AccountKind::Admin,
            model::AccountKind::User => AccountKind::User,
            model::AccountKind::Service => AccountKind::Service,
        },
        state: state_word(row.state),
        email: Some(row.email).filter(|email| !email.is_empty()),
        created_at: row.created_at.to_string(),
        last_updated: row.last_updated.to_string(),
    }
}

async fn get_users_account(State(server): State<Server>, Who(who): Who) -> Answer<Account> {
    Ok(Json(account(server.app.own_account(&who).await?)))
}

async fn list_accounts(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<ListAccountsQuery>,
) -> Answer<Vec<Account>> {
    let accounts = server.app.list_accounts(&who, query.state.map(wanted_state)).await?;
    Ok(Json(accounts.into_iter().map(account).collect()))
}

async fn create_account(
    State(server): State<Server>,
    Who(who): Who,
    JsonBody(body): JsonBody<AccountCreationRequest>,
) -> Answer<Account> {
    let made = server.app.create_account(&who, &body.name, body.email.as_deref()).await?;
    Ok(Json(account(made)))
}

async fn get_account(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
) -> Answer<Account> {
    Ok(Json(account(server.app.get_account(&who, &name).await?)))
}

async fn update_account(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
    JsonBody(body): JsonBody<AccountInfo>,
) -> Answer<Account> {
    Ok(Json(account(server.app.update_account(&who, &name, body.email.as_deref()).await?)))
}

async fn delete_account(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
) -> Result<StatusCode, Failure> {
    server.app.delete_account(&who, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn update_account_state(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
    JsonBody(body): JsonBody<AccountStatus>,
) -> Answer<AccountStatus> {
    let row = server.app.set_account_state(&who, &name, wanted_state(body.state)).await?;
    Ok(Json(AccountStatus { state: state_word(row.state) }))
}
