//! A read-only walk over one table of an SQLite file held in memory: schema lookup, table b-tree,
//! overflow chains. Nothing else of SQLite is needed to list the rows of `Packages`.
//!
//! Source: sqlite.org/fileformat2.html. A database file in an image is what is left after a build
//! step: pages that only its write-ahead log has (`rpmdb.sqlite-wal`) cannot be seen from here; a
//! log that is not empty is reported by the caller when it meets that file.

use super::limits::TREE_DEPTH_MAX;
use crate::catalogers::octets::{FileProblems, Order, u16_at, u32_at};
use std::borrow::Cow;

/// First bytes of every SQLite database.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

const HEADER_BYTES: usize = 100;
const INTERIOR_TABLE: u8 = 0x05;
const LEAF_TABLE: u8 = 0x0d;

/// Why a table cannot be listed, in whole or from some page on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SqliteError {
    /// The file header is not one of a database.
    #[error("sqlite header is damaged: {0}")]
    Header(&'static str),
    /// There is no such table.
    #[error("sqlite database has no table {0}")]
    NoTable(&'static str),
    /// A page does not exist or is of the wrong type.
    #[error("sqlite page {page}: {reason}")]
    Page { page: u32, reason: &'static str },
}

/// Calls `each` with the header blob of every row of `Packages`.
pub(super) fn read(bytes: &[u8], problems: &mut FileProblems, each: &mut dyn FnMut(&[u8])) {
    let database = match Database::open(bytes) {
        Ok(database) => database,
        Err(error) => return problems.error("rpm_sqlite_damaged", error.to_string()),
    };
    let mut root = None;
    let mut damage = Vec::new();
    database.rows(1, &mut damage, &mut |row| {
        let Some([Value::Text(kind), Value::Text(name), _, Value::Integer(page)]) = columns(row)
        else {
            return;
        };
        if database.is_text(kind, "table") && database.is_text(name, "Packages") {
            root = u32::try_from(page).ok();
        }
    });
    match root {
        Some(root) => database.rows(root, &mut damage, &mut |row| {
            // `hnum INTEGER PRIMARY KEY` is the row id and stored as NULL; the blob is second.
            if let Some([_, Value::Blob(blob)]) = columns(row) {
                each(blob);
            }
        }),
        None => damage.push(SqliteError::NoTable("Packages")),
    }
    for error in damage {
        problems.error("rpm_sqlite_damaged", error.to_string());
    }
}

struct Database<'a> {
    bytes: &'a [u8],
    page_bytes: usize,
    /// Page bytes without the reserved area at the end of each page.
    usable: usize,
    encoding: u32,
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, SqliteError> {
        if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
            return Err(SqliteError::Header("cut or without its magic"));
        }
        let page_bytes = match u16_at(bytes, 16, Order::Big) {
            Some(1) => 65_536,
            Some(size) if size >= 512 && size.is_power_of_two() => usize::from(size),
            _ => return Err(SqliteError::Header("page size is not a power of two from 512")),
        };
        let usable = page_bytes - usize::from(bytes[20]);
        if usable < 480 {
            return Err(SqliteError::Header("reserved area leaves less than 480 bytes a page"));
        }
        let encoding = u32_at(bytes, 56, Order::Big).unwrap_or(1);
        Ok(Self { bytes, page_bytes, usable, encoding })
    }

    fn page(&self, number: u32) -> Option<&'a [u8]> {
        let start = usize::try_from(number.checked_sub(1)?).ok()?.checked_mul(self.page_bytes)?;
        self.bytes.get(start..start.checked_add(self.page_bytes)?).map(|page| &page[..self.usable])
    }

    fn is_text(&self, raw: &[u8], ascii: &str) -> bool {
        match self.encoding {
            2 => raw.iter().copied().eq(ascii.bytes().flat_map(|byte| [byte, 0])),
            3 => raw.iter().copied().eq(ascii.bytes().flat_map(|byte| [0, byte])),
            _ => raw == ascii.as_bytes(),
        }
    }

    /// Walks the table whose root is `root`, left to right. Damage is noted and walked around.
    fn rows(&self, root: u32, damage: &mut Vec<SqliteError>, each: &mut dyn FnMut(&[u8])) {
        let mut walk = Walk {
            database: self,
            seen: vec![false; self.bytes.len() / self.page_bytes + 1],
            // Rows never share bytes, so together they cannot be larger than the file.
            bytes_left: self.bytes.len(),
        };
        let mut stack = vec![(root, 0u8)];
        while let Some((number, depth)) = stack.pop() {
            let result = walk.page(number, depth, &mut stack, each);
            if let Err(reason) = result {
                damage.push(SqliteError::Page { page: number, reason });
            }
            if walk.bytes_left == 0 {
                break;
            }
        }
    }
}

struct Walk<'d, 'a> {
    database: &'d Database<'a>,
    seen: Vec<bool>,
    bytes_left: usize,
}

impl<'a> Walk<'_, 'a> {
    fn visit(&mut self, number: u32) -> Result<&'a [u8], &'static str> {
        let page = self.database.page(number).ok_or("is outside the file")?;
        let seen = self.seen.get_mut(number as usize).ok_or("is outside the file")?;
        if std::mem::replace(seen, true) {
            return Err("is reached twice");
        }
        Ok(page)
    }

    fn page(
        &mut self,
        number: u32,
        depth: u8,
        stack: &mut Vec<(u32, u8)>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), &'static str> {
        if depth > TREE_DEPTH_MAX {
            return Err("is deeper than TREE_DEPTH_MAX");
        }
        let page = self.visit(number)?;
        let start = if number == 1 { HEADER_BYTES } else { 0 };
        let kind = page[start];
        let count = usize::from(u16_at(page, start + 3, Order::Big).ok_or("has no cell count")?);
        let pointers = match kind {
            INTERIOR_TABLE => start + 12,
            LEAF_TABLE => start + 8,
            _ => return Err("is not a table page"),
        };
        let pointers = page.get(pointers..pointers + count * 2).ok_or("has too many cells")?;
        let cells =
            pointers.chunks_exact(2).map(|raw| usize::from(u16::from_be_bytes([raw[0], raw[1]])));
        if kind == LEAF_TABLE {
            // One bad cell does not cost its neighbours; the last reason is told.
            let mut result = Ok(());
            for cell in cells {
                match self.row(page, cell) {
                    Ok(row) => each(&row),
                    Err(reason) => result = Err(reason),
                }
            }
            return result;
        }
        let last = u32_at(page, start + 8, Order::Big).ok_or("has no right child")?;
        stack.push((last, depth + 1));
        for cell in cells.rev() {
            let child = u32_at(page, cell, Order::Big).ok_or("has a cell outside the page")?;
            stack.push((child, depth + 1));
        }
        Ok(())
    }

    /// The record of the leaf cell at `at`, joined with its overflow pages.
    fn row(&mut self, page: &'a [u8], at: usize) -> Result<Cow<'a, [u8]>, &'static str> {
        const OUTSIDE: &str = "has a cell outside the page";
        let cell = page.get(at..).ok_or(OUTSIDE)?;
        let (length, after_length) = varint(cell).ok_or(OUTSIDE)?;
        let (_row_id, after_id) = varint(&cell[after_length..]).ok_or(OUTSIDE)?;
        let body = &cell[after_length + after_id..];
        let length = usize::try_from(length).map_err(|_| "has a row larger than the file")?;
        self.bytes_left =
            self.bytes_left.checked_sub(length).ok_or("has rows larger than the file")?;
        let local = self.local_bytes(length);
        let first = body.get(..local).ok_or(OUTSIDE)?;
        if local == length {
            return Ok(Cow::Borrowed(first));
        }
        let mut row = Vec::with_capacity(length);
        row.extend_from_slice(first);
        let mut next = u32_at(body, local, Order::Big).ok_or(OUTSIDE)?;
        while row.len() < length {
            let page = self.visit(next).map_err(|_| "has a broken overflow chain")?;
            next = u32_at(page, 0, Order::Big).unwrap_or(0);
            let take = (length - row.len()).min(page.len() - 4);
            row.extend_from_slice(&page[4..4 + take]);
        }
        Ok(Cow::Owned(row))
    }

    /// How many bytes of a row stay on its leaf page (fileformat2, section 1.6).
    fn local_bytes(&self, length: usize) -> usize {
        let usable = self.database.usable;
        if length <= usable - 35 {
            return length;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let wished = least + (length - least) % (usable - 4);
        if wished <= usable - 35 { wished } else { least }
    }
}

/// A big-endian base-128 number of one to nine bytes, and how many bytes it took.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Null,
    Integer(i64),
    /// Floating point: no column here has one.
    Real,
    Blob(&'a [u8]),
    Text(&'a [u8]),
}

/// The first `N` columns of a record, or `None` when it is damaged or has fewer.
fn columns<const N: usize>(record: &[u8]) -> Option<[Value<'_>; N]> {
    let (header_bytes, mut at) = varint(record)?;
    let header = record.get(..usize::try_from(header_bytes).ok()?)?;
    let mut body = record.get(header.len()..)?;
    let mut values = [Value::Null; N];
    for value in &mut values {
        let (serial, taken) = varint(header.get(at..)?)?;
        at += taken;
        let width = match serial {
            0 | 8 | 9 => 0,
            1..=4 => serial,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => (serial - 12) / 2,
        };
        let raw = body.get(..usize::try_from(width).ok()?)?;
        body = &body[raw.len()..];
        *value = match serial {
            0 => Value::Null,
            7 => Value::Real,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            1..=6 => Value::Integer(integer(raw)),
            _ if serial % 2 == 0 => Value::Blob(raw),
            _ => Value::Text(raw),
        };
    }
    Some(values)
}

fn integer(raw: &[u8]) -> i64 {
    let negative = raw.first().is_some_and(|byte| byte & 0x80 != 0);
    raw.iter().fold(if negative { -1 } else { 0 }, |value, byte| value << 8 | i64::from(*byte))
}
