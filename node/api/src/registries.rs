//! Registries and the credentials for them. Every method answers a list, also for one.

use crate::query::flag;
use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use crate::users::Secret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Routes of this file. `{registry}` may hold slashes and an asterisk.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/registries", "list_registries")
        .access(InAccount("listRegistries"))
        .gives(Body::List(schema::<RegistryConfiguration>))
        .about("Configured registries"),
    Route::post("/v2/registries", "create_registry")
        .access(InAccount("createRegistry"))
        .params(query::<ValidateQuery>)
        .takes(Body::Json(schema::<RegistryConfigurationRequest>))
        .gives(Body::List(schema::<RegistryConfiguration>))
        .about("Add a registry"),
    Route::get("/v2/registries/{registry}", "get_registry")
        .access(InAccount("getRegistry"))
        .gives(Body::List(schema::<RegistryConfiguration>))
        .tail()
        .about("One registry"),
    Route::put("/v2/registries/{registry}", "update_registry")
        .access(InAccount("updateRegistry"))
        .params(query::<ValidateQuery>)
        .takes(Body::Json(schema::<RegistryConfigurationRequest>))
        .gives(Body::List(schema::<RegistryConfiguration>))
        .tail()
        .about("Replace a registry"),
    Route::delete("/v2/registries/{registry}", "delete_registry")
        .access(InAccount("deleteRegistry"))
        .status(204)
        .tail()
        .about("Remove a registry; its images stay"),
];

/// A registry as answered: without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistryConfiguration {
    /// Host and port, with a repository or a repository prefix and `*`.
    pub registry: String,
    /// For people.
    pub registry_name: String,
    /// User for the registry; empty for anonymous access.
    pub registry_user: String,
    /// `docker_v2`, `awsecr`.
    pub registry_type: String,
    /// Whether TLS certificates are verified.
    pub registry_verify: bool,
    /// Owner.
    pub account_name: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub last_updated: String,
}

/// Body of POST and PUT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfigurationRequest {
    /// Host and port, with a repository or a repository prefix and `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// For people; the registry itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_name: Option<String>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_user: Option<String>,
    /// Password. Never answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub registry_pass: Option<Secret>,
    /// `docker_v2` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_type: Option<String>,
    /// Verify TLS certificates; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_verify: Option<bool>,
}

/// Query of POST and PUT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ValidateQuery {
    /// Try the credentials before they are stored; true when absent.
    #[serde(default, deserialize_with = "flag")]
    pub validate: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_password_is_neither_shown_nor_answered() {
        let body = r#"{"registry":"q.io","registry_user":"bob","registry_pass":"canary-8",
            "registry_type":"docker_v2","registry_verify":true,"registry_name":"office"}"#;
        let request: RegistryConfigurationRequest = serde_json::from_str(body).unwrap();
        assert!(!format!("{request:?}").contains("canary-8"));
        // The answer's type has no such field, so a client that sends it back is refused there.
        assert!(serde_json::from_str::<RegistryConfiguration>(body).is_err());
    }
}
