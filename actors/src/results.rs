//! What an analysis left behind, read back for whoever asks.

use crate::analyzer::decode_files;
use crate::fault::Fault;
use crate::limits::CACHED_RESULTS_MAX;
use crate::shared::{Shared, blocking};
use kedge_analyzer::image::{dockerfile, manifest};
use kedge_analyzer::sbom::native;
use kedge_artifact::digest::Digest;
use kedge_artifact::image::FileEntry;
use kedge_artifact::sbom::Sbom;
use kedge_model::image::{AnalysisResult, Image};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A Dockerfile, given by the user or guessed from the image's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// Its text.
    pub text: String,
    /// Whether the user gave it.
    pub actual: bool,
}

/// Reads results. Cheap to share.
pub struct Results {
    shared: Arc<Shared>,
    recent: Mutex<VecDeque<(Digest, Arc<Sbom>)>>,
}

impl Results {
    /// A reader over the node's parts.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, recent: Mutex::default() }
    }

    /// The native SBOM's bytes.
    ///
    /// # Errors
    /// When the image is not analysed or the document cannot be read.
    pub async fn sbom_bytes(&self, image: &Image) -> Result<Vec<u8>, Fault> {
        Ok(self.shared.get_document(result(image)?.sbom).await?)
    }

    /// The SBOM.
    ///
    /// # Errors
    /// When the image is not analysed or the document cannot be read.
    pub async fn sbom(&self, image: &Image) -> Result<Arc<Sbom>, Fault> {
        let blob = result(image)?.sbom;
        if let Some(known) = self.recall(blob) {
            return Ok(known);
        }
        let bytes = self.sbom_bytes(image).await?;
        let read = blocking(move || Ok(native::from_bytes(&bytes))).await?;
        let sbom = Arc::new(read.map_err(|error| {
            Fault::lasting("document_unreadable", 500, format!("sbom of {}: {error}", image.digest))
        })?);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front((blob, Arc::clone(&sbom)));
        recent.truncate(CACHED_RESULTS_MAX);
        Ok(sbom)
    }

    fn recall(&self, blob: Digest) -> Option<Arc<Sbom>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|(known, _)| *known == blob).map(|(_, sbom)| Arc::clone(sbom))
    }

    /// The files of the squashed image, by path.
    ///
    /// # Errors
    /// When the image is not analysed or the document cannot be read.
    pub async fn files(&self, image: &Image) -> Result<Vec<FileEntry>, Fault> {
        let bytes = self.shared.get_document(result(image)?.files).await?;
        blocking(move || Ok(decode_files(&bytes))).await?
    }

    /// The manifest as the registry sent it.
    ///
    /// # Errors
    /// When the image is not analysed or the blob cannot be read.
    pub async fn manifest_bytes(&self, image: &Image) -> Result<Vec<u8>, Fault> {
        Ok(self.shared.get_blob(result(image)?.manifest).await?)
    }

    /// The configuration as the registry sent it.
    ///
    /// # Errors
    /// When the image is not analysed or the blob cannot be read.
    pub async fn config_bytes(&self, image: &Image) -> Result<Vec<u8>, Fault> {
        Ok(self.shared.get_blob(result(image)?.config).await?)
    }

    /// The Dockerfile.
    ///
    /// # Errors
    /// When neither the user's nor the history can be read.
    pub async fn dockerfile(&self, image: &Image) -> Result<Dockerfile, Fault> {
        if let Some(blob) = image.dockerfile {
            let bytes = self.shared.get_blob(blob).await?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Dockerfile { text, actual: true });
        }
        let config = manifest::parse_config(&self.config_bytes(image).await?).map_err(|error| {
            Fault::lasting(
                "document_unreadable",
                500,
                format!("config of {}: {error}", image.digest),
            )
        })?;
        Ok(Dockerfile { text: dockerfile::guess(&config.history), actual: false })
    }
}

/// The result of an image's analysis. The text is the contract's: clients match the words after
/// `analysis_status:`.
///
/// # Errors
/// When there is none.
pub fn result(image: &Image) -> Result<&AnalysisResult, Fault> {
    image.result.as_ref().ok_or_else(|| {
        let state = image.analysis.as_str();
        let text = format!("image is not analyzed - analysis_status: {state}");
        Fault::lasting("image_not_analyzed", 404, text)
    })
}
