//! Severities for findings whose own records rate nothing.
//!
//! Debian and Alpine leave most vulnerabilities unrated, and a policy on severity would pass them
//! all. The databases of the language ecosystems (GHSA above all) often rate the same CVE.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use kedge_artifact::advisory::{
    Advisory, AdvisorySource, Scope, Severity, SeverityRank, VulnerabilityStatus,
};
use kedge_artifact::finding::Finding;
use kedge_artifact::problem::Problem;

use crate::limits::SEVERITY_LOOKUPS_MAX;
use crate::severity;

/// Asks for ratings by CVE and remembers the answers while one SBOM is matched.
pub(crate) struct Ratings<'a> {
    source: &'a dyn AdvisorySource,
    known: BTreeMap<String, Rc<Vec<Severity>>>,
    pub(crate) problems: BTreeSet<Problem>,
}

impl<'a> Ratings<'a> {
    pub(crate) fn new(source: &'a dyn AdvisorySource) -> Self {
        Self { source, known: BTreeMap::new(), problems: BTreeSet::new() }
    }

    /// Gives an unrated finding the statements that other records make about its CVEs, the worst
    /// deciding among those of one scheme. Rated findings stay as they are.
    pub(crate) fn lend(&mut self, finding: &mut Finding) {
        if finding.severity != SeverityRank::Unknown {
            return;
        }
        let mut lent: Vec<Severity> = Vec::new();
        for cve in &finding.cves {
            lent.extend(self.of(cve).iter().cloned());
        }
        if lent.is_empty() {
            return;
        }
        lent.sort_by_key(|statement| Reverse(severity::rank(statement)));
        finding.severities.extend(lent);
        finding.severity = severity::decide(&mut finding.severities);
    }

    fn of(&mut self, cve: &str) -> Rc<Vec<Severity>> {
        if let Some(known) = self.known.get(cve) {
            return Rc::clone(known);
        }
        if self.known.len() >= SEVERITY_LOOKUPS_MAX {
            let message = format!(
                "more unrated CVEs than the limit SEVERITY_LOOKUPS_MAX ({SEVERITY_LOOKUPS_MAX}): \
                 the severity of the rest stays unknown"
            );
            self.problems.insert(Problem::degraded("severity_lookups_truncated", "", message));
            return Rc::default();
        }
        let records = self.source.by_id(cve).unwrap_or_else(|error| {
            let code = "advisory_data_unreadable";
            self.problems.insert(Problem::error(code, cve, error.to_string()));
            Vec::new()
        });
        let statements = records.into_iter().filter(speaks_for_all);
        let statements = statements.flat_map(|advisory| advisory.vulnerability.severities);
        let rated = |statement: &Severity| severity::rank(statement) != SeverityRank::Unknown;
        let rating = Rc::new(statements.filter(rated).collect());
        self.known.insert(cve.to_owned(), Rc::clone(&rating));
        rating
    }
}

/// What a distribution says of its own builds means nothing for those of another.
fn speaks_for_all(advisory: &Advisory) -> bool {
    let record = &advisory.vulnerability;
    let own = |scope: &Scope| matches!(scope, Scope::Distro { .. });
    record.withdrawn.is_none()
        && record.status != VulnerabilityStatus::Rejected
        && !advisory.affected.iter().any(|row| own(&row.scope))
}
