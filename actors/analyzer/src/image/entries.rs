//! The entries of a layer in one table: all text in one string, so that 100,000 files cost two
//! allocations and not 200,000.

use kedge_artifact::image::FileKind;
use serde::{Deserialize, Serialize};

/// One file, directory or link of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path without leading slash; empty for the root itself.
    pub path: &'a str,
    /// Link target as the tar has it; empty for anything but links. Hard links: a path like
    /// `path`. Symbolic links: the raw text.
    pub link: &'a str,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, 0o7777 mask.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes; 0 for anything but files.
    pub size: u64,
}

/// Many entries. Rows are in path order after [`EntryTable::sort`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryTable {
    text: String,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    path: u32,
    path_bytes: u16,
    link_bytes: u16,
    kind: FileKind,
    mode: u16,
    uid: u32,
    gid: u32,
    size: u64,
}

impl EntryTable {
    /// Adds an entry and gives its row. The caller has bounded the lengths (`PATH_BYTES_MAX`,
    /// `PATH_BYTES_TOTAL_MAX`).
    ///
    /// # Panics
    /// When the caller did not.
    pub fn push(&mut self, entry: &Entry<'_>) -> u32 {
        let row = Row {
            path: u32::try_from(self.text.len()).expect("bounded by PATH_BYTES_TOTAL_MAX"),
            path_bytes: u16::try_from(entry.path.len()).expect("bounded by PATH_BYTES_MAX"),
            link_bytes: u16::try_from(entry.link.len()).expect("bounded by PATH_BYTES_MAX"),
            kind: entry.kind,
            mode: (entry.mode & 0o7777) as u16,
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
        };
        self.text.push_str(entry.path);
        self.text.push_str(entry.link);
        self.rows.push(row);
        u32::try_from(self.rows.len() - 1).expect("bounded by ENTRIES_MAX")
    }

    /// Bytes of text held.
    #[must_use]
    pub const fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// How many rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One row. An empty entry when there is no such row or its text lies outside, which only a
    /// damaged cache file can bring about.
    #[must_use]
    pub fn get(&self, row: u32) -> Entry<'_> {
        match self.rows.get(row as usize) {
            Some(row) => self.view(row),
            None => Entry {
                path: "",
                link: "",
                kind: FileKind::Special,
                mode: 0,
                uid: 0,
                gid: 0,
                size: 0,
            },
        }
    }

    fn view(&self, row: &Row) -> Entry<'_> {
        let start = row.path as usize;
        let middle = start + row.path_bytes as usize;
        let end = middle + row.link_bytes as usize;
        Entry {
            path: self.text.get(start..middle).unwrap_or(""),
            link: self.text.get(middle..end).unwrap_or(""),
            kind: row.kind,
            mode: u32::from(row.mode),
            uid: row.uid,
            gid: row.gid,
            size: row.size,
        }
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.rows.iter().map(|row| self.view(row))
    }

    /// The row of a path. Only after [`EntryTable::sort`].
    #[must_use]
    pub fn find(&self, path: &str) -> Option<u32> {
        let index = self.rows.binary_search_by(|row| self.view(row).path.cmp(path)).ok()?;
        u32::try_from(index).ok()
    }

    /// Sorts by path and keeps the last entry of each path, as an unpacker would. Gives, for each
    /// row before, its row now; `None` for the replaced ones.
    pub fn sort(&mut self) -> Vec<Option<u32>> {
        let mut order: Vec<u32> = (0..self.rows.len()).map(|index| index as u32).collect();
        // Stable, so that rows of one path stay in archive order.
        order.sort_by(|a, b| self.get(*a).path.cmp(self.get(*b).path));
        let mut kept: Vec<u32> = Vec::with_capacity(order.len());
        for row in order {
            match kept.last_mut() {
                Some(last) if self.get(*last).path == self.get(row).path => *last = row,
                _ => kept.push(row),
            }
        }
        let mut moved = vec![None; self.rows.len()];
        for (now, before) in kept.iter().enumerate() {
            moved[*before as usize] = Some(now as u32);
        }
        self.rows = kept.iter().map(|row| self.rows[*row as usize]).collect();
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: u64) -> Entry<'_> {
        Entry { path, link: "", kind: FileKind::File, mode: 0o644, uid: 0, gid: 0, size }
    }

    #[test]
    fn the_last_entry_of_a_path_wins() {
        let mut table = EntryTable::default();
        for (path, size) in [("b", 1), ("a", 2), ("b", 3), ("a/c", 4), ("b", 5)] {
            table.push(&file(path, size));
        }
        let moved = table.sort();
        let rows: Vec<_> = table.iter().map(|entry| (entry.path, entry.size)).collect();
        assert_eq!(rows, [("a", 2), ("a/c", 4), ("b", 5)]);
        assert_eq!(moved, [None, Some(0), None, Some(1), Some(2)]);
        assert_eq!(table.find("a/c"), Some(1));
        assert_eq!(table.find("c"), None);
        assert_eq!(table.get(99).path, "");
    }
}
