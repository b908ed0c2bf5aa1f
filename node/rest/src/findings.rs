//! Findings in our own shape: with the reason of every match, with what was taken back, and with
//! what could not be checked.

use crate::Server;
use crate::content::unknown;
use crate::error::Failure;
use crate::extract::{Asked, Params, Who};
use crate::large::large;
use crate::table::Table;
use axum::extract::State;
use axum::response::Response;
use kedge_api::findings as api;
use kedge_app::content::Inventory;
use kedge_artifact::advisory::{FixState, SeverityRank, SeverityScheme};
use kedge_artifact::finding::{Finding, MatchRule, Matches};
use kedge_artifact::problem::{Problem, ProblemSeverity};

pub(crate) fn serve(table: Table) -> Table {
    table.on("get_image_findings", get_image_findings)
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

const fn fix_word(state: FixState) -> &'static str {
    match state {
        FixState::Fixed => "fixed",
        FixState::NotFixed => "not_fixed",
        FixState::WontFix => "wont_fix",
        FixState::Deferred => "deferred",
        FixState::Unknown => "unknown",
    }
}

const fn rule_word(rule: MatchRule) -> &'static str {
    match rule {
        MatchRule::Distro => "distro",
        MatchRule::DistroSource => "distro_source",
        MatchRule::Ecosystem => "ecosystem",
    }
}

pub(crate) fn problem(problem: &Problem) -> api::Problem {
    let severity = match problem.severity {
        ProblemSeverity::Info => "info",
        ProblemSeverity::Degraded => "degraded",
        ProblemSeverity::Error => "error",
    };
    api::Problem {
        code: problem.code.clone(),
        severity: severity.to_owned(),
        place: problem.place.clone(),
        message: problem.message.clone(),
    }
}

fn severities(finding: &Finding) -> Vec<api::SeverityStatement> {
    let statements = finding.severities.iter().map(|severity| api::SeverityStatement {
        scheme: scheme_word(severity.scheme).to_owned(),
        value: severity.value.clone(),
        source: severity.source.clone(),
        score: severity.score,
    });
    statements.collect()
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

fn row(finding: &Finding) -> api::Finding {
    api::Finding {
        vulnerability: finding.vulnerability.clone(),
        aliases: finding.aliases.clone(),
        cves: finding.cves.clone(),
        severity: finding.severity.as_str().to_owned(),
        severities: severities(finding),
        package: api::FindingPackage {
            id: finding.package.0.clone(),
            kind: finding.package_kind.as_str().to_owned(),
            name: finding.package_name.clone(),
            version: finding.package_version.clone(),
            purl: finding.purl.clone(),
            path: finding.path.clone(),
        },
        fix: api::FindingFix {
            state: fix_word(finding.fix.state).to_owned(),
            versions: finding.fix.versions.clone(),
            advisory: finding.fix.advisory.clone(),
            available: finding.fix.available.map(|at| at.to_string()),
        },
        summary: finding.summary.clone(),
        details: finding.details.clone(),
        references: finding.references.iter().map(|link| link.url.clone()).collect(),
        published: finding.published.map(|at| at.to_string()),
        epss: finding.epss.map(|epss| api::Epss {
            score: epss.score,
            percentile: epss.percentile,
            date: epss.date.to_string(),
        }),
        kev: finding.kev.as_ref().map(|kev| api::Kev {
            added: kev.added.to_string(),
            due: kev.due.map(|at| at.to_string()),
            ransomware: kev.ransomware,
            action: kev.action.clone(),
        }),
        why: why(finding),
    }
}

/// A query, read.
struct Wanted {
    vulnerability: Option<String>,
    package: Option<String>,
    severity: Option<SeverityRank>,
}

impl Wanted {
    fn read(query: api::FindingsQuery) -> Result<Self, Failure> {
        let severity = query.severity.as_deref().map(|word| {
            let words: Vec<&str> = SeverityRank::ALL.iter().map(|rank| rank.as_str()).collect();
            SeverityRank::parse(word).ok_or_else(|| unknown("severity", &words))
        });
        let (vulnerability, package) = (query.vulnerability, query.package);
        Ok(Self { vulnerability, package, severity: severity.transpose()? })
    }

    fn keeps(&self, finding: &Finding) -> bool {
        let has_id = |id: &String| {
            let ids = finding.aliases.iter().chain(&finding.cves).chain([&finding.vulnerability]);
            ids.into_iter().any(|known| known.eq_ignore_ascii_case(id))
        };
        self.vulnerability.as_ref().is_none_or(has_id)
            && self.package.as_ref().is_none_or(|name| *name == finding.package_name)
            && self.severity.is_none_or(|least| finding.severity >= least)
    }
}

async fn get_image_findings(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
    Asked(query): Asked<api::FindingsQuery>,
) -> Result<Response, Failure> {
    let wanted = Wanted::read(query)?;
    let (inventory, matches) = server.app.findings(&who, &digest).await?;
    large(move || Ok(image_findings(&inventory, &matches, &wanted))).await
}

fn image_findings(inventory: &Inventory, matches: &Matches, wanted: &Wanted) -> api::ImageFindings {
    let findings = matches.findings.iter().filter(|finding| wanted.keeps(finding)).map(row);
    let suppressed = matches.suppressed.iter().filter(|taken| wanted.keeps(&taken.finding));
    let coverage = matches.coverage.iter().map(|coverage| api::Coverage {
        scope: coverage.scope.clone(),
        package_count: coverage.package_count,
        fetched: coverage.fetched.map(|at| at.to_string()),
    });
    let problems = matches.problems.iter().chain(&inventory.sbom.problems).map(problem);
    api::ImageFindings {
        image_digest: inventory.image.digest.to_string(),
        generation: matches.generation.clone(),
        engine: matches.engine.clone(),
        findings: findings.collect(),
        suppressed: suppressed
            .map(|taken| api::SuppressedFinding {
                finding: row(&taken.finding),
                rule: taken.rule.clone(),
                reason: taken.reason.clone(),
            })
            .collect(),
        coverage: coverage.collect(),
        problems: problems.collect(),
    }
}
