//! `kedgectl explain`: why a match was made, or why not.

use crate::Session;
use crate::commands::db::{DatabaseFlags, advisory_rows};
use crate::commands::scan::document::ScanDocument;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::table::plain;
use clap::Args;
use kedge_api::findings::Finding;
use std::fmt::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kedgectl scan app:1 -o json=result.json
  kedgectl explain CVE-2021-44228 --in result.json";

/// Explain why a vulnerability was reported or suppressed, step by step
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// CVE, GHSA or other advisory id
    id: String,
    /// Result of 'scan -o json'; - for standard input
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    database: DatabaseFlags,
}

/// Explains.
pub(crate) fn run(session: &Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    let document = ScanDocument::read(&input::document(&args.input)?)?;
    let about = |finding: &&Finding| {
        let ids = finding.aliases.iter().chain(&finding.cves).chain([&finding.vulnerability]);
        ids.into_iter().any(|id| id.eq_ignore_ascii_case(&args.id))
    };
    let mut text = String::new();
    for finding in document.findings.iter().filter(about) {
        text.push_str(&explained(finding));
    }
    for taken_back in document.suppressed.iter().filter(|s| about(&&s.finding)) {
        text.push_str(&explained(&taken_back.finding));
        let _ =
            writeln!(text, "  suppressed    {}: {}\n", taken_back.rule, plain(&taken_back.reason));
    }
    if !text.is_empty() {
        session.out.print(text.as_bytes())?;
        return Ok(Exit::Ok);
    }
    let failure = Failure::not_found(format!("the result has nothing about '{}'", args.id));
    // The data may know it for packages that the target does not have, or in versions it has not.
    let known = args.database.open().and_then(|dataset| advisory_rows(&dataset, &args.id));
    Err(match known {
        Ok(rows) if !rows.is_empty() => failure.hint(format!(
            "the database has {} rows about it, none fits a package of the target: kedgectl db search {}",
            rows.len(),
            args.id
        )),
        Ok(_) | Err(_) => failure,
    })
}

fn explained(finding: &Finding) -> String {
    let why = &finding.why;
    let package = &finding.package;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<13} {}", plain(&value));
        }
    };
    line("package", format!("{} {} ({})", package.name, package.version, package.kind));
    line("found at", package.path.clone());
    line("purl", package.purl.clone());
    let rule = match why.rule.as_str() {
        "distro" => "the package's own name in its distribution's feed",
        "distro_source" => "the source package's name in its distribution's feed",
        _ => "the package's name in its ecosystem's feed",
    };
    line("looked up", format!("{} in {}: {rule}", why.searched_name, why.scope));
    line("record", format!("{} (read by {})", why.record, why.driver));
    line(
        "compared",
        format!("{} by {} rules with {}", why.compared_version, why.scheme, why.range),
    );
    line("also matched", why.related.join(", "));
    line("severity", finding.severity.clone());
    for statement in &finding.severities {
        let score = statement.score.map_or_else(String::new, |score| format!(" ({score})"));
        line("", format!("{}{score} by {}", statement.value, statement.source));
    }
    let fix = match finding.fix.versions.as_slice() {
        [] => finding.fix.state.replace('_', " "),
        versions => format!("{} {}", versions.join(", "), finding.fix.advisory),
    };
    line("fix", fix);
    if let Some(epss) = &finding.epss {
        line(
            "epss",
            format!(
                "{:.2}% in 30 days, above {:.0}% of all",
                epss.score * 100.0,
                epss.percentile * 100.0
            ),
        );
    }
    if let Some(kev) = &finding.kev {
        line("exploited", format!("known since {}: {}", kev.added, kev.action));
    }
    for reference in finding.references.iter().take(5) {
        line("see", reference.clone());
    }
    let aliases = if finding.aliases.is_empty() {
        String::new()
    } else {
        format!(" ({})", finding.aliases.join(", "))
    };
    format!(
        "{}{}: {}\n{text}\n",
        plain(&finding.vulnerability),
        plain(&aliases),
        plain(&finding.summary)
    )
}
