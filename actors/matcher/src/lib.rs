//! Matching of one SBOM against one generation of advisory data.
//!
//! A function of its inputs: no IO of its own, no clock, the same inputs give the same bytes.
//! Called by the matcher actor and by local scans of the CLI. It must not know feeds (it reads
//! normalised rows through [`AdvisorySource`]) and must not judge (policy does).
//!
//! Nothing is silently clean: packages without data are named in `coverage` and in a problem,
//! versions that cannot be compared are problems, and matches that a rule takes back are kept in
//! `suppressed` with that rule.

pub mod limits;

mod distro;
mod matchers;

mod coverage;
mod dedupe;
mod examine;
mod ids;
mod ignore;
mod row;
mod severity;

use std::collections::BTreeMap;

use kedge_artifact::advisory::AdvisorySource;
use kedge_artifact::finding::{Finding, Matches, Suppressed};
use kedge_artifact::package::{Package, PackageId};
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::Sbom;
use kedge_version::EpochPolicy;

use crate::examine::{Examined, Examiner};
use crate::limits::PROBLEMS_MAX;

/// Version of the matching rules. Raised when the same inputs would give another result; part of
/// the key of cached results.
pub const RULES_VERSION: &str = "1";

/// Choices of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatchOptions {
    /// Report CVE ids instead of the advisory's own id; a record of several CVEs becomes several
    /// findings.
    pub by_cve: bool,
    /// What a missing rpm epoch means.
    pub rpm_epoch: EpochPolicy,
    /// Support channels that the system subscribes to (`esm`, `eus`): their fixes count.
    pub channels: Vec<String>,
}

/// Matches every package of `sbom` against `source`.
#[must_use]
pub fn find_matches(sbom: &Sbom, source: &dyn AdvisorySource, options: &MatchOptions) -> Matches {
    let mut problems = Vec::new();
    let mut coverage = coverage::Ledger::default();
    let chosen = distro::choose(sbom, source, options, &mut problems);
    let context = matchers::Context::new(sbom, chosen.as_ref());
    let mut examiner = Examiner::new(source, options);

    let mut examined: Vec<(&Package, Examined)> = Vec::with_capacity(sbom.packages.len());
    for package in &sbom.packages {
        coverage.count(package, &context, source);
        let plan = matchers::plan(package, &context);
        problems.extend(plan.problems);
        examined.push((package, examiner.examine(package, plan.lookups)));
    }
    problems.append(&mut examiner.problems);
    let (coverage, mut uncovered) = coverage.finish(sbom);
    problems.append(&mut uncovered);

    let owners: BTreeMap<&PackageId, &(&Package, Examined)> =
        examined.iter().map(|entry| (&entry.0.id, entry)).collect();
    let mut findings = Vec::new();
    let mut suppressed = Vec::new();
    for entry in &examined {
        let owner = entry.0.owned_by.as_ref().and_then(|id| owners.get(id)).copied();
        let judge = ignore::Judge { entry, owner, distro: chosen.as_ref() };
        for draft in dedupe::drafts(entry.0, &entry.1, source, options) {
            match judge.suppress(&draft) {
                None => findings.push(draft.finding),
                Some((rule, reason)) => suppressed.push(Suppressed {
                    finding: draft.finding,
                    rule: rule.to_owned(),
                    reason,
                }),
            }
        }
    }
    findings.sort_by(order);
    suppressed.sort_by(|a, b| order(&a.finding, &b.finding).then_with(|| a.rule.cmp(&b.rule)));
    Matches {
        generation: source.generation(),
        engine: RULES_VERSION.to_owned(),
        findings,
        suppressed,
        coverage,
        problems: settle(problems),
    }
}

/// The order that [`Matches`] promises.
fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    b.severity
        .cmp(&a.severity)
        .then_with(|| a.vulnerability.cmp(&b.vulnerability))
        .then_with(|| a.package_name.cmp(&b.package_name))
        .then_with(|| a.package.cmp(&b.package))
}

/// Sorts, drops repeats, and cuts at the limit with a last problem that says so.
fn settle(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup();
    if problems.len() > PROBLEMS_MAX {
        let dropped = problems.len() - PROBLEMS_MAX;
        // The worst are kept: the sort above is by code, which says nothing about weight.
        problems.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
        problems.truncate(PROBLEMS_MAX);
        problems.sort();
        problems.push(Problem::error(
            "problems_truncated",
            "",
            format!("{dropped} more problems than the limit PROBLEMS_MAX ({PROBLEMS_MAX})"),
        ));
    }
    problems
}
