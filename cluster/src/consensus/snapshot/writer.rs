//! Writes one snapshot file.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{END, FORMAT, MAGIC, SnapshotError, SnapshotFile};
use crate::consensus::encoding;
use crate::consensus::record::SnapshotHeader;

/// A snapshot that is being written. Dropping it leaves a file without a snapshot's name, which
/// the next start removes.
pub(crate) struct SnapshotWriter {
    header: SnapshotHeader,
    target: PathBuf,
    temporary: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    records_count: u64,
    bytes: u64,
}

impl SnapshotWriter {
    pub(super) fn create(
        temporary: PathBuf,
        target: PathBuf,
        header: SnapshotHeader,
    ) -> Result<Self, SnapshotError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .map_err(SnapshotError::io("creating", &temporary))?;
        let encoded = encoding::encode_header(&header);
        let mut writer = Self {
            header,
            target,
            temporary,
            out: BufWriter::with_capacity(256 * 1024, file),
            hash: Sha256::new(),
            records_count: 0,
            bytes: 0,
        };
        writer.write(MAGIC)?;
        writer.write(&FORMAT.to_le_bytes())?;
        writer.write(&length(&encoded).to_le_bytes())?;
        writer.write(&encoded)?;
        Ok(writer)
    }

    /// Adds a key, which must be greater than the one before.
    ///
    /// # Errors
    /// The file system failed.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), SnapshotError> {
        self.records_count += 1;
        self.write(&length(key).to_le_bytes())?;
        self.write(&length(value).to_le_bytes())?;
        self.write(key)?;
        self.write(value)
    }

    /// Completes the file: when this returns it is durable under its name.
    ///
    /// # Errors
    /// The file system failed; there is no new snapshot then.
    pub(super) fn finish(mut self) -> Result<SnapshotFile, SnapshotError> {
        self.write(&END.to_le_bytes())?;
        let count = self.records_count;
        self.write(&count.to_le_bytes())?;
        let checksum: [u8; 32] = self.hash.clone().finalize().into();
        self.write(&checksum)?;
        let Self { header, target, temporary, out, bytes, .. } = self;
        let file = out
            .into_inner()
            .map_err(|error| SnapshotError::io("writing", &temporary)(error.into_error()))?;
        file.sync_all().map_err(SnapshotError::io("syncing", &temporary))?;
        publish(&temporary, &target)?;
        Ok(SnapshotFile { header, path: target, bytes, file: Arc::new(file) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(SnapshotError::io("writing", &self.temporary))
    }
}

/// Gives a complete, synced file its name and makes the name durable.
pub(super) fn publish(temporary: &Path, target: &Path) -> Result<(), SnapshotError> {
    fs::rename(temporary, target).map_err(SnapshotError::io("naming", target))?;
    let folder = target.parent().expect("a snapshot's path has a folder: it was joined to one");
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(SnapshotError::io("syncing the folder of", target))
}

fn length(bytes: &[u8]) -> u32 {
    // Keys, values and headers have limits far below 4 GiB.
    u32::try_from(bytes.len()).expect("lengths are checked before they come here")
}
