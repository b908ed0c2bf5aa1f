//! Reads one snapshot file, trusting nothing in it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kedge_storage::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use sha2::{Digest, Sha256};

use super::{CHECKSUM_BYTES, END, FORMAT, MAGIC, SnapshotError, SnapshotFile};
use crate::consensus::encoding;
use crate::consensus::record::SnapshotHeader;
use crate::limits::SNAPSHOT_HEADER_BYTES_MAX;

/// A key and its value.
pub(crate) type Record = (Vec<u8>, Vec<u8>);

/// Reads the records of a file in order. What it handed out may be trusted only once it has
/// answered `None`: the checksum is at the end.
pub(crate) struct SnapshotReader {
    path: PathBuf,
    header: SnapshotHeader,
    input: BufReader<At>,
    hash: Sha256,
    records_count: u64,
    last_key: Vec<u8>,
    ended: bool,
}

/// Reads a shared file without moving its cursor, so that several readers do not disturb each
/// other.
pub(super) struct At {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl SnapshotReader {
    /// Begins to read a snapshot that is known.
    ///
    /// # Errors
    /// The header is damaged or the file cannot be read.
    pub(crate) fn open(snapshot: &SnapshotFile) -> Result<Self, SnapshotError> {
        Self::begin(&snapshot.path, Arc::clone(&snapshot.file))
    }

    pub(super) fn begin(path: &Path, file: Arc<File>) -> Result<Self, SnapshotError> {
        let input = BufReader::with_capacity(256 * 1024, At { file, offset: 0 });
        let mut reader = Self {
            path: path.to_owned(),
            header: SnapshotHeader::default(),
            input,
            hash: Sha256::new(),
            records_count: 0,
            last_key: Vec::new(),
            ended: false,
        };
        reader.header = reader.read_header()?;
        Ok(reader)
    }

    /// What the file says it holds.
    pub(crate) fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The next record; `None` once all were read and the checksum was right.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub(crate) fn next_record(&mut self) -> Result<Option<Record>, SnapshotError> {
        if self.ended {
            return Ok(None);
        }
        let key_bytes = self.read_u32()?;
        if key_bytes == END {
            self.read_end()?;
            self.ended = true;
            return Ok(None);
        }
        let key_bytes = key_bytes as usize;
        let value_bytes = self.read_u32()? as usize;
        if key_bytes == 0 || key_bytes > KEY_BYTES_MAX {
            return Err(self.corrupt("key length is out of bounds"));
        }
        if value_bytes > VALUE_BYTES_MAX {
            return Err(self.corrupt("value length is out of bounds"));
        }
        let mut key = vec![0; key_bytes];
        self.read(&mut key)?;
        if key <= self.last_key {
            return Err(self.corrupt("keys are not ascending"));
        }
        let mut value = vec![0; value_bytes];
        self.read(&mut value)?;
        self.last_key.clone_from(&key);
        self.records_count += 1;
        Ok(Some((key, value)))
    }

    /// Reads all that is left and throws it away: proves the file whole.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub(super) fn verify(mut self) -> Result<SnapshotHeader, SnapshotError> {
        while self.next_record()?.is_some() {}
        Ok(self.header)
    }

    fn read_header(&mut self) -> Result<SnapshotHeader, SnapshotError> {
        let mut magic = [0; MAGIC.len()];
        self.read(&mut magic)?;
        if &magic != MAGIC {
            return Err(self.corrupt("it does not begin like a snapshot"));
        }
        let found = self.read_u32()?;
        if found > FORMAT {
            return Err(SnapshotError::NewerFormat {
                path: self.path.clone(),
                found,
                known: FORMAT,
            });
        }
        if found == 0 {
            return Err(self.corrupt("format is zero"));
        }
        let header_bytes = self.read_u32()? as usize;
        if header_bytes > SNAPSHOT_HEADER_BYTES_MAX {
            return Err(self.corrupt("header length is over SNAPSHOT_HEADER_BYTES_MAX"));
        }
        let mut encoded = vec![0; header_bytes];
        self.read(&mut encoded)?;
        encoding::decode_header(&encoded).map_err(|_| self.corrupt("header cannot be decoded"))
    }

    fn read_end(&mut self) -> Result<(), SnapshotError> {
        let mut count = [0; 8];
        self.read(&mut count)?;
        if u64::from_le_bytes(count) != self.records_count {
            return Err(self.corrupt("number of records is wrong"));
        }
        let expected: [u8; CHECKSUM_BYTES] = self.hash.clone().finalize().into();
        let mut found = [0; CHECKSUM_BYTES];
        self.read(&mut found)?;
        if found != expected {
            return Err(self.corrupt("checksum is wrong"));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.corrupt("bytes after the end")),
            Err(source) => Err(SnapshotError::io("reading", &self.path)(source)),
        }
    }

    fn read_u32(&mut self) -> Result<u32, SnapshotError> {
        let mut bytes = [0; 4];
        self.read(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.hash.update(&*buffer);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.corrupt("it ends too early"))
            }
            Err(source) => Err(SnapshotError::io("reading", &self.path)(source)),
        }
    }

    fn corrupt(&self, reason: &'static str) -> SnapshotError {
        SnapshotError::Corrupt { path: self.path.clone(), reason }
    }
}
