//! The dataset: one immutable file ("generation") with everything that the feeds said.
//!
//! ```text
//! header      magic, format version
//! blocks      records, bincode in zstd, grouped by driver and document (a "part")
//! sections    block table, package index, id index, EPSS, KEV, parts
//! directory   place of each section, digest of all sections
//! manifest    JSON: times, locations, licences (the only bytes that hold times)
//! tail        lengths, generation id, digest of the manifest, digest of the whole file
//! ```
//!
//! Everything before the manifest is the content; its SHA-256 is the generation id. Equal inputs
//! give equal content. Numbers are little endian.

mod block;
mod builder;
mod format;
mod manifest;
mod open;
mod part;
mod search;
mod table;

use kedge_artifact::advisory::{Affected, Scope};
use serde::{Deserialize, Serialize};

pub use builder::{BuildError, GenerationBuilder};
pub use format::FORMAT_VERSION;
pub use manifest::{DriverManifest, InputManifest, Manifest};
pub use open::{Dataset, DatasetError};
pub use part::{Origin, PartBuilder};
pub use search::{Group, Hit};

/// Version of the normalisation: raised when the same input gives different records, so that
/// unchanged inputs are parsed again.
pub const NORMALIZER_VERSION: u32 = 2;

/// Mark at the end of the name of a part that holds releases which upstream has dropped.
pub const RETIRED: &str = "#retired";

/// Random access to the bytes of a dataset. The shell implements it for files.
pub trait ReadAt: Send + Sync {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// When fewer bytes are there, or reading fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// When it cannot be told.
    fn len(&self) -> std::io::Result<u64>;

    /// Whether there are no bytes at all.
    ///
    /// # Errors
    /// As [`ReadAt::len`].
    fn is_empty(&self) -> std::io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let end_early = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let start = usize::try_from(offset).map_err(|_| end_early())?;
        let end = start.checked_add(buffer.len()).ok_or_else(end_early)?;
        buffer.copy_from_slice(self.get(start..end).ok_or_else(end_early)?);
        Ok(())
    }

    fn len(&self) -> std::io::Result<u64> {
        Ok(Vec::len(self) as u64)
    }
}

/// Rows of one scope in a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeCount {
    /// The scope.
    pub scope: Scope,
    /// Rows about it.
    pub rows: u64,
    /// Whether the part is complete for the scope. A Maven archive that mentions one PyPI package
    /// is not.
    pub covered: bool,
}

/// One document of one driver as the dataset holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Driver name.
    pub driver: String,
    /// Document path below the driver's base.
    pub document: String,
    /// SHA-256 of the document, hex.
    pub input_digest: String,
    /// [`NORMALIZER_VERSION`] that read it.
    pub normalizer: u32,
    /// Number of its first block.
    pub first_block: u32,
    /// Blocks.
    pub blocks: u32,
    /// Records: advisories, or rows of EPSS or KEV.
    pub records: u64,
    /// Rows of advisories.
    pub rows: u64,
    /// Records of the document that could not be used.
    pub skipped: u64,
    /// Rows by scope, sorted by scope.
    pub scopes: Vec<ScopeCount>,
}

/// Key of a package in the index.
fn package_key(scope: &Scope, package: &str) -> u64 {
    format::key(&[scope.label().as_bytes(), b"\0", package.as_bytes()])
}

/// Key of an id in the index: ids are found in any case.
fn id_key(id: &str) -> u64 {
    format::key(&[id.to_ascii_uppercase().as_bytes()])
}

/// What the first row of a record is about: records of a part are sorted by it, so that one
/// lookup unpacks few blocks.
fn sort_key(rows: &[Affected]) -> (String, String) {
    rows.first().map(|row| (row.scope.label(), row.package.clone())).unwrap_or_default()
}
