//! One document on its way into a generation, held in packed form until it is complete.

use super::block::BlockWriter;
use super::builder::BuildError;
use super::table::{IdEntry, IdKind, PackageEntry};
use super::{ScopeCount, id_key, package_key, sort_key};
use crate::parse::Item;
use crate::source::Source;
use crate::{limits, text};
use kedge_artifact::advisory::{Advisory, Epss, Kev, Scope};
use kedge_artifact::time::Timestamp;
use std::collections::BTreeMap;

/// Where a part comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Driver name.
    pub driver: String,
    /// Document path below the driver's base.
    pub document: String,
    /// URL without credentials, or path.
    pub location: String,
    /// When the source was last known to say exactly this.
    pub fetched: Timestamp,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the document, hex.
    pub digest: String,
}

/// One document on its way into a generation.
pub struct PartBuilder {
    pub(super) origin: Origin,
    ecosystem: Option<Scope>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    pub(super) blocks: BlockWriter,
    pub(super) packages: Vec<PackageEntry>,
    pub(super) ids: Vec<IdEntry>,
    pub(super) epss: Vec<(u64, Epss)>,
    pub(super) kev: BTreeMap<String, Kev>,
    scopes: BTreeMap<Scope, u64>,
    pub(super) records: u64,
    pub(super) rows: u64,
    pub(super) failed: Option<BuildError>,
}

struct Waiting {
    sort: (String, String, String),
    bytes: Vec<u8>,
    packages: Vec<u64>,
    ids: Vec<(u64, IdKind)>,
}

impl PartBuilder {
    /// An empty part.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        let complete_for =
            Source::named(&origin.driver).and_then(|source| source.ecosystem_of(&origin.document));
        Self {
            ecosystem: complete_for.map(|name| Scope::Ecosystem { name: name.into() }),
            origin,
            waiting: Vec::new(),
            waiting_bytes: 0,
            blocks: BlockWriter::default(),
            packages: Vec::new(),
            ids: Vec::new(),
            epss: Vec::new(),
            kev: BTreeMap::new(),
            scopes: BTreeMap::new(),
            records: 0,
            rows: 0,
            failed: None,
        }
    }

    /// Adds an item. A failure is kept and given by [`GenerationBuilder::commit`](super::GenerationBuilder::commit), because parsers
    /// write to a sink that cannot fail.
    pub fn add(&mut self, item: Item) {
        if self.failed.is_some() {
            return;
        }
        let result = match item {
            Item::Advisory(advisory) => self.advisory(&advisory),
            Item::Kev { cve, entry } => {
                self.kev.insert(cve, entry);
                Ok(())
            }
            Item::Epss { cve, entry } => {
                self.epss.extend(text::cve_key(&cve).map(|key| (key, entry)));
                Ok(())
            }
        };
        self.failed = result.err();
    }

    /// Advisories so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records + self.kev.len() as u64 + self.epss.len() as u64
    }

    fn advisory(&mut self, advisory: &Advisory) -> Result<(), BuildError> {
        let vulnerability = &advisory.vulnerability;
        let over = |limit| BuildError::Record { id: vulnerability.id.clone(), limit };
        if advisory.affected.len() > limits::ROWS {
            return Err(over("ROWS"));
        }
        let bytes = bincode::serde::encode_to_vec(advisory, bincode::config::standard())
            .map_err(|error| BuildError::Encode(error.to_string()))?;
        if bytes.len() > limits::ENCODED_RECORD_BYTES {
            return Err(over("ENCODED_RECORD_BYTES"));
        }
        for row in &advisory.affected {
            *self.scopes.entry(row.scope.clone()).or_default() += 1;
        }
        self.records += 1;
        self.rows += advisory.affected.len() as u64;
        let (scope, package) = sort_key(&advisory.affected);
        let own = std::iter::once((id_key(&vulnerability.id), IdKind::Own));
        let aliases = vulnerability.aliases.iter().map(|id| (id_key(id), IdKind::Alias));
        let upstream = vulnerability.upstream.iter().map(|id| (id_key(id), IdKind::Upstream));
        self.waiting_bytes += bytes.len();
        self.waiting.push(Waiting {
            sort: (scope, package, vulnerability.id.clone()),
            bytes,
            packages: advisory.affected.iter().map(|r| package_key(&r.scope, &r.package)).collect(),
            ids: own.chain(aliases).chain(upstream).collect(),
        });
        if self.waiting_bytes > limits::SORT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what waits into blocks, sorted by package.
    pub(super) fn flush(&mut self) -> Result<(), BuildError> {
        self.waiting_bytes = 0;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by(|a, b| a.sort.cmp(&b.sort));
        for record in waiting {
            let (block, slot) = self.blocks.push(&record.bytes)?;
            for (row, key) in (0u16..).zip(record.packages) {
                self.packages.push((key, block, slot, row));
            }
            for (key, kind) in record.ids {
                self.ids.push((key, block, slot, kind.number()));
            }
        }
        Ok(())
    }

    /// The rows by scope. A document that is complete for an ecosystem covers that one, even when
    /// it is empty; other documents cover every distribution release they have rows for.
    pub(super) fn scope_counts(&self) -> Vec<ScopeCount> {
        let mut scopes = self.scopes.clone();
        if let Some(scope) = &self.ecosystem {
            scopes.entry(scope.clone()).or_default();
        }
        let covered = |scope: &Scope| match scope {
            Scope::Distro { .. } => self.ecosystem.is_none(),
            Scope::Ecosystem { .. } => self.ecosystem.as_ref() == Some(scope),
        };
        let count = |(scope, rows): (Scope, u64)| {
            let covered = covered(&scope);
            ScopeCount { scope, rows, covered }
        };
        scopes.into_iter().map(count).collect()
    }
}
