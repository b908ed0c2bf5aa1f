//! The seam between an analysis and where the image is.

use crate::error::{Cancelled, TargetError};
use bytes::Bytes;
use futures::future::BoxFuture;
use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::layer::{LayerFacts, Limits};
use kedge_analyzer::image::manifest::ImageConfig;
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::TargetKind;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A document with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDocument {
    /// sha256 of `bytes`.
    pub digest: Digest,
    /// As it was served.
    pub bytes: Bytes,
}

/// One layer, before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSource {
    /// Digest, member name or path: how the source finds it and messages call it.
    pub place: String,
    /// Digest of the blob, where a manifest names one.
    pub blob: Option<Digest>,
    /// Bytes of the blob.
    pub size: u64,
    /// Compression, as far as the source states it.
    pub encoding: Encoding,
    /// sha256 of the uncompressed tar; `None` for a directory tree.
    pub diff_id: Option<Digest>,
}

/// What a source found, before any layer is read.
#[derive(Debug, Clone)]
pub struct Image {
    /// Image or directory.
    pub kind: TargetKind,
    /// The manifest, where there is one.
    pub manifest: Option<RawDocument>,
    /// Digest of the index that the manifest was chosen from.
    pub index: Option<Digest>,
    /// The configuration; `None` for a directory.
    pub config: Option<RawDocument>,
    /// The configuration, read.
    pub image_config: Option<ImageConfig>,
    /// Platform by the configuration.
    pub platform: Option<Platform>,
    /// Layers, lowest first.
    pub layers: Vec<LayerSource>,
    /// What was odd about the source itself. Not part of the SBOM, which depends on the content
    /// only.
    pub notes: Vec<Problem>,
}

/// Bytes of a layer blob.
pub struct LayerStream {
    /// Read on a thread that may block.
    pub reader: Box<dyn Read + Send>,
    /// Driven meanwhile, when the bytes come over a network; dropping it fails the reader.
    pub pump: Option<BoxFuture<'static, ()>>,
}

/// Reads a directory tree into facts; on a thread that may block.
pub type Walk = Box<dyn FnOnce(&Cancel, &Limits) -> Result<LayerFacts, TargetError> + Send>;

/// How a layer's facts come about.
pub enum LayerInput {
    /// A tar stream for the layer reader.
    Stream(LayerStream),
    /// A tree that never was a tar.
    Walk(Walk),
}

/// Where an image is.
pub trait ImageSource: Send + Sync {
    /// Finds the image for a platform (none: `linux/amd64`, or the only one there is) and reads
    /// its manifest and configuration, digests checked.
    fn image<'a>(
        &'a self,
        platform: Option<&'a Platform>,
    ) -> BoxFuture<'a, Result<Image, TargetError>>;

    /// Opens one layer of [`ImageSource::image`]'s answer. The caller checks size and digest of
    /// what comes out.
    fn open_layer<'a>(
        &'a self,
        layer: &'a LayerSource,
    ) -> BoxFuture<'a, Result<LayerInput, TargetError>>;
}

/// Tells the threads of an analysis that nobody waits for them any more.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Whether to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Says so.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sets a [`Cancel`] when it is dropped, with the future that owns it.
pub(crate) struct CancelOnDrop(pub(crate) Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// A reader that stops when the analysis was dropped, and counts.
pub(crate) struct Watched<R, F> {
    pub(crate) inner: R,
    pub(crate) cancel: Cancel,
    pub(crate) report: F,
}

impl<R: Read, F: FnMut(usize)> Read for Watched<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_set() {
            return Err(io::Error::other(Cancelled));
        }
        let count = self.inner.read(buffer)?;
        (self.report)(count);
        Ok(count)
    }
}
