//! `kedgectl scan`: what is inside a target, and what is wrong with it. No server.

pub(crate) mod document;
pub(crate) mod render;
pub(crate) mod target;

use crate::commands::db::DatabaseFlags;
use crate::exit::{Exit, Failure};
use crate::output::Spec;
use crate::text;
use crate::{Session, input};
use clap::Args;
use kedge_artifact::advisory::{FixState, SeverityRank};
use kedge_artifact::digest::Digest;
use kedge_artifact::finding::{Finding, Matches, Suppressed};
use kedge_artifact::reference::Reference;
use kedge_feeds::dataset::Dataset;
use kedge_matcher::{MatchOptions, find_matches};
use kedge_policy::{Action, Dockerfile, DockerfileMode, Evaluation, ImageFacts, PolicyDocument};
use render::{Outcome, ScanFormat};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use target::{Content, TargetFlags};

/// Data older than this gets a warning: the largest feeds change daily.
const STALE_AFTER: Duration = Duration::from_secs(5 * 86_400);

const EXAMPLES: &str = "\
Examples:
  kedgectl db update                                     get vulnerability data first
  kedgectl scan alpine:3.20
  kedgectl scan registry.example.com:5000/app:1 --fail-on high --only-fixed
  kedgectl scan docker-archive:app.tar -o table -o json=result.json
  kedgectl scan dir:. -o markdown
  kedgectl sbom generate app:1 | kedgectl scan -

See also: kedgectl help targets, kedgectl help formats, kedgectl help exit-codes";

/// Find the vulnerabilities of an image, archive, directory or SBOM, without a server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScanArgs {
    /// Image reference, path, SCHEME:PLACE, or - for an SBOM on standard input
    target: String,
    /// Format; FORMAT=FILE writes a file. Repeatable (kedgectl help formats)
    #[arg(short = 'o', long = "output", value_name = "FORMAT[=FILE]")]
    output: Vec<Spec<ScanFormat>>,
    /// Exit with 2 when a finding has this severity or worse
    #[arg(short = 'f', long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<SeverityRank>,
    /// Exit with 2 when a finding is known to be exploited
    #[arg(long)]
    fail_on_kev: bool,
    /// Let a gate pass although some packages could not be checked
    #[arg(long)]
    allow_incomplete: bool,
    /// Only findings that an update fixes; the others count as suppressed
    #[arg(long)]
    only_fixed: bool,
    /// Suppress findings by fix state: fixed, not-fixed, wont-fix, deferred, unknown
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = fix_state)]
    ignore_states: Vec<FixState>,
    /// Report CVE ids in place of the advisories' own
    #[arg(long)]
    by_cve: bool,
    /// Also list what was suppressed, and by which rule
    #[arg(long)]
    show_suppressed: bool,
    /// Judge the target by a policy document
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Exit with 2 when the policy says stop (or warn); without --policy the default policy judges
    #[arg(long, value_name = "ACTION", num_args = 0..=1, default_missing_value = "stop", value_parser = ["stop", "warn"])]
    fail_on_policy: Option<String>,
    /// Fail when the vulnerability data used is older: 12h, 5d
    #[arg(long, value_name = "AGE", value_parser = text::duration)]
    max_db_age: Option<Duration>,
    /// Open no connection but to the registry of the target (scans never open another one)
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    target_flags: TargetFlags,
    #[command(flatten)]
    database: DatabaseFlags,
}

/// Reads a severity.
pub(crate) fn severity(text: &str) -> Result<SeverityRank, String> {
    SeverityRank::parse(text)
        .ok_or_else(|| "use negligible, low, medium, high, critical or unknown".to_owned())
}

fn fix_state(text: &str) -> Result<FixState, String> {
    match text.replace('_', "-").as_str() {
        "fixed" => Ok(FixState::Fixed),
        "not-fixed" => Ok(FixState::NotFixed),
        "wont-fix" => Ok(FixState::WontFix),
        "deferred" => Ok(FixState::Deferred),
        "unknown" => Ok(FixState::Unknown),
        _ => Err("use fixed, not-fixed, wont-fix, deferred or unknown".to_owned()),
    }
}

/// Scans.
pub(crate) async fn run(session: &Session, args: ScanArgs) -> Result<Exit, Failure> {
    // Whatever can be wrong with the command is told before anything is pulled.
    let policy = policy_document(session, &args)?;
    let located = target::locate(&args.target)?;
    let dataset = Arc::new(args.database.open()?);
    let built = dataset.manifest().built;
    let detail = format!(
        "built {}, {}",
        text::ago(built, text::now()),
        text::count(records(&dataset), "record")
    );
    session.ui.finished("Vulnerability database", &detail);
    let content = target::open(session.ui, located, &args.target_flags).await?;
    let mut matches = find(session, &content, dataset, args.by_cve).await?;
    filter(&mut matches, &args);
    let stale = check_age(session, &matches, args.max_db_age);
    let evaluation = policy.map(|policy| judge(&policy, &content, &matches));
    for remark in render::remarks(&matches, &content).iter().filter(|_| session.ui.verbose) {
        session.ui.note(remark);
    }
    let outcome = Outcome {
        content: &content,
        matches: &matches,
        policy: evaluation.as_ref(),
        show_suppressed: args.show_suppressed,
    };
    let default = [Spec { format: ScanFormat::Table, file: None }];
    let specs = if args.output.is_empty() { &default[..] } else { &args.output };
    for spec in specs {
        outcome.write(session.out, spec)?;
    }
    stale?;
    gate(session, &args, &outcome)
}

fn records(dataset: &Dataset) -> usize {
    let total: u64 = dataset.manifest().drivers.iter().map(|driver| driver.records).sum();
    usize::try_from(total).unwrap_or(usize::MAX)
}

fn policy_document(session: &Session, args: &ScanArgs) -> Result<Option<PolicyDocument>, Failure> {
    match &args.policy {
        Some(path) => read_policy(session, path).map(Some),
        None if args.fail_on_policy.is_some() => Ok(Some(kedge_policy::default::default_policy())),
        None => Ok(None),
    }
}

/// Reads and checks a policy document; every mistake is told.
pub(crate) fn read_policy(session: &Session, path: &Path) -> Result<PolicyDocument, Failure> {
    match kedge_policy::parse(&input::document(path)?) {
        Ok((document, warnings)) => {
            for warning in warnings {
                session.ui.warn(&format!("{}: {warning}", path.display()));
            }
            Ok(document)
        }
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(|p| format!("\n  {p}")).collect();
            let what = format!("{} is not a usable policy:{}", path.display(), lines.concat());
            Err(Failure::error(what).code("policy_invalid"))
        }
    }
}

async fn find(
    session: &Session,
    content: &Content,
    dataset: Arc<Dataset>,
    by_cve: bool,
) -> Result<Matches, Failure> {
    let stage = session.ui.stage("Matching vulnerabilities");
    let sbom = content.sbom.clone();
    let options = MatchOptions { by_cve, ..MatchOptions::default() };
    let work = tokio::task::spawn_blocking(move || find_matches(&sbom, &*dataset, &options));
    let matches = work.await.map_err(|error| Failure::error(format!("matching: {error}")))?;
    let fixable = matches.findings.iter().filter(|f| !f.fix.versions.is_empty()).count();
    let suppressed = matches.suppressed.len();
    let found = matches.findings.len();
    stage.done(
        "Matched vulnerabilities",
        &format!("{found} found, {fixable} with a fix, {suppressed} suppressed"),
    );
    Ok(matches)
}

/// Moves what the flags filter to the suppressed ones, so that it can still be seen.
fn filter(matches: &mut Matches, args: &ScanArgs) {
    let reason = |finding: &Finding| {
        if args.ignore_states.contains(&finding.fix.state) {
            let state = document::fix_word(finding.fix.state).replace('_', "-");
            Some(("ignored_state", format!("--ignore-states {state}")))
        } else if args.only_fixed && finding.fix.state != FixState::Fixed {
            Some(("not_fixed", "--only-fixed".to_owned()))
        } else {
            None
        }
    };
    let mut kept = Vec::new();
    for finding in std::mem::take(&mut matches.findings) {
        match reason(&finding) {
            None => kept.push(finding),
            Some((rule, reason)) => {
                let rule = rule.to_owned();
                matches.suppressed.push(Suppressed { finding, rule, reason });
            }
        }
    }
    matches.findings = kept;
}

/// Looks at the oldest data that the result rests on: a new generation may hold old feeds.
fn check_age(session: &Session, matches: &Matches, max: Option<Duration>) -> Result<(), Failure> {
    let now = text::now();
    let fetched = matches.coverage.iter().filter_map(|c| Some((c.fetched?, c.scope.as_str())));
    let Some((oldest, scope)) = fetched.min() else { return Ok(()) };
    let age = Duration::from_millis(u64::try_from(now.0.saturating_sub(oldest.0)).unwrap_or(0));
    let what = format!("the vulnerability data for {scope} was fetched {}", text::ago(oldest, now));
    let hint = "kedgectl db update";
    match max {
        Some(max) if age > max => {
            let failure = Failure::error(format!("{what}, over --max-db-age"));
            Err(failure.code("database_stale").hint(hint))
        }
        None if age > STALE_AFTER => {
            session.ui.warn(&format!("{what}; get newer data with '{hint}'"));
            Ok(())
        }
        Some(_) | None => Ok(()),
    }
}

/// Judges by a policy, with the facts that a local scan has.
fn judge(policy: &PolicyDocument, content: &Content, matches: &Matches) -> Evaluation {
    let sbom = &content.sbom;
    let reference: Option<Reference> =
        content.name.parse().ok().filter(|_| content.kind == "image");
    let (registry, repository, tag) = match &reference {
        Some(found) => (
            found.registry.as_str(),
            found.repository.as_str(),
            found.tag.as_deref().unwrap_or_default(),
        ),
        None => ("local", content.name.as_str(), ""),
    };
    // A target without a manifest is known by its configuration, else by its content.
    let digest = sbom
        .target
        .manifest
        .or(sbom.target.config)
        .unwrap_or_else(|| Digest::of(&kedge_analyzer::sbom::native::to_bytes(sbom)));
    let analysis = content.analysis.as_ref();
    let config = analysis.and_then(|analysis| analysis.image_config.as_ref());
    let dockerfile = config.map(|config| kedge_analyzer::image::dockerfile::guess(&config.history));
    let platform = sbom.target.platform.clone();
    let facts = ImageFacts {
        registry,
        repository,
        tag,
        digest: &digest,
        image_id: sbom.target.config.as_ref(),
        sbom,
        files: analysis.map(|analysis| analysis.analysis.files.as_slice()),
        matches: Some(matches),
        first_seen: None,
        dockerfile: dockerfile
            .as_deref()
            .map(|text| Dockerfile { text, mode: DockerfileMode::Guessed }),
        size: analysis.map(|analysis| analysis.compressed_bytes),
        layer_count: Some(sbom.target.layers.len() as u64).filter(|count| *count > 0),
        architecture: platform.as_ref().map_or("", |platform| platform.architecture.as_str()),
        os: platform.as_ref().map_or("", |platform| platform.os.as_str()),
    };
    kedge_policy::evaluate(policy, &facts, text::now())
}

/// Whether the result passes what was asked for.
fn gate(session: &Session, args: &ScanArgs, outcome: &Outcome<'_>) -> Result<Exit, Failure> {
    let findings = &outcome.matches.findings;
    let mut failed = Vec::new();
    if let Some(least) = args.fail_on {
        let count = findings.iter().filter(|finding| finding.severity >= least).count();
        if count > 0 {
            failed.push(format!("{} at or above {least}", text::count(count, "finding")));
        }
    }
    let exploited = findings.iter().filter(|finding| finding.kev.is_some()).count();
    if args.fail_on_kev && exploited > 0 {
        failed.push(format!("{} known to be exploited", text::count(exploited, "finding")));
    }
    if let (Some(word), Some(policy)) = (&args.fail_on_policy, outcome.policy) {
        let least = Action::parse(word).unwrap_or(Action::Stop);
        if policy.final_action >= least {
            failed.push(format!("policy says {}", policy.final_action.as_str()));
        }
    }
    if !failed.is_empty() {
        session.ui.note(&format!("gate failed: {}", failed.join(", ")));
        return Ok(Exit::GateFailed);
    }
    let gated = args.fail_on.is_some() || args.fail_on_kev || args.fail_on_policy.is_some();
    let unchecked = render::unchecked(outcome.matches, outcome.content);
    if gated && !unchecked.is_empty() && !args.allow_incomplete {
        let what = format!(
            "the gate cannot be judged, {} not checked: {}",
            text::count(unchecked.len(), "part"),
            unchecked.join("; ")
        );
        let hint = "get the missing data, or accept the gap with --allow-incomplete";
        return Err(Failure::error(what).code("scan_incomplete").hint(hint));
    }
    Ok(Exit::Ok)
}
