//! How far an analysis is.

use std::sync::Arc;

/// One step of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Manifest and configuration are read.
    Resolved {
        /// Number of layers.
        layers: usize,
        /// Their compressed bytes.
        bytes: u64,
    },
    /// A layer's facts were in the cache.
    LayerCached {
        /// Position from the base, from 0.
        index: usize,
    },
    /// Reading of a layer begins.
    LayerStarted {
        /// Position from the base, from 0.
        index: usize,
        /// Its compressed bytes; 0 when unknown.
        bytes: u64,
    },
    /// Some of a layer was read.
    LayerRead {
        /// Position from the base, from 0.
        index: usize,
        /// Compressed bytes so far.
        bytes: u64,
    },
    /// A layer was read whole.
    LayerDone {
        /// Position from the base, from 0.
        index: usize,
    },
    /// All layers are there and are being joined.
    Squashing,
}

/// Takes progress; called from several threads, so it must be quick.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// A sink that listens to nothing.
#[must_use]
pub fn quiet() -> ProgressSink {
    Arc::new(|_| {})
}
