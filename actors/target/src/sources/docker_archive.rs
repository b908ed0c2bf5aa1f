//! What `docker save` writes: a tar with `manifest.json`, configurations and layer tars.
//! There is no manifest digest; the configuration's digest is the image id.

use crate::archive::Archive;
use crate::document::check_platform;
use crate::error::TargetError;
use crate::limits::{LAYOUT_DOCUMENT_BYTES_MAX, NAMES_SHOWN_MAX};
use crate::source::{Image, ImageSource, LayerInput, LayerSource, LayerStream, RawDocument};
use crate::sources::blocking;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::manifest::{ManifestError, parse_config};
use kedge_analyzer::limits::{CONFIG_DOCUMENT_BYTES_MAX, LAYERS_MAX};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::sbom::TargetKind;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

/// A docker archive.
pub struct DockerArchiveSource {
    archive: Arc<Archive>,
    name: Option<String>,
}

/// One image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl DockerArchiveSource {
    /// Reads the archive's table of contents. `name` is a repository tag (`alpine:3.20`).
    ///
    /// # Errors
    /// The file cannot be read, is no tar, or names files outside itself.
    pub async fn open(path: PathBuf, name: Option<String>) -> Result<Self, TargetError> {
        let place = path.display().to_string();
        let archive = blocking(&place, move || Archive::open(&path)).await?;
        Ok(Self { archive: Arc::new(archive), name })
    }

    fn place(&self) -> String {
        self.archive.path().display().to_string()
    }
}

fn names(entries: &[Entry]) -> String {
    let tags = entries.iter().flat_map(|entry| entry.repo_tags.iter().flatten());
    let shown: Vec<&str> = tags.take(NAMES_SHOWN_MAX).map(String::as_str).collect();
    shown.join(", ").chars().filter(|c| !c.is_control()).take(1000).collect()
}

fn choose(
    archive: &Archive,
    mut entries: Vec<Entry>,
    wanted: Option<&str>,
) -> Result<Entry, TargetError> {
    let path = || archive.path().to_owned();
    let available = names(&entries);
    let Some(wanted) = wanted else {
        return match entries.len() {
            0 => Err(TargetError::form(archive.path(), "manifest.json names no image")),
            1 => Ok(entries.remove(0)),
            _ => Err(TargetError::Ambiguous { path: path(), available }),
        };
    };
    let named = entries.into_iter().find(|entry| {
        let mut tags = entry.repo_tags.iter().flatten();
        tags.any(|tag| tag == wanted || tag.rsplit_once(':').is_some_and(|(_, t)| t == wanted))
    });
    named.ok_or_else(|| {
        let wanted = wanted.to_owned();
        TargetError::ImageNotFound { path: path(), wanted, available }
    })
}

fn find(
    archive: &Archive,
    name: Option<&str>,
    platform: Option<&Platform>,
) -> Result<Image, TargetError> {
    let limit = ("LAYOUT_DOCUMENT_BYTES_MAX", LAYOUT_DOCUMENT_BYTES_MAX);
    let bytes = archive.bytes("manifest.json", limit)?;
    let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(|error| {
        TargetError::form(archive.path(), format!("manifest.json is malformed: {error}"))
    })?;
    let entry = choose(archive, entries, name)?;
    let limit = ("CONFIG_DOCUMENT_BYTES_MAX", CONFIG_DOCUMENT_BYTES_MAX as u64);
    let config = archive.bytes(&entry.config, limit)?;
    let place = archive.path().display().to_string();
    let parsed = parse_config(&config).map_err(TargetError::manifest(&place))?;
    check_platform(&parsed, platform).map_err(TargetError::manifest(&place))?;
    let names = entry.layers.unwrap_or_default();
    let (count, diff_ids) = (names.len(), parsed.diff_ids.len());
    if count != diff_ids || count > LAYERS_MAX {
        let source = ManifestError::LayerCount { layers: count, diff_ids };
        return Err(TargetError::Manifest { place, source });
    }
    let layer = |(name, diff_id): (String, &Digest)| {
        Ok(LayerSource {
            size: archive.size(&name)?,
            place: name,
            blob: None,
            encoding: Encoding::Detect,
            diff_id: Some(*diff_id),
        })
    };
    let layers = names.into_iter().zip(&parsed.diff_ids).map(layer);
    Ok(Image {
        kind: TargetKind::Image,
        manifest: None,
        index: None,
        layers: layers.collect::<Result<_, TargetError>>()?,
        config: Some(RawDocument { digest: Digest::of(&config), bytes: config.into() }),
        platform: Some(parsed.platform()),
        image_config: Some(parsed),
        notes: Vec::new(),
    })
}

impl ImageSource for DockerArchiveSource {
    fn image<'a>(
        &'a self,
        platform: Option<&'a Platform>,
    ) -> BoxFuture<'a, Result<Image, TargetError>> {
        let (archive, name, platform) =
            (self.archive.clone(), self.name.clone(), platform.cloned());
        let place = self.place();
        async move {
            let work = move || find(&archive, name.as_deref(), platform.as_ref());
            blocking(&place, work).await
        }
        .boxed()
    }

    fn open_layer<'a>(
        &'a self,
        layer: &'a LayerSource,
    ) -> BoxFuture<'a, Result<LayerInput, TargetError>> {
        let (archive, name, place) = (self.archive.clone(), layer.place.clone(), self.place());
        async move {
            let reader = blocking(&place, move || archive.reader(&name)).await?;
            Ok(LayerInput::Stream(LayerStream { reader: Box::new(reader), pump: None }))
        }
        .boxed()
    }
}
