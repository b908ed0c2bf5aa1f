//! Zip archives read from memory through their central directory, and nothing else: no member is
//! found by scanning, no name becomes a path.
//!
//! Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory),
//! 4.3.14 to 4.3.16 (end records, zip64). An own reader, because the archives come from strangers
//! and every disagreement between the two directories has to be told, not resolved silently.

use super::limits::MEMBER_NAME_BYTES_MAX;
use crate::catalogers::octets::{Order, slice, u16_at, u32_at, u64_at};
use flate2::{Decompress, FlushDecompress, Status};
use std::borrow::Cow;

const END_MAGIC: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const COMMENT_BYTES_MAX: usize = 0xffff;
const ZIP64_LOCATOR_BYTES: usize = 20;
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: u64 = 30;
const ZIP64_EXTRA: u16 = 1;

/// Output is taken in steps of this size, so memory follows what really comes out.
const INFLATE_STEP_BYTES: usize = 64 << 10;

/// Why an archive or a member cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ZipError {
    /// No end record: not a zip archive, or cut.
    #[error("it has no end of central directory")]
    NoEnd,
    /// The end record points outside the file.
    #[error("its central directory is not where its end record says")]
    Directory,
    /// An entry of the central directory is damaged.
    #[error("entry {0} of its central directory is damaged")]
    Entry(usize),
    /// The local header is missing or names another member.
    #[error("a local header contradicts the central directory")]
    Mismatch,
    /// The member's bytes are not all there or do not inflate.
    #[error("a member is cut or does not inflate")]
    Data,
    /// Encrypted, or a method other than stored and deflate.
    #[error("a member is encrypted or uses compression method {0}")]
    Method(u16),
    /// More comes out than the caller takes.
    #[error("a member inflates to more than {0} bytes")]
    TooLarge(usize),
}

/// One entry of the central directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    /// Raw name. Never used as a path.
    pub(super) name: &'a [u8],
    method: u16,
    encrypted: bool,
    compressed: u64,
    local: u64,
}

/// An archive in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    directory: &'a [u8],
    /// What every offset lacks: bytes put in front of the archive, such as a start script.
    shift: u64,
    /// How many members the end record promises.
    pub(super) promised: u64,
}

impl<'a> Archive<'a> {
    /// Finds the central directory.
    ///
    /// # Errors
    /// When there is none, or it is not inside the bytes.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ZipError> {
        let end = end_record(bytes).ok_or(ZipError::NoEnd)?;
        let short = |at: usize| u16_at(bytes, end + at, Order::Little).map(u64::from);
        let long = |at: usize| u32_at(bytes, end + at, Order::Little).map(u64::from);
        let fields = (short(10), long(12), long(16));
        let (Some(mut promised), Some(mut length), Some(mut offset)) = fields else {
            return Err(ZipError::NoEnd);
        };
        let mut directory_end = end as u64;
        if (promised == 0xffff || length == 0xffff_ffff || offset == 0xffff_ffff)
            && let Some(record) = zip64_record(bytes, end)
        {
            let field = |at: usize| u64_at(bytes, record + at, Order::Little);
            let fields = (field(32), field(40), field(48));
            let (Some(count), Some(size), Some(start)) = fields else {
                return Err(ZipError::Directory);
            };
            (promised, length, offset, directory_end) = (count, size, start, record as u64);
        }
        // The directory ends where the end record starts; what differs was put in front.
        let start = directory_end.checked_sub(length).ok_or(ZipError::Directory)?;
        let shift = start.checked_sub(offset).ok_or(ZipError::Directory)?;
        let directory = slice(bytes, start, length).ok_or(ZipError::Directory)?;
        Ok(Self { bytes, directory, shift, promised })
    }

    /// The members in the order of the central directory.
    pub(super) fn members(&self) -> Members<'a> {
        Members { rest: self.directory, index: 0 }
    }

    /// The content of a member, at most `bytes_max` bytes of it. With `cut_ok` a longer member is
    /// cut there, otherwise it is an error. Stored members are not copied.
    ///
    /// # Errors
    /// When the local header disagrees, or the data is damaged, encrypted or too long.
    pub(super) fn read(
        &self,
        member: &Member<'a>,
        bytes_max: usize,
        cut_ok: bool,
    ) -> Result<Cow<'a, [u8]>, ZipError> {
        let local = member.local.checked_add(self.shift).ok_or(ZipError::Mismatch)?;
        let header = slice(self.bytes, local, LOCAL_BYTES).ok_or(ZipError::Mismatch)?;
        let short = |at: usize| u64::from(u16_at(header, at, Order::Little).unwrap_or(0));
        let (name_bytes, extra_bytes) = (short(26), short(28));
        let name = slice(self.bytes, local + LOCAL_BYTES, name_bytes);
        if !header.starts_with(b"PK\x03\x04") || name != Some(member.name) {
            return Err(ZipError::Mismatch);
        }
        let start = local + LOCAL_BYTES + name_bytes + extra_bytes;
        let data = slice(self.bytes, start, member.compressed).ok_or(ZipError::Data)?;
        match member.method {
            _ if member.encrypted => Err(ZipError::Method(member.method)),
            0 if data.len() <= bytes_max => Ok(Cow::Borrowed(data)),
            0 if cut_ok => Ok(Cow::Borrowed(&data[..bytes_max])),
            0 => Err(ZipError::TooLarge(bytes_max)),
            8 => inflate(data, bytes_max, cut_ok).map(Cow::Owned),
            method => Err(ZipError::Method(method)),
        }
    }
}

/// Offset of the end record: the last one that its own comment length agrees with, so that bytes
/// inside a comment cannot pose as one; failing that, the last one.
fn end_record(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    let tail = &bytes[from..];
    let mut last = None;
    for at in memchr::memmem::rfind_iter(tail, END_MAGIC) {
        let Some(comment) = u16_at(tail, at + 20, Order::Little) else { continue };
        if at + END_BYTES + usize::from(comment) == tail.len() {
            return Some(from + at);
        }
        last = last.or(Some(from + at));
    }
    last
}

/// Offset of the zip64 end record that the locator in front of the end record names.
fn zip64_record(bytes: &[u8], end: usize) -> Option<usize> {
    let locator = end.checked_sub(ZIP64_LOCATOR_BYTES)?;
    if bytes.get(locator..locator + 4)? != b"PK\x06\x07" {
        return None;
    }
    let record = usize::try_from(u64_at(bytes, locator + 8, Order::Little)?).ok()?;
    let is_record = |at: usize| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x06\x06"));
    // With bytes in front of the archive the offset is short; the record has 56 bytes then.
    [record, locator.checked_sub(56)?].into_iter().find(|at| *at < locator && is_record(*at))
}

/// Iterates over the central directory; ends after the first damaged entry.
pub(super) struct Members<'a> {
    rest: &'a [u8],
    index: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, ZipError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A digital signature record may follow the entries.
        if self.rest.is_empty() || self.rest.starts_with(b"PK\x05\x05") {
            return None;
        }
        let entry = parse_member(self.rest);
        let answer = entry.map(|(member, length)| {
            self.rest = &self.rest[length..];
            member
        });
        if answer.is_none() {
            self.rest = &[];
        }
        self.index += 1;
        Some(answer.ok_or(ZipError::Entry(self.index)))
    }
}

fn parse_member(bytes: &[u8]) -> Option<(Member<'_>, usize)> {
    let header = bytes.get(..CENTRAL_BYTES)?;
    let short = |at: usize| u16_at(header, at, Order::Little).map(usize::from);
    let long = |at: usize| u32_at(header, at, Order::Little).map(u64::from);
    let (name_bytes, extra_bytes, comment_bytes) = (short(28)?, short(30)?, short(32)?);
    let name = bytes.get(CENTRAL_BYTES..CENTRAL_BYTES + name_bytes)?;
    if !header.starts_with(b"PK\x01\x02") || name.len() > MEMBER_NAME_BYTES_MAX {
        return None;
    }
    let extra_start = CENTRAL_BYTES + name_bytes;
    let extra = bytes.get(extra_start..extra_start + extra_bytes)?;
    let (mut compressed, size, mut local) = (long(20)?, long(24)?, long(42)?);
    if [compressed, size, local].contains(&0xffff_ffff) {
        // The extra field has only those numbers that did not fit, in this order.
        let mut wide = zip64_extra(extra).unwrap_or_default().chunks_exact(8);
        let mut take = |value: u64| -> Option<u64> {
            if value == 0xffff_ffff { u64_at(wide.next()?, 0, Order::Little) } else { Some(value) }
        };
        let _size = take(size)?;
        compressed = take(compressed)?;
        local = take(local)?;
    }
    let encrypted = short(8)? & 1 != 0;
    let method = u16_at(header, 10, Order::Little)?;
    let length = extra_start + extra_bytes + comment_bytes;
    (length <= bytes.len())
        .then_some((Member { name, method, encrypted, compressed, local }, length))
}

fn zip64_extra(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let kind = u16_at(extra, 0, Order::Little)?;
        let length = usize::from(u16_at(extra, 2, Order::Little)?);
        let body = extra.get(4..4 + length)?;
        if kind == ZIP64_EXTRA {
            return Some(body);
        }
        extra = &extra[4 + length..];
    }
}

fn inflate(data: &[u8], bytes_max: usize, cut_ok: bool) -> Result<Vec<u8>, ZipError> {
    let mut engine = Decompress::new(false);
    let mut out = Vec::new();
    let mut rest = data;
    loop {
        let left = bytes_max - out.len();
        if left == 0 {
            // Full: either exactly at its end, or too long.
            let mut one = [0u8];
            let more = engine.decompress(rest, &mut one, FlushDecompress::None);
            let ended =
                matches!(more, Ok(Status::StreamEnd)) && engine.total_out() == out.len() as u64;
            return if ended || cut_ok { Ok(out) } else { Err(ZipError::TooLarge(bytes_max)) };
        }
        let step = INFLATE_STEP_BYTES.max(out.len()).min(left);
        out.reserve_exact(step);
        let before = (engine.total_in(), out.len());
        // `decompress_vec` fills the spare capacity, which may be more than was asked for.
        let status = engine.decompress_vec(rest, &mut out, FlushDecompress::None);
        rest = &rest[((engine.total_in() - before.0) as usize).min(rest.len())..];
        match status {
            Ok(Status::StreamEnd) if out.len() <= bytes_max => return Ok(out),
            Ok(Status::StreamEnd) if cut_ok => {
                out.truncate(bytes_max);
                return Ok(out);
            }
            Ok(Status::StreamEnd) => return Err(ZipError::TooLarge(bytes_max)),
            Ok(Status::Ok | Status::BufError) => {
                if engine.total_in() == before.0 && out.len() == before.1 {
                    return Err(ZipError::Data);
                }
                if out.len() > bytes_max {
                    out.truncate(bytes_max);
                    return if cut_ok { Ok(out) } else { Err(ZipError::TooLarge(bytes_max)) };
                }
            }
            Err(_) => return Err(ZipError::Data),
        }
    }
}
