//! A point-in-time copy of the state store while entries go on being applied.
//!
//! The store's pages are not a snapshot: a page read later sees later writes. So, while a copy is
//! under way, whoever writes a key that was not copied yet first puts its old value here, and the
//! copy prefers what it finds here. Applying waits for one page at most.
//!
//! Both sides call this under the writer's lock.

use std::collections::BTreeMap;

use kedge_storage::keyspaces::Keyspace;
use kedge_storage::kv::{Batch, Bytes, KvError, Page, View};

use crate::limits::{SNAPSHOT_OVERLAY_BYTES_MAX, SNAPSHOT_PAGE_KEYS};

/// A copy under way.
#[derive(Debug, Default)]
pub(super) struct Cut {
    // Everything up to this key is copied.
    copied: Option<Bytes>,
    // Keys after it that changed since the copy began, as they were then.
    before: BTreeMap<Bytes, Option<Bytes>>,
    before_bytes: usize,
}

/// A piece of the copy.
pub(super) struct Piece {
    /// Keys and values, ascending.
    pub(super) page: Page,
    /// Nothing comes after it.
    pub(super) is_last: bool,
}

impl Cut {
    /// Keeps what a batch is about to overwrite.
    pub(super) fn remember(&mut self, store: &dyn View, batch: &Batch) -> Result<(), KvError> {
        for (key, _) in batch.iter() {
            let is_copied = self.copied.as_deref().is_some_and(|copied| key <= copied);
            if is_copied || is_own(key) || self.before.contains_key(key) {
                continue;
            }
            let value = store.get(key)?;
            self.before_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            self.before.insert(key.to_vec(), value);
        }
        Ok(())
    }

    /// True when the memory for overwritten values is used up: the copy must then be finished
    /// without letting go of the writer's lock.
    pub(super) fn is_full(&self) -> bool {
        self.before_bytes > SNAPSHOT_OVERLAY_BYTES_MAX
    }

    /// Copies the next page.
    pub(super) fn next_piece(&mut self, store: &dyn View) -> Result<Piece, KvError> {
        let start = self.copied.as_deref().map(next_key).unwrap_or_default();
        let stored = store.range(&start, None, false, SNAPSHOT_PAGE_KEYS)?;
        let is_last = stored.len() < SNAPSHOT_PAGE_KEYS;
        let end = stored.last().map(|(key, _)| key.clone()).filter(|_| !is_last);
        let later = match &end {
            Some(end) => self.before.split_off(&next_key(end)),
            None => BTreeMap::new(),
        };
        let old = std::mem::replace(&mut self.before, later);
        self.copied = end;
        let mut merged: BTreeMap<Bytes, Bytes> = stored.into_iter().collect();
        for (key, value) in old {
            self.before_bytes -= key.len() + value.as_ref().map_or(0, Vec::len);
            match value {
                Some(value) => merged.insert(key, value),
                None => merged.remove(&key),
            };
        }
        let page = merged.into_iter().filter(|(key, _)| !is_own(key)).collect();
        Ok(Piece { page, is_last })
    }
}

/// Our own bookkeeping travels in the header of a snapshot, not among its keys.
fn is_own(key: &[u8]) -> bool {
    key.first() == Some(&(Keyspace::Consensus as u8))
}

fn next_key(key: &[u8]) -> Bytes {
    let mut next = key.to_vec();
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use kedge_storage::kv::Kv;
    use kedge_storage::memory::MemoryKv;

    fn key(number: usize) -> Bytes {
        format!("k{number:05}").into_bytes()
    }

    fn write(store: &MemoryKv, cut: Option<&mut Cut>, writes: &[(usize, Option<&str>)]) {
        let mut batch = Batch::new();
        for (number, value) in writes {
            match value {
                Some(value) => batch.put(key(*number), value.as_bytes()),
                None => batch.delete(key(*number)),
            }
        }
        if let Some(cut) = cut {
            cut.remember(store, &batch).unwrap();
        }
        store.apply(batch).unwrap();
    }

    #[test]
    fn the_copy_shows_the_state_at_its_beginning() {
        let store = MemoryKv::new();
        let count = 4 * SNAPSHOT_PAGE_KEYS + 10;
        for number in (0..count).step_by(2) {
            write(&store, None, &[(number, Some("old"))]);
        }
        let expected = store.range(b"", None, false, usize::MAX).unwrap();

        let mut cut = Cut::default();
        let mut copied = Page::new();
        for round in 0.. {
            let piece = cut.next_piece(&store).unwrap();
            copied.extend(piece.page);
            if piece.is_last {
                break;
            }
            // Overwrite, delete and insert on both sides of the copied part, twice each.
            let near = round * 2 * SNAPSHOT_PAGE_KEYS;
            for value in ["new", "newer"] {
                write(&store, Some(&mut cut), &[(near, Some(value)), (near + 1, Some(value))]);
                write(&store, Some(&mut cut), &[(count - 2 - round * 2, None)]);
                write(&store, Some(&mut cut), &[(count + round, Some(value))]);
            }
        }
        assert_eq!(copied, expected);
        assert_eq!(cut.before_bytes, 0);
        assert_ne!(store.range(b"", None, false, usize::MAX).unwrap(), expected);
    }

    #[test]
    fn an_empty_store_is_one_last_piece() {
        let store = MemoryKv::new();
        let mut cut = Cut::default();
        write(&store, Some(&mut cut), &[(1, Some("later"))]);
        let piece = cut.next_piece(&store).unwrap();
        assert!(piece.is_last && piece.page.is_empty());
    }

    #[test]
    fn overwritten_values_are_bounded() {
        let store = MemoryKv::new();
        let value = vec![7; 32 * 1024];
        let mut cut = Cut::default();
        for number in 0..SNAPSHOT_OVERLAY_BYTES_MAX / value.len() + 1 {
            let mut batch = Batch::new();
            batch.put(key(number), value.clone());
            store.apply(batch.clone()).unwrap();
            cut.remember(&store, &batch).unwrap();
        }
        assert!(cut.is_full());
    }
}
