//! The few ELF fields that finding build info needs.
//!
//! Source: System V ABI, chapters 4 and 5 (ELF header, section header, program header).

use super::limits::SECTION_TABLE_BYTES_MAX;
use crate::catalogers::octets::{Order, slice, u16_at, u32_at, u64_at};

const MAGIC: &[u8] = b"\x7fELF";
const SEGMENT_LOAD: u32 = 1;
/// Section without bytes in the file (`SHT_NOBITS`).
const SECTION_NO_BITS: u32 = 8;

/// What the ELF header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elf {
    pub(super) order: Order,
    /// 64-bit layout.
    pub(super) wide: bool,
    /// File offset, entry size and number of the section headers; zeros when stripped off.
    section_table: Table,
    program_table: Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Table {
    offset: u64,
    entry_bytes: u16,
    count: u16,
}

impl Elf {
    /// Reads the header at the start of `head`; `None` when it is not one.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        if !head.starts_with(MAGIC) {
            return None;
        }
        let wide = match head.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let order = match head.get(5)? {
            1 => Order::Little,
            2 => Order::Big,
            _ => return None,
        };
        let (program_at, section_at, counts_at) = if wide { (32, 40, 54) } else { (28, 32, 42) };
        let half = |index: usize| u16_at(head, counts_at + index * 2, order);
        let program_table = Table {
            offset: word(head, program_at, order, wide)?,
            entry_bytes: half(0)?,
            count: half(1)?,
        };
        let section_table = Table {
            offset: word(head, section_at, order, wide)?,
            entry_bytes: half(2)?,
            count: half(3)?,
        };
        Some(Self { order, wide, section_table, program_table })
    }

    /// Where the section headers lie in the file; `None` when there are none or too many.
    pub(super) fn section_table(&self) -> Option<(u64, u64)> {
        let Table { offset, entry_bytes, count } = self.section_table;
        let bytes = u64::from(entry_bytes) * u64::from(count);
        let least = if self.wide { 64 } else { 40 };
        let good = offset > 0 && bytes > 0 && entry_bytes >= least;
        (good && bytes <= SECTION_TABLE_BYTES_MAX).then_some((offset, bytes))
    }

    /// Whether the section headers in `table` have a section of exactly these bytes of the file.
    pub(super) fn has_section(&self, table: &[u8], offset: u64, length: u64) -> bool {
        let (offset_at, size_at) = if self.wide { (24, 32) } else { (16, 20) };
        table.chunks_exact(usize::from(self.section_table.entry_bytes).max(1)).any(|entry| {
            u32_at(entry, 4, self.order).is_some_and(|kind| kind != SECTION_NO_BITS)
                && word(entry, offset_at, self.order, self.wide) == Some(offset)
                && word(entry, size_at, self.order, self.wide) == Some(length)
        })
    }

    /// The bytes at a virtual address, out of the whole file.
    pub(super) fn at_address<'a>(
        &self,
        file: &'a [u8],
        address: u64,
        length: u64,
    ) -> Option<&'a [u8]> {
        let Table { offset, entry_bytes, count } = self.program_table;
        let fields = if self.wide { (8, 16, 32) } else { (4, 8, 16) };
        for index in 0..u64::from(count) {
            let at = offset.checked_add(index * u64::from(entry_bytes))?;
            let entry = slice(file, at, u64::from(entry_bytes))?;
            let field = |at| word(entry, at, self.order, self.wide);
            let (file_offset, start, bytes) =
                (field(fields.0)?, field(fields.1)?, field(fields.2)?);
            let Some(inside) = address.checked_sub(start) else { continue };
            if u32_at(entry, 0, self.order) == Some(SEGMENT_LOAD) && inside < bytes {
                return slice(file, file_offset.checked_add(inside)?, length);
            }
        }
        None
    }

    /// A pointer-sized number at `offset`.
    pub(super) fn word(&self, bytes: &[u8], offset: usize) -> Option<u64> {
        word(bytes, offset, self.order, self.wide)
    }
}

fn word(bytes: &[u8], offset: usize, order: Order, wide: bool) -> Option<u64> {
    match wide {
        true => u64_at(bytes, offset, order),
        false => u32_at(bytes, offset, order).map(u64::from),
    }
}
