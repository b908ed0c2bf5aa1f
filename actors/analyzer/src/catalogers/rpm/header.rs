//! The rpm header blob as the package database stores it: `il`, `dl` (big-endian counts), `il`
//! index entries of 16 bytes (tag, type, offset, count), then `dl` bytes of data.
//!
//! Source: rpm, docs/manual/format_header.md and tags.md. Region tags are not interpreted: their
//! entries are ordinary entries of the index, and a tag that comes again (a "dribble" entry)
//! replaces the earlier one, as rpm does when it loads a header.

use super::limits::{HEADER_DATA_BYTES_MAX, HEADER_ENTRIES_MAX};
use crate::catalogers::octets::{Order, u32_at, u64_at};

const ENTRY_BYTES: usize = 16;

/// Tags that are read (rpm, include/rpm/rpmtag.h).
pub(super) mod tag {
    pub(crate) const NAME: u32 = 1000;
    pub(crate) const VERSION: u32 = 1001;
    pub(crate) const RELEASE: u32 = 1002;
    pub(crate) const EPOCH: u32 = 1003;
    pub(crate) const SIZE: u32 = 1009;
    pub(crate) const VENDOR: u32 = 1011;
    pub(crate) const LICENSE: u32 = 1014;
    pub(crate) const ARCH: u32 = 1022;
    pub(crate) const OLDFILENAMES: u32 = 1027;
    pub(crate) const SOURCERPM: u32 = 1044;
    pub(crate) const DIRINDEXES: u32 = 1116;
    pub(crate) const BASENAMES: u32 = 1117;
    pub(crate) const DIRNAMES: u32 = 1118;
    pub(crate) const LONGSIZE: u32 = 5009;
    pub(crate) const MODULARITYLABEL: u32 = 5096;

    /// All of them, in the order of their slots in [`super::Header`].
    pub(super) const ALL: [u32; 15] = [
        NAME,
        VERSION,
        RELEASE,
        EPOCH,
        SIZE,
        VENDOR,
        LICENSE,
        ARCH,
        OLDFILENAMES,
        SOURCERPM,
        DIRINDEXES,
        BASENAMES,
        DIRNAMES,
        LONGSIZE,
        MODULARITYLABEL,
    ];
}

const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// Why a header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    /// Not even the two counts, or fewer bytes than they promise.
    #[error("rpm header is cut: {needed} bytes promised, {present} there")]
    Cut { needed: u64, present: u64 },
    /// A count is over its limit.
    #[error("rpm header has {count} {what}, over {limit}")]
    TooMany { what: &'static str, count: u32, limit: &'static str },
    /// The data of a tag is not inside the data area, or misaligned.
    #[error("rpm header tag {tag}: offset {offset} with {count} values is outside the data")]
    Outside { tag: u32, offset: u32, count: u32 },
    /// A tag has a type that it cannot have.
    #[error("rpm header tag {tag} has type {kind}")]
    Type { tag: u32, kind: u32 },
    /// A tag without which there is no package.
    #[error("rpm header has no usable {0}")]
    Missing(&'static str),
    /// The file list contradicts itself.
    #[error("rpm header of {package}: {reason}")]
    Files { package: String, reason: &'static str },
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u32,
    offset: u32,
    count: u32,
}

/// A checked header; values are read out of the blob on demand.
#[derive(Debug)]
pub(super) struct Header<'a> {
    entries: [Option<Entry>; tag::ALL.len()],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// Checks the counts and the index.
    ///
    /// # Errors
    /// When the blob is cut, a count is over its limit, or a tag that is read points outside.
    pub(super) fn parse(blob: &'a [u8]) -> Result<Self, HeaderError> {
        let cut = |needed: u64| HeaderError::Cut { needed, present: blob.len() as u64 };
        let count = u32_at(blob, 0, Order::Big).ok_or_else(|| cut(8))?;
        let data_bytes = u32_at(blob, 4, Order::Big).ok_or_else(|| cut(8))?;
        if count > HEADER_ENTRIES_MAX {
            let limit = "HEADER_ENTRIES_MAX";
            return Err(HeaderError::TooMany { what: "index entries", count, limit });
        }
        if data_bytes > HEADER_DATA_BYTES_MAX {
            let limit = "HEADER_DATA_BYTES_MAX";
            return Err(HeaderError::TooMany { what: "data bytes", count: data_bytes, limit });
        }
        let data_start = 8 + count as usize * ENTRY_BYTES;
        let data_end = data_start + data_bytes as usize;
        let data = blob.get(data_start..data_end).ok_or_else(|| cut(data_end as u64))?;
        let mut header = Self { entries: [None; tag::ALL.len()], data };
        for raw in blob[8..data_start].chunks_exact(ENTRY_BYTES) {
            let word = |index: usize| u32_at(raw, index * 4, Order::Big).unwrap_or(0);
            let Some(slot) = slot(word(0)) else { continue };
            let entry = Entry { kind: word(1), offset: word(2), count: word(3) };
            header.check(word(0), entry)?;
            header.entries[slot] = Some(entry);
        }
        Ok(header)
    }

    fn check(&self, tag: u32, entry: Entry) -> Result<(), HeaderError> {
        let Entry { kind, offset, count } = entry;
        let (width, align) = match kind {
            INT32 => (4u64, 4u32),
            INT64 => (8, 8),
            // A string needs at least its terminator.
            STRING | STRING_ARRAY | I18N_STRING => (1, 1),
            _ => return Err(HeaderError::Type { tag, kind }),
        };
        let end = u64::from(offset) + width * u64::from(count);
        if count == 0 || offset % align != 0 || end > self.data.len() as u64 {
            return Err(HeaderError::Outside { tag, offset, count });
        }
        Ok(())
    }

    fn entry(&self, tag: u32) -> Option<Entry> {
        self.entries[slot(tag)?]
    }

    /// The first string of a string tag.
    pub(super) fn text(&self, tag: u32) -> Option<String> {
        let entry = self.entry(tag)?;
        let is_text = matches!(entry.kind, STRING | STRING_ARRAY | I18N_STRING);
        let raw = self.strings(tag).next().filter(|_| is_text)?;
        Some(String::from_utf8_lossy(raw).into_owned())
    }

    /// All strings of a string array, without copying. Stops early when the data ends early, so
    /// callers compare the number with what they expect.
    pub(super) fn strings(&self, tag: u32) -> Strings<'a> {
        let entry =
            self.entry(tag).filter(|e| matches!(e.kind, STRING | STRING_ARRAY | I18N_STRING));
        match entry {
            // The offset was checked when the header was parsed.
            Some(entry) => {
                Strings { rest: &self.data[entry.offset as usize..], left: entry.count as usize }
            }
            None => Strings { rest: &[], left: 0 },
        }
    }

    /// How many values the index promises for a tag.
    pub(super) fn count(&self, tag: u32) -> usize {
        self.entry(tag).map_or(0, |entry| entry.count as usize)
    }

    /// One value of an INT32 tag.
    pub(super) fn u32(&self, tag: u32, index: usize) -> Option<u32> {
        let entry = self.entry(tag).filter(|e| e.kind == INT32 && index < e.count as usize)?;
        u32_at(self.data, entry.offset as usize + index * 4, Order::Big)
    }

    /// The first value of an INT64 tag.
    pub(super) fn u64(&self, tag: u32) -> Option<u64> {
        let entry = self.entry(tag).filter(|e| e.kind == INT64)?;
        u64_at(self.data, entry.offset as usize, Order::Big)
    }
}

fn slot(tag: u32) -> Option<usize> {
    tag::ALL.iter().position(|known| *known == tag)
}

/// NUL-terminated strings one after another.
#[derive(Debug)]
pub(super) struct Strings<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let end = memchr::memchr(0, self.rest)?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(text)
    }
}
