//! The documents that describe an image: index, manifest, configuration.
//!
//! Formats: OCI image-spec 1.1 (`image-index.md`, `manifest.md`, `config.md`), Docker "Image
//! Manifest V 2, Schema 2". Schema 1 is refused by name. Unknown fields are ignored, as both
//! specifications ask; sizes and counts are bounded by [`crate::limits`].
//!
//! The documents are read with the types of `oci-spec`, after `lenient` has brought what registries
//! serve into the form that they ask for.

use crate::image::decode::Encoding;
use crate::limits::{INDEX_CHILDREN_MAX, LAYERS_MAX, MANIFEST_DOCUMENT_BYTES_MAX};
use kedge_artifact::digest::{Digest, DigestError};
use kedge_artifact::image::Platform;
use lenient::{Field, Shape, needed, optional};
use oci_spec::image as oci;
use oci_spec::image::ToDockerV2S2 as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

mod config;
mod lenient;

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

/// Lists that only the size of their document bounds.
const ANY_COUNT: usize = usize::MAX;

/// What is kept of a platform. Read by us, not by `oci-spec`, which takes `armbe` for `arm64be`.
static PLATFORM: [Field; 3] = [
    needed("os", Shape::Text),
    needed("architecture", Shape::Text),
    needed("variant", Shape::Text),
];

/// What is kept of a descriptor. Digest and size have no empty form and must be there.
static DESCRIPTOR: [Field; 6] = [
    needed("mediaType", Shape::Text),
    optional("digest", Shape::Text),
    optional("size", Shape::Number),
    optional("urls", Shape::List(&Shape::Text, ANY_COUNT)),
    optional("platform", Shape::Object(&PLATFORM)),
    optional("annotations", Shape::Texts),
];

/// What is kept of a manifest or index.
static DOCUMENT: Shape = Shape::Object(&[
    needed("schemaVersion", Shape::Number),
    optional("mediaType", Shape::Text),
    optional("artifactType", Shape::Text),
    optional("config", Shape::Object(&DESCRIPTOR)),
    optional("layers", Shape::List(&Shape::Object(&DESCRIPTOR), LAYERS_MAX)),
    optional("manifests", Shape::List(&Shape::Object(&DESCRIPTOR), INDEX_CHILDREN_MAX)),
]);

fn descriptor(read: &oci::Descriptor, document: &'static str) -> Result<Descriptor, ManifestError> {
    let digest = read.digest().as_ref().parse();
    Ok(Descriptor {
        media_type: read.media_type().to_string(),
        digest: digest.map_err(|source| ManifestError::Digest { document, source })?,
        size: read.size(),
        foreign: read.urls().as_ref().is_some_and(|urls| !urls.is_empty()),
    })
}

/// Whether it is the type of OCI, or Docker's of the same meaning.
fn is_either(media_type: &oci::MediaType, of_oci: &oci::MediaType) -> bool {
    media_type == of_oci || of_oci.to_docker_v2s2() == Ok(media_type.as_ref())
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
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
    let raw = lenient::read(bytes, &DOCUMENT).map_err(malformed("manifest"))?;
    let own_type = raw.get("mediaType").and_then(Value::as_str);
    if raw["schemaVersion"] == 1 || own_type.is_some_and(|text| text.starts_with(SCHEMA_1)) {
        return Err(ManifestError::Schema1);
    }
    let stated = stated.map(|text| text.split(';').next().unwrap_or(text).trim());
    let media_type = own_type.or(stated).map(oci::MediaType::from);
    let has = |name| raw.get(name).is_some();
    match (has("manifests"), has("config"), has("layers")) {
        (true, false, false) => {
            index(media_type.unwrap_or(oci::MediaType::ImageIndex), raw).map(Document::Index)
        }
        (false, true, _) => manifest(media_type.unwrap_or(oci::MediaType::ImageManifest), raw)
            .map(Document::Manifest),
        (true, _, _) => Err(ManifestError::Malformed {
            document: "manifest",
            message: "it has the fields of an index and of a manifest".to_owned(),
        }),
        (false, false, _) => Err(ManifestError::MediaType(
            media_type.map(|it| shown(it.as_ref())).unwrap_or_default(),
        )),
    }
}

fn elements<'a>(document: &'a mut Value, name: &str) -> &'a mut [Value] {
    document.get_mut(name).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

fn index(media_type: oci::MediaType, mut raw: Value) -> Result<ImageIndex, ManifestError> {
    if !is_either(&media_type, &oci::MediaType::ImageIndex) {
        return Err(ManifestError::MediaType(shown(media_type.as_ref())));
    }
    let children = elements(&mut raw, "manifests");
    if children.len() > INDEX_CHILDREN_MAX {
        return Err(ManifestError::Limit {
            what: "number of children in the index",
            limit: "INDEX_CHILDREN_MAX",
            max: INDEX_CHILDREN_MAX,
        });
    }
    let mut platforms = Vec::with_capacity(children.len());
    for child in children {
        lenient::check_digest(child, "index")?;
        platforms.push(child.as_object_mut().and_then(|fields| fields.remove("platform")));
    }
    let read: oci::ImageIndex = serde_json::from_value(raw).map_err(malformed("manifest"))?;
    let child = |(read, platform): (&oci::Descriptor, Option<Value>)| {
        let marked = |them: &HashMap<String, String>| them.contains_key(REFERENCE_TYPE);
        let platform = platform.map(|raw| platform_of(&raw));
        let unknown = platform.as_ref().is_some_and(|platform| platform.os == "unknown");
        Ok(IndexChild {
            attestation: unknown || read.annotations().as_ref().is_some_and(marked),
            descriptor: descriptor(read, "index")?,
            platform,
        })
    };
    let children = read.manifests().iter().zip(platforms).map(child).collect::<Result<_, _>>()?;
    Ok(ImageIndex { media_type: media_type.to_string(), children })
}

/// The platform in an object with the fields of [`PLATFORM`].
fn platform_of(raw: &Value) -> Platform {
    let text = |name: &str| raw[name].as_str().unwrap_or_default().to_owned();
    Platform { os: text("os"), architecture: text("architecture"), variant: text("variant") }
}

fn manifest(media_type: oci::MediaType, mut raw: Value) -> Result<ImageManifest, ManifestError> {
    if !is_either(&media_type, &oci::MediaType::ImageManifest) {
        return Err(ManifestError::MediaType(shown(media_type.as_ref())));
    }
    let read = read_manifest(&mut raw)?;
    let config_type = read.config().media_type();
    if !is_either(config_type, &oci::MediaType::ImageConfig) {
        let kind = read.artifact_type().as_ref().unwrap_or(config_type);
        return Err(ManifestError::Artifact(shown(kind.as_ref())));
    }
    if read.layers().len() > LAYERS_MAX {
        return Err(ManifestError::Limit {
            what: "number of layers",
            limit: "LAYERS_MAX",
            max: LAYERS_MAX,
        });
    }
    let layer = |(index, read): (usize, &oci::Descriptor)| {
        let media_type = read.media_type().as_ref();
        if media_type.ends_with("+encrypted") {
            let media_type = media_type.to_owned();
            return Err(ManifestError::EncryptedLayer { index, media_type });
        }
        if Encoding::of_media_type(media_type).is_none() {
            return Err(ManifestError::LayerType { index, media_type: shown(media_type) });
        }
        descriptor(read, "manifest")
    };
    Ok(ImageManifest {
        media_type: media_type.to_string(),
        config: descriptor(read.config(), "manifest")?,
        layers: read.layers().iter().enumerate().map(layer).collect::<Result<_, _>>()?,
    })
}

/// Go's encoder writes an empty list of layers as `null`, which is absent by now.
fn read_manifest(raw: &mut Value) -> Result<oci::ImageManifest, ManifestError> {
    if let Some(fields) = raw.as_object_mut() {
        fields.entry("layers").or_insert_with(|| Value::Array(Vec::new()));
    }
    for layer in elements(raw, "layers") {
        lenient::check_digest(layer, "manifest")?;
    }
    if let Some(config) = raw.get_mut("config") {
        lenient::check_digest(config, "manifest")?;
    }
    serde_json::from_value(raw.take()).map_err(malformed("manifest"))
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
