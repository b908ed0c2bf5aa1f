//! An OCI image layout (OCI image-spec, `image-layout.md`), as a directory or in a tar file.

use crate::archive::{Archive, open_file};
use crate::document::{Documents, check_digest, follow};
use crate::error::TargetError;
use crate::limits::{LAYOUT_DOCUMENT_BYTES_MAX, NAMES_SHOWN_MAX};
use crate::source::{Image, ImageSource, LayerInput, LayerSource, LayerStream, RawDocument};
use crate::sources::blocking;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kedge_analyzer::image::manifest::Descriptor;
use kedge_analyzer::limits::{CONFIG_DOCUMENT_BYTES_MAX, MANIFEST_DOCUMENT_BYTES_MAX};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Annotation that names an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Limit of `index.json`, with its name.
const INDEX_LIMIT: (&str, u64) = ("LAYOUT_DOCUMENT_BYTES_MAX", LAYOUT_DOCUMENT_BYTES_MAX);

/// Where a layout's files are.
#[derive(Debug)]
enum Files {
    Directory(PathBuf),
    Archive(Archive),
}

impl Files {
    fn path(&self) -> &Path {
        match self {
            Self::Directory(path) => path,
            Self::Archive(archive) => archive.path(),
        }
    }

    /// Opens a file of the layout. Names come from digests, so they cannot lead elsewhere.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>, TargetError> {
        match self {
            Self::Directory(path) => Ok(Box::new(open_file(&path.join(name))?)),
            Self::Archive(archive) => Ok(Box::new(archive.reader(name)?)),
        }
    }

    fn bytes(&self, name: &str, (limit, max): (&'static str, u64)) -> Result<Bytes, TargetError> {
        let path = match self {
            Self::Directory(path) => path.join(name),
            Self::Archive(archive) => {
                return archive.bytes(name, (limit, max)).map(Bytes::from);
            }
        };
        let mut bytes = Vec::new();
        let mut reader = open_file(&path)?.take(max + 1);
        reader.read_to_end(&mut bytes).map_err(TargetError::file(&path))?;
        if bytes.len() as u64 > max {
            return Err(TargetError::Limit { path, what: "size of a document", limit, max });
        }
        Ok(bytes.into())
    }

    fn document(
        &self,
        descriptor: &Descriptor,
        limit: (&'static str, usize),
    ) -> Result<Bytes, TargetError> {
        let name = blob_name(&descriptor.digest);
        let bytes = self.bytes(&name, (limit.0, limit.1 as u64))?;
        check_digest(self.path(), descriptor, &bytes)?;
        Ok(bytes)
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// An OCI layout in a directory.
pub struct OciLayoutSource(Layout);

/// An OCI layout in a tar file, read in place.
pub struct OciArchiveSource(Layout);

struct Layout {
    files: Arc<Files>,
    name: Option<String>,
}

impl OciLayoutSource {
    /// Names an image of a layout; nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf, name: Option<String>) -> Self {
        Self(Layout { files: Arc::new(Files::Directory(path)), name })
    }
}

impl OciArchiveSource {
    /// Reads the archive's table of contents.
    ///
    /// # Errors
    /// The file cannot be read or is no tar.
    pub async fn open(path: PathBuf, name: Option<String>) -> Result<Self, TargetError> {
        let place = path.display().to_string();
        let archive = blocking(&place, move || Archive::open(&path)).await?;
        Ok(Self(Layout { files: Arc::new(Files::Archive(archive)), name }))
    }
}

/// An entry of `index.json`, as far as choosing needs it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    platform: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Entry {
    fn name(&self) -> Option<&str> {
        self.annotations.as_ref()?.get(REF_NAME).map(String::as_str)
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

/// What `index.json` leads to.
enum Root {
    /// One document.
    One(Digest, String),
    /// `index.json` itself is the index to choose a platform from.
    Itself,
}

fn names(entries: &[Entry]) -> String {
    let names: Vec<&str> =
        entries.iter().map(|entry| entry.name().unwrap_or(&entry.digest)).collect();
    let shown = names.iter().take(NAMES_SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
    shown.chars().filter(|c| !c.is_control()).take(1000).collect()
}

fn root(path: &Path, bytes: &[u8], wanted: Option<&str>) -> Result<Root, TargetError> {
    let index: Index = serde_json::from_slice(bytes)
        .map_err(|error| TargetError::form(path, format!("index.json is malformed: {error}")))?;
    let entries = index.manifests;
    let one = |entry: &Entry| {
        let digest = entry.digest.parse().map_err(|error| {
            TargetError::form(path, format!("index.json has a bad digest: {error}"))
        })?;
        Ok(Root::One(digest, entry.media_type.clone()))
    };
    if let Some(wanted) = wanted {
        let named = entries.iter().find(|entry| {
            entry.name() == Some(wanted)
                || entry.digest == wanted
                || entry
                    .name()
                    .is_some_and(|name| name.rsplit_once(':').is_some_and(|(_, tag)| tag == wanted))
        });
        return named.map(one).unwrap_or_else(|| {
            let (wanted, available) = (wanted.to_owned(), names(&entries));
            Err(TargetError::ImageNotFound { path: path.to_owned(), wanted, available })
        });
    }
    let Some(first) = entries.first() else {
        return Err(TargetError::form(path, "index.json names no image"));
    };
    if entries.iter().all(|entry| entry.digest == first.digest) {
        return one(first);
    }
    if entries.iter().all(|entry| entry.platform.is_some()) {
        return Ok(Root::Itself);
    }
    Err(TargetError::Ambiguous { path: path.to_owned(), available: names(&entries) })
}

impl Documents for Layout {
    fn manifest<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<Bytes, TargetError>> {
        let limit = ("MANIFEST_DOCUMENT_BYTES_MAX", MANIFEST_DOCUMENT_BYTES_MAX);
        self.read(descriptor, limit).boxed()
    }

    fn config<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<Bytes, TargetError>> {
        let limit = ("CONFIG_DOCUMENT_BYTES_MAX", CONFIG_DOCUMENT_BYTES_MAX);
        self.read(descriptor, limit).boxed()
    }
}

impl Layout {
    async fn read(
        &self,
        descriptor: &Descriptor,
        limit: (&'static str, usize),
    ) -> Result<Bytes, TargetError> {
        let (files, descriptor) = (self.files.clone(), descriptor.clone());
        let place = self.place();
        blocking(&place, move || files.document(&descriptor, limit)).await
    }

    fn place(&self) -> String {
        self.files.path().display().to_string()
    }

    async fn image(&self, platform: Option<&Platform>) -> Result<Image, TargetError> {
        let files = self.files.clone();
        let place = self.place();
        let index = blocking(&place, move || files.bytes("index.json", INDEX_LIMIT)).await?;
        match root(self.files.path(), &index, self.name.as_deref())? {
            Root::One(digest, media_type) => {
                let size = 0;
                let wanted =
                    Descriptor { media_type: media_type.clone(), digest, size, foreign: false };
                let bytes = self.manifest(&wanted).await?;
                let document = RawDocument { digest, bytes };
                let stated = Some(media_type.as_str()).filter(|text| !text.is_empty());
                follow(self, &place, document, stated, platform).await
            }
            Root::Itself => {
                let document = RawDocument { digest: Digest::of(&index), bytes: index };
                let image = follow(self, &place, document, None, platform).await?;
                // The layout's own table of contents is nobody's index.
                Ok(Image { index: None, ..image })
            }
        }
    }

    async fn open_layer(&self, layer: &LayerSource) -> Result<LayerInput, TargetError> {
        let digest = layer.blob.expect("layers of a layout come from a manifest");
        let files = self.files.clone();
        let reader = blocking(&self.place(), move || files.open(&blob_name(&digest))).await?;
        Ok(LayerInput::Stream(LayerStream { reader, pump: None }))
    }
}

macro_rules! layout_source {
    ($source:ty) => {
        impl ImageSource for $source {
            fn image<'a>(
                &'a self,
                platform: Option<&'a Platform>,
            ) -> BoxFuture<'a, Result<Image, TargetError>> {
                self.0.image(platform).boxed()
            }

            fn open_layer<'a>(
                &'a self,
                layer: &'a LayerSource,
            ) -> BoxFuture<'a, Result<LayerInput, TargetError>> {
                self.0.open_layer(layer).boxed()
            }
        }
    };
}

layout_source!(OciLayoutSource);
layout_source!(OciArchiveSource);
