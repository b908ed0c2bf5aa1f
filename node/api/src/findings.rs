//! Findings of an image in our own shape: with the reason of every match, with what was taken
//! back, and with what could not be checked. The contract's shape has no room for these.

use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] =
    &[Route::get("/kedge/v1/images/{image_digest}/findings", "get_image_findings")
        .access(InAccount("getImage"))
        .params(query::<FindingsQuery>)
        .gives(Body::Json(schema::<ImageFindings>))
        .about("Vulnerabilities with the reason of every match")];

/// Query of `GET /kedge/v1/images/{image_digest}/findings`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FindingsQuery {
    /// Only this vulnerability, by id or alias.
    pub vulnerability: Option<String>,
    /// Only packages of this name.
    pub package: Option<String>,
    /// Only this severity or worse: `low`, `medium`, …
    pub severity: Option<String>,
}

/// Everything the matcher says about an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageFindings {
    /// The image.
    pub image_digest: String,
    /// Generation of the advisory data.
    pub generation: String,
    /// Version of the matching rules.
    pub engine: String,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Matches that were taken back.
    pub suppressed: Vec<SuppressedFinding>,
    /// What was checked against what.
    pub coverage: Vec<Coverage>,
    /// What could not be decided, and what the analysis could not read.
    pub problems: Vec<Problem>,
}

/// One vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The preferred id.
    pub vulnerability: String,
    /// Other ids of the same vulnerability.
    pub aliases: Vec<String>,
    /// The CVE ids among all of them and what the record groups.
    pub cves: Vec<String>,
    /// Lower-case word.
    pub severity: String,
    /// All statements about severity, the deciding one first.
    pub severities: Vec<SeverityStatement>,
    /// The package.
    pub package: FindingPackage,
    /// What to do about it.
    pub fix: FindingFix,
    /// One line.
    pub summary: String,
    /// Longer text.
    pub details: String,
    /// Links, the advisory first.
    pub references: Vec<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub published: Option<String>,
    /// Exploit prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
    /// Known to be exploited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kev: Option<Kev>,
    /// Why it matched.
    pub why: Why,
}

/// A statement about severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeverityStatement {
    /// `word`, `cvss2`, `cvss30`, `cvss31`, `cvss40`.
    pub scheme: String,
    /// The word or the vector.
    pub value: String,
    /// Who said it.
    pub source: String,
    /// Base score of a vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// The package of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingPackage {
    /// Id in the SBOM.
    pub id: String,
    /// Kind, for instance `deb`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Package URL.
    pub purl: String,
    /// Path.
    pub path: String,
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingFix {
    /// `fixed`, `not_fixed`, `wont_fix`, `deferred`, `unknown`.
    pub state: String,
    /// Versions that carry the fix.
    pub versions: Vec<String>,
    /// The advisory that shipped it, or empty.
    pub advisory: String,
    /// When it was available, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub available: Option<String>,
}

/// Exploit prediction (FIRST EPSS).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Epss {
    /// Probability in the next 30 days, 0 to 1.
    pub score: f64,
    /// Share of all that score lower or equal, 0 to 1.
    pub percentile: f64,
    /// Day of the scores, RFC 3339.
    pub date: String,
}

/// Known to be exploited (CISA KEV).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kev {
    /// RFC 3339.
    pub added: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// In ransomware campaigns.
    pub ransomware: bool,
    /// Required action.
    pub action: String,
}

/// The chain of reasoning behind a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// `distro`, `distro_source`, `ecosystem`.
    pub rule: String,
    /// Data it came from, for instance `debian:12`.
    pub scope: String,
    /// Driver that read the record.
    pub driver: String,
    /// Name that was looked up.
    pub searched_name: String,
    /// Version that was compared.
    pub compared_version: String,
    /// Version scheme.
    pub scheme: String,
    /// Range that contains the version.
    pub range: String,
    /// Record whose row matched.
    pub record: String,
    /// Other records of the same vulnerability that matched.
    pub related: Vec<String>,
}

/// A match that was taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SuppressedFinding {
    /// What would have been found.
    pub finding: Finding,
    /// Stable code of the rule.
    pub rule: String,
    /// For people.
    pub reason: String,
}

/// Whether there was data for one part of the SBOM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// Scope, or empty when none could be derived.
    pub scope: String,
    /// Packages in it.
    pub package_count: u32,
    /// When its data was fetched, RFC 3339; absent: nothing was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub fetched: Option<String>,
}

/// What went wrong with one part of an input while the rest was good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// `info`, `degraded`, `error`.
    pub severity: String,
    /// Where.
    pub place: String,
    /// For people.
    pub message: String,
}
