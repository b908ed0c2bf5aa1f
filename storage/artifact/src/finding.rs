//! What the matcher found: a vulnerability in a package, and why.

use crate::advisory::{Epss, Fix, Kev, Link, Scope, Severity, SeverityRank};
use crate::package::{PackageId, PackageKind};
use crate::problem::Problem;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The id shown: the preferred record of the alias cluster.
    pub vulnerability: String,
    /// Every other id of the same vulnerability, sorted.
    pub aliases: Vec<String>,
    /// The CVE ids among id, aliases and upstream, sorted.
    pub cves: Vec<String>,
    /// The package.
    pub package: PackageId,
    /// Its kind.
    pub package_kind: PackageKind,
    /// Its name.
    pub package_name: String,
    /// Its version.
    pub package_version: String,
    /// Its purl.
    pub purl: String,
    /// Where it is.
    pub path: String,
    /// Severity by the rule of preference (vendor, then CVSS 4, 3.1, 3.0, 2).
    pub severity: SeverityRank,
    /// All statements about severity, the deciding one first.
    pub severities: Vec<Severity>,
    /// What to do.
    pub fix: Fix,
    /// The data it came from.
    pub scope: Scope,
    /// The driver that read the record.
    pub driver: String,
    /// One line about the vulnerability.
    pub summary: String,
    /// Longer text.
    pub details: String,
    /// Links, the advisory itself first.
    pub references: Vec<Link>,
    /// First published.
    pub published: Option<Timestamp>,
    /// Exploit prediction of the worst of `cves`.
    pub epss: Option<Epss>,
    /// Known exploited, when one of `cves` is.
    pub kev: Option<Kev>,
    /// Why it matched.
    pub why: Why,
}

/// The chain of reasoning behind a match, complete enough to check by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// Which rule matched.
    pub rule: MatchRule,
    /// The name that was looked up.
    pub searched_name: String,
    /// The version that was compared.
    pub compared_version: String,
    /// Version scheme of the comparison (`deb`, `semver`, …).
    pub scheme: String,
    /// The range that contains the version, as text: `>= 1.0, < 1.2`.
    pub range: String,
    /// Id of the record whose row matched.
    pub record: String,
    /// Other records of the same vulnerability that matched too.
    pub related: Vec<String>,
}

/// Which rule made a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchRule {
    /// The package's own name in its distribution's feed.
    Distro,
    /// The source package's name in its distribution's feed.
    DistroSource,
    /// The package's name in its ecosystem's feed.
    Ecosystem,
}

/// A match that was taken back, and by which rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suppressed {
    /// What would have been found.
    pub finding: Finding,
    /// Stable code of the rule (`owned_by_os_package`, `not_affected`, `kernel_headers`).
    pub rule: String,
    /// For people.
    pub reason: String,
}

/// Whether there was data to match one part of the SBOM against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The scope that the packages needed; empty when none could be derived.
    pub scope: String,
    /// Packages of the SBOM in it.
    pub package_count: u32,
    /// When the data was fetched; `None`: there is no data, so nothing was checked.
    pub fetched: Option<Timestamp>,
}

/// The result of matching one SBOM against one generation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Matches {
    /// Generation of the advisory data.
    pub generation: String,
    /// Version of the matching rules.
    pub engine: String,
    /// Findings, sorted by (severity descending, vulnerability, package name, package id).
    pub findings: Vec<Finding>,
    /// Matches taken back, same order.
    pub suppressed: Vec<Suppressed>,
    /// What was checked against what.
    pub coverage: Vec<Coverage>,
    /// What could not be decided.
    pub problems: Vec<Problem>,
}
