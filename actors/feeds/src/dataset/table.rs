//! Sorted tables of fixed-width entries that begin with a 64-bit key, read by binary search.

use super::ReadAt;
use super::format::{Span, u64_at};
use super::open::DatasetError;
use crate::limits;

/// Entries between two sampled keys: one read of 4 to 6 KiB per lookup.
const STRIDE: u64 = 256;

/// Most entries read at once.
const CHUNK: u64 = 4096;

/// A table of the file with every 256th key in memory.
#[derive(Debug)]
pub(super) struct Table {
    span: Span,
    width: u64,
    sample: Vec<u64>,
}

impl Table {
    /// Opens a table of entries of `width` bytes.
    pub(super) fn open(reader: &dyn ReadAt, span: Span, width: u64) -> Result<Self, DatasetError> {
        if !span.length.is_multiple_of(width) {
            return Err(DatasetError::Damaged("an index has a broken length".into()));
        }
        // The span lies inside the file, so the sample is 1/512 of the file at most.
        let count = span.length / width;
        let mut sample = Vec::new();
        let mut number = 0;
        while number < count {
            let mut bytes = [0; 8];
            reader.read_at(span.offset + number * width, &mut bytes)?;
            sample.push(u64_at(&bytes, 0));
            number += STRIDE;
        }
        Ok(Self { span, width, sample })
    }

    /// Entries.
    pub(super) fn len(&self) -> u64 {
        self.span.length / self.width
    }

    /// Calls `visit` with every entry of `key`, in file order.
    pub(super) fn each(
        &self,
        reader: &dyn ReadAt,
        key: u64,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), DatasetError> {
        // The stretch before the first sampled key that is not below `key` may hold the first one.
        let stretch = self.sample.partition_point(|sampled| *sampled < key).saturating_sub(1);
        let mut number = stretch as u64 * STRIDE;
        let mut found = 0;
        let mut size = STRIDE;
        while number < self.len() {
            let bytes = self.entries(reader, number, size)?;
            for entry in bytes.chunks_exact(self.width as usize) {
                let this = u64_at(entry, 0);
                if this > key {
                    return Ok(());
                }
                if this == key {
                    found += 1;
                    visit(entry);
                }
            }
            if found > limits::LOOKUP_ROWS {
                return Err(DatasetError::Damaged("a lookup is over the limit LOOKUP_ROWS".into()));
            }
            number += size;
            size = CHUNK;
        }
        Ok(())
    }

    /// Calls `visit` with every entry.
    pub(super) fn all(
        &self,
        reader: &dyn ReadAt,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), DatasetError> {
        let mut number = 0;
        while number < self.len() {
            let bytes = self.entries(reader, number, CHUNK)?;
            bytes.chunks_exact(self.width as usize).for_each(&mut *visit);
            number += CHUNK;
        }
        Ok(())
    }

    fn entries(
        &self,
        reader: &dyn ReadAt,
        number: u64,
        count: u64,
    ) -> Result<Vec<u8>, DatasetError> {
        let count = count.min(self.len() - number);
        let mut bytes = vec![0; (count * self.width) as usize];
        reader.read_at(self.span.offset + number * self.width, &mut bytes)?;
        Ok(bytes)
    }
}

/// Entry of the package index: key, block, record, row.
pub(super) type PackageEntry = (u64, u32, u16, u16);

/// Entry of the id index: key, block, record, [`IdKind`] as a number.
pub(super) type IdEntry = (u64, u32, u16, u16);

/// Length of an entry of either index.
pub(super) const INDEX_BYTES: u64 = 16;

/// Length of an EPSS entry: CVE number, score and percentile as bits.
pub(super) const EPSS_BYTES: u64 = 24;

/// What an id is to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdKind {
    /// Its own.
    Own,
    /// Another name.
    Alias,
    /// What it fixes or groups.
    Upstream,
}

impl IdKind {
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Own => 0,
            Self::Alias => 1,
            Self::Upstream => 2,
        }
    }
}

/// The bytes of an index entry.
pub(super) fn encode_index(entry: &PackageEntry) -> [u8; INDEX_BYTES as usize] {
    let mut bytes = [0; INDEX_BYTES as usize];
    bytes[..8].copy_from_slice(&entry.0.to_le_bytes());
    bytes[8..12].copy_from_slice(&entry.1.to_le_bytes());
    bytes[12..14].copy_from_slice(&entry.2.to_le_bytes());
    bytes[14..16].copy_from_slice(&entry.3.to_le_bytes());
    bytes
}
