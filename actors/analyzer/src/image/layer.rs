//! One layer, read once: blob hash, inflate, tar hash and tar walk in a single pass.
//!
//! [`read_layer`] does it all on the calling thread. A caller that wants two threads on one layer
//! runs [`crate::image::decode::decode`] on the first and [`LayerWalk`] (or [`walk`]) on the other.

use crate::catalogers::Found;
use crate::image::budget::{Budget, Gate};
use crate::image::collect::Collector;
use crate::image::decode::{Encoding, decode};
use crate::image::entries::EntryTable;
use crate::image::tar::TarReader;
use crate::limits;
use kedge_artifact::digest::Digest;
use kedge_artifact::problem::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// What is known of a layer before it is read. What is `None` is not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Digest of the blob, from the manifest.
    pub digest: Option<Digest>,
    /// Size of the blob in bytes, from the manifest.
    pub size: Option<u64>,
    /// Digest of the uncompressed tar, from the configuration.
    pub diff_id: Option<Digest>,
}

/// The bounds of one layer that a caller may tighten; the default is [`crate::limits`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// Compressed bytes.
    pub blob_bytes_max: u64,
    /// Uncompressed bytes.
    pub tar_bytes_max: u64,
    /// Uncompressed to compressed quotient.
    pub ratio_max: u64,
    /// Uncompressed bytes below which the quotient is not looked at.
    pub ratio_floor_bytes: u64,
    /// Entries.
    pub entries_max: u64,
    /// Bytes of paths, link targets and whiteouts.
    pub path_bytes_max: usize,
    /// What all layers that are read with clones of this may hold together.
    pub held: Budget,
    /// Where leave to hold the body of a file is asked for.
    pub bodies: Gate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob_bytes_max: limits::BLOB_BYTES_MAX,
            tar_bytes_max: limits::TAR_BYTES_MAX,
            ratio_max: limits::RATIO_MAX,
            ratio_floor_bytes: limits::RATIO_FLOOR_BYTES,
            entries_max: limits::ENTRIES_MAX,
            path_bytes_max: limits::PATH_BYTES_TOTAL_MAX,
            held: Budget::default(),
            bodies: Gate::default(),
        }
    }
}

/// Why a layer as a whole cannot be used. Damage to a single file is a [`Problem`] instead.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The source failed; the only case in which trying again can help.
    #[error("layer could not be read from its source: {0}")]
    Read(#[source] io::Error),
    /// More or fewer bytes than the descriptor says.
    #[error("layer blob has {found} bytes, its descriptor says {expected}")]
    BlobSize {
        /// Bytes by the descriptor.
        expected: u64,
        /// Bytes seen; reading stops at the first one too many.
        found: u64,
    },
    /// The blob is not what the manifest names.
    #[error("layer blob has digest {found}, its descriptor says {expected}")]
    BlobDigest {
        /// Digest by the manifest.
        expected: Digest,
        /// Digest of the bytes.
        found: Digest,
    },
    /// The tar is not what the configuration names.
    #[error("layer content has diff id {found}, the image configuration says {expected}")]
    DiffId {
        /// Diff id by the configuration.
        expected: Digest,
        /// Digest of the tar bytes.
        found: Digest,
    },
    /// The compressed stream ends before its end marker.
    #[error("layer is truncated: the {encoding} stream ends in the middle")]
    Truncated {
        /// The compression.
        encoding: &'static str,
    },
    /// The compressed stream is damaged.
    #[error("layer is damaged: bad {encoding} data: {message}")]
    Corrupt {
        /// The compression.
        encoding: &'static str,
        /// What the decoder says.
        message: String,
    },
    /// A compression that no layer media type has.
    #[error("layer compression '{found}' is not supported (media type says {stated})")]
    Compression {
        /// What the media type says.
        stated: &'static str,
        /// What the bytes say.
        found: String,
    },
    /// The tar ends inside an entry.
    #[error("layer tar is truncated at byte {offset}")]
    TarTruncated {
        /// Bytes of tar seen.
        offset: u64,
    },
    /// The tar cannot be understood from here on.
    #[error("layer tar is malformed at byte {offset}: {what}")]
    Tar {
        /// Start of the offending header.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Over a bound.
    #[error("layer goes over the limit {limit} of {max}")]
    Limit {
        /// Name of the constant in `limits.rs`.
        limit: &'static str,
        /// Its value here.
        max: u64,
    },
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        if let LayerError::Read(source) = error {
            return source;
        }
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl LayerError {
    /// Takes the typed error out of an `io::Error` that a stage of this module made; any other
    /// is a failure of the source.
    #[must_use]
    pub fn from_io(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(typed) => typed,
            Err(source) => Self::Read(source),
        }
    }

    /// Whether the same request can succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Read(_))
    }
}

/// Everything learnt from one layer: immutable, keyed by diff id and cataloger version, so a base
/// layer is read once and its facts serve every image that has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// sha256 of the tar; `None` for a directory tree that never was a tar.
    pub diff_id: Option<Digest>,
    /// Digest of the blob as it was read; `None` without a blob.
    pub blob: Option<Digest>,
    /// Bytes of the blob as it was read.
    pub blob_size: u64,
    /// Bytes of the tar, trailing padding included.
    pub tar_size: u64,
    /// Entries, sorted by path, one per path, whiteouts left out.
    pub entries: EntryTable,
    /// Paths of lower layers that this layer deletes, sorted.
    pub whiteouts: Vec<String>,
    /// Directories whose lower content this layer hides, sorted.
    pub opaque: Vec<String>,
    /// What the catalogers found, sorted by row.
    pub found: Vec<FileFacts>,
    /// What could not be read, sorted.
    pub problems: Vec<Problem>,
    /// [`crate::catalogers::version`] of the program that read it.
    pub catalogers: String,
}

/// What was found in one file of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Row of [`LayerFacts::entries`].
    pub row: u32,
    /// sha256 of the content, when it was small enough to hash.
    pub sha256: Option<Digest>,
    /// What the cataloger says.
    pub found: Found,
}

/// Reads one layer: hashes, inflates, walks and catalogs in one pass, on this thread.
///
/// # Errors
/// The whole layer is refused when a digest or size differs, or when the compressed stream or the
/// tar is damaged; nothing of it is handed out then.
pub fn read_layer(
    reader: impl Read,
    encoding: Encoding,
    expected: &Expected,
    limits: &Limits,
) -> Result<LayerFacts, LayerError> {
    let mut decoder = decode(reader, encoding, expected, limits)?;
    let mut walk = LayerWalk::new(limits);
    let walked = pump(&mut decoder, &mut walk);
    if let Err(error) = walked {
        // Damage in transit shows as nonsense in the tar; the digest tells which it was.
        if matches!(error, LayerError::Tar { .. } | LayerError::TarTruncated { .. }) {
            decoder.verify()?;
        }
        return Err(error);
    }
    let (digest, size) = decoder.verify()?;
    let mut facts = walk.finish(expected.diff_id)?;
    facts.blob = Some(digest);
    facts.blob_size = size;
    let found = decoder.encoding();
    if encoding != Encoding::Detect && encoding != found && facts.tar_size > 0 {
        facts.problems.push(Problem::info(
            "layer_encoding_differs",
            digest.to_string(),
            format!("media type says {}, the bytes are {}", encoding.as_str(), found.as_str()),
        ));
        facts.problems.sort();
    }
    Ok(facts)
}

/// The second stage alone: tar bytes to facts. `expected_diff_id` is compared at the end. The
/// blob fields of the result are empty; who runs the first stage fills them in.
///
/// # Errors
/// As [`read_layer`]; errors of the first stage that come through `reader` keep their type.
pub fn walk(
    mut reader: impl Read,
    expected_diff_id: Option<Digest>,
    limits: &Limits,
) -> Result<LayerFacts, LayerError> {
    let mut walk = LayerWalk::new(limits);
    pump(&mut reader, &mut walk)?;
    walk.finish(expected_diff_id)
}

fn pump(reader: &mut impl Read, walk: &mut LayerWalk) -> Result<(), LayerError> {
    let mut buffer = vec![0_u8; limits::CHUNK_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => walk.feed(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(LayerError::from_io(error)),
        }
    }
}

/// The second stage, pushed: for callers that get tar bytes in chunks from another thread.
pub struct LayerWalk {
    hasher: Sha256,
    bytes: u64,
    tar: TarReader,
    collector: Collector,
}

impl LayerWalk {
    /// Starts a layer.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            hasher: Sha256::new(),
            bytes: 0,
            tar: TarReader::default(),
            collector: Collector::new(limits),
        }
    }

    /// Takes the next tar bytes, in chunks of any size.
    ///
    /// # Errors
    /// The tar is malformed or over a limit. The walk must not be used any more then.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), LayerError> {
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        self.tar.feed(chunk, &mut self.collector)
    }

    /// Ends the layer. The tar hash covers all bytes, also those after the end of the archive.
    ///
    /// # Errors
    /// The tar ends inside an entry, or has another digest than expected.
    pub fn finish(mut self, expected_diff_id: Option<Digest>) -> Result<LayerFacts, LayerError> {
        let found = Digest::from_bytes(self.hasher.finalize().into());
        if let Some(expected) = expected_diff_id
            && expected != found
        {
            return Err(LayerError::DiffId { expected, found });
        }
        self.tar.finish()?;
        self.collector.check()?;
        let mut facts = self.collector.finish();
        facts.diff_id = Some(found);
        facts.tar_size = self.bytes;
        Ok(facts)
    }
}
