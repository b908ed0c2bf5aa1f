//! Writes an image as an OCI layout folder (image-spec 1.1): each layer streamed through tar,
//! compressor and hashes into its blob, then configuration, manifest and index.
//!
//! Modes, owners and times are kept, extended attributes are not. The same folders give the same
//! bytes, so a layer that two images share has one digest.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::layout::Compression;
use crate::tree::{self, Entry};

const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Where a layer's entries come from.
#[derive(Debug)]
pub enum Source {
    /// Everything below a folder.
    Whole(PathBuf),
    /// What turns the first folder into the second one.
    Difference(PathBuf, PathBuf),
}

/// What an image is made of.
#[derive(Debug)]
pub struct Recipe {
    /// Layers, lowest first.
    pub layers: Vec<Source>,
    /// How every layer is compressed.
    pub compression: Compression,
    /// The image configuration's `config` object.
    pub config: Value,
    /// When the image says that it was made, RFC 3339.
    pub created: String,
}

/// Writes the image into the new folder `folder`, tagged `latest`. Returns the manifest's digest.
///
/// # Errors
/// When the folder exists, an entry is neither file, folder nor link, or reading or writing fails.
pub fn write_image(folder: &Path, recipe: &Recipe) -> Result<String> {
    let blobs = folder.join("blobs").join("sha256");
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    fs::create_dir_all(&blobs).with_context(|| format!("cannot make {}", blobs.display()))?;
    let (mut layers, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new());
    for source in &recipe.layers {
        let written = write_layer(&blobs, source, recipe.compression)
            .with_context(|| format!("cannot write the layer of {source:?}"))?;
        layers.push(written.descriptor);
        diff_ids.push(written.diff_id);
        history.push(json!({"created": recipe.created, "created_by": describe(source)}));
    }
    let architecture = architecture();
    let config = json!({
        "created": recipe.created, "architecture": architecture, "os": "linux",
        "config": recipe.config, "history": history,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = write_document(&blobs, "application/vnd.oci.image.config.v1+json", &config)?;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers,
    });
    let mut manifest = write_document(&blobs, media_type, &manifest)?;
    let digest = manifest["digest"].as_str().context("a descriptor without digest")?.to_owned();
    manifest["platform"] = json!({"architecture": architecture, "os": "linux"});
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    fs::write(folder.join("index.json"), serde_json::to_vec(&index)?)?;
    fs::write(folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(digest)
}

/// The history line of a layer: folder names only, not where they lay.
fn describe(source: &Source) -> String {
    let name =
        |path: &Path| path.file_name().map_or_else(String::new, |it| it.display().to_string());
    match source {
        Source::Whole(folder) => format!("mkimage --layer {}", name(folder)),
        Source::Difference(lower, upper) => {
            format!("mkimage --diff {} {}", name(lower), name(upper))
        }
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn write_document(blobs: &Path, media_type: &str, document: &Value) -> Result<Value> {
    let bytes = serde_json::to_vec(document)?;
    let hex = hex::encode(Sha256::digest(&bytes));
    fs::write(blobs.join(&hex), &bytes)?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()}))
}

struct WrittenLayer {
    descriptor: Value,
    diff_id: String,
}

fn write_layer(blobs: &Path, source: &Source, compression: Compression) -> Result<WrittenLayer> {
    let (root, entries) = match source {
        Source::Whole(folder) => (folder, tree::whole(folder)?),
        Source::Difference(lower, upper) => (upper, tree::difference(lower, upper)?),
    };
    let partial = blobs.join("partial");
    let file = Hashing::new(BufWriter::new(File::create(&partial)?));
    let mut builder = Builder::new(Hashing::new(Compressor::new(file, compression)?));
    let mut first_names = BTreeMap::new();
    for entry in &entries {
        append(&mut builder, root, entry, &mut first_names)?;
    }
    let (compressor, diff_id, _) = builder.into_inner()?.finish();
    let (mut file, digest, size) = compressor.finish()?.finish();
    file.flush()?;
    fs::rename(&partial, blobs.join(&digest))?;
    let suffix = match compression {
        Compression::Gzip => "+gzip",
        Compression::Zstd => "+zstd",
        Compression::Plain => "",
    };
    let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
    Ok(WrittenLayer {
        descriptor: json!({
            "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size,
        }),
        diff_id: format!("sha256:{diff_id}"),
    })
}

/// Appends one entry. `first_names` maps device and inode to the first name of a file, so that its
/// other names become hard links.
fn append<W: Write>(
    builder: &mut Builder<W>,
    root: &Path,
    entry: &Entry,
    first_names: &mut BTreeMap<(u64, u64), PathBuf>,
) -> Result<()> {
    let relative = match entry {
        Entry::Present(relative) => relative,
        Entry::Whiteout(relative) => {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_size(0);
            return Ok(builder.append_data(&mut header, relative, io::empty())?);
        }
    };
    let path = root.join(relative);
    let metadata = fs::symlink_metadata(&path)?;
    let mut header = header_of(&metadata);
    if metadata.is_dir() {
        header.set_entry_type(EntryType::Directory);
        builder.append_data(&mut header, relative, io::empty())?;
    } else if metadata.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        builder.append_link(&mut header, relative, fs::read_link(&path)?)?;
    } else if metadata.is_file() {
        let inode = (metadata.dev(), metadata.ino());
        if let Some(first) = first_names.get(&inode) {
            header.set_entry_type(EntryType::Link);
            builder.append_link(&mut header, relative, first)?;
        } else {
            header.set_entry_type(EntryType::Regular);
            header.set_size(metadata.len());
            builder.append_data(&mut header, relative, File::open(&path)?)?;
            if metadata.nlink() > 1 {
                first_names.insert(inode, relative.clone());
            }
        }
    } else {
        bail!("{} is neither file, folder nor link", path.display());
    }
    Ok(())
}

fn header_of(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(u64::from(metadata.uid()));
    header.set_gid(u64::from(metadata.gid()));
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_size(0);
    header
}

/// Passes bytes on, and remembers their sha256 and how many there were.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    byte_count: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), byte_count: 0 }
    }

    fn finish(self) -> (W, String, u64) {
        (self.inner, hex::encode(self.hash.finalize()), self.byte_count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.byte_count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

enum Compressor<W: Write> {
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
    Plain(W),
}

impl<W: Write> Compressor<W> {
    fn new(inner: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => {
                Self::Gzip(GzEncoder::new(inner, flate2::Compression::new(GZIP_LEVEL)))
            }
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(inner, ZSTD_LEVEL)?),
            Compression::Plain => Self::Plain(inner),
        })
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Plain(inner) => Ok(inner),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Plain(inner) => inner.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Plain(inner) => inner.flush(),
        }
    }
}
