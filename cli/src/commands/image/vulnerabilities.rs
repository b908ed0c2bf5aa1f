//! `image vuln`.

use super::digest;
use crate::Session;
use crate::client::{Query, put};
use crate::commands::scan::severity;
use crate::exit::{Exit, Failure};
use crate::output::list::{Column, ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{ArgAction, Args};
use kedge_api::findings::ImageFindings;
use kedge_api::vulnerabilities::{ImagePackageVulnerability, ImagePackageVulnerabilityResponse};
use kedge_artifact::advisory::SeverityRank;

#[derive(Debug, Args)]
pub(crate) struct VulnArgs {
    /// Reference or digest
    image: String,
    /// Which packages: os, non-os, all
    #[arg(long = "type", value_name = "TYPE", default_value = "all", value_parser = ["os", "non-os", "all"])]
    kind: String,
    /// Leave out what the vendor will not fix
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    vendor_only: Option<bool>,
    /// Mark what the base image of this digest has too
    #[arg(long, value_name = "DIGEST")]
    base_digest: Option<String>,
    /// Only this severity or worse
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<SeverityRank>,
    /// Only what an update fixes
    #[arg(long)]
    only_fixed: bool,
    /// Exit with 2 when a vulnerability has this severity or worse
    #[arg(short = 'f', long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<SeverityRank>,
    /// Let the gate pass although some packages could not be checked
    #[arg(long)]
    allow_incomplete: bool,
    /// Match again in place of using a stored result
    #[arg(long)]
    refresh: bool,
    #[command(flatten)]
    output: ListOutput,
}

/// Lists vulnerabilities; the gate counts what is listed.
pub(crate) async fn run(session: &Session, args: VulnArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let digest = digest(&client, &args.image).await?;
    let mut query = Query::new();
    put(&mut query, "vendor_only", args.vendor_only);
    put(&mut query, "base_digest", args.base_digest.as_deref());
    put(&mut query, "force_refresh", args.refresh.then_some(true));
    let stage = session.ui.stage("Fetching vulnerabilities");
    let answer: ImagePackageVulnerabilityResponse =
        client.get(&["v2", "images", &digest, "vuln", &args.kind], query).await?;
    drop(stage);
    for problem in answer.base_image_problems.iter().flatten() {
        session.ui.warn(&format!("base image: {}", problem.details));
    }
    let mut rows = answer.vulnerabilities;
    rows.retain(|row| {
        args.severity.is_none_or(|least| rank(row) >= least)
            && (!args.only_fixed || row.fix != kedge_api::NONE_TEXT)
    });
    rows.sort_by(|a, b| {
        let key = |row: &ImagePackageVulnerability| std::cmp::Reverse(rank(row));
        (key(a), &a.vuln, &a.package).cmp(&(key(b), &b.vuln, &b.package))
    });
    args.output.list(session.out, "VulnerabilityList", &rows, &columns())?;
    let unchecked = unchecked(session, &client, &digest).await;
    for line in &unchecked {
        session.ui.warn(&format!("NOT CHECKED: {line}"));
    }
    if rows.is_empty() {
        let scope = if unchecked.is_empty() { "" } else { " in what could be checked" };
        session.ui.note(&format!("no vulnerabilities found{scope}"));
    }
    gate(session, &args, &rows, &unchecked)
}

fn gate(
    session: &Session,
    args: &VulnArgs,
    rows: &[ImagePackageVulnerability],
    unchecked: &[String],
) -> Result<Exit, Failure> {
    let Some(least) = args.fail_on else { return Ok(Exit::Ok) };
    let over = rows.iter().filter(|row| rank(row) >= least).count();
    if over > 0 {
        let what = text::count(over, "vulnerability entry");
        session.ui.note(&format!("gate failed: {what} at or above {least}"));
        return Ok(Exit::GateFailed);
    }
    if !unchecked.is_empty() && !args.allow_incomplete {
        let what = format!("the gate cannot be judged: {}", unchecked.join("; "));
        let hint = "sync the feeds, or accept the gap with --allow-incomplete";
        return Err(Failure::error(what).code("scan_incomplete").hint(hint));
    }
    Ok(Exit::Ok)
}

/// What the node could not check. The contract's answer has no room for it, ours has. A node that
/// does not tell is not known to be complete.
async fn unchecked(session: &Session, client: &crate::client::Client, digest: &str) -> Vec<String> {
    // Only the gaps are wanted: the worst severity keeps the answer small.
    let mut query = Query::new();
    put(&mut query, "severity", Some("critical"));
    let place = ["kedge", "v1", "images", digest, "findings"];
    match client.get::<ImageFindings>(&place, query).await {
        Ok(findings) => findings
            .problems
            .iter()
            .filter(|problem| problem.severity == "error")
            .map(|problem| format!("{} ({})", problem.message, problem.code))
            .collect(),
        Err(failure) if failure.exit == Exit::NotFound => {
            if session.ui.verbose {
                session.ui.note("the node does not tell what it could not check");
            }
            Vec::new()
        }
        Err(failure) => vec![format!("the gaps are unknown: {}", failure.message)],
    }
}

fn rank(row: &ImagePackageVulnerability) -> SeverityRank {
    SeverityRank::parse(&row.severity).unwrap_or_default()
}

fn columns() -> [Column<ImagePackageVulnerability>; 11] {
    [
        column("VULNERABILITY", |row| row.vuln.as_str().into()),
        column("SEVERITY", |row| Cell::severity(rank(row))),
        column("NAME", |row| row.package_name.as_str().into()),
        column("INSTALLED", |row| row.package_version.as_str().into()),
        column("FIXED IN", |row| match (row.fix.as_str(), row.will_not_fix) {
            (kedge_api::NONE_TEXT, true) => Cell::toned("wont fix", Tone::Dim),
            (kedge_api::NONE_TEXT, false) => "".into(),
            (fix, _) => fix.into(),
        }),
        column("TYPE", |row| row.package_type.as_str().into()),
        column("EPSS", |row| {
            let worst = row
                .epss
                .iter()
                .map(|epss| epss.epss)
                .fold(None, |a: Option<f64>, b| Some(a.map_or(b, |a| a.max(b))));
            worst.map_or_else(String::new, |epss| format!("{:.1}%", epss * 100.0)).into()
        }),
        column("RISK", |row| if row.is_kev { Cell::toned("KEV", Tone::Bad) } else { "".into() }),
        wide("FEED", |row| row.feed_group.as_str().into()),
        wide("PATH", |row| row.package_path.as_str().into()),
        wide("URL", |row| row.url.as_str().into()),
    ]
}
