//! A streaming tar reader that is pushed chunks of any size and copies only the bodies that the
//! collector asks for.
//!
//! Formats: POSIX.1-2017 `pax` ("ustar Interchange Format", "pax Header Block"), the GNU tar
//! manual ("Basic Tar Format": long names, sparse files, base-256 numbers). Where runtimes differ
//! from the text, the runtimes win, because they decide what is in the container: a global pax
//! header changes nothing (containerd and Docker drop it), links and devices have no body
//! whatever their size field says, one missing end marker is no error.

use crate::image::collect::{Collector, NewEntry};
use crate::image::layer::LayerError;
use crate::limits::{TAR_META_BYTES_MAX, TAR_META_CHAIN_MAX};
use kedge_artifact::image::FileKind;

const BLOCK: usize = 512;

/// The reader's place in the archive.
#[derive(Debug)]
enum State {
    /// Collecting the 512 bytes of a header.
    Header,
    /// Inside the body of an entry.
    Body { left: u64, padding: u64, take: bool },
    /// Inside the body of an extension header.
    Meta { left: u64, padding: u64, kind: Meta, data: Vec<u8> },
    /// Inside the extension blocks of an old GNU sparse header; then a body of `body` bytes.
    SparseMap { body: u64 },
    /// After the end marker: the rest is padding.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meta {
    Pax,
    LongName,
    LongLink,
    Ignored,
}

/// What extension headers said about the entry to come.
#[derive(Debug, Default)]
struct Pending {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    sparse_size: Option<u64>,
    sparse: bool,
    chain: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct TarReader {
    state: State,
    block: [u8; BLOCK],
    held: usize,
    /// Tar bytes consumed so far.
    offset: u64,
    zero_block: bool,
    pending: Pending,
}

impl Default for TarReader {
    fn default() -> Self {
        Self {
            state: State::Header,
            block: [0; BLOCK],
            held: 0,
            offset: 0,
            zero_block: false,
            pending: Pending::default(),
        }
    }
}

const fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

impl TarReader {
    /// Takes the next bytes of the archive.
    pub(crate) fn feed(&mut self, mut chunk: &[u8], out: &mut Collector) -> Result<(), LayerError> {
        while !chunk.is_empty() {
            let used = match &mut self.state {
                State::Ended => chunk.len(),
                State::Header | State::SparseMap { .. } => self.feed_block(chunk, out)?,
                State::Body { left, padding, take } => {
                    let used = feed_body(chunk, left, padding, *take, out);
                    if *left == 0 && *padding == 0 {
                        self.state = State::Header;
                    }
                    used
                }
                State::Meta { left, padding, data, .. } => {
                    let used = feed_meta(chunk, left, padding, data);
                    if *left == 0 && *padding == 0 {
                        self.end_meta()?;
                    }
                    used
                }
            };
            self.offset += used as u64;
            chunk = &chunk[used..];
        }
        Ok(())
    }

    /// The archive must not end inside an entry.
    pub(crate) fn finish(&self) -> Result<(), LayerError> {
        let whole = match self.state {
            State::Header => self.held == 0 && self.pending.chain == 0,
            State::Ended => true,
            State::Body { .. } | State::Meta { .. } | State::SparseMap { .. } => false,
        };
        if whole { Ok(()) } else { Err(LayerError::TarTruncated { offset: self.offset }) }
    }

    fn feed_block(&mut self, chunk: &[u8], out: &mut Collector) -> Result<usize, LayerError> {
        let used = (BLOCK - self.held).min(chunk.len());
        self.block[self.held..self.held + used].copy_from_slice(&chunk[..used]);
        self.held += used;
        if self.held < BLOCK {
            return Ok(used);
        }
        self.held = 0;
        if let State::SparseMap { body } = self.state {
            // Each extension block: 21 pairs, then the "one more follows" flag at byte 504.
            if self.block[504] == 0 {
                self.start_body(body, false);
            }
            return Ok(used);
        }
        let start = self.offset + used as u64 - BLOCK as u64;
        let block = self.block;
        self.header(&block, start, out)?;
        Ok(used)
    }

    fn start_body(&mut self, size: u64, take: bool) {
        self.state = if size == 0 {
            State::Header
        } else {
            State::Body { left: size, padding: padding(size), take }
        };
    }

    fn header(
        &mut self,
        block: &[u8; BLOCK],
        at: u64,
        out: &mut Collector,
    ) -> Result<(), LayerError> {
        let bad = |what| LayerError::Tar { offset: at, what };
        if block[0] == 0 && block.iter().all(|byte| *byte == 0) {
            if self.zero_block {
                self.state = State::Ended;
            }
            self.zero_block = true;
            return Ok(());
        }
        if self.zero_block {
            return Err(bad("data after a single zero block"));
        }
        if !checksum_fits(block) {
            return Err(bad("header checksum differs"));
        }
        let size = number(&block[124..136]).ok_or_else(|| bad("bad size field"))?;
        let kind = match block[156] {
            b'x' | b'X' => Meta::Pax,
            b'g' => Meta::Ignored,
            b'L' => Meta::LongName,
            b'K' => Meta::LongLink,
            _ => return self.entry(block, size, at, out),
        };
        self.pending.chain += 1;
        if self.pending.chain > TAR_META_CHAIN_MAX {
            let max = u64::from(TAR_META_CHAIN_MAX);
            return Err(LayerError::Limit { limit: "TAR_META_CHAIN_MAX", max });
        }
        if size > TAR_META_BYTES_MAX {
            return Err(LayerError::Limit { limit: "TAR_META_BYTES_MAX", max: TAR_META_BYTES_MAX });
        }
        self.state = State::Meta { left: size, padding: padding(size), kind, data: Vec::new() };
        if size == 0 {
            self.end_meta()?;
        }
        Ok(())
    }

    fn end_meta(&mut self) -> Result<(), LayerError> {
        let State::Meta { kind, data, .. } = std::mem::replace(&mut self.state, State::Header)
        else {
            return Ok(());
        };
        let text_of = |mut data: Vec<u8>| {
            data.truncate(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
            data
        };
        match kind {
            // A global header stands before no particular entry.
            Meta::Ignored => self.pending.chain -= 1,
            Meta::LongName => self.pending.path = Some(text_of(data)),
            Meta::LongLink => self.pending.link = Some(text_of(data)),
            Meta::Pax => {
                let bad = LayerError::Tar { offset: self.offset, what: "bad pax record" };
                read_pax(&data, &mut self.pending).ok_or(bad)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        block: &[u8; BLOCK],
        stated: u64,
        at: u64,
        out: &mut Collector,
    ) -> Result<(), LayerError> {
        let pending = std::mem::take(&mut self.pending);
        let flag = block[156];
        let size = pending.size.unwrap_or(stated);
        let name = pending.path.unwrap_or_else(|| ustar_name(block));
        let link = pending.link.unwrap_or_else(|| text(&block[157..257]).to_vec());
        let kind = match flag {
            b'1' => FileKind::Hardlink,
            b'2' => FileKind::Symlink,
            b'3' | b'4' | b'6' => FileKind::Special,
            b'5' => FileKind::Directory,
            // Before POSIX a directory was a file whose name ends in a slash.
            0 if name.ends_with(b"/") => FileKind::Directory,
            _ => FileKind::File,
        };
        let body = match kind {
            FileKind::File => size,
            FileKind::Directory if flag == 0 => size,
            FileKind::Directory | FileKind::Symlink | FileKind::Hardlink | FileKind::Special => 0,
        };
        if body > u64::MAX / 2 {
            return Err(LayerError::Tar { offset: at, what: "size field out of range" });
        }
        let sparse = pending.sparse || flag == b'S';
        let real_size = match flag {
            b'S' => number(&block[483..495]).unwrap_or(size),
            _ => pending.sparse_size.unwrap_or(size),
        };
        let id = |from_pax: Option<u64>, field: &[u8]| {
            let id = from_pax.or_else(|| number(field)).unwrap_or(0);
            u32::try_from(id).unwrap_or(u32::MAX)
        };
        // 'D' (incremental dump directories), 'M', 'V' and 'N' are bookkeeping of GNU tar.
        let take = if matches!(flag, b'D' | b'M' | b'V' | b'N') {
            false
        } else {
            out.entry(&NewEntry {
                path: &name,
                link: &link,
                kind,
                mode: number(&block[100..108]).unwrap_or(0) as u32,
                uid: id(pending.uid, &block[108..116]),
                gid: id(pending.gid, &block[116..124]),
                size: if kind == FileKind::File { real_size } else { 0 },
                sparse,
            })?
        };
        if flag == b'S' && block[482] != 0 {
            self.state = State::SparseMap { body };
            return Ok(());
        }
        self.start_body(body, take);
        if body == 0 && take {
            out.end_body();
        }
        Ok(())
    }
}

fn feed_body(
    chunk: &[u8],
    left: &mut u64,
    padding: &mut u64,
    take: bool,
    out: &mut Collector,
) -> usize {
    let body = (*left).min(chunk.len() as u64) as usize;
    if body > 0 {
        *left -= body as u64;
        if take {
            out.body(&chunk[..body]);
            if *left == 0 {
                out.end_body();
            }
        }
    }
    let pad = (*padding).min((chunk.len() - body) as u64) as usize;
    *padding -= pad as u64;
    body + pad
}

fn feed_meta(chunk: &[u8], left: &mut u64, padding: &mut u64, data: &mut Vec<u8>) -> usize {
    let body = (*left).min(chunk.len() as u64) as usize;
    data.extend_from_slice(&chunk[..body]);
    *left -= body as u64;
    let pad = (*padding).min((chunk.len() - body) as u64) as usize;
    *padding -= pad as u64;
    body + pad
}

/// A NUL-terminated field.
fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

fn ustar_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(&block[..100]);
    let prefix = text(&block[345..500]);
    // GNU's own magic ("ustar  ") uses the prefix field for other things.
    if &block[257..263] != b"ustar\0" || prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

/// Octal digits with blanks and NULs around, or GNU base-256 when the first bit is set. `None` for
/// anything else, for negative numbers and for those over 64 bits.
fn number(field: &[u8]) -> Option<u64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        // 0xff starts a negative number.
        if first & 0x40 != 0 {
            return None;
        }
        return field[1..].iter().try_fold(u64::from(first & 0x3f), |value, byte| {
            Some(value.checked_mul(256)? + u64::from(*byte))
        });
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// The sum of all bytes with the checksum field read as blanks; some old writers summed signed.
fn checksum_fits(block: &[u8; BLOCK]) -> bool {
    let Some(stated) = number(&block[148..156]) else { return false };
    let (before, after) = (&block[..148], &block[156..]);
    let blanks = 8 * 32;
    let sum = |part: &[u8]| part.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    if stated == sum(before) + sum(after) + blanks {
        return true;
    }
    let sum = |part: &[u8]| part.iter().map(|byte| i64::from(byte.cast_signed())).sum::<i64>();
    i64::try_from(stated).is_ok_and(|stated| stated == sum(before) + sum(after) + blanks as i64)
}

/// Records of the form `<length> <key>=<value>\n`, length in decimal and counting itself.
fn read_pax(mut data: &[u8], pending: &mut Pending) -> Option<()> {
    while !data.is_empty() && data[0] != 0 {
        let space = data.iter().take(12).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
        if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
            return None;
        }
        let record = &data[space + 1..length - 1];
        data = &data[length..];
        let equals = record.iter().position(|byte| *byte == b'=')?;
        pax_record(&record[..equals], &record[equals + 1..], pending)?;
    }
    Some(())
}

fn pax_record(key: &[u8], value: &[u8], pending: &mut Pending) -> Option<()> {
    let decimal = || -> Option<Option<u64>> {
        if value.is_empty() {
            return Some(None);
        }
        Some(Some(std::str::from_utf8(value).ok()?.parse().ok()?))
    };
    // An empty value takes back what the ustar header would say no more than "not given".
    let bytes = || (!value.is_empty()).then(|| value.to_vec());
    match key {
        b"path" if !pending.sparse || pending.path.is_none() => pending.path = bytes(),
        b"linkpath" => pending.link = bytes(),
        b"size" => pending.size = decimal()?,
        b"uid" => pending.uid = decimal().unwrap_or(None),
        b"gid" => pending.gid = decimal().unwrap_or(None),
        b"GNU.sparse.name" => {
            pending.sparse = true;
            pending.path = bytes();
        }
        b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
            pending.sparse = true;
            pending.sparse_size = decimal()?;
        }
        b"GNU.sparse.major" | b"GNU.sparse.map" | b"GNU.sparse.numblocks" => pending.sparse = true,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_octal_and_base_256() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"0000008\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]), Some(1 << 32));
        assert_eq!(number(&[0xff; 12]), None, "negative");
        assert_eq!(number(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1]), None);
    }

    #[test]
    fn pax_records_and_lies_about_their_length() {
        let mut pending = Pending::default();
        assert!(read_pax(b"11 path=ab\n13 size=12345\n", &mut pending).is_none(), "wrong length");
        let mut pending = Pending::default();
        assert!(read_pax(b"11 path=ab\n14 size=12345\n", &mut pending).is_some());
        assert_eq!(pending.path.as_deref(), Some(&b"ab"[..]));
        assert_eq!(pending.size, Some(12345));
        for bad in [&b"99999999999 a=b\n"[..], b"3 a\n", b"0 \n", b"x", b"6 size\n", b"8 size=x\n"]
        {
            assert!(read_pax(bad, &mut Pending::default()).is_none());
        }
    }
}
