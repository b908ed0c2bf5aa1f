//! Counts what was checked against which data, and says aloud what was not checked.

use std::collections::BTreeMap;

use kedge_artifact::advisory::AdvisorySource;
use kedge_artifact::finding::Coverage;
use kedge_artifact::package::{Package, PackageKind};
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::Sbom;
use kedge_artifact::time::Timestamp;

use crate::matchers::{Context, ecosystem};

/// Why packages have no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unscoped {
    Os(PackageKind),
    Binary,
}

/// Collects coverage while packages go by.
#[derive(Default)]
pub(crate) struct Ledger {
    scopes: BTreeMap<String, (u32, Option<Timestamp>)>,
    disclosures: BTreeMap<String, (u32, Option<Timestamp>)>,
    unscoped: BTreeMap<Unscoped, u32>,
}

impl Ledger {
    pub(crate) fn count(
        &mut self,
        package: &Package,
        context: &Context<'_>,
        source: &dyn AdvisorySource,
    ) {
        if let Some(scope) = ecosystem(package.kind) {
            let fetched = || (0, source.coverage(&scope));
            self.scopes.entry(scope.label()).or_insert_with(fetched).0 += 1;
        } else if !package.kind.is_os() {
            *self.unscoped.entry(Unscoped::Binary).or_default() += 1;
        } else if let Some(chosen) = context.distro_of(package) {
            self.scopes.entry(chosen.base.label()).or_insert((0, chosen.fetched)).0 += 1;
            if let Some((scope, fetched)) = &chosen.disclosures {
                self.disclosures.entry(scope.label()).or_insert((0, Some(*fetched))).0 += 1;
            }
        } else {
            *self.unscoped.entry(Unscoped::Os(package.kind)).or_default() += 1;
        }
    }

    /// The coverage in a fixed order, and a problem for each part without data.
    pub(crate) fn finish(self, sbom: &Sbom) -> (Vec<Coverage>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut coverage = Vec::new();
        for (scope, (package_count, fetched)) in &self.scopes {
            if fetched.is_none() {
                problems.push(Problem::error(
                    "advisory_data_missing",
                    scope.clone(),
                    format!("no advisory data for {scope}: {package_count} packages not matched"),
                ));
            }
        }
        for (scope, (package_count, fetched)) in self.scopes.into_iter().chain(self.disclosures) {
            coverage.push(Coverage { scope, package_count, fetched });
        }
        let unscoped_count: u32 = self.unscoped.values().sum();
        for (unscoped, count) in &self.unscoped {
            problems.push(unscoped_problem(*unscoped, *count, sbom));
        }
        if unscoped_count > 0 {
            let scope = String::new();
            coverage.push(Coverage { scope, package_count: unscoped_count, fetched: None });
        }
        coverage.sort_by(|a, b| a.scope.cmp(&b.scope));
        (coverage, problems)
    }
}

fn unscoped_problem(unscoped: Unscoped, count: u32, sbom: &Sbom) -> Problem {
    match (unscoped, &sbom.distro) {
        (Unscoped::Binary, _) => Problem::degraded(
            "binaries_not_matched",
            "",
            format!("{count} programs known only by their bytes: no feed names them"),
        ),
        (Unscoped::Os(kind), None) => Problem::error(
            "distro_unknown",
            "",
            format!("no distribution was recognised: {count} {kind} packages not matched"),
        ),
        (Unscoped::Os(kind), Some(distro)) => Problem::error(
            "distro_unknown",
            distro.label(),
            format!("no advisory feed fits this distribution: {count} {kind} packages not matched"),
        ),
    }
}
