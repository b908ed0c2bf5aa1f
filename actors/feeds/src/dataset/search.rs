//! Questions that people ask a dataset: by id, by package name, what is in it.

use super::{Dataset, DatasetError};
use crate::source::{Format, Source};
use kedge_artifact::advisory::{Advisory, Affected, Scope, Vulnerability};
use kedge_artifact::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One answer of a search by package name.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The record.
    pub vulnerability: Arc<Vulnerability>,
    /// The row about the package.
    pub affected: Affected,
}

/// One scope of a driver: what `feeds` lists call a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Driver name.
    pub driver: String,
    /// The scope; `None` for the tables by CVE (KEV, EPSS).
    pub scope: Option<Scope>,
    /// Rows, or entries of the table.
    pub rows: u64,
    /// The oldest fetch behind it.
    pub fetched: Option<Timestamp>,
}

impl Group {
    /// `debian:12`, `npm`; the driver's name for tables by CVE.
    #[must_use]
    pub fn label(&self) -> String {
        self.scope.as_ref().map_or_else(|| self.driver.clone(), Scope::label)
    }
}

impl Dataset {
    /// All records that carry `id`, in any case, as their own id, an alias or an upstream id.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub fn search(&self, id: &str) -> Result<Vec<Advisory>, DatasetError> {
        self.records(id.trim(), true)
    }

    /// All rows about a package of this name, in every scope.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub fn search_package(&self, name: &str) -> Result<Vec<Hit>, DatasetError> {
        let mut scopes: Vec<&Scope> =
            self.parts().iter().flat_map(|p| p.scopes.iter().map(|count| &count.scope)).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let mut hits = Vec::new();
        for scope in scopes {
            let rows = self.rows(scope, name.trim())?;
            hits.extend(rows.into_iter().map(|candidate| Hit {
                vulnerability: candidate.vulnerability,
                affected: candidate.affected,
            }));
        }
        Ok(hits)
    }

    /// Rows by driver and scope, sorted, with the age of the data.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: BTreeMap<(String, Option<Scope>), Group> = BTreeMap::new();
        for part in self.parts() {
            let fetched = self.manifest().input(&part.driver, &part.document).map(|i| i.fetched);
            let mut add = |scope: Option<&Scope>, rows: u64| {
                let group =
                    groups.entry((part.driver.clone(), scope.cloned())).or_insert_with(|| Group {
                        driver: part.driver.clone(),
                        scope: scope.cloned(),
                        rows: 0,
                        fetched,
                    });
                group.rows += rows;
                group.fetched = group.fetched.min(fetched);
            };
            for count in &part.scopes {
                add(Some(&count.scope), count.rows);
            }
            // Other parts without scopes are empty documents: an Alpine repository without fixes.
            let by_cve = Source::named(&part.driver)
                .is_some_and(|source| matches!(source.format, Format::Kev | Format::Epss));
            if by_cve {
                add(None, part.records);
            }
        }
        groups.into_values().collect()
    }
}
