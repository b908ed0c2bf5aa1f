//! Users and their passwords. A password is write-only: no type that answers carries one.

use crate::routes::Access::{AnyUser, InPathAccount, InSystem};
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/user", "get_user")
        .access(AnyUser)
        .gives(Body::Json(schema::<User>))
        .about("The calling user"),
    Route::get("/v2/user/credentials", "get_credentials")
        .access(AnyUser)
        .gives(Body::List(schema::<AccessCredential>))
        .about("Credentials of the calling user, masked"),
    Route::post("/v2/user/credentials", "add_credential")
        .access(AnyUser)
        .takes(Body::Json(schema::<CredentialRequest>))
        .gives(Body::Json(schema::<User>))
        .about("Change the own password"),
    Route::get("/v2/accounts/users", "list_all_system_users")
        .access(InSystem("listAllUsers"))
        .gives(Body::Json(schema::<Users>))
        .about("Users of all accounts"),
    Route::get("/v2/accounts/{account_name}/users", "list_users")
        .access(InPathAccount("listUsers"))
        .gives(Body::List(schema::<User>))
        .about("Users of an account"),
    Route::post("/v2/accounts/{account_name}/users", "create_user")
        .access(InPathAccount("createUser"))
        .takes(Body::Json(schema::<UserCreationRequest>))
        .gives(Body::Json(schema::<User>))
        .about("Create a user"),
    Route::get("/v2/accounts/{account_name}/users-with-roles", "list_users_with_roles")
        .access(InPathAccount("listAccountUsersWithRoles"))
        .gives(Body::Json(schema::<Users>))
        .about("Users who hold roles in an account"),
    Route::get("/v2/accounts/{account_name}/users/{username}", "get_account_user")
        .access(InPathAccount("getUser"))
        .gives(Body::Json(schema::<User>))
        .about("One user"),
    Route::delete("/v2/accounts/{account_name}/users/{username}", "delete_user")
        .access(InPathAccount("deleteUser"))
        .status(204)
        .about("Delete a user"),
    Route::get("/v2/accounts/{account_name}/users/{username}/credentials", "list_user_credentials")
        .access(InPathAccount("getUser"))
        .gives(Body::List(schema::<AccessCredential>))
        .about("Credentials of a user, masked"),
    Route::post(
        "/v2/accounts/{account_name}/users/{username}/credentials",
        "create_user_credential",
    )
    .access(InPathAccount("updateUser"))
    .takes(Body::Json(schema::<CredentialRequest>))
    .gives(Body::Json(schema::<User>))
    .about("Set a user's password"),
    Route::delete(
        "/v2/accounts/{account_name}/users/{username}/credentials",
        "delete_user_credential",
    )
    .access(InPathAccount("updateUser"))
    .params(query::<DeleteCredentialQuery>)
    .status(204)
    .about("Remove a user's password"),
];

/// A secret in a request: readable once by the handler, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Whoever calls this must not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes the text out.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a user's identity comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserKind {
    /// A name and a password kept here.
    #[default]
    Native,
    /// An identity provider.
    Saml,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Unique over all accounts.
    pub username: String,
    /// The account the user belongs to.
    pub account_name: String,
    /// Where the identity comes from.
    #[serde(rename = "type")]
    pub kind: UserKind,
    /// Entity id of the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub last_updated: String,
    /// Name of the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_name: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub password_last_updated: Option<String>,
    /// Roles of the user.
    #[serde(default)]
    pub unified_roles: Vec<UnifiedRole>,
}

/// A role that a user holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UnifiedRoles)]
pub struct UnifiedRole {
    /// For instance `full-control`.
    pub role_name: String,
    /// The account, or `system`.
    pub domain_name: String,
    /// The group that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granter: Option<String>,
    /// How it came.
    pub grant_type: GrantType,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub granted_at: String,
}

/// How a role came to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// Given to the user.
    Direct,
    /// By a group.
    GroupMembership,
    /// By a group of the identity provider.
    SsoGroupMembership,
}

/// A list of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// The users.
    pub items: Vec<User>,
    /// How many there are in all.
    pub total_rows: u64,
}

/// Body of `POST /v2/accounts/{account_name}/users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreationRequest {
    /// Name of the new user.
    #[schema(pattern = r"^[a-zA-Z0-9][ a-zA-Z0-9@.!#$+=^_`~;:-]{1,126}[a-zA-Z0-9_]$")]
    pub username: String,
    /// 6 to 128 characters; needed for native users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, min_length = 6, max_length = 128)]
    pub password: Option<Secret>,
    /// Where the identity comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_type: Option<UserKind>,
    /// Name of the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_name: Option<String>,
}

/// Kind of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKind {
    /// A password.
    Password,
}

/// A credential in an answer; `value` is always [`MASKED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessCredential {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: CredentialKind,
    /// [`MASKED`].
    pub value: String,
    /// RFC 3339.
    pub created_at: String,
}

/// What stands in place of a secret.
pub const MASKED: &str = "********";

/// Body of `POST …/credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialRequest {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: CredentialKind,
    /// The new password.
    #[schema(value_type = String, format = Password, min_length = 6, max_length = 128)]
    pub value: Secret,
    /// Accepted because clients send back what they read; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// Query of `DELETE …/credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteCredentialQuery {
    /// Which one.
    #[param(inline)]
    pub credential_type: CredentialKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_in_debug_output() {
        let request: UserCreationRequest =
            serde_json::from_str(r#"{"username":"bob","password":"canary-7"}"#).unwrap();
        assert_eq!(request.password.as_ref().unwrap().expose(), "canary-7");
        assert!(!format!("{request:?}").contains("canary-7"));
    }

    #[test]
    fn a_mistyped_field_is_named() {
        let error = serde_json::from_str::<UserCreationRequest>(
            r#"{"username":"bob","pasword":"canary-7"}"#,
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("pasword"), "{error}");
        assert!(!error.contains("canary-7"), "{error}");
    }
}
