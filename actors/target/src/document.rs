//! From the first document to the image: through indexes to one manifest and its configuration.
//! One path for registries and layouts, so that both come to the same image.

use crate::error::TargetError;
use crate::limits::INDEX_DEPTH_MAX;
use crate::source::{Image, LayerSource, RawDocument};
use bytes::Bytes;
use futures::future::BoxFuture;
use kedge_analyzer::image::manifest::{
    Descriptor, Document, ImageConfig, ImageIndex, ImageManifest, IndexChild, ManifestError,
    check_layers, parse, parse_config, pick_platform,
};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::sbom::TargetKind;
use std::path::Path;

/// Fetches documents by descriptor; what it gives has the descriptor's digest.
pub(crate) trait Documents: Send + Sync {
    /// A manifest or index.
    fn manifest<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<Bytes, TargetError>>;

    /// A configuration.
    fn config<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<Bytes, TargetError>>;
}

/// Follows indexes from `root` to the image.
pub(crate) async fn follow(
    documents: &dyn Documents,
    place: &str,
    root: RawDocument,
    stated: Option<&str>,
    platform: Option<&Platform>,
) -> Result<Image, TargetError> {
    let mut current = root;
    let mut stated = stated.map(str::to_owned);
    let mut index = None;
    for _ in 0..=INDEX_DEPTH_MAX {
        let parsed = parse(&current.bytes, stated.as_deref());
        match parsed.map_err(TargetError::manifest(place))? {
            Document::Manifest(manifest) => {
                let config = documents.config(&manifest.config).await?;
                let image = assemble(&manifest, current, config, platform);
                let image = image.map_err(TargetError::manifest(place))?;
                return Ok(Image { index, ..image });
            }
            Document::Index(found) => {
                let child = choose(&found, platform).map_err(TargetError::manifest(place))?;
                let bytes = documents.manifest(&child.descriptor).await?;
                index.get_or_insert(current.digest);
                current = RawDocument { digest: child.descriptor.digest, bytes };
                stated = Some(child.descriptor.media_type.clone()).filter(|text| !text.is_empty());
            }
        }
    }
    let what = "nesting of indexes";
    let source = ManifestError::Limit { what, limit: "INDEX_DEPTH_MAX", max: INDEX_DEPTH_MAX };
    Err(TargetError::Manifest { place: place.to_owned(), source })
}

/// The child for the platform. Without a wish it is `linux/amd64`, or the only image there is.
fn choose<'a>(
    index: &'a ImageIndex,
    platform: Option<&Platform>,
) -> Result<&'a IndexChild, ManifestError> {
    if let Some(wanted) = platform {
        return pick_platform(index, wanted);
    }
    pick_platform(index, &Platform::default()).or_else(|error| {
        let mut images = index.children.iter().filter(|child| !child.attestation);
        match (images.next(), images.next()) {
            (Some(only), None) => Ok(only),
            (Some(_) | None, _) => Err(error),
        }
    })
}

fn assemble(
    manifest: &ImageManifest,
    document: RawDocument,
    config: Bytes,
    platform: Option<&Platform>,
) -> Result<Image, ManifestError> {
    let image_config = parse_config(&config)?;
    check_layers(manifest, &image_config)?;
    check_platform(&image_config, platform)?;
    let layer = |(layer, diff_id): (&Descriptor, &Digest)| LayerSource {
        place: layer.digest.to_string(),
        blob: Some(layer.digest),
        size: layer.size,
        encoding: layer.encoding(),
        diff_id: Some(*diff_id),
    };
    let layers = manifest.layers.iter().zip(&image_config.diff_ids).map(layer).collect();
    Ok(Image {
        kind: TargetKind::Image,
        manifest: Some(document),
        index: None,
        config: Some(RawDocument { digest: manifest.config.digest, bytes: config }),
        platform: Some(image_config.platform()),
        image_config: Some(image_config),
        layers,
        notes: Vec::new(),
    })
}

/// An image that is not in an index may still be for another platform than was asked for.
pub(crate) fn check_platform(
    config: &ImageConfig,
    wanted: Option<&Platform>,
) -> Result<(), ManifestError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let found = config.platform();
    let fits = found.os == wanted.os
        && found.architecture == wanted.architecture
        && (found.variant == wanted.variant
            || found.variant.is_empty()
            || wanted.variant.is_empty());
    if fits {
        return Ok(());
    }
    Err(ManifestError::NoPlatform { wanted: wanted.clone(), available: found.to_string() })
}

/// Bytes of a local document against its descriptor.
pub(crate) fn check_digest(
    path: &Path,
    descriptor: &Descriptor,
    bytes: &[u8],
) -> Result<(), TargetError> {
    let actual = Digest::of(bytes);
    if actual == descriptor.digest {
        return Ok(());
    }
    Err(TargetError::DigestMismatch { path: path.to_owned(), expected: descriptor.digest, actual })
}
