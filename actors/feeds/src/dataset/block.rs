//! Blocks: records one after the other, packed with zstd.
//!
//! Unpacked: number of records, end of each record (both `u32`), then the records.

use super::format::{check, u32_at, u64_at};
use super::open::DatasetError;
use crate::limits;
use kedge_artifact::advisory::Advisory;

/// zstd level: 9 packs a tenth better than 3 and unpacks as fast.
const LEVEL: i32 = 9;

/// Length of an entry of the block table.
pub(super) const ENTRY_BYTES: u64 = 32;

/// Largest number of records in a block: record numbers have 16 bits in the indexes.
const RECORDS: usize = 60_000;

/// An entry of the block table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub(super) offset: u64,
    pub(super) packed: u32,
    pub(super) unpacked: u32,
    pub(super) records: u32,
    pub(super) check: u64,
}

impl BlockEntry {
    pub(super) fn encode(&self) -> [u8; ENTRY_BYTES as usize] {
        let mut bytes = [0; ENTRY_BYTES as usize];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.packed.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.unpacked.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.records.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.check.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; ENTRY_BYTES as usize]) -> Self {
        Self {
            offset: u64_at(bytes, 0),
            packed: u32_at(bytes, 8),
            unpacked: u32_at(bytes, 12),
            records: u32_at(bytes, 16),
            check: u64_at(bytes, 24),
        }
    }
}

/// A packed block whose place in the file is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) unpacked: u32,
    pub(super) records: u32,
}

/// Gathers records into blocks.
#[derive(Default)]
pub(super) struct BlockWriter {
    ends: Vec<u32>,
    records: Vec<u8>,
    done: Vec<Packed>,
}

impl BlockWriter {
    /// Adds a record; returns the number of its block in this writer, and its number there.
    pub(super) fn push(&mut self, record: &[u8]) -> std::io::Result<(u32, u16)> {
        if self.records.len() + record.len() > limits::BLOCK_BYTES || self.ends.len() >= RECORDS {
            self.close()?;
        }
        let number = |count: usize| u32::try_from(count).map_err(std::io::Error::other);
        let slot = u16::try_from(self.ends.len()).map_err(std::io::Error::other)?;
        self.records.extend_from_slice(record);
        self.ends.push(number(self.records.len())?);
        Ok((number(self.done.len())?, slot))
    }

    /// All blocks.
    pub(super) fn finish(mut self) -> std::io::Result<Vec<Packed>> {
        self.close()?;
        Ok(self.done)
    }

    fn close(&mut self) -> std::io::Result<()> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let number = |count: usize| u32::try_from(count).map_err(std::io::Error::other);
        let records = number(self.ends.len())?;
        let mut raw = records.to_le_bytes().to_vec();
        raw.extend(self.ends.iter().flat_map(|end| end.to_le_bytes()));
        raw.append(&mut self.records);
        self.ends.clear();
        let bytes = zstd::bulk::compress(&raw, LEVEL)?;
        self.done.push(Packed { bytes, unpacked: number(raw.len())?, records });
        Ok(())
    }
}

/// An unpacked block.
#[derive(Debug)]
pub(super) struct Block {
    raw: Vec<u8>,
    records: usize,
}

impl Block {
    /// Unpacks and checks a block.
    pub(super) fn unpack(entry: &BlockEntry, packed: &[u8]) -> Result<Self, DatasetError> {
        if check(packed) != entry.check {
            return Err(DatasetError::Damaged("a block does not have its check value".into()));
        }
        let size = entry.unpacked as usize;
        if size > limits::BLOCK_BYTES_MAX {
            return Err(DatasetError::Damaged("a block is over the limit BLOCK_BYTES_MAX".into()));
        }
        let raw = zstd::bulk::decompress(packed, size)
            .map_err(|error| DatasetError::Damaged(format!("a block does not unpack: {error}")))?;
        let records = entry.records as usize;
        let table = records.checked_mul(4).and_then(|bytes| bytes.checked_add(4));
        let fits = table.is_some_and(|bytes| bytes <= raw.len());
        if raw.len() != size || !fits || u32_at(&raw, 0) != entry.records {
            return Err(DatasetError::Damaged("a block is not as its entry says".into()));
        }
        Ok(Self { raw, records })
    }

    /// Number of records.
    pub(super) fn len(&self) -> usize {
        self.records
    }

    /// The bytes of one record.
    fn record(&self, slot: usize) -> Result<&[u8], DatasetError> {
        let start = match slot {
            0 => 0,
            _ if slot < self.records => u32_at(&self.raw, slot * 4) as usize,
            _ => return Err(DatasetError::Damaged("a record number is too high".into())),
        };
        if self.records == 0 {
            return Err(DatasetError::Damaged("a record number is too high".into()));
        }
        let end = u32_at(&self.raw, 4 + slot * 4) as usize;
        let base = 4 + self.records * 4;
        let data = &self.raw[base..];
        data.get(start..end).ok_or_else(|| DatasetError::Damaged("a record has no place".into()))
    }

    /// One record.
    pub(super) fn advisory(&self, slot: usize) -> Result<Advisory, DatasetError> {
        let config =
            bincode::config::standard().with_limit::<{ limits::ENCODED_RECORD_BYTES * 4 }>();
        let (advisory, _) = bincode::serde::decode_from_slice(self.record(slot)?, config)
            .map_err(|error| DatasetError::Damaged(format!("a record cannot be read: {error}")))?;
        Ok(advisory)
    }
}
