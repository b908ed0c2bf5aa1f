//! Vulnerabilities of an image in the contract's shape. Clients index into every key of an item,
//! so items are complete: missing text is `"None"`, missing scores are -1.

use crate::query::flag;
use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/images/{image_digest}/vuln", "get_image_vulnerability_types")
        .access(InAccount("getImage"))
        .gives(Body::StringList)
        .about("Vulnerability types"),
    Route::get("/v2/images/{image_digest}/vuln/{vuln_type}", "get_image_vulnerabilities_by_digest")
        .access(InAccount("getImage"))
        .params(query::<VulnerabilitiesQuery>)
        .gives(Body::Json(schema::<ImagePackageVulnerabilityResponse>))
        .about("Vulnerabilities"),
];

/// Values of `{vuln_type}`.
pub const VULNERABILITY_TYPES: &[&str] = &["os", "non-os", "all"];

/// The score that means "none".
pub const NO_SCORE: f64 = -1.0;

/// Query of `GET /v2/images/{image_digest}/vuln/{vuln_type}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VulnerabilitiesQuery {
    /// Match again instead of using a stored result.
    #[serde(default, deserialize_with = "flag")]
    pub force_refresh: Option<bool>,
    /// Fill `description`.
    #[serde(default, deserialize_with = "flag")]
    pub include_vuln_description: Option<bool>,
    /// Leave out what the vendor will not fix; true when absent.
    #[serde(default, deserialize_with = "flag")]
    pub vendor_only: Option<bool>,
    /// Digest of the base image to compare with.
    pub base_digest: Option<String>,
}

/// Vulnerabilities of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImagePackageVulnerabilityResponse {
    /// The image.
    pub image_digest: String,
    /// The base image that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_digest: Option<String>,
    /// What was wrong with the base image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image_problems: Option<Vec<BaseImageProblem>>,
    /// One of [`VULNERABILITY_TYPES`].
    pub vulnerability_type: String,
    /// Whether data of an extended support channel was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_support: Option<bool>,
    /// The items.
    pub vulnerabilities: Vec<ImagePackageVulnerability>,
}

/// Why a base image could not be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BaseImageProblem {
    /// Class.
    pub problem_type: String,
    /// For people.
    pub details: String,
}

/// One vulnerability of one package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImagePackageVulnerability {
    /// The id.
    pub vuln: String,
    /// Only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Fixed versions joined with `, `, or `None`.
    pub fix: String,
    /// `Critical`, `High`, `Medium`, `Low`, `Negligible`, `Unknown`.
    pub severity: String,
    /// `name-version`.
    pub package: String,
    /// Link, or `None`.
    pub url: String,
    /// Feed.
    pub feed: String,
    /// Feed group, for instance `debian:12`.
    pub feed_group: String,
    /// Name.
    pub package_name: String,
    /// Version.
    pub package_version: String,
    /// `dpkg`, `python` and so on.
    pub package_type: String,
    /// `None` where no CPE was used.
    pub package_cpe: String,
    /// Path, or `None`.
    pub package_path: String,
    /// Package URL.
    pub purl: String,
    /// The vendor will not fix it.
    pub will_not_fix: bool,
    /// Scores by NVD.
    pub nvd_data: Vec<NvdDataObject>,
    /// Scores by others.
    pub vendor_data: Vec<VendorDataObject>,
    /// When it was first found here, RFC 3339.
    #[schema(format = DateTime)]
    pub detected_at: String,
    /// When the fix was first seen, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub fix_observed_at: Option<String>,
    /// The version to upgrade to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_fix_version: Option<String>,
    /// Known to be exploited.
    pub is_kev: bool,
    /// Exploit prediction.
    pub epss: Vec<PackageEpss>,
    /// Found in the base image too; false when none was asked for.
    pub inherited_from_base: bool,
}

/// Weight of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum CvssKind {
    /// Of the authority for the record.
    Primary,
    /// Of somebody else.
    Secondary,
}

/// Scores by NVD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NvdDataObject {
    /// CVE.
    pub id: String,
    /// Text of NVD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Weight.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<CvssKind>,
    /// Who scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// CVSS 2.
    pub cvss_v2: CvssScores,
    /// CVSS 3.
    pub cvss_v3: CvssScores,
    /// Known to be exploited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_kev: Option<bool>,
    /// Exploit prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<PackageEpss>,
}

/// Scores by a vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VendorDataObject {
    /// Id of the vendor's record.
    pub id: String,
    /// Weight.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<CvssKind>,
    /// Who scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// CVSS 2.
    pub cvss_v2: CvssScores,
    /// CVSS 3.
    pub cvss_v3: CvssScores,
}

/// CVSS scores; [`NO_SCORE`] for none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CvssScores {
    /// Base.
    pub base_score: f64,
    /// Exploitability.
    pub exploitability_score: f64,
    /// Impact.
    pub impact_score: f64,
}

impl Default for CvssScores {
    fn default() -> Self {
        Self { base_score: NO_SCORE, exploitability_score: NO_SCORE, impact_score: NO_SCORE }
    }
}

/// Exploit prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PackageEPSS)]
pub struct PackageEpss {
    /// Probability in the next 30 days, 0 to 1.
    pub epss: f64,
    /// Share of all that score lower or equal, 0 to 1.
    pub percentile: f64,
}
