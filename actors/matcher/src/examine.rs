//! Asks the data and sorts the answers of one package.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use kedge_artifact::advisory::{
    AdvisorySource, Affected, Candidate, Scope, Verdict, Vulnerability, VulnerabilityStatus,
};
use kedge_artifact::package::Package;
use kedge_artifact::problem::Problem;

use crate::MatchOptions;
use crate::ids::{self, Ids};
use crate::limits::{NAMES_CACHED_MAX, ROWS_CACHED_MAX, ROWS_MAX, ROWS_PER_NAME_MAX};
use crate::matchers::{Lookup, Role, place};
use crate::row::{self, Place, Undecided};

/// A row that contains the package's version.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) vulnerability: Arc<Vulnerability>,
    /// The rows that were read, and which of them it is. Shared, because a package of a busy source
    /// has thousands of hits.
    rows: Rc<Vec<Candidate>>,
    index: usize,
    pub(crate) lookup: Rc<Lookup>,
    /// The range as text.
    pub(crate) range: String,
    /// The end of that range.
    pub(crate) fixed: Option<String>,
}

impl Hit {
    /// The row.
    pub(crate) fn affected(&self) -> &Affected {
        &self.rows[self.index].affected
    }
}

/// Everything that the data says about one package.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    /// Affected.
    pub(crate) hits: Vec<Hit>,
    /// The vendor has not decided.
    pub(crate) undecided: Vec<Hit>,
    /// Explicitly not affected.
    pub(crate) not_affected: Ids,
    /// Fixed in the installed version or before, and open in no other row.
    pub(crate) fixed: Ids,
    /// Rows of subscribed channels that contain the version: the fix is one update away.
    pub(crate) channel_hits: Vec<Hit>,
    /// Fixed by a subscribed channel in the installed version.
    pub(crate) channel_fixed: Ids,
}

/// Reads the data, remembering what it read.
pub(crate) struct Examiner<'a> {
    source: &'a dyn AdvisorySource,
    options: kedge_version::Options,
    cache: BTreeMap<(Scope, String), Rc<Vec<Candidate>>>,
    rows_cached: usize,
    /// Rows that may still be compared; `None` once that was not enough.
    rows_left: Option<usize>,
    /// A set: one bad row is met by every package of its name.
    pub(crate) problems: BTreeSet<Problem>,
}

impl<'a> Examiner<'a> {
    pub(crate) fn new(source: &'a dyn AdvisorySource, options: &MatchOptions) -> Self {
        let options = kedge_version::Options { rpm_epoch: options.rpm_epoch };
        let (cache, problems) = (BTreeMap::new(), BTreeSet::new());
        Self { source, options, cache, rows_cached: 0, rows_left: Some(ROWS_MAX), problems }
    }

    pub(crate) fn examine(&mut self, package: &Package, lookups: Vec<Lookup>) -> Examined {
        let mut examined = Examined::default();
        // What the distribution itself knows, whatever it says; disclosures add only the rest.
        let mut known = Ids::new();
        let mut disclosed = Examined::default();
        for lookup in lookups {
            // Nothing more is read for nothing.
            if self.rows_left.is_none() {
                break;
            }
            let rows = self.rows(&lookup);
            if !self.affords(rows.len()) {
                break;
            }
            let lookup = Rc::new(lookup);
            let about = |entry: &(usize, &Candidate)| counts(entry.1, package, &lookup);
            for (index, candidate) in rows.iter().enumerate().filter(about) {
                let into = match lookup.role {
                    Role::Base | Role::Channel => &mut examined,
                    Role::Disclosure => &mut disclosed,
                };
                if lookup.role == Role::Base {
                    known.extend(ids::spoken_of(&candidate.vulnerability));
                }
                self.sort_in((&rows, index), package, &lookup, into);
            }
        }
        let news = |hit: &Hit| {
            let record = &hit.vulnerability;
            !ids::settles(&known, &ids::same(record), &ids::cves(record))
        };
        examined.hits.extend(disclosed.hits.into_iter().filter(news));
        examined.undecided.extend(disclosed.undecided.into_iter().filter(news));
        let unknown = |id: &String| !known.contains(id);
        examined.not_affected.extend(disclosed.not_affected.into_iter().filter(unknown));
        for hit in &examined.hits {
            let open = ids::spoken_of(&hit.vulnerability);
            examined.fixed.retain(|id| !open.contains(id));
        }
        examined
    }

    /// Takes rows from what may be compared for one SBOM; false, with a problem, when too few are
    /// left.
    fn affords(&mut self, rows: usize) -> bool {
        self.rows_left = self.rows_left.and_then(|left| left.checked_sub(rows));
        if self.rows_left.is_none() {
            let message = format!(
                "more rows to compare than the limit ROWS_MAX ({ROWS_MAX}): the packages that were \
                 left were not matched"
            );
            self.problems.insert(Problem::error("advisory_rows_truncated", "", message));
        }
        self.rows_left.is_some()
    }

    fn rows(&mut self, lookup: &Lookup) -> Rc<Vec<Candidate>> {
        let key = (lookup.scope.clone(), lookup.name.clone());
        if let Some(rows) = self.cache.get(&key) {
            return Rc::clone(rows);
        }
        let place = || format!("{} {}", lookup.scope.label(), lookup.name);
        let mut rows = match self.source.candidates(&lookup.scope, &lookup.name) {
            Ok(rows) => rows,
            Err(error) => {
                let code = "advisory_data_unreadable";
                self.problems.insert(Problem::error(code, place(), error.to_string()));
                Vec::new()
            }
        };
        if rows.len() > ROWS_PER_NAME_MAX {
            let message = format!(
                "{} rows are over the limit ROWS_PER_NAME_MAX ({ROWS_PER_NAME_MAX})",
                rows.len()
            );
            self.problems.insert(Problem::error("advisory_rows_truncated", place(), message));
            rows.truncate(ROWS_PER_NAME_MAX);
        }
        // Names without rows cost nothing and are no reason to forget a busy one.
        let too_many = !rows.is_empty() && self.rows_cached + rows.len() > ROWS_CACHED_MAX;
        if self.cache.len() >= NAMES_CACHED_MAX || too_many {
            self.cache.clear();
            self.rows_cached = 0;
        }
        self.rows_cached += rows.len();
        let rows = Rc::new(rows);
        self.cache.insert(key, Rc::clone(&rows));
        rows
    }

    fn sort_in(
        &mut self,
        (rows, index): (&Rc<Vec<Candidate>>, usize),
        package: &Package,
        lookup: &Rc<Lookup>,
        into: &mut Examined,
    ) {
        let candidate = &rows[index];
        let hit = |range, fixed| Hit {
            vulnerability: Arc::clone(&candidate.vulnerability),
            rows: Rc::clone(rows),
            index,
            lookup: Rc::clone(lookup),
            range,
            fixed,
        };
        let record = &candidate.vulnerability;
        let placed = match row::place(&candidate.affected, lookup, self.options) {
            Ok(placed) => placed,
            Err(undecided) => return self.report(undecided, record, package, lookup),
        };
        let channel = lookup.role == Role::Channel;
        match (candidate.affected.verdict, placed) {
            (Verdict::Affected, Place::Inside { range, fixed }) => {
                let hit = hit(range, fixed);
                if channel { into.channel_hits.push(hit) } else { into.hits.push(hit) }
            }
            (Verdict::Affected, Place::Fixed) if channel => {
                into.channel_fixed.extend(ids::spoken_of(record));
            }
            (Verdict::Affected, Place::Fixed) => into.fixed.extend(ids::spoken_of(record)),
            (Verdict::Unaffected, Place::Inside { .. }) => {
                into.not_affected.extend(ids::spoken_of(record));
            }
            (Verdict::UnderInvestigation, Place::Inside { range, fixed }) if !channel => {
                into.undecided.push(hit(range, fixed));
            }
            (Verdict::UnderInvestigation, Place::Inside { .. } | Place::Fixed | Place::Outside)
            | (Verdict::Unaffected, Place::Fixed | Place::Outside)
            | (Verdict::Affected, Place::Outside) => {}
        }
    }

    fn report(
        &mut self,
        undecided: Undecided,
        record: &Vulnerability,
        package: &Package,
        lookup: &Lookup,
    ) {
        let problem = match undecided {
            Undecided::Version(error) => Problem::degraded(
                "package_version_unreadable",
                place(package),
                format!("{error}, so the package was not matched"),
            ),
            Undecided::Row(error) => Problem::degraded(
                "advisory_range_unreadable",
                format!("{} {} {}", record.id, lookup.scope.label(), lookup.name),
                format!("the row was not matched: {error}"),
            ),
        };
        self.problems.insert(problem);
    }
}

/// Withdrawn and rejected records never count, nor do rows about something else of that name.
fn counts(candidate: &Candidate, package: &Package, lookup: &Lookup) -> bool {
    let record = &candidate.vulnerability;
    let row = &candidate.affected;
    let oracle = matches!(&lookup.scope, Scope::Distro { id, .. } if id == "oracle");
    record.withdrawn.is_none()
        && record.status != VulnerabilityStatus::Rejected
        && row.level == lookup.level
        && row::applies(row, package, oracle)
}
