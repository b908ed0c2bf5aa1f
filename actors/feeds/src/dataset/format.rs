//! Fixed pieces of the dataset file.

use sha2::{Digest, Sha256};

/// Version of the file format. A reader accepts only its own: datasets are rebuilt, not migrated.
pub const FORMAT_VERSION: u32 = 1;

/// First bytes of the file.
const MAGIC: [u8; 8] = *b"KEDGEDB\0";

/// Last bytes before the digests.
const END: [u8; 8] = *b"KEDGEEND";

/// Length of the header: magic, version, four zero bytes.
pub(super) const HEADER_BYTES: u64 = 16;

/// Sections, in file order.
pub(super) const SECTIONS: usize = 6;

/// Length of the directory: offset and length of each section, digest of them all.
pub(super) const DIRECTORY_BYTES: u64 = (SECTIONS as u64) * 16 + 32;

/// Length of the tail.
pub(super) const TAIL_BYTES: u64 = 8 + 8 + 8 + 32 + 32 + 32;

/// The sections of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Where blocks are.
    Blocks,
    /// Package to rows.
    Packages,
    /// Id to records.
    Ids,
    /// Exploit prediction by CVE.
    Epss,
    /// Known exploited.
    Kev,
    /// What the parts are.
    Parts,
}

impl Section {
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Blocks => 0,
            Self::Packages => 1,
            Self::Ids => 2,
            Self::Epss => 3,
            Self::Kev => 4,
            Self::Parts => 5,
        }
    }
}

/// A piece of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Span {
    /// The offset just after it, when that is a number.
    pub(super) fn end(self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }
}

/// SHA-256 shortened to the 64 bits that the indexes use.
pub(super) fn key(pieces: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update(piece);
    }
    u64_at(&hasher.finalize(), 0)
}

/// The check value of a packed block.
pub(super) fn check(bytes: &[u8]) -> u64 {
    key(&[bytes])
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(number)
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(number)
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

/// The header's bytes.
pub(super) fn header() -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes
}

/// The format version of a header; `None` when it is not a header at all.
pub(super) fn version_of(header: &[u8; HEADER_BYTES as usize]) -> Option<u32> {
    (header[..8] == MAGIC).then(|| u32_at(header, 8))
}

/// The directory of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) spans: [Span; SECTIONS],
    pub(super) digest: [u8; 32],
}

impl Directory {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(DIRECTORY_BYTES as usize);
        for span in self.spans {
            bytes.extend(span.offset.to_le_bytes());
            bytes.extend(span.length.to_le_bytes());
        }
        bytes.extend(self.digest);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; DIRECTORY_BYTES as usize]) -> Self {
        let span = |index: usize| Span {
            offset: u64_at(bytes, index * 16),
            length: u64_at(bytes, index * 16 + 8),
        };
        let mut digest = [0; 32];
        digest.copy_from_slice(&bytes[SECTIONS * 16..]);
        Self { spans: std::array::from_fn(span), digest }
    }

    pub(super) fn span(&self, section: Section) -> Span {
        self.spans[section.index()]
    }
}

/// The tail without the digest of the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) content_length: u64,
    pub(super) manifest_length: u64,
    pub(super) generation: [u8; 32],
    pub(super) manifest_digest: [u8; 32],
}

impl Tail {
    /// The bytes before the digest of the whole file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TAIL_BYTES as usize);
        bytes.extend(self.content_length.to_le_bytes());
        bytes.extend(self.manifest_length.to_le_bytes());
        bytes.extend(self.generation);
        bytes.extend(self.manifest_digest);
        bytes.extend(END);
        bytes
    }

    /// `None` when the bytes are not a tail.
    pub(super) fn decode(bytes: &[u8; TAIL_BYTES as usize]) -> Option<Self> {
        if bytes[80..88] != END {
            return None;
        }
        let digest = |offset: usize| {
            let mut digest = [0; 32];
            digest.copy_from_slice(&bytes[offset..offset + 32]);
            digest
        };
        Some(Self {
            content_length: u64_at(bytes, 0),
            manifest_length: u64_at(bytes, 8),
            generation: digest(16),
            manifest_digest: digest(48),
        })
    }
}
