//! The documents that describe an image: index, manifest, configuration.
//!
//! Formats: OCI image-spec 1.1 (`image-index.md`, `manifest.md`, `config.md`), Docker "Image
//! Manifest V 2, Schema 2". Schema 1 is refused by name. Unknown fields are ignored, as both
//! specifications ask; sizes and counts are bounded by [`crate::limits`].

use crate::image::decode::Encoding;
use crate::limits::{INDEX_CHILDREN_MAX, LAYERS_MAX, MANIFEST_DOCUMENT_BYTES_MAX};
use kedge_artifact::digest::{Digest, DigestError};
use kedge_artifact::image::Platform;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod config;

pub use config::{HistoryEntry, ImageConfig, parse_config};

/// OCI manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1";
/// Annotation by which BuildKit marks attestations in an index.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// Most platforms named in a message.
const PLATFORMS_NAMED_MAX: usize = 20;

/// Why a document does not describe an image that can be analysed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Over a bound of `limits.rs`.
    #[error("{what} goes over the limit {limit} of {max}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// Name of the constant.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// Not JSON, or not of the form that its type demands.
    #[error("{document} is malformed: {message}")]
    Malformed {
        /// Index, manifest or configuration.
        document: &'static str,
        /// What the parser says.
        message: String,
    },
    /// Docker schema 1.
    #[error(
        "docker schema 1 manifests are not supported, push the image again with a current tool"
    )]
    Schema1,
    /// A type that is neither manifest nor index.
    #[error("media type '{0}' is not an image manifest or index")]
    MediaType(String),
    /// A digest in the document is malformed or of another algorithm.
    #[error("{document} has a bad digest: {source}")]
    Digest {
        /// Index, manifest or configuration.
        document: &'static str,
        /// What is wrong with it.
        source: DigestError,
    },
    /// A manifest that holds something else: a chart, a signature, an attestation.
    #[error("not an image: the manifest is an artifact of type '{0}'")]
    Artifact(String),
    /// An encrypted layer (ocicrypt).
    #[error("layer {index} is encrypted ({media_type}), it cannot be analysed")]
    EncryptedLayer {
        /// Position from the base, from 0.
        index: usize,
        /// Its media type.
        media_type: String,
    },
    /// A layer type that no runtime unpacks.
    #[error("layer {index} has the unsupported media type '{media_type}'")]
    LayerType {
        /// Position from the base, from 0.
        index: usize,
        /// Its media type.
        media_type: String,
    },
    /// The index has no image for the platform.
    #[error("no image for platform {wanted}; the index has: {available}")]
    NoPlatform {
        /// The platform asked for.
        wanted: Platform,
        /// The platforms of the index, separated by commas.
        available: String,
    },
    /// Manifest and configuration tell different numbers of layers.
    #[error("the manifest has {layers} layers, the configuration has {diff_ids} diff ids")]
    LayerCount {
        /// Layers of the manifest.
        layers: usize,
        /// Diff ids of the configuration.
        diff_ids: usize,
    },
}

/// Points to a blob or document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Whether the document also names outside addresses for it ("foreign" or non-distributable
    /// layers). The addresses are not kept: nothing ever fetches them.
    pub foreign: bool,
}

impl Descriptor {
    /// How the layer is compressed, by its media type.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        Encoding::of_media_type(&self.media_type).unwrap_or(Encoding::Detect)
    }
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageManifest {
    /// Media type of the manifest itself.
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// Layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// A child of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexChild {
    /// Where it is.
    pub descriptor: Descriptor,
    /// Its platform, when stated.
    pub platform: Option<Platform>,
    /// BuildKit attestation and not an image.
    pub attestation: bool,
}

/// Several images under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIndex {
    /// Media type of the index itself.
    pub media_type: String,
    /// Children in document order.
    pub children: Vec<IndexChild>,
}

/// What a reference or digest resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(ImageManifest),
    /// An index.
    Index(ImageIndex),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    urls: Option<Vec<serde::de::IgnoredAny>>,
    #[serde(default)]
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    manifests: Option<Vec<RawDescriptor>>,
}

fn descriptor(raw: RawDescriptor, document: &'static str) -> Result<Descriptor, ManifestError> {
    let digest = raw.digest.parse().map_err(|source| ManifestError::Digest { document, source })?;
    let foreign = raw.urls.is_some_and(|urls| !urls.is_empty());
    Ok(Descriptor { media_type: raw.media_type, digest, size: raw.size, foreign })
}

fn malformed(document: &'static str) -> impl Fn(serde_json::Error) -> ManifestError {
    move |error| ManifestError::Malformed { document, message: error.to_string() }
}

/// Structs would also be read from JSON arrays; these documents are objects.
fn check_object(bytes: &[u8], document: &'static str) -> Result<(), ManifestError> {
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        return Ok(());
    }
    Err(ManifestError::Malformed { document, message: "it is not a JSON object".to_owned() })
}

/// Reads a manifest or index. `stated` is the media type of the transport or descriptor; the
/// document's own word and shape decide, because registries send wrong ones.
///
/// # Errors
/// Named after what keeps the document from describing an image.
pub fn parse(bytes: &[u8], stated: Option<&str>) -> Result<Document, ManifestError> {
    if bytes.len() > MANIFEST_DOCUMENT_BYTES_MAX {
        return Err(ManifestError::Limit {
            what: "manifest size in bytes",
            limit: "MANIFEST_DOCUMENT_BYTES_MAX",
            max: MANIFEST_DOCUMENT_BYTES_MAX,
        });
    }
    check_object(bytes, "manifest")?;
    let raw: RawDocument = serde_json::from_slice(bytes).map_err(malformed("manifest"))?;
    let stated = stated.map(|text| text.split(';').next().unwrap_or(text).trim());
    let is_schema_1 = |text: &str| text.starts_with(SCHEMA_1);
    if raw.schema_version == 1 || raw.media_type.as_deref().is_some_and(is_schema_1) {
        return Err(ManifestError::Schema1);
    }
    let media_type = raw.media_type.clone().or_else(|| stated.map(str::to_owned));
    match (raw.manifests, raw.config, raw.layers) {
        (Some(children), None, None) => {
            let media_type = media_type.unwrap_or_else(|| OCI_INDEX.to_owned());
            index(media_type, children).map(Document::Index)
        }
        (None, Some(config), layers) => {
            let media_type = media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned());
            let layers = layers.unwrap_or_default();
            manifest(media_type, config, layers, raw.artifact_type).map(Document::Manifest)
        }
        (Some(_), _, _) => Err(ManifestError::Malformed {
            document: "manifest",
            message: "it has the fields of an index and of a manifest".to_owned(),
        }),
        (None, None, _) => {
            let shown: String = media_type.unwrap_or_default().chars().take(100).collect();
            Err(ManifestError::MediaType(shown))
        }
    }
}

fn index(media_type: String, children: Vec<RawDescriptor>) -> Result<ImageIndex, ManifestError> {
    if media_type != OCI_INDEX && media_type != DOCKER_LIST {
        return Err(ManifestError::MediaType(media_type.chars().take(100).collect()));
    }
    if children.len() > INDEX_CHILDREN_MAX {
        return Err(ManifestError::Limit {
            what: "number of children in the index",
            limit: "INDEX_CHILDREN_MAX",
            max: INDEX_CHILDREN_MAX,
        });
    }
    let child = |mut raw: RawDescriptor| {
        let annotations = raw.annotations.take().unwrap_or_default();
        let platform = raw.platform.take();
        let attestation = annotations.contains_key(REFERENCE_TYPE)
            || platform.as_ref().is_some_and(|platform| platform.os == "unknown");
        Ok(IndexChild {
            platform: platform.map(|raw| Platform {
                os: raw.os,
                architecture: raw.architecture,
                variant: raw.variant.unwrap_or_default(),
            }),
            attestation,
            descriptor: descriptor(raw, "index")?,
        })
    };
    let children = children.into_iter().map(child).collect::<Result<_, ManifestError>>()?;
    Ok(ImageIndex { media_type, children })
}

fn manifest(
    media_type: String,
    config: RawDescriptor,
    layers: Vec<RawDescriptor>,
    artifact_type: Option<String>,
) -> Result<ImageManifest, ManifestError> {
    if media_type != OCI_MANIFEST && media_type != DOCKER_MANIFEST {
        return Err(ManifestError::MediaType(media_type.chars().take(100).collect()));
    }
    if config.media_type != OCI_CONFIG && config.media_type != DOCKER_CONFIG {
        let kind = artifact_type.unwrap_or(config.media_type);
        return Err(ManifestError::Artifact(kind.chars().take(100).collect()));
    }
    if layers.len() > LAYERS_MAX {
        return Err(ManifestError::Limit {
            what: "number of layers",
            limit: "LAYERS_MAX",
            max: LAYERS_MAX,
        });
    }
    let layer = |(index, raw): (usize, RawDescriptor)| {
        if raw.media_type.ends_with("+encrypted") {
            return Err(ManifestError::EncryptedLayer { index, media_type: raw.media_type });
        }
        if Encoding::of_media_type(&raw.media_type).is_none() {
            let media_type = raw.media_type.chars().take(100).collect();
            return Err(ManifestError::LayerType { index, media_type });
        }
        descriptor(raw, "manifest")
    };
    Ok(ImageManifest {
        media_type,
        config: descriptor(config, "manifest")?,
        layers: layers.into_iter().enumerate().map(layer).collect::<Result<_, _>>()?,
    })
}

/// The child for a platform: the same variant first, then one without, then, when none was asked
/// for, any. Attestations never. A single child without platform is taken as it is.
///
/// # Errors
/// [`ManifestError::NoPlatform`] with the platforms that there are.
pub fn pick_platform<'a>(
    index: &'a ImageIndex,
    wanted: &Platform,
) -> Result<&'a IndexChild, ManifestError> {
    let images: Vec<&IndexChild> =
        index.children.iter().filter(|child| !child.attestation).collect();
    let of_platform = |fits: &dyn Fn(&str) -> bool| {
        images.iter().copied().find(|child| {
            child.platform.as_ref().is_some_and(|platform| {
                platform.os == wanted.os
                    && platform.architecture == wanted.architecture
                    && fits(&platform.variant)
            })
        })
    };
    let implied = default_variant(&wanted.architecture);
    let picked = of_platform(&|variant| variant == wanted.variant)
        .or_else(|| of_platform(&|v| v.is_empty() && wanted.variant == implied))
        .or_else(|| of_platform(&|v| wanted.variant.is_empty() && v == implied))
        .or_else(|| of_platform(&|_| wanted.variant.is_empty()));
    match (picked, images.as_slice()) {
        (Some(child), _) => Ok(child),
        (None, [only]) if only.platform.is_none() => Ok(only),
        (None, _) => {
            let mut names: Vec<String> = images
                .iter()
                .filter_map(|child| child.platform.as_ref().map(Platform::to_string))
                .collect();
            names.sort();
            names.dedup();
            names.truncate(PLATFORMS_NAMED_MAX);
            Err(ManifestError::NoPlatform { wanted: wanted.clone(), available: names.join(", ") })
        }
    }
}

/// The variant that an architecture without one means (containerd's platform normalisation).
fn default_variant(architecture: &str) -> &'static str {
    match architecture {
        "arm64" => "v8",
        "arm" => "v7",
        "amd64" => "v1",
        _ => "",
    }
}

/// Manifest and configuration must tell of the same number of layers.
///
/// # Errors
/// [`ManifestError::LayerCount`].
pub fn check_layers(manifest: &ImageManifest, config: &ImageConfig) -> Result<(), ManifestError> {
    let (layers, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
    if layers == diff_ids { Ok(()) } else { Err(ManifestError::LayerCount { layers, diff_ids }) }
}

#[cfg(test)]
mod tests;
