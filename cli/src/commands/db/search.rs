//! `db search`: what the data says about an id or a package.

use super::DatabaseFlags;
use crate::Session;
use crate::commands::scan::document::fix_word;
use crate::exit::{Exit, Failure};
use crate::output::list::{ListOutput, column, wide};
use crate::output::table::Cell;
use clap::Args;
use kedge_artifact::advisory::{
    Affected, SeverityRank, Verdict, Vulnerability, VulnerabilityStatus,
};
use kedge_feeds::dataset::{Dataset, DatasetError};
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// CVE, GHSA or other advisory id
    #[arg(required_unless_present = "package", conflicts_with = "package")]
    id: Option<String>,
    /// Package name, as the feed writes it
    #[arg(long = "pkg", value_name = "NAME")]
    package: Option<String>,
    #[command(flatten)]
    database: DatabaseFlags,
    #[command(flatten)]
    output: ListOutput,
}

/// One row of the data, flat.
#[derive(Debug, Serialize)]
pub(crate) struct AdvisoryRow {
    id: String,
    aliases: Vec<String>,
    severity: SeverityRank,
    withdrawn: bool,
    scope: String,
    package: String,
    verdict: &'static str,
    versions: String,
    fix_state: &'static str,
    fixed_in: Vec<String>,
    driver: String,
    summary: String,
}

/// Searches.
pub(crate) fn run(session: &Session, args: &SearchArgs) -> Result<Exit, Failure> {
    let dataset = args.database.open()?;
    let (rows, what) = match (&args.id, &args.package) {
        (Some(id), _) => (advisory_rows(&dataset, id)?, format!("id '{id}'")),
        (None, Some(name)) => {
            let hits = dataset.search_package(name).map_err(unreadable)?;
            let rows = hits.iter().map(|hit| row(&hit.vulnerability, Some(&hit.affected)));
            (rows.collect(), format!("package '{name}'"))
        }
        (None, None) => return Err(Failure::usage("name an id or a package (--pkg)")),
    };
    if rows.is_empty() {
        return Err(Failure::not_found(format!("the database has nothing about {what}"))
            .hint("'kedgectl db status' lists what it holds"));
    }
    let columns = [
        column("ID", |row: &AdvisoryRow| row.id.as_str().into()),
        column("PACKAGE", |row: &AdvisoryRow| row.package.as_str().into()),
        column("SCOPE", |row: &AdvisoryRow| row.scope.as_str().into()),
        column(
            "VERDICT",
            |row: &AdvisoryRow| {
                if row.withdrawn { "withdrawn".into() } else { row.verdict.into() }
            },
        ),
        column("VERSIONS", |row: &AdvisoryRow| row.versions.as_str().into()),
        column("FIX", |row: &AdvisoryRow| match row.fixed_in.as_slice() {
            [] => row.fix_state.replace('_', " ").into(),
            versions => versions.join(", ").into(),
        }),
        column("SEVERITY", |row: &AdvisoryRow| Cell::severity(row.severity)),
        wide("DRIVER", |row: &AdvisoryRow| row.driver.as_str().into()),
        wide("ALIASES", |row: &AdvisoryRow| row.aliases.join(" ").into()),
        wide("SUMMARY", |row: &AdvisoryRow| row.summary.as_str().into()),
    ];
    args.output.list(session.out, "AdvisoryList", &rows, &columns)?;
    Ok(Exit::Ok)
}

/// All rows of the records that carry an id.
pub(crate) fn advisory_rows(dataset: &Dataset, id: &str) -> Result<Vec<AdvisoryRow>, Failure> {
    let mut rows = Vec::new();
    for advisory in dataset.search(id).map_err(unreadable)? {
        if advisory.affected.is_empty() {
            rows.push(row(&advisory.vulnerability, None));
        }
        rows.extend(advisory.affected.iter().map(|a| row(&advisory.vulnerability, Some(a))));
    }
    Ok(rows)
}

fn unreadable(error: DatasetError) -> Failure {
    Failure::error(error).code("database_damaged").hint("fetch it anew: kedgectl db update --force")
}

fn row(record: &Vulnerability, affected: Option<&Affected>) -> AdvisoryRow {
    let verdict = match affected.map(|affected| affected.verdict) {
        None => "",
        Some(Verdict::Affected) => "affected",
        Some(Verdict::Unaffected) => "not affected",
        Some(Verdict::UnderInvestigation) => "under investigation",
    };
    let fix = affected.map(|affected| &affected.fix);
    let severity = record.severities.iter().map(|severity| severity.rank).max();
    AdvisoryRow {
        id: record.id.clone(),
        aliases: record.aliases.clone(),
        severity: severity.unwrap_or_default(),
        withdrawn: record.withdrawn.is_some() || record.status == VulnerabilityStatus::Rejected,
        scope: affected.map(|affected| affected.scope.label()).unwrap_or_default(),
        package: affected.map(|affected| affected.package.clone()).unwrap_or_default(),
        verdict,
        versions: affected.map(versions).unwrap_or_default(),
        fix_state: fix.map_or("unknown", |fix| fix_word(fix.state)),
        fixed_in: fix.map(|fix| fix.versions.clone()).unwrap_or_default(),
        driver: record.driver.clone(),
        summary: record.summary.clone(),
    }
}

/// Ranges and single versions as text.
fn versions(affected: &Affected) -> String {
    let mut parts: Vec<String> = Vec::new();
    for range in &affected.ranges {
        let bounds = [
            range.introduced.as_ref().filter(|v| *v != "0").map(|v| format!(">= {v}")),
            range.fixed.as_ref().map(|v| format!("< {v}")),
            range.last_affected.as_ref().map(|v| format!("<= {v}")),
        ];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        parts.push(if bounds.is_empty() { "all".to_owned() } else { bounds.join(", ") });
    }
    if parts.is_empty() && !affected.versions.is_empty() {
        let shown = affected.versions.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = affected.versions.len().saturating_sub(5);
        parts.push(if more > 0 { format!("{shown} and {more} more") } else { shown });
    }
    parts.join(" or ")
}
