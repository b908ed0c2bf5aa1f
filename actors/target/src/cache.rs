//! Facts of layers that were read before.

use kedge_analyzer::image::layer::LayerFacts;
use kedge_artifact::digest::Digest;

/// Keeps what was learnt from layers, by diff id and version of the catalogers. Called on threads
/// that may block.
///
/// The diff id comes from the image's own configuration. A runtime treats it the same way: a
/// layer that is already there is not fetched again. Who must keep accounts apart gives each its
/// own cache.
pub trait LayerCache: Send + Sync {
    /// The facts of a layer, when they are known. What cannot be read counts as unknown.
    fn get(&self, diff_id: &Digest, catalogers: &str) -> Option<LayerFacts>;

    /// Keeps facts. A failure is the cache's own business: the analysis does not depend on it.
    fn put(&self, diff_id: &Digest, catalogers: &str, facts: &LayerFacts);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCache;

impl LayerCache for NoCache {
    fn get(&self, _diff_id: &Digest, _catalogers: &str) -> Option<LayerFacts> {
        None
    }

    fn put(&self, _diff_id: &Digest, _catalogers: &str, _facts: &LayerFacts) {}
}
