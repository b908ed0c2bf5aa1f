//! The "new" rpm database, one file `Packages.db`: a header of 32 bytes, pages of 16-byte slots,
//! then blobs in 16-byte blocks, each with a head, the rpm header and a tail with an Adler-32.
//! All numbers are little-endian.
//!
//! Source: rpm, lib/backend/ndb/rpmpkg.c (layout of header, slots and blobs).

use super::limits::PACKAGES_MAX;
use crate::catalogers::octets::{FileProblems, Order, slice, u32_at};

/// First bytes of the file.
pub(super) const MAGIC: &[u8; 4] = b"RpmP";

const HEADER_BYTES: usize = 32;
const PAGE_BYTES: u64 = 4096;
const SLOT_BYTES: usize = 16;
const BLOCK_BYTES: u64 = 16;
const BLOB_HEAD_BYTES: u64 = 16;
const BLOB_TAIL_BYTES: u64 = 12;

/// Why the database, or one package of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NdbError {
    /// The file header is not one of a database.
    #[error("ndb header is damaged: {0}")]
    Header(&'static str),
    /// A slot is not one.
    #[error("ndb slot {0} has no slot magic")]
    Slot(usize),
    /// A blob contradicts its slot or its checksum.
    #[error("ndb package {package}: {reason}")]
    Blob { package: u32, reason: &'static str },
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    package: u32,
    block: u32,
    blocks: u32,
}

/// Calls `each` with the header blob of every package, in the order of their numbers.
pub(super) fn read(bytes: &[u8], problems: &mut FileProblems, each: &mut dyn FnMut(&[u8])) {
    let mut damaged = |error: NdbError| problems.error("rpm_ndb_damaged", error.to_string());
    let slots = match slots(bytes, &mut damaged) {
        Ok(slots) => slots,
        Err(error) => return damaged(error),
    };
    for slot in slots {
        match blob(bytes, slot) {
            Ok(blob) => each(blob),
            Err(reason) => damaged(NdbError::Blob { package: slot.package, reason }),
        }
    }
}

/// The used slots that do not overlap, sorted by package number.
fn slots(bytes: &[u8], damaged: &mut dyn FnMut(NdbError)) -> Result<Vec<Slot>, NdbError> {
    let word = |index: usize| u32_at(bytes, index * 4, Order::Little);
    let (Some(version), Some(pages)) = (word(1), word(3)) else {
        return Err(NdbError::Header("it is cut"));
    };
    if !bytes.starts_with(MAGIC) {
        return Err(NdbError::Header("it has no magic"));
    }
    if version != 0 {
        return Err(NdbError::Header("its version is not 0"));
    }
    // The slot pages lie inside the file, so their number needs no other limit.
    let table_bytes = u64::from(pages) * PAGE_BYTES;
    let table = slice(bytes, 0, table_bytes).filter(|_| pages > 0);
    let table = table.ok_or(NdbError::Header("its slot pages are not all there"))?;
    let mut found = Vec::new();
    for (number, raw) in table[HEADER_BYTES..].chunks_exact(SLOT_BYTES).enumerate() {
        let word = |index: usize| u32_at(raw, index * 4, Order::Little).unwrap_or(0);
        if !raw.starts_with(b"Slot") {
            damaged(NdbError::Slot(number + HEADER_BYTES / SLOT_BYTES));
            continue;
        }
        if found.len() == PACKAGES_MAX {
            return Err(NdbError::Header("it has more packages than PACKAGES_MAX"));
        }
        if word(2) != 0 {
            found.push(Slot { package: word(1), block: word(2), blocks: word(3) });
        }
    }
    found.sort_by_key(|slot| slot.block);
    let mut free_from = table_bytes / BLOCK_BYTES;
    found.retain(|slot| {
        let good = u64::from(slot.block) >= free_from;
        if good {
            free_from = u64::from(slot.block) + u64::from(slot.blocks);
        } else {
            let reason = "its blocks overlap those of another package or the slots";
            damaged(NdbError::Blob { package: slot.package, reason });
        }
        good
    });
    found.sort_by_key(|slot| slot.package);
    found.dedup_by(|slot, earlier| {
        let same = slot.package == earlier.package;
        if same {
            let reason = "it has two slots";
            damaged(NdbError::Blob { package: slot.package, reason });
        }
        same
    });
    Ok(found)
}

fn blob(bytes: &[u8], slot: Slot) -> Result<&[u8], &'static str> {
    let start = u64::from(slot.block) * BLOCK_BYTES;
    let length = u64::from(slot.blocks) * BLOCK_BYTES;
    let raw = slice(bytes, start, length).ok_or("its blocks are outside the file")?;
    if length < BLOB_HEAD_BYTES + BLOB_TAIL_BYTES {
        return Err("its blocks are too few");
    }
    let word = |at: usize| u32_at(raw, at, Order::Little).unwrap_or(0);
    if !raw.starts_with(b"BlbS") || word(4) != slot.package {
        return Err("its blob head does not match");
    }
    let payload = u64::from(word(12));
    let needed = (BLOB_HEAD_BYTES + payload + BLOB_TAIL_BYTES).div_ceil(BLOCK_BYTES);
    if needed != u64::from(slot.blocks) {
        return Err("its blob length does not match its blocks");
    }
    let tail = raw.len() - BLOB_TAIL_BYTES as usize;
    if &raw[tail + 8..] != b"BlbE" || u64::from(word(tail + 4)) != payload {
        return Err("its blob tail does not match");
    }
    // The sum covers the head, the payload and its padding.
    if adler32(&raw[..tail]) != word(tail) {
        return Err("its checksum does not match");
    }
    slice(raw, BLOB_HEAD_BYTES, payload).ok_or("its blob length does not match its blocks")
}

/// Adler-32 (RFC 1950, section 8.2).
pub(super) fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // The most bytes after which `high` still fits 32 bits.
    const RUN_BYTES: usize = 5552;
    let (mut low, mut high) = (1u32, 0u32);
    for run in bytes.chunks(RUN_BYTES) {
        for byte in run {
            low += u32::from(*byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}
