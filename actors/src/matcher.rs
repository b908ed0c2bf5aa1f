//! Matching as a service: the active generation, opened once; results cached by what made them.

use crate::fault::Fault;
use crate::limits::CACHED_RESULTS_MAX;
use crate::shared::{Shared, blocking};
use kedge_artifact::advisory::{
    Advisory, AdvisorySource, Candidate, Epss, Kev, Scope, SourceError,
};
use kedge_artifact::digest::Digest;
use kedge_artifact::finding::Matches;
use kedge_artifact::sbom::Sbom;
use kedge_artifact::time::Timestamp;
use kedge_feeds::dataset::Dataset;
use kedge_matcher::{MatchOptions, RULES_VERSION, find_matches};
use kedge_model::feed::Generation;
use kedge_state::query;
use kedge_storage::blobs::BlobDigest;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Version of everything that turns an SBOM and a generation into findings; part of every key and
/// of every stored result.
#[must_use]
pub fn engine_version() -> String {
    format!("{}-rules{RULES_VERSION}", env!("CARGO_PKG_VERSION"))
}

type Loaded = (Generation, Arc<Dataset>);
type Recent = VecDeque<((Digest, String), Arc<Matches>)>;

/// Finds vulnerabilities. Cheap to share.
pub struct Matcher {
    shared: Arc<Shared>,
    loaded: tokio::sync::Mutex<Option<Loaded>>,
    recent: Mutex<Recent>,
}

impl Matcher {
    /// A matcher over the node's parts.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, loaded: tokio::sync::Mutex::default(), recent: Mutex::default() }
    }

    /// The generation in use; `None` before the first sync or import.
    ///
    /// # Errors
    /// When there is one and it cannot be opened: that must not look like "no data".
    pub async fn dataset(&self) -> Result<Option<Arc<Dataset>>, Fault> {
        let state = self.shared.handle.read(query::feed::state)?;
        let Some(generation) = state.active else { return Ok(None) };
        let mut loaded = self.loaded.lock().await;
        if let Some((known, dataset)) = loaded.as_ref()
            && *known == generation
        {
            return Ok(Some(Arc::clone(dataset)));
        }
        let path = self.shared.handle.blobs().path(&BlobDigest::new(*generation.blob.as_bytes()));
        let opened =
            blocking(move || Ok(kedge_fetch::open_file(&path).map_err(|error| error.to_string())))
                .await?;
        let dataset = Arc::new(opened.map_err(|what| {
            let text = format!("generation {} cannot be opened: {what}", generation.id);
            Fault::lasting("feed_generation_unreadable", 500, text)
        })?);
        *loaded = Some((generation, Arc::clone(&dataset)));
        Ok(Some(dataset))
    }

    /// The vulnerabilities of an SBOM against the generation in use. `content` is the digest of
    /// the SBOM's bytes.
    ///
    /// # Errors
    /// When the data cannot be opened.
    pub async fn matches(&self, content: Digest, sbom: Arc<Sbom>) -> Result<Arc<Matches>, Fault> {
        let dataset = self.dataset().await?;
        // The generation's id is of its content; times of fetching are beside it, and coverage
        // shows them.
        let generation = dataset.as_ref().map_or_else(String::new, |data| {
            format!("{}@{}", data.generation(), data.manifest().built.0)
        });
        let key = (content, generation);
        if let Some(known) = self.recall(&key) {
            return Ok(known);
        }
        let shared = Arc::clone(&self.shared);
        let name = format!("matches\0{}\0{}\0{}", key.0, key.1, engine_version());
        let found = blocking(move || {
            if let Some(bytes) = shared.cache.get(&name)
                && let Ok(matches) = serde_json::from_slice::<Matches>(&bytes)
            {
                return Ok(matches);
            }
            let source: &dyn AdvisorySource = match &dataset {
                Some(dataset) => dataset.as_ref(),
                None => &NoData,
            };
            let matches = find_matches(&sbom, source, &MatchOptions::default());
            if let Ok(bytes) = serde_json::to_vec(&matches) {
                shared.cache.put(&name, &bytes);
            }
            Ok(matches)
        })
        .await?;
        let found = Arc::new(found);
        self.remember(key, &found);
        Ok(found)
    }

    fn recall(&self, key: &(Digest, String)) -> Option<Arc<Matches>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|(known, _)| known == key).map(|(_, found)| Arc::clone(found))
    }

    fn remember(&self, key: (Digest, String), found: &Arc<Matches>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front((key, Arc::clone(found)));
        recent.truncate(CACHED_RESULTS_MAX);
    }
}

/// Stands for "there is no data yet": every lookup is empty and nothing is covered, so the
/// matcher reports each scope as unchecked.
struct NoData;

impl AdvisorySource for NoData {
    fn generation(&self) -> String {
        String::new()
    }

    fn candidates(&self, _: &Scope, _: &str) -> Result<Vec<Candidate>, SourceError> {
        Ok(Vec::new())
    }

    fn coverage(&self, _: &Scope) -> Option<Timestamp> {
        None
    }

    fn by_id(&self, _: &str) -> Result<Vec<Advisory>, SourceError> {
        Ok(Vec::new())
    }

    fn epss(&self, _: &str) -> Option<Epss> {
        None
    }

    fn kev(&self, _: &str) -> Option<Kev> {
        None
    }
}
