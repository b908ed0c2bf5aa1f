//! The scan result as a document. Its findings have the shape of the node's
//! `/kedge/v1/images/{digest}/findings`, and it holds no time of the run, so that the same content
//! and the same data give the same bytes everywhere.

use crate::exit::Failure;
use crate::output::API_VERSION;
use kedge_api::findings as api;
use kedge_artifact::advisory::{FixState, SeverityScheme};
use kedge_artifact::finding::{Coverage, Finding, MatchRule, Matches, Suppressed};
use kedge_artifact::problem::{Problem, ProblemSeverity};
use kedge_policy::Evaluation;
use serde::{Deserialize, Serialize};

/// `kind` of the document.
pub(crate) const KIND: &str = "ScanResult";

/// The document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScanDocument {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) target: Target,
    pub(crate) sbom: SbomSummary,
    /// Generation of the advisory data.
    pub(crate) generation: String,
    /// Version of the matching rules.
    pub(crate) engine: String,
    pub(crate) findings: Vec<api::Finding>,
    pub(crate) suppressed: Vec<api::SuppressedFinding>,
    pub(crate) coverage: Vec<api::Coverage>,
    pub(crate) problems: Vec<api::Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Evaluation>,
}

/// What was scanned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) distro: Option<String>,
}

/// What was found inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SbomSummary {
    /// Digest of the native document.
    pub(crate) digest: String,
    pub(crate) generator: String,
    pub(crate) package_count: usize,
}

impl ScanDocument {
    /// Puts the document together. `problems` are those of the SBOM and its source.
    pub(crate) fn new(
        content: &super::target::Content,
        matches: &Matches,
        policy: Option<Evaluation>,
    ) -> Self {
        let sbom = &content.sbom;
        let bytes = kedge_analyzer::sbom::native::to_bytes(sbom);
        let target = Target {
            name: content.name.clone(),
            kind: content.kind.to_owned(),
            image_digest: sbom.target.manifest.map(|digest| digest.to_string()),
            image_id: sbom.target.config.map(|digest| digest.to_string()),
            platform: sbom.target.platform.as_ref().map(ToString::to_string),
            distro: sbom.distro.as_ref().map(kedge_artifact::distro::Distro::label),
        };
        let sources = matches.problems.iter().chain(&sbom.problems).chain(&content.notes);
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            target,
            sbom: SbomSummary {
                digest: kedge_artifact::digest::Digest::of(&bytes).to_string(),
                generator: format!("{} {}", sbom.generator.name, sbom.generator.version),
                package_count: sbom.packages.len(),
            },
            generation: matches.generation.clone(),
            engine: matches.engine.clone(),
            findings: matches.findings.iter().map(finding).collect(),
            suppressed: matches.suppressed.iter().map(suppressed).collect(),
            coverage: matches.coverage.iter().map(coverage).collect(),
            problems: sources.map(problem).collect(),
            policy,
        }
    }

    /// Reads a document that `scan -o json` wrote.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let hint = "make one with 'kedgectl scan TARGET -o json'";
        let document: Self = serde_json::from_slice(bytes)
            .map_err(|error| Failure::error(format!("not a scan result: {error}")).hint(hint))?;
        if document.kind != KIND || document.api_version != API_VERSION {
            return Err(Failure::error("not a scan result of this version").hint(hint));
        }
        Ok(document)
    }
}

pub(crate) const fn fix_word(state: FixState) -> &'static str {
    match state {
        FixState::Fixed => "fixed",
        FixState::NotFixed => "not_fixed",
        FixState::WontFix => "wont_fix",
        FixState::Deferred => "deferred",
        FixState::Unknown => "unknown",
    }
}

const fn scheme_word(scheme: SeverityScheme) -> &'static str {
    match scheme {
        SeverityScheme::Word => "word",
        SeverityScheme::Cvss2 => "cvss2",
        SeverityScheme::Cvss30 => "cvss30",
        SeverityScheme::Cvss31 => "cvss31",
        SeverityScheme::Cvss40 => "cvss40",
    }
}

const fn rule_word(rule: MatchRule) -> &'static str {
    match rule {
        MatchRule::Distro => "distro",
        MatchRule::DistroSource => "distro_source",
        MatchRule::Ecosystem => "ecosystem",
    }
}

pub(crate) const fn weight_word(severity: ProblemSeverity) -> &'static str {
    match severity {
        ProblemSeverity::Info => "info",
        ProblemSeverity::Degraded => "degraded",
        ProblemSeverity::Error => "error",
    }
}

/// A finding in the interface's shape.
pub(crate) fn finding(finding: &Finding) -> api::Finding {
    let severities = finding.severities.iter().map(|severity| api::SeverityStatement {
        scheme: scheme_word(severity.scheme).to_owned(),
        value: severity.value.clone(),
        source: severity.source.clone(),
        score: severity.score,
    });
    api::Finding {
        vulnerability: finding.vulnerability.clone(),
        aliases: finding.aliases.clone(),
        cves: finding.cves.clone(),
        severity: finding.severity.as_str().to_owned(),
        severities: severities.collect(),
        package: api::FindingPackage {
            id: finding.package.to_string(),
            kind: finding.package_kind.to_string(),
            name: finding.package_name.clone(),
            version: finding.package_version.clone(),
            purl: finding.purl.clone(),
            path: finding.path.clone(),
        },
        fix: api::FindingFix {
            state: fix_word(finding.fix.state).to_owned(),
            versions: finding.fix.versions.clone(),
            advisory: finding.fix.advisory.clone(),
            available: finding.fix.available.map(|time| time.to_string()),
        },
        summary: finding.summary.clone(),
        details: finding.details.clone(),
        references: finding.references.iter().map(|link| link.url.clone()).collect(),
        published: finding.published.map(|time| time.to_string()),
        epss: finding.epss.map(|epss| api::Epss {
            score: epss.score,
            percentile: epss.percentile,
            date: epss.date.to_string(),
        }),
        kev: finding.kev.as_ref().map(|kev| api::Kev {
            added: kev.added.to_string(),
            due: kev.due.map(|time| time.to_string()),
            ransomware: kev.ransomware,
            action: kev.action.clone(),
        }),
        why: why(finding),
    }
}

fn why(finding: &Finding) -> api::Why {
    api::Why {
        rule: rule_word(finding.why.rule).to_owned(),
        scope: finding.scope.label(),
        driver: finding.driver.clone(),
        searched_name: finding.why.searched_name.clone(),
        compared_version: finding.why.compared_version.clone(),
        scheme: finding.why.scheme.clone(),
        range: finding.why.range.clone(),
        record: finding.why.record.clone(),
        related: finding.why.related.clone(),
    }
}

fn suppressed(taken_back: &Suppressed) -> api::SuppressedFinding {
    api::SuppressedFinding {
        finding: finding(&taken_back.finding),
        rule: taken_back.rule.clone(),
        reason: taken_back.reason.clone(),
    }
}

fn coverage(coverage: &Coverage) -> api::Coverage {
    api::Coverage {
        scope: coverage.scope.clone(),
        package_count: coverage.package_count,
        fetched: coverage.fetched.map(|time| time.to_string()),
    }
}

fn problem(problem: &Problem) -> api::Problem {
    api::Problem {
        code: problem.code.clone(),
        severity: weight_word(problem.severity).to_owned(),
        place: problem.place.clone(),
        message: problem.message.clone(),
    }
}
