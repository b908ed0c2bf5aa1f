//! A read-only walk over a Berkeley DB hash file (`Packages` of rpm before 4.16): every hash page,
//! every key/data pair, overflow chains. Both byte orders.
//!
//! Source: Berkeley DB 5.3, src/dbinc/db_page.h (page and item layouts). Buckets need not be
//! followed: every page of type hash belongs to some bucket, and freed pages change their type.

use crate::catalogers::octets::{FileProblems, Order, u16_at, u32_at};
use std::borrow::Cow;

const HASH_MAGIC: u32 = 0x0006_1561;
const MAGIC_AT: usize = 12;
const PAGE_HEADER_BYTES: usize = 26;

const PAGE_HASH_UNSORTED: u8 = 2;
const PAGE_OVERFLOW: u8 = 7;
const PAGE_HASH_META: u8 = 8;
const PAGE_HASH: u8 = 13;

const ITEM_KEY_DATA: u8 = 1;
const ITEM_OFF_PAGE: u8 = 3;

/// Pages carry a checksum behind their header, which moves everything. rpm never asked for it.
const META_FLAG_CHECKSUM: u8 = 1;

/// Why the database, or one item of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BdbError {
    /// The metadata page is not one of a hash database, or asks for what is not supported.
    #[error("berkeley db metadata page: {0}")]
    Meta(&'static str),
    /// A page contradicts itself.
    #[error("berkeley db page {page}: {reason}")]
    Page { page: u32, reason: &'static str },
}

/// The byte order of a Berkeley DB hash file; `None` when it is none.
pub(super) fn order(bytes: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big]
        .into_iter()
        .find(|order| u32_at(bytes, MAGIC_AT, *order) == Some(HASH_MAGIC))
}

/// Calls `each` with the header blob of every record.
pub(super) fn read(bytes: &[u8], problems: &mut FileProblems, each: &mut dyn FnMut(&[u8])) {
    let mut database = match Database::open(bytes) {
        Ok(database) => database,
        Err(error) => return problems.error("rpm_bdb_damaged", error.to_string()),
    };
    let whole_pages = bytes.len().is_multiple_of(database.page_bytes);
    if !whole_pages || database.pages <= database.last_page {
        problems.error("rpm_bdb_damaged", BdbError::Meta("the file is cut").to_string());
    }
    for page in 1..database.pages {
        let mut damaged = |reason| {
            let error = BdbError::Page { page, reason };
            problems.error("rpm_bdb_damaged", error.to_string());
        };
        if let Err(reason) = database.hash_page(page, each, &mut damaged) {
            damaged(reason);
        }
    }
}

struct Database<'a> {
    bytes: &'a [u8],
    order: Order,
    page_bytes: usize,
    pages: u32,
    last_page: u32,
    /// Overflow pages already taken: one page belongs to one item.
    taken: Vec<bool>,
    /// Inline items together cannot be larger than the file.
    bytes_left: usize,
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, BdbError> {
        let order = order(bytes).ok_or(BdbError::Meta("it has no hash magic"))?;
        let word = |at| u32_at(bytes, at, order).ok_or(BdbError::Meta("it is cut"));
        let page_bytes = word(20)? as usize;
        let last_page = word(32)?;
        if !(512..=65_536).contains(&page_bytes) || !page_bytes.is_power_of_two() {
            return Err(BdbError::Meta("its page size is not a power of two from 512 to 65536"));
        }
        if bytes[24] != 0 {
            return Err(BdbError::Meta("the database is encrypted"));
        }
        if bytes[25] != PAGE_HASH_META {
            return Err(BdbError::Meta("it is not of a hash database"));
        }
        if bytes[26] & META_FLAG_CHECKSUM != 0 {
            return Err(BdbError::Meta("page checksums are not supported"));
        }
        let pages = u32::try_from(bytes.len() / page_bytes).unwrap_or(u32::MAX);
        let taken = vec![false; pages as usize];
        Ok(Self { bytes, order, page_bytes, pages, last_page, taken, bytes_left: bytes.len() })
    }

    fn page(&self, number: u32) -> Option<&'a [u8]> {
        let start = (number as usize).checked_mul(self.page_bytes)?;
        self.bytes.get(start..start.checked_add(self.page_bytes)?)
    }

    fn hash_page(
        &mut self,
        number: u32,
        each: &mut dyn FnMut(&[u8]),
        damaged: &mut dyn FnMut(&'static str),
    ) -> Result<(), &'static str> {
        let page = self.page(number).ok_or("is outside the file")?;
        if !matches!(page[25], PAGE_HASH | PAGE_HASH_UNSORTED) {
            return Ok(());
        }
        let entries = usize::from(u16_at(page, 20, self.order).unwrap_or(0));
        let index = page
            .get(PAGE_HEADER_BYTES..PAGE_HEADER_BYTES + entries * 2)
            .ok_or("has too many entries")?;
        // Items are laid down from the end of the page: each ends where the one before starts.
        let order = self.order;
        let start_of = |item: usize| u16_at(index, item * 2, order).map(usize::from);
        for key in (0..entries.saturating_sub(1)).step_by(2) {
            let bounds = (start_of(key), start_of(key + 1));
            let (Some(key_start), Some(data_start)) = bounds else { continue };
            let key_end = if key == 0 { Some(page.len()) } else { start_of(key - 1) };
            let key_item = page.get(key_start..key_end.unwrap_or(0)).ok_or("has a bad index")?;
            let data_item = page.get(data_start..key_start).ok_or("has a bad index")?;
            // Record 0 holds the largest package number in use, not a header.
            if key_item == [ITEM_KEY_DATA, 0, 0, 0, 0] {
                continue;
            }
            match self.item(data_item) {
                Ok(data) => each(&data),
                Err(reason) => damaged(reason),
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &'a [u8]) -> Result<Cow<'a, [u8]>, &'static str> {
        match item.first() {
            Some(&ITEM_KEY_DATA) => {
                let left = self.bytes_left.checked_sub(item.len());
                self.bytes_left = left.ok_or("has items larger than the file")?;
                Ok(Cow::Borrowed(&item[1..]))
            }
            Some(&ITEM_OFF_PAGE) => {
                let first = u32_at(item, 4, self.order).ok_or("has a cut item")?;
                let length = u32_at(item, 8, self.order).ok_or("has a cut item")?;
                self.overflow(first, length as usize).map(Cow::Owned)
            }
            _ => Err("has an item that is neither inline nor on overflow pages"),
        }
    }

    fn overflow(&mut self, first: u32, length: usize) -> Result<Vec<u8>, &'static str> {
        const BROKEN: &str = "has an item with a broken overflow chain";
        if length > self.bytes.len() {
            return Err("has an item larger than the file");
        }
        let mut data = Vec::with_capacity(length);
        let mut next = first;
        while data.len() < length {
            let page = self.page(next).filter(|_| next != 0).ok_or(BROKEN)?;
            let taken = self.taken.get_mut(next as usize).ok_or(BROKEN)?;
            if page[25] != PAGE_OVERFLOW || std::mem::replace(taken, true) {
                return Err(BROKEN);
            }
            // On an overflow page the field of the free-space offset holds the bytes in use.
            let used = usize::from(u16_at(page, 22, self.order).unwrap_or(0));
            let part = page.get(PAGE_HEADER_BYTES..PAGE_HEADER_BYTES + used).ok_or(BROKEN)?;
            data.extend_from_slice(&part[..part.len().min(length - data.len())]);
            next = u32_at(page, 16, self.order).unwrap_or(0);
        }
        Ok(data)
    }
}
