//! The policy document, version 2, as JSON has it.

use serde::{Deserialize, Serialize};

/// The version of documents and their parts.
pub const VERSION: &str = "2";

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// [`VERSION`].
    pub version: String,
    /// Collections of rules.
    pub rule_sets: Vec<RuleSet>,
    /// Findings to disregard.
    #[serde(default)]
    pub allowlists: Vec<Allowlist>,
    /// Which rule sets and allowlists apply to which images; the first match decides.
    pub mappings: Vec<MappingRule>,
    /// The same for source repositories; kept, not evaluated.
    #[serde(default)]
    pub source_mappings: Vec<SourceMappingRule>,
    /// Images that always pass.
    #[serde(default)]
    pub allowlisted_images: Vec<ImageSelectionRule>,
    /// Images that never pass.
    #[serde(default)]
    pub denylisted_images: Vec<ImageSelectionRule>,
    /// Epoch seconds; informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<f64>,
}

/// What a rule set judges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactType {
    /// Container images.
    #[default]
    Image,
    /// Source repositories.
    Source,
}

/// A collection of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// [`VERSION`].
    pub version: String,
    /// What it judges.
    #[serde(default)]
    pub artifact_type: ArtifactType,
    /// The rules, all of which run.
    pub rules: Vec<PolicyRule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// Id.
    pub id: String,
    /// Gate.
    pub gate: String,
    /// Trigger.
    pub trigger: String,
    /// `GO`, `WARN` or `STOP`, in any case.
    pub action: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Parameters.
    pub params: Vec<RuleParam>,
    /// What to do about a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
}

/// A parameter of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleParam {
    /// Name.
    pub name: String,
    /// Value; always text.
    pub value: String,
}

/// Findings to disregard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowlist {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// [`VERSION`].
    pub version: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The items.
    pub items: Vec<AllowlistItem>,
}

/// A finding to disregard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub expires_on: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Which rule sets and allowlists apply to which images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageRefKind {
    /// Pattern of tags.
    Tag,
    /// Digest of the manifest.
    Digest,
    /// Image id: digest of the configuration, with or without `sha256:`.
    Id,
}

/// Pattern of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRef {
    /// What `value` is.
    #[serde(rename = "type")]
    pub kind: ImageRefKind,
    /// The pattern, digest or id.
    pub value: String,
}

/// Images that always or never pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
