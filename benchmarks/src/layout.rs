//! Reads the layers of a one-image OCI layout folder (image-spec 1.1, `image-layout.md`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How a layer's tar is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `…tar+gzip`, also Docker's `…tar.gzip`.
    Gzip,
    /// `…tar+zstd`.
    Zstd,
    /// A plain tar.
    Plain,
}

/// One layer as a file of the layout.
#[derive(Clone, Debug)]
pub struct LayerBlob {
    /// The file under `blobs/`.
    pub path: PathBuf,
    /// `sha256:…` of that file.
    pub digest: String,
    /// `sha256:…` of the tar inside it, from the image's configuration.
    pub diff_id: String,
    /// How the tar is compressed.
    pub compression: Compression,
}

/// Lists the layers of the only image of the layout in `folder`, lowest first.
///
/// # Errors
/// When the folder is no layout, holds no image or several, or a document misses a field.
pub fn layers(folder: &Path) -> Result<Vec<LayerBlob>> {
    let index = document(&folder.join("index.json"))?;
    let manifests = list(&index, "manifests")?;
    let [only] = manifests else {
        bail!("{} holds {} images, one expected", folder.display(), manifests.len());
    };
    let manifest = document(&blob(folder, text(only, "digest")?)?)?;
    let config_digest = text(manifest.get("config").context("manifest without config")?, "digest")?;
    let config = document(&blob(folder, config_digest)?)?;
    let diff_ids = list(config.get("rootfs").context("config without rootfs")?, "diff_ids")?;
    let layers = list(&manifest, "layers")?;
    if layers.len() != diff_ids.len() {
        bail!("{} layers but {} diff ids", layers.len(), diff_ids.len());
    }
    layers.iter().zip(diff_ids).map(|(layer, diff_id)| layer_blob(folder, layer, diff_id)).collect()
}

fn layer_blob(folder: &Path, layer: &Value, diff_id: &Value) -> Result<LayerBlob> {
    let digest = text(layer, "digest")?;
    let media_type = text(layer, "mediaType")?;
    let compression = match media_type.rsplit(['+', '.']).next() {
        Some("gzip") => Compression::Gzip,
        Some("zstd") => Compression::Zstd,
        Some("tar") => Compression::Plain,
        _ => bail!("layer {digest} has the unknown media type {media_type}"),
    };
    Ok(LayerBlob {
        path: blob(folder, digest)?,
        digest: digest.to_owned(),
        diff_id: diff_id.as_str().context("a diff id is no string")?.to_owned(),
        compression,
    })
}

fn blob(folder: &Path, digest: &str) -> Result<PathBuf> {
    match digest.split_once(':') {
        Some(("sha256", hex)) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(folder.join("blobs").join("sha256").join(hex))
        }
        _ => bail!("{digest} is no sha256 digest"),
    }
}

fn document(path: &Path) -> Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a [Value]> {
    let list = value.get(field).and_then(Value::as_array);
    Ok(list.with_context(|| format!("no list `{field}`"))?.as_slice())
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value.get(field).and_then(Value::as_str).with_context(|| format!("no text `{field}`"))
}
