//! The verdict on one image.

use crate::document::{ImageSelectionRule, MappingRule};
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Outcome of a finding, a rule set or a policy; worse is greater.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing against it.
    #[default]
    Go,
    /// Worth a look.
    Warn,
    /// Must not be used.
    Stop,
}

impl Action {
    /// Reads `GO`, `WARN`, `STOP` in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Go, Self::Warn, Self::Stop]
            .into_iter()
            .find(|action| action.as_str().eq_ignore_ascii_case(text))
    }

    /// Lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Warn => "warn",
            Self::Stop => "stop",
        }
    }

    /// Whether the image passes.
    #[must_use]
    pub const fn passes(self) -> bool {
        match self {
            Self::Go | Self::Warn => true,
            Self::Stop => false,
        }
    }
}

/// What decided the final action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalReason {
    /// The rules.
    PolicyEvaluation,
    /// The list of allowed images.
    Allowlisted,
    /// The list of denied images.
    Denylisted,
}

/// A finding of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFinding {
    /// Stable id, for allowlists.
    pub trigger_id: String,
    /// Gate.
    pub gate: String,
    /// Trigger.
    pub trigger: String,
    /// For people.
    pub message: String,
    /// Outcome; `go` when allowlisted.
    pub action: Action,
    /// Id of the rule set.
    pub policy_id: String,
    /// Recommendation of the rule, or empty.
    pub recommendation: String,
    /// Id of the rule.
    pub rule_id: String,
    /// Whether an allowlist takes it back.
    pub allowlisted: bool,
    /// The item that does.
    pub allowlist_match: Option<AllowlistMatch>,
}

/// The allowlist item that takes a finding back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowlistMatch {
    /// Id of the allowlist.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Id of the item.
    pub matched_rule_id: String,
}

/// Weight of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemSeverity {
    /// Something could not be evaluated.
    Error,
    /// Evaluated, but worth knowing.
    Warn,
}

/// What could not be evaluated, or only in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationProblem {
    /// Weight.
    pub severity: ProblemSeverity,
    /// Class, for instance `NoMatchedMappingWarning`.
    pub problem_type: String,
    /// For people.
    pub details: String,
}

impl EvaluationProblem {
    pub(crate) fn error(problem_type: &str, details: impl Into<String>) -> Self {
        let severity = ProblemSeverity::Error;
        Self { severity, problem_type: problem_type.to_owned(), details: details.into() }
    }

    pub(crate) fn warn(problem_type: &str, details: impl Into<String>) -> Self {
        let severity = ProblemSeverity::Warn;
        Self { severity, problem_type: problem_type.to_owned(), details: details.into() }
    }
}

/// The verdict. Mirrors the contract's `PolicyEvaluationResult`; the document itself and the
/// digest of a base image are the caller's to add.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Whether the image passes.
    pub passed: bool,
    /// Outcome after the image lists.
    pub final_action: Action,
    /// What decided it.
    pub final_action_reason: FinalReason,
    /// Outcome of the rules alone.
    pub policy_action: Action,
    /// The findings, in the order of the rules; allowlisted ones included.
    pub findings: Vec<PolicyFinding>,
    /// What could not be evaluated.
    pub problems: Vec<EvaluationProblem>,
    /// The mapping that applied.
    pub matched_mapping_rule: Option<MappingRule>,
    /// The entry that allows the image.
    pub matched_allowlisted_images_rule: Option<ImageSelectionRule>,
    /// The entry that denies the image.
    pub matched_denylisted_images_rule: Option<ImageSelectionRule>,
    /// The time that was passed in.
    pub evaluated_at: Timestamp,
}
