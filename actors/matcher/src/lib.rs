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
mod rating;
mod row;
mod severity;

use std::collections::BTreeMap;

use kedge_artifact::advisory::AdvisorySource;
use kedge_artifact::finding::{Coverage, Finding, Matches, Suppressed};
use kedge_artifact::package::{Package, PackageId};
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::Sbom;
use kedge_version::EpochPolicy;

use crate::examine::{Examined, Examiner};
use crate::limits::{FINDINGS_MAX, PROBLEMS_MAX};
use crate::matchers::{Context, Lookup};
use crate::rating::Ratings;

/// Version of the matching rules. Raised when the same inputs would give another result; part of
/// the key of cached results.
pub const RULES_VERSION: &str = "2";

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
    let owners: BTreeMap<&PackageId, &Package> =
        sbom.packages.iter().map(|package| (&package.id, package)).collect();
    let owner_of = |package: &Package| {
        let owner = *owners.get(package.owned_by.as_ref()?)?;
        ignore::may_speak(owner, package, chosen.as_ref()?).then_some(owner)
    };
    // Packages of one owner follow each other, so that what is known of it is held only meanwhile.
    let mut packages: Vec<(Option<&Package>, &Package)> =
        sbom.packages.iter().map(|package| (owner_of(package), package)).collect();
    packages.sort_by_key(|(owner, _)| owner.map(|owner| &owner.id));

    let mut run = Run {
        source,
        options,
        context: &context,
        examiner: Examiner::new(source, options),
        ratings: Ratings::new(source),
        owner: None,
        findings: Vec::new(),
        suppressed: Vec::new(),
        left_out: 0,
    };
    for (owner, package) in packages {
        coverage.count(package, &context, source);
        let plan = matchers::plan(package, &context);
        problems.extend(plan.problems);
        run.package(package, owner, plan.lookups);
    }
    let (coverage, mut uncovered) = coverage.finish(sbom);
    problems.append(&mut uncovered);
    run.finish(coverage, problems)
}

/// Matching of one SBOM on its way.
struct Run<'a> {
    source: &'a dyn AdvisorySource,
    options: &'a MatchOptions,
    context: &'a Context<'a>,
    examiner: Examiner<'a>,
    ratings: Ratings<'a>,
    /// The owner that was asked for last, with what the data says about it.
    owner: Option<(&'a Package, Examined)>,
    findings: Vec<Finding>,
    suppressed: Vec<Suppressed>,
    /// Packages that were not matched, or not wholly, because of [`FINDINGS_MAX`].
    left_out: usize,
}

impl<'a> Run<'a> {
    fn room(&self) -> usize {
        FINDINGS_MAX.saturating_sub(self.findings.len() + self.suppressed.len())
    }

    fn package(&mut self, package: &Package, owner: Option<&'a Package>, lookups: Vec<Lookup>) {
        if lookups.is_empty() {
            return;
        }
        if self.room() == 0 {
            self.left_out += 1;
            return;
        }
        let examined = self.examiner.examine(package, lookups);
        let (source, options) = (self.source, self.options);
        let mut drafts = dedupe::drafts(package, &examined, source, options, &mut self.ratings);
        if drafts.is_empty() {
            return;
        }
        if drafts.len() > self.room() {
            drafts.truncate(self.room());
            self.left_out += 1;
        }
        if let Some(owner) = owner {
            self.ask_about(owner);
        }
        let known = self.owner.as_ref().filter(|_| owner.is_some());
        let owner = known.map(|(owner, examined)| (*owner, examined));
        let judge =
            ignore::Judge { package, examined: &examined, owner, distro: self.context.distro };
        for draft in drafts {
            match judge.suppress(&draft) {
                None => self.findings.push(draft.finding),
                Some((rule, reason)) => self.suppressed.push(Suppressed {
                    finding: draft.finding,
                    rule: rule.to_owned(),
                    reason,
                }),
            }
        }
    }

    /// Examines an owner, unless it is the one that was examined last.
    fn ask_about(&mut self, owner: &'a Package) {
        if self.owner.as_ref().is_some_and(|(known, _)| std::ptr::eq(*known, owner)) {
            return;
        }
        // Its problems are told where it is matched itself; the examiner's are a set.
        let lookups = matchers::plan(owner, self.context).lookups;
        self.owner = Some((owner, self.examiner.examine(owner, lookups)));
    }

    fn finish(mut self, coverage: Vec<Coverage>, mut problems: Vec<Problem>) -> Matches {
        problems.extend(self.examiner.problems);
        problems.extend(self.ratings.problems);
        if self.left_out > 0 {
            let message = format!(
                "more findings than the limit FINDINGS_MAX ({FINDINGS_MAX}): {} packages were not \
                 matched",
                self.left_out
            );
            problems.push(Problem::error("findings_truncated", "", message));
        }
        self.findings.sort_by(order);
        self.suppressed
            .sort_by(|a, b| order(&a.finding, &b.finding).then_with(|| a.rule.cmp(&b.rule)));
        Matches {
            generation: self.source.generation(),
            engine: RULES_VERSION.to_owned(),
            findings: self.findings,
            suppressed: self.suppressed,
            coverage,
            problems: settle(problems),
        }
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
