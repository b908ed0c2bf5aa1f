//! Policy evaluation of an image in the contract's shape.

use crate::policies::{ImageSelectionRule, MappingRule, Policy};
use crate::query::flag;
use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] =
    &[Route::get("/v2/images/{image_digest}/check", "get_image_policy_check_by_digest")
        .access(InAccount("getImageEvaluation"))
        .params(query::<CheckQuery>)
        .gives(Body::Json(schema::<PolicyEvaluation>))
        .about("Judge an image by a policy")];

/// Query of `GET /v2/images/{image_digest}/check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CheckQuery {
    /// The active policy when absent.
    pub policy_id: Option<String>,
    /// The tag to judge the image as.
    pub tag: String,
    /// With `details`; true when absent.
    #[serde(default, deserialize_with = "flag")]
    pub detail: Option<bool>,
    /// Also earlier evaluations.
    #[serde(default, deserialize_with = "flag")]
    pub history: Option<bool>,
    /// Evaluate now, without storing the result.
    #[serde(default, deserialize_with = "flag")]
    pub interactive: Option<bool>,
    /// Digest of the base image to compare with.
    pub base_digest: Option<String>,
}

/// Evaluations of one image under one tag, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyEvaluation {
    /// The policy.
    pub policy_id: String,
    /// The image.
    pub image_digest: String,
    /// The tag.
    pub evaluated_tag: String,
    /// At least one.
    pub evaluations: Vec<PolicyEvaluationResult>,
}

/// Outcome of a rule or a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyAction {
    /// Nothing against it.
    Go,
    /// Worth a look.
    Warn,
    /// Must not be used.
    Stop,
}

/// Verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyStatus {
    /// `go` or `warn`.
    Pass,
    /// `stop`.
    Fail,
}

/// What decided the final action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinalActionReason {
    /// The rules.
    PolicyEvaluation,
    /// The list of allowed images.
    Allowlisted,
    /// The list of denied images.
    Denylisted,
}

/// One evaluation. The `matched_…` and `comparison_…` members are nullable and always present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyEvaluationResult {
    /// Policy and findings, unless `detail=false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<PolicyEvaluationDetails>,
    /// Base image that was compared with.
    pub comparison_image_digest: Option<String>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub evaluation_time: String,
    /// What could not be evaluated.
    pub evaluation_problems: Vec<PolicyEvaluationProblem>,
    /// Verdict.
    pub status: PolicyStatus,
    /// Outcome after the image lists.
    pub final_action: PolicyAction,
    /// What decided it.
    pub final_action_reason: FinalActionReason,
    /// On the list of allowed images.
    pub image_allowlisted: bool,
    /// The entry.
    pub matched_allowlisted_images_rule: Option<ImageSelectionRule>,
    /// On the list of denied images.
    pub image_denylisted: bool,
    /// The entry.
    pub matched_denylisted_images_rule: Option<ImageSelectionRule>,
    /// A mapping applied.
    pub image_mapped_to_rule: bool,
    /// The mapping.
    pub matched_mapping_rule: Option<MappingRule>,
    /// How many findings.
    pub number_of_findings: u64,
}

/// Policy and findings of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyEvaluationDetails {
    /// The document that was evaluated.
    pub policy: Policy,
    /// The findings.
    pub findings: Vec<PolicyEvaluationFinding>,
    /// Outcome of the rules alone.
    pub policy_action: PolicyAction,
    /// What to do about findings.
    pub remediations: Vec<PolicyEvaluationRemediation>,
}

/// A finding. Every key is always present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyEvaluationFinding {
    /// Stable id, for allowlists.
    pub trigger_id: String,
    /// Gate.
    pub gate: String,
    /// Trigger.
    pub trigger: String,
    /// For people.
    pub message: String,
    /// Outcome; `go` when allowlisted.
    pub action: PolicyAction,
    /// Id of the rule set.
    pub policy_id: String,
    /// Recommendation of the rule.
    pub recommendation: String,
    /// Id of the rule.
    pub rule_id: String,
    /// On an allowlist.
    pub allowlisted: bool,
    /// The entry.
    pub allowlist_match: Option<PolicyFindingAllowlistMatch>,
    /// Found in the base image too; `null` when none was asked for.
    pub inherited_from_base: Option<bool>,
}

/// Entry of an allowlist that took a finding back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyFindingAllowlistMatch {
    /// Allowlist.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Item.
    pub matched_rule_id: String,
}

/// What to do about findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyEvaluationRemediation {
    /// Ways out.
    pub suggestions: Vec<PolicyEvaluationRemediationSuggestion>,
    /// The findings.
    pub trigger_ids: Vec<String>,
}

/// A way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyEvaluationRemediationSuggestion {
    /// For people.
    pub message: String,
    /// Recommended.
    pub preferred: bool,
}

/// Weight of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProblemWeight {
    /// The result cannot be relied on.
    Error,
    /// Worth knowing.
    Warn,
}

/// What could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyEvaluationProblem {
    /// Weight.
    pub severity: ProblemWeight,
    /// Class.
    pub problem_type: String,
    /// For people.
    pub details: String,
}
