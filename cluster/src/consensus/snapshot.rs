//! Snapshot files: the whole state at one point of the log.
//!
//! Format 1, integers little-endian:
//! magic `KEDGESNP`, `u32` format, `u32` length of the header, the header; then one record per
//! key, ascending: `u32` key length, `u32` value length, key, value; then `u32::MAX`, `u64` number
//! of records, and the SHA-256 of everything before it.
//!
//! A file gets its name (`<index, 20 digits>.snapshot`) only when it is complete and durable:
//! written under another name, synced, renamed, folder synced. The log may be purged only up to
//! what these files cover, so a damaged one is set aside, never deleted.
//!
//! This module knows files. It does not know the store they are made from.

mod folder;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

pub(crate) use folder::SnapshotFolder;
pub(crate) use reader::SnapshotReader;

use super::record::SnapshotHeader;

const MAGIC: &[u8; 8] = b"KEDGESNP";
const FORMAT: u32 = 1;
const END: u32 = u32::MAX;
const CHECKSUM_BYTES: usize = 32;

/// A complete snapshot: what it holds and an open file, which stays readable when the name is
/// removed meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    /// What it holds.
    pub(crate) header: SnapshotHeader,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    file: Arc<File>,
}

impl SnapshotFile {
    /// Index of the last entry in it.
    pub(crate) fn index(&self) -> Option<u64> {
        self.header.index()
    }
}

/// Why a snapshot could not be written or read.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The bytes are not what was written.
    #[error("snapshot {path} is corrupt: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// Written by a newer version of this program.
    #[error("snapshot {path} has format {found}, this version knows up to {known}")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Newest known format.
        known: u32,
    },
    /// The file belongs to another cluster.
    #[error("snapshot {path} belongs to cluster {found}, this is {expected}")]
    WrongCluster {
        /// The file.
        path: PathBuf,
        /// Cluster of the file, hex.
        found: String,
        /// This cluster, hex.
        expected: String,
    },
    /// The file system failed.
    #[error("{operation} snapshot {path}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The node stops, so no snapshot is made.
    #[error("snapshot given up: the node is stopping")]
    Stopping,
    /// The state store failed while the snapshot was made or loaded.
    #[error("snapshot of the state store: {0}")]
    Store(#[from] kedge_storage::kv::KvError),
}

impl SnapshotError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    /// True when the file is damaged, as opposed to unreadable or foreign.
    pub(crate) fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }
}
