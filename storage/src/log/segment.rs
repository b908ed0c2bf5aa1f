//! Format 1 of a log segment. All integers are little-endian.
//!
//! Header, 32 bytes: magic `KEDGELOG`, format `u32`, group `u32`, sequence `u64`, reserved `u32`
//! (zero), CRC-32 of the 28 bytes before it. Magic and format keep their place in every later
//! format.
//!
//! Record, 25 bytes and the payload: payload length `u32`, CRC-32 `u32`, kind `u8`, group `u32`,
//! back `u32`, index `u64`, payload. The CRC covers the segment's sequence and the record's offset
//! (neither is stored), the length, and everything after the CRC; so a record is valid in its own
//! place only, and bytes of a payload that look like a record are none.
//!
//! `back` is the distance to the first record of the same batch, the unit that is written and
//! synced at once. Recovery needs it to tell a torn batch from damage to synced bytes.

use crate::limits::{LOG_ENTRY_BYTES_MAX, LOG_META_BYTES_MAX};

/// The format this version writes.
pub(super) const FORMAT: u32 = 1;
/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: u64 = 32;
/// Bytes of a record before its payload.
pub(super) const RECORD_HEADER_BYTES: usize = 25;

const MAGIC: &[u8; 8] = b"KEDGELOG";

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The entry at `index`.
    Entry,
    /// The vote, in the payload.
    Vote,
    /// Entries after `index` are gone.
    TruncateAfter,
    /// All entries are gone.
    TruncateAll,
    /// Entries up to `index` are gone; the payload is the identifier of the last one.
    Purge,
    /// The log was closed in order. Because it starts a batch of its own, damage before it is
    /// known to be damage and not a torn write.
    Closed,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Entry => 1,
            Self::Vote => 2,
            Self::TruncateAfter => 3,
            Self::TruncateAll => 4,
            Self::Purge => 5,
            Self::Closed => 6,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Entry,
            2 => Self::Vote,
            3 => Self::TruncateAfter,
            4 => Self::TruncateAll,
            5 => Self::Purge,
            6 => Self::Closed,
            _ => return None,
        })
    }

    fn payload_bytes_max(self) -> usize {
        match self {
            Self::Entry => LOG_ENTRY_BYTES_MAX,
            Self::Vote | Self::Purge => LOG_META_BYTES_MAX,
            Self::TruncateAfter | Self::TruncateAll | Self::Closed => 0,
        }
    }
}

/// Identity of a segment, needed to write and to check its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentId {
    pub(super) sequence: u64,
    pub(super) group: u32,
}

/// What a segment's header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Belongs to this group and sequence.
    Good,
    /// Too short or damaged.
    Damaged,
    /// Written by a newer version.
    Newer(u32),
    /// Intact, but another group's.
    OtherGroup(u32),
    /// Intact, but renamed from another sequence.
    OtherSequence,
}

impl SegmentId {
    pub(super) fn encode_header(self) -> Vec<u8> {
        let mut header = Vec::with_capacity(32);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&self.group.to_le_bytes());
        header.extend_from_slice(&self.sequence.to_le_bytes());
        header.extend_from_slice(&0_u32.to_le_bytes());
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        header
    }

    pub(super) fn check_header(self, bytes: &[u8]) -> Header {
        let Some(header) = bytes.first_chunk::<32>() else { return Header::Damaged };
        if &header[..8] != MAGIC {
            return Header::Damaged;
        }
        let format = u32_at(header, 8);
        if format > FORMAT {
            return Header::Newer(format);
        }
        if crc32fast::hash(&header[..28]) != u32_at(header, 28) || format == 0 {
            return Header::Damaged;
        }
        let group = u32_at(header, 12);
        if group != self.group {
            return Header::OtherGroup(group);
        }
        if u64_at(header, 16) == self.sequence { Header::Good } else { Header::OtherSequence }
    }
}

/// A record read in place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) index: u64,
    /// Offset of the first record of its batch.
    pub(super) batch_offset: u64,
    pub(super) payload: &'a [u8],
}

impl Record<'_> {
    pub(super) fn bytes(&self) -> u64 {
        (RECORD_HEADER_BYTES + self.payload.len()) as u64
    }
}

/// Builds the bytes of one batch.
pub(super) struct BatchBuilder {
    id: SegmentId,
    start: u64,
    bytes: Vec<u8>,
}

impl BatchBuilder {
    /// A batch that will be written at `start`.
    pub(super) fn new(id: SegmentId, start: u64) -> Self {
        Self { id, start, bytes: Vec::new() }
    }

    /// Adds a record and returns its offset in the segment.
    pub(super) fn push(&mut self, kind: Kind, index: u64, payload: &[u8]) -> u64 {
        let back = self.bytes.len();
        let offset = self.start + back as u64;
        let length = u32::try_from(payload.len()).expect("payloads are checked at submission");
        let back = u32::try_from(back).expect("batches are cut far below 4 GiB");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        let crc_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.push(kind.byte());
        self.bytes.extend_from_slice(&self.id.group.to_le_bytes());
        self.bytes.extend_from_slice(&back.to_le_bytes());
        self.bytes.extend_from_slice(&index.to_le_bytes());
        self.bytes.extend_from_slice(payload);
        let crc = record_crc(self.id, offset, length, &self.bytes[crc_at + 4..]);
        self.bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        offset
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads the record that starts at `offset`; `bytes` begins there. `None` when there is no valid
/// record of this segment in this place.
pub(super) fn read_record(id: SegmentId, offset: u64, bytes: &[u8]) -> Option<Record<'_>> {
    let header = bytes.first_chunk::<RECORD_HEADER_BYTES>()?;
    let kind = Kind::from_byte(header[8])?;
    let length = u32_at(header, 0);
    let payload_bytes = usize::try_from(length).ok()?;
    if u32_at(header, 9) != id.group || payload_bytes > kind.payload_bytes_max() {
        return None;
    }
    let batch_offset = offset.checked_sub(u64::from(u32_at(header, 13)))?;
    let end = RECORD_HEADER_BYTES + payload_bytes;
    let covered = bytes.get(8..end)?;
    if record_crc(id, offset, length, covered) != u32_at(header, 4) {
        return None;
    }
    let payload = &bytes[RECORD_HEADER_BYTES..end];
    Some(Record { kind, index: u64_at(header, 17), batch_offset, payload })
}

fn record_crc(id: SegmentId, offset: u64, length: u32, covered: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.sequence.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(&length.to_le_bytes());
    crc.update(covered);
    crc.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SegmentId = SegmentId { sequence: 3, group: 7 };

    #[test]
    fn golden_bytes_of_format_1() {
        let header = hex::encode(ID.encode_header());
        assert_eq!(&header[..56], "4b454447454c4f470100000007000000030000000000000000000000");
        let mut batch = BatchBuilder::new(ID, HEADER_BYTES);
        batch.push(Kind::Vote, 0, b"v");
        assert_eq!(batch.push(Kind::Entry, 5, b"abc"), 58);
        let text = hex::encode(batch.bytes());
        assert_eq!(&text[..8], "01000000");
        assert_eq!(&text[16..52], "020700000000000000000000000000000076");
        assert_eq!(&text[68..], "01070000001a0000000500000000000000616263");
    }

    #[test]
    fn record_is_valid_in_its_own_place_only() {
        let mut batch = BatchBuilder::new(ID, 100);
        batch.push(Kind::Closed, 0, b"");
        let offset = batch.push(Kind::Entry, 9, b"payload");
        let bytes = &batch.bytes()[25..];
        let record = read_record(ID, offset, bytes).unwrap();
        assert_eq!((record.kind, record.index, record.payload), (Kind::Entry, 9, &b"payload"[..]));
        assert_eq!((record.batch_offset, record.bytes()), (100, 32));
        assert_eq!(read_record(ID, offset + 1, bytes), None);
        assert_eq!(read_record(SegmentId { sequence: 4, ..ID }, offset, bytes), None);
        assert_eq!(read_record(SegmentId { group: 8, ..ID }, offset, bytes), None);
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x10;
            assert_eq!(read_record(ID, offset, &damaged), None, "flip at {at}");
            assert_eq!(read_record(ID, offset, &bytes[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn header_says_whose_it_is() {
        let header = ID.encode_header();
        assert_eq!(ID.check_header(&header), Header::Good);
        assert_eq!(SegmentId { group: 8, ..ID }.check_header(&header), Header::OtherGroup(7));
        assert_eq!(SegmentId { sequence: 4, ..ID }.check_header(&header), Header::OtherSequence);
        assert_eq!(ID.check_header(&header[..31]), Header::Damaged);
        let mut newer = header.clone();
        newer[8] = 2;
        assert_eq!(ID.check_header(&newer), Header::Newer(2));
        let mut damaged = header;
        damaged[20] ^= 1;
        assert_eq!(ID.check_header(&damaged), Header::Damaged);
    }
}
