//! Accounts.

use crate::routes::Access::{InAccount, InPathAccount, InSystem};
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/account", "get_users_account")
        .access(InAccount("getAccount"))
        .gives(Body::Json(schema::<Account>))
        .about("The account the request acts in"),
    Route::get("/v2/accounts", "list_accounts")
        .access(InSystem("listAccounts"))
        .params(query::<ListAccountsQuery>)
        .gives(Body::List(schema::<Account>))
        .about("All accounts"),
    Route::post("/v2/accounts", "create_account")
        .access(InSystem("createAccount"))
        .takes(Body::Json(schema::<AccountCreationRequest>))
        .gives(Body::Json(schema::<Account>))
        .about("Create an account"),
    Route::get("/v2/accounts/{account_name}", "get_account")
        .access(InPathAccount("getAccount"))
        .gives(Body::Json(schema::<Account>))
        .about("One account"),
    Route::put("/v2/accounts/{account_name}", "update_account")
        .access(InSystem("updateAccount"))
        .takes(Body::Json(schema::<AccountInfo>))
        .gives(Body::Json(schema::<Account>))
        .about("Change the e-mail address"),
    Route::delete("/v2/accounts/{account_name}", "delete_account")
        .access(InSystem("deleteAccount"))
        .status(204)
        .about("Delete a disabled account and everything in it"),
    Route::put("/v2/accounts/{account_name}/state", "update_account_state")
        .access(InSystem("updateAccount"))
        .takes(Body::Json(schema::<AccountStatus>))
        .gives(Body::Json(schema::<AccountStatus>))
        .about("Enable or disable an account"),
];

/// An account: the owner of images, policies and credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its name; never changes.
    pub name: String,
    /// What it may do.
    #[serde(rename = "type")]
    pub kind: AccountKind,
    /// Where it stands.
    pub state: AccountState,
    /// Contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub last_updated: String,
}

/// Kind of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// Ordinary.
    User,
    /// The account `admin`.
    Admin,
    /// Of the system itself.
    Service,
}

/// Life cycle of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// In use.
    Enabled,
    /// Nobody can log in or act in it.
    Disabled,
    /// Its data is being removed.
    Deleting,
}

/// Query of `GET /v2/accounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListAccountsQuery {
    /// Only accounts in this state.
    #[param(inline)]
    pub state: Option<AccountState>,
}

/// Body of `POST /v2/accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountCreationRequest {
    /// Name of the new account.
    #[schema(pattern = r"^[a-zA-Z0-9][ a-zA-Z0-9@.!$+=^_`~;-]{1,126}[a-zA-Z0-9_]$")]
    pub name: String,
    /// Contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Body of `PUT /v2/accounts/{account_name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountInfo {
    /// New contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Body and answer of `PUT /v2/accounts/{account_name}/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountStatus {
    /// Wanted or reached state; `deleting` is refused, that is what DELETE is for.
    pub state: AccountState,
}
