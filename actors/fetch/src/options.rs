//! What a caller decides.

use crate::location::Location;
use kedge_artifact::time::Timestamp;
use kedge_feeds::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of one synchronisation.
#[derive(Debug, Clone)]
pub struct Options {
    /// Drivers to fetch, by name; empty for all that are not disabled. The data of the others is
    /// kept as it is.
    pub drivers: BTreeSet<String>,
    /// Drivers that are switched off: their data is left out of the new generation.
    pub disabled: BTreeSet<String>,
    /// One mirror for all drivers, laid out as `<mirror>/<host>/<path>`.
    pub mirror: Option<Location>,
    /// Bases of single drivers; they win over `mirror`.
    pub bases: BTreeMap<String, Location>,
    /// Folder for raw copies of the documents.
    pub cache_dir: PathBuf,
    /// File to write the new generation to. Its folder must exist.
    pub output: PathBuf,
    /// The time now, for the manifest.
    pub now: Timestamp,
    /// Certificates in PEM that are trusted besides the built-in roots (a company's mirror).
    pub extra_roots_pem: Vec<u8>,
    /// Proxy URL. None is taken from the environment.
    pub proxy: Option<String>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Longest silence while a body is read.
    pub read_timeout: Duration,
    /// Longest time for one document, all attempts together.
    pub document_timeout: Duration,
    /// Believe documents that have far fewer records than before ([`crate::limits`],
    /// `SHRUNK_PERCENT`), in place of keeping their previous rows.
    pub force_shrink: bool,
    /// Pause before the second attempt, in milliseconds; it doubles each time.
    pub pause_ms: u64,
}

impl Options {
    /// Settings with defaults for everything but the two paths and the time.
    #[must_use]
    pub fn new(cache_dir: PathBuf, output: PathBuf, now: Timestamp) -> Self {
        Self {
            drivers: BTreeSet::new(),
            disabled: BTreeSet::new(),
            mirror: None,
            bases: BTreeMap::new(),
            cache_dir,
            output,
            now,
            extra_roots_pem: Vec::new(),
            proxy: None,
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(60),
            document_timeout: Duration::from_secs(1800),
            force_shrink: false,
            pause_ms: 1000,
        }
    }

    /// Where the documents of `source` are.
    #[must_use]
    pub fn base(&self, source: &Source) -> Location {
        if let Some(base) = self.bases.get(source.name) {
            return base.clone();
        }
        match &self.mirror {
            Some(mirror) => mirror.mirrored(source),
            None => source.base_url.parse().expect("a test parses every base of the table"),
        }
    }

    /// Whether `source` is read from a mirror or folder in place of its upstream.
    #[must_use]
    pub fn is_mirrored(&self, source: &Source) -> bool {
        self.mirror.is_some() || self.bases.contains_key(source.name)
    }

    /// Whether this run fetches `source`.
    #[must_use]
    pub fn fetches(&self, source: &Source) -> bool {
        !self.disabled.contains(source.name)
            && (self.drivers.is_empty() || self.drivers.contains(source.name))
    }
}

/// What a synchronisation is doing, for people who wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Driver name.
    pub driver: &'static str,
    /// Document path; empty for the driver as a whole.
    pub document: String,
    /// What happens to it.
    pub stage: Stage,
}

/// A step of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Being fetched.
    Fetching,
    /// Fetched so far.
    Received {
        /// Bytes, including those of an earlier attempt.
        bytes: u64,
    },
    /// Being parsed or copied into the generation.
    Reading,
    /// In the generation.
    Done {
        /// Its records.
        records: u64,
    },
    /// Not usable this time.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use kedge_feeds::SOURCES;

    #[test]
    fn every_base_of_the_table_parses() {
        let options = Options::new("/c".into(), "/o".into(), Timestamp(0));
        for source in SOURCES {
            assert!(matches!(options.base(source), Location::Web(_)), "{}", source.name);
        }
    }
}
