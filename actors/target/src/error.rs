//! Why a target could not be analysed, with stable codes.

use kedge_analyzer::image::layer::LayerError;
use kedge_analyzer::image::manifest::ManifestError;
use kedge_analyzer::image::tree::SquashError;
use kedge_artifact::digest::Digest;
use std::path::{Path, PathBuf};

/// Why a target could not be analysed as a whole. Damage to parts of it is in the SBOM's problems.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] kedge_registry::Error),
    /// A manifest, index or configuration.
    #[error("{place}: {source}")]
    Manifest {
        /// Reference, or path with digest.
        place: String,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// A layer.
    #[error("layer {index} ({layer}): {source}")]
    Layer {
        /// Position from the base, from 0.
        index: usize,
        /// Digest or member name.
        layer: String,
        /// What is wrong with it.
        source: LayerError,
    },
    /// The stack of layers.
    #[error(transparent)]
    Squash(SquashError),
    /// A local file or directory could not be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A local file is not what it was taken for.
    #[error("{path}: {what}")]
    Form {
        /// Path.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An archive or layout names a file outside itself.
    #[error("{path}: the name '{name}' leads out of the archive")]
    Traversal {
        /// Path of the archive.
        path: PathBuf,
        /// Offending name.
        name: String,
    },
    /// A document or blob of a local layout has other bytes than its name says.
    #[error("{path}: content of {expected} has digest {actual}")]
    DigestMismatch {
        /// Path of the layout.
        path: PathBuf,
        /// By the descriptor.
        expected: Digest,
        /// Computed.
        actual: Digest,
    },
    /// Several images, and nothing says which.
    #[error("{path} has several images, name one of: {available}")]
    Ambiguous {
        /// Path.
        path: PathBuf,
        /// Their names.
        available: String,
    },
    /// No image of that name.
    #[error("{path} has no image '{wanted}', only: {available}")]
    ImageNotFound {
        /// Path.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// The names that there are.
        available: String,
    },
    /// A local document or tree is over a bound.
    #[error("{path}: {what} goes over the limit {limit} of {max}")]
    Limit {
        /// Path.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// Name of the constant.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The analysis was dropped while it ran.
    #[error("the analysis was cancelled")]
    Cancelled,
    /// A defect of ours that the content brought to light.
    #[error("internal error while reading {place}: {what}")]
    Panicked {
        /// What was read.
        place: String,
        /// The panic's message.
        what: String,
    },
}

impl From<SquashError> for TargetError {
    fn from(error: SquashError) -> Self {
        match error {
            SquashError::Layers(_) => Self::Squash(error),
            SquashError::Stopped => Self::Cancelled,
        }
    }
}

impl TargetError {
    /// Stable code in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Registry(error) => error.code(),
            Self::Manifest { source, .. } => manifest_code(source),
            Self::Layer { source, .. } => layer_code(source),
            Self::Squash(SquashError::Layers(_)) | Self::Limit { .. } => "limit_exceeded",
            Self::Squash(SquashError::Stopped) | Self::Cancelled => "cancelled",
            Self::File { .. } => "target_unreadable",
            Self::Form { .. } => "target_malformed",
            Self::Traversal { .. } => "archive_traversal",
            Self::DigestMismatch { .. } => "digest_mismatch",
            Self::Ambiguous { .. } => "target_ambiguous",
            Self::ImageNotFound { .. } => "image_not_found",
            Self::Panicked { .. } => "internal_error",
        }
    }

    /// Whether the same analysis may succeed a little later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_transient(),
            Self::Layer { source, .. } => source.is_transient(),
            Self::Manifest { .. }
            | Self::Squash(_)
            | Self::File { .. }
            | Self::Form { .. }
            | Self::Traversal { .. }
            | Self::DigestMismatch { .. }
            | Self::Ambiguous { .. }
            | Self::ImageNotFound { .. }
            | Self::Limit { .. }
            | Self::Cancelled
            | Self::Panicked { .. } => false,
        }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn form(path: &Path, what: impl Into<String>) -> Self {
        Self::Form { path: path.to_owned(), what: what.into() }
    }

    pub(crate) fn manifest(place: impl Into<String>) -> impl FnOnce(ManifestError) -> Self {
        let place = place.into();
        move |source| Self::Manifest { place, source }
    }

    /// Puts a failed layer under its proper name: a failed download is the registry's error.
    pub(crate) fn layer(index: usize, layer: &str, source: LayerError) -> Self {
        let LayerError::Read(read) = source else {
            return Self::Layer { index, layer: layer.to_owned(), source };
        };
        if read.get_ref().is_some_and(|inner| inner.is::<Cancelled>()) {
            return Self::Cancelled;
        }
        match read.downcast::<kedge_registry::Error>() {
            Ok(error) => Self::Registry(error),
            Err(read) => {
                Self::Layer { index, layer: layer.to_owned(), source: LayerError::Read(read) }
            }
        }
    }
}

/// What a reader says when the analysis was dropped.
#[derive(Debug, thiserror::Error)]
#[error("the analysis was cancelled")]
pub(crate) struct Cancelled;

const fn manifest_code(error: &ManifestError) -> &'static str {
    match error {
        ManifestError::Limit { .. } => "limit_exceeded",
        ManifestError::Malformed { .. }
        | ManifestError::Digest { .. }
        | ManifestError::LayerCount { .. } => "manifest_malformed",
        ManifestError::Schema1 | ManifestError::MediaType(_) => "manifest_unsupported",
        ManifestError::Artifact(_) => "not_an_image",
        ManifestError::EncryptedLayer { .. } | ManifestError::LayerType { .. } => {
            "layer_unsupported"
        }
        ManifestError::NoPlatform { .. } => "platform_not_found",
    }
}

const fn layer_code(error: &LayerError) -> &'static str {
    match error {
        LayerError::Read(_) => "layer_unreadable",
        LayerError::BlobSize { .. } => "size_mismatch",
        LayerError::BlobDigest { .. } => "digest_mismatch",
        LayerError::DiffId { .. } => "diff_id_mismatch",
        LayerError::Truncated { .. } | LayerError::TarTruncated { .. } => "layer_truncated",
        LayerError::Corrupt { .. } | LayerError::Tar { .. } => "layer_malformed",
        LayerError::Compression { .. } => "layer_unsupported",
        LayerError::Limit { .. } => "limit_exceeded",
    }
}
