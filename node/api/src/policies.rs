//! Policies: records and documents.
//!
//! The server hands the document of a request to the policy engine as it came, because the engine
//! reports every mistake in it and not only the first; the typed form here is for answers, for
//! clients and for the documentation.

use crate::query::flag;
use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use crate::system::ArtifactType;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/policies", "list_policies")
        .access(InAccount("listPolicies"))
        .params(query::<PolicyDetailQuery>)
        .gives(Body::List(schema::<PolicyRecord>))
        .about("Policies of the account"),
    Route::post("/v2/policies", "add_policy")
        .access(InAccount("createPolicy"))
        .takes(Body::Json(schema::<Policy>))
        .gives(Body::Json(schema::<PolicyRecord>))
        .about("Add a policy; it is not active"),
    Route::get("/v2/policies/{policy_id}", "get_policy")
        .access(InAccount("getPolicy"))
        .params(query::<PolicyDetailQuery>)
        .gives(Body::Json(schema::<PolicyRecord>))
        .about("One policy"),
    Route::put("/v2/policies/{policy_id}", "update_policy")
        .access(InAccount("updatePolicy"))
        .params(query::<UpdatePolicyQuery>)
        .takes(Body::Json(schema::<PolicyUpdateRequest>))
        .gives(Body::Json(schema::<PolicyRecord>))
        .about("Change or activate a policy"),
    Route::delete("/v2/policies/{policy_id}", "delete_policy")
        .access(InAccount("deletePolicy"))
        .status(204)
        .about("Delete a policy that is not active"),
];

/// Query of the GET methods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PolicyDetailQuery {
    /// With the document; false for lists and true for one policy when absent.
    #[serde(default, deserialize_with = "flag")]
    pub detail: Option<bool>,
}

/// Query of PUT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UpdatePolicyQuery {
    /// Make it the active one.
    #[serde(default, deserialize_with = "flag")]
    pub active: Option<bool>,
}

/// A policy with what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyRecord {
    /// Id of record and document.
    pub policy_id: String,
    /// Used when a request names no policy.
    pub active: bool,
    /// Owner.
    pub account_name: String,
    /// `local`, or `default` for the one that came with the account.
    pub policy_source: String,
    /// Name in the document.
    pub name: String,
    /// Description in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The document, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub last_updated: String,
}

/// Body of PUT: a [`PolicyRecord`] as it was read, changed where wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyUpdateRequest {
    /// Must equal the id in the path.
    pub policy_id: String,
    /// Make it the active one.
    pub active: bool,
    /// Ignored: a policy does not change its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_source: Option<String>,
    /// Ignored: the document's name counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Ignored: the document's description counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New document; the old one stays when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Policy>)]
    pub policy: Option<Box<RawValue>>,
    /// Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<String>,
}

/// A policy document, version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Id.
    pub id: String,
    /// For people.
    #[schema(min_length = 1)]
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `2`.
    pub version: String,
    /// Collections of rules.
    pub rule_sets: Vec<RuleSet>,
    /// Findings to disregard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowlists: Option<Vec<Allowlist>>,
    /// Which rule sets and allowlists apply to which images.
    pub mappings: Vec<MappingRule>,
    /// The same for source repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_mappings: Option<Vec<SourceMappingRule>>,
    /// Images that always pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowlisted_images: Option<Vec<ImageSelectionRule>>,
    /// Images that never pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denylisted_images: Option<Vec<ImageSelectionRule>>,
    /// Epoch seconds; informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<f64>,
}

/// Findings to disregard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowlist {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// `2`.
    pub version: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The items.
    pub items: Vec<AllowlistItem>,
}

/// A finding to disregard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowlistItem {
    /// Id.
    pub id: String,
    /// Gate of the finding.
    pub gate: String,
    /// Its trigger id; `*` stands for any text.
    pub trigger_id: String,
    /// RFC 3339 time after which the item is void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_on: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A collection of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `2`.
    pub version: String,
    /// What it judges; images when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<ArtifactType>,
    /// The rules.
    pub rules: Vec<PolicyRule>,
}

/// Outcome a rule asks for, as documents write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleAction {
    /// Nothing.
    #[serde(alias = "go", alias = "Go")]
    Go,
    /// Must not be used.
    #[serde(alias = "stop", alias = "Stop")]
    Stop,
    /// Worth a look.
    #[serde(alias = "warn", alias = "Warn")]
    Warn,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// Id.
    pub id: String,
    /// Gate.
    pub gate: String,
    /// Trigger.
    pub trigger: String,
    /// Outcome when it fires.
    pub action: RuleAction,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Parameters.
    pub params: Vec<PolicyRuleParam>,
    /// What to do about a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
}

/// A parameter of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRuleParam {
    /// Name.
    pub name: String,
    /// Value; always text.
    pub value: String,
}

/// Which rule sets and allowlists apply to which images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingRule {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Allowlists.
    pub allowlist_ids: Vec<String>,
    /// Rule sets, in order.
    pub rule_set_ids: Vec<String>,
    /// Pattern of the registry.
    pub registry: String,
    /// Pattern of the repository.
    pub repository: String,
    /// Pattern of the image.
    pub image: ImageRef,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Which rule sets and allowlists apply to which source repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceMappingRule {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Allowlists.
    pub allowlist_ids: Vec<String>,
    /// Rule sets, in order.
    pub rule_set_ids: Vec<String>,
    /// Pattern of the host.
    pub host: String,
    /// Pattern of the repository.
    pub repository: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How an [`ImageRef`] names an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageRefKind {
    /// Pattern of tags.
    Tag,
    /// Digest of the manifest.
    Digest,
    /// Image id.
    Id,
}

/// Pattern of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageRef {
    /// What `value` is.
    #[serde(rename = "type")]
    pub kind: ImageRefKind,
    /// The pattern, digest or id.
    pub value: String,
}

/// Images that always or never pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSelectionRule {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Pattern of the registry.
    pub registry: String,
    /// Pattern of the repository.
    pub repository: String,
    /// Pattern of the image.
    pub image: ImageRef,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
