//! Advisories in one normalised shape, whatever feed they came from.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One record of one feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vulnerability {
    /// The feed's own id: `CVE-2024-1`, `GHSA-…`, `ALSA-2024:1`, `PYSEC-…`.
    pub id: String,
    /// The driver that read it (`debian`, `osv`, `alpine`, …).
    pub driver: String,
    /// Other names of the same vulnerability.
    pub aliases: Vec<String>,
    /// Ids of what this record fixes or groups (the CVEs behind an ALSA). Not aliases of each
    /// other.
    pub upstream: Vec<String>,
    /// Where it stands.
    pub status: VulnerabilityStatus,
    /// First published.
    pub published: Option<Timestamp>,
    /// Last changed at the source.
    pub modified: Option<Timestamp>,
    /// Taken back by the source; such a record never matches.
    pub withdrawn: Option<Timestamp>,
    /// One line.
    pub summary: String,
    /// Longer text, cut at a limit.
    pub details: String,
    /// `CWE-79` and so on.
    pub cwes: Vec<String>,
    /// Links.
    pub references: Vec<Link>,
    /// Everything the feed says about severity.
    pub severities: Vec<Severity>,
}

/// Whether the source stands by the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VulnerabilityStatus {
    /// Normal.
    Active,
    /// Being analysed.
    Analyzing,
    /// Disputed by the vendor.
    Disputed,
    /// Rejected: never matches.
    Rejected,
}

/// A link of an advisory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// URL as given.
    pub url: String,
    /// The source's word for it (`ADVISORY`, `FIX`, `WEB`), or empty.
    pub kind: String,
}

/// One statement about severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Severity {
    /// How it is expressed.
    pub scheme: SeverityScheme,
    /// The word, or the CVSS vector.
    pub value: String,
    /// Who said it (`debian`, `nvd`, `ghsa`).
    pub source: String,
    /// Base score of a CVSS vector.
    pub score: Option<f64>,
    /// Normalised rank of this statement.
    pub rank: SeverityRank,
}

/// How a [`Severity`] is expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeverityScheme {
    /// A vendor's word.
    Word,
    /// CVSS 2.0 vector.
    Cvss2,
    /// CVSS 3.0 vector.
    Cvss30,
    /// CVSS 3.1 vector.
    Cvss31,
    /// CVSS 4.0 vector.
    Cvss40,
}

/// Severity in one scale, lowest first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum SeverityRank {
    /// Not rated.
    #[default]
    Unknown,
    /// Not worth an update.
    Negligible,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl SeverityRank {
    /// All ranks, lowest first.
    pub const ALL: [Self; 6] =
        [Self::Unknown, Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Capitalised word, as the REST contract writes it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Negligible => "Negligible",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }

    /// The word in any case; `None` for other words.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.as_str().eq_ignore_ascii_case(word))
    }

    /// The qualitative rating of a CVSS 3 or 4 base score (FIRST, "Qualitative Severity Rating
    /// Scale"); a score of 0 is `Negligible` here.
    #[must_use]
    pub fn of_score(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            _ => Self::Negligible,
        }
    }
}

impl fmt::Display for SeverityRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One package that a vulnerability affects, or explicitly does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Affected {
    /// Which packages the row is about.
    pub scope: Scope,
    /// Package name in the scope's own words (see `Package::name`; source or binary by `level`).
    pub package: String,
    /// Whether `package` names a source or a binary package.
    pub level: Level,
    /// Affected, not affected, unknown.
    pub verdict: Verdict,
    /// Version ranges; any one that contains the version matches.
    pub ranges: Vec<Range>,
    /// Versions named one by one (OSV `versions`).
    pub versions: Vec<String>,
    /// Conditions beside the version.
    pub qualifiers: Qualifiers,
    /// What to do about it.
    pub fix: Fix,
}

/// Where a row applies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One release of one distribution.
    Distro {
        /// Lower-case id of the feed's distribution: `debian`, `alpine`, `almalinux`, `rocky`.
        id: String,
        /// Release as the feed counts it: `12`, `3.19`, `9`; `edge`/`sid` for rolling ones.
        version: String,
        /// `eus`, `esm`, …; empty for the base channel.
        channel: String,
    },
    /// A language ecosystem in OSV's words, lower case: `pypi`, `npm`, `maven`, `go`,
    /// `crates.io`, `rubygems`, `nuget`, `packagist`, `hex`, …
    Ecosystem {
        /// The ecosystem's name.
        name: String,
    },
}

impl Scope {
    /// The text that feed groups, indexes and the API use: `debian:12`, `npm`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Distro { id, version, channel } if channel.is_empty() => {
                format!("{id}:{version}")
            }
            Self::Distro { id, version, channel } => format!("{id}:{version}+{channel}"),
            Self::Ecosystem { name } => name.clone(),
        }
    }
}

/// What kind of package a row names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A distribution's source package (Debian tracker, Alpine secdb).
    Source,
    /// A distribution's binary package (RPM errata).
    Binary,
    /// A module or library of a language ecosystem.
    Module,
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The ranges are affected.
    Affected,
    /// The package is explicitly not affected (in the ranges, or at all when there are none).
    Unaffected,
    /// The vendor has not decided.
    UnderInvestigation,
}

/// A half-open interval of versions, in the order of the scope's scheme (OSV events).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// `Semver` when the feed says the versions are SemVer whatever the ecosystem.
    pub kind: RangeKind,
    /// First affected version; `None` or `0` means from the beginning.
    pub introduced: Option<String>,
    /// First version that is not affected any more.
    pub fixed: Option<String>,
    /// Last affected version, where no fixed one is known.
    pub last_affected: Option<String>,
}

/// Which order a [`Range`] is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeKind {
    /// The scope's own scheme.
    Ecosystem,
    /// SemVer 2.0.
    Semver,
}

/// Conditions of a row beside the version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qualifiers {
    /// CPU architectures; empty for all.
    pub architectures: Vec<String>,
    /// RPM module `name:stream`. `None`: unknown, matches all; `Some("")`: explicitly none.
    pub module: Option<String>,
    /// Go packages and symbols of the module that are vulnerable; empty for the whole module.
    pub imports: Vec<GoImport>,
}

/// A vulnerable Go package inside a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoImport {
    /// Import path.
    pub path: String,
    /// Symbols; empty for all.
    pub symbols: Vec<String>,
}

/// What the vendor did about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// The state.
    pub state: FixState,
    /// Versions that carry the fix.
    pub versions: Vec<String>,
    /// The advisory that shipped it (`DSA-5000-1`); empty when none.
    pub advisory: String,
    /// When the fix was available.
    pub available: Option<Timestamp>,
}

impl Default for Fix {
    fn default() -> Self {
        Self {
            state: FixState::Unknown,
            versions: Vec::new(),
            advisory: String::new(),
            available: None,
        }
    }
}

/// State of a [`Fix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixState {
    /// A fixed version exists.
    Fixed,
    /// None yet.
    NotFixed,
    /// The vendor will not fix it.
    WontFix,
    /// Put off (Debian `no-dsa`, `postponed`).
    Deferred,
    /// The feed does not say.
    Unknown,
}

/// A record with the rows that belong to it: what a driver gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advisory {
    /// The record.
    pub vulnerability: Vulnerability,
    /// Its rows.
    pub affected: Vec<Affected>,
}

/// Exploit prediction (FIRST EPSS).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epss {
    /// Probability of exploitation in the next 30 days, 0 to 1.
    pub score: f64,
    /// Share of all scored vulnerabilities that score lower or equal, 0 to 1.
    pub percentile: f64,
    /// Day of the scores.
    pub date: Timestamp,
}

/// Known exploited (CISA KEV).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kev {
    /// Added to the catalogue.
    pub added: Timestamp,
    /// Due date for federal agencies.
    pub due: Option<Timestamp>,
    /// Known in ransomware campaigns.
    pub ransomware: bool,
    /// Required action.
    pub action: String,
}

/// A failure to read the advisory data: never to be taken for "no advisories".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("advisory data cannot be read: {0}")]
pub struct SourceError(pub String);

/// One row of the data for one package, with its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The record.
    pub vulnerability: std::sync::Arc<Vulnerability>,
    /// The row.
    pub affected: Affected,
}

/// Read access to one generation of advisory data. Implemented by the feed dataset; tests
/// implement it over vectors.
pub trait AdvisorySource {
    /// Identifies the generation: digest of its content. Results record it.
    fn generation(&self) -> String;

    /// All rows for `package` in `scope`, withdrawn and unaffected ones included.
    ///
    /// # Errors
    /// When the data cannot be read; an empty vector means that there is none.
    fn candidates(&self, scope: &Scope, package: &str) -> Result<Vec<Candidate>, SourceError>;

    /// Whether the generation has any data for `scope` at all, and when that data was fetched.
    fn coverage(&self, scope: &Scope) -> Option<Timestamp>;

    /// All records with this id or alias.
    ///
    /// # Errors
    /// When the data cannot be read.
    fn by_id(&self, id: &str) -> Result<Vec<Advisory>, SourceError>;

    /// EPSS of a CVE.
    fn epss(&self, cve: &str) -> Option<Epss>;

    /// KEV entry of a CVE.
    fn kev(&self, cve: &str) -> Option<Kev>;
}
