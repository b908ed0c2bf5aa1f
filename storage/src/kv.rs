//! The key-value seam: what the replicated state needs from an engine, and nothing else.
//!
//! One ordered tree; the first byte of a key is its [`crate::keyspaces::Keyspace`]. There are no
//! engine transactions, merge operators or live iterators here: the apply loop of the cluster is
//! the only writer, and [`Txn`] gives it read-your-writes before the batch is applied. That keeps
//! the seam narrow enough for another engine to take sled's place.

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;

use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// Owned bytes of a key or a value.
pub type Bytes = Vec<u8>;

/// Why the key-value store refused or failed.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum KvError {
    /// A value is over [`VALUE_BYTES_MAX`].
    #[error("value has {bytes} bytes, VALUE_BYTES_MAX is {limit}; store it as a blob")]
    ValueTooLarge {
        /// Size of the refused value.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A key is over [`KEY_BYTES_MAX`].
    #[error("key has {bytes} bytes, KEY_BYTES_MAX is {limit}")]
    KeyTooLarge {
        /// Size of the refused key.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A key has no byte, so it belongs to no keyspace.
    #[error("key is empty and names no keyspace")]
    EmptyKey,
    /// The store cannot be trusted; it must be set aside and rebuilt.
    #[error("store at {path} is corrupt: {reason}")]
    Corrupt {
        /// Folder of the store.
        path: String,
        /// What the engine said.
        reason: String,
    },
    /// The disk is full.
    #[error("disk full while {operation} at {path}")]
    DiskFull {
        /// What was being done.
        operation: &'static str,
        /// Folder of the store.
        path: String,
    },
    /// Another process holds the store.
    #[error("store at {path} is in use by another process")]
    InUse {
        /// Folder of the store.
        path: String,
    },
    /// The store was marked clean and takes no more writes.
    #[error("store is closed")]
    Closed,
    /// Any other failure of the file system.
    #[error("{operation} at {path}: {message}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// Folder or file.
        path: String,
        /// Kind of the failure.
        kind: io::ErrorKind,
        /// What the system said.
        message: String,
    },
}

impl KvError {
    /// Classifies a file system error; a full disk is told apart.
    pub(crate) fn from_io(
        operation: &'static str,
        path: &std::path::Path,
        error: &io::Error,
    ) -> Self {
        let path = path.display().to_string();
        if crate::files::is_disk_full(error) {
            return Self::DiskFull { operation, path };
        }
        Self::Io { operation, path, kind: error.kind(), message: error.to_string() }
    }

    /// True when only setting the store aside and rebuilding it helps.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }
}

/// Sizes an operator wants to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KvStats {
    /// Keys in the store; counting may take time proportional to it.
    pub keys_count: u64,
    /// Bytes of the keys and values that are alive.
    pub live_bytes: u64,
    /// Bytes the engine occupies on disk; zero for an engine in memory.
    pub disk_bytes: u64,
}

/// A page of keys and values, in the order asked for.
pub type Page = Vec<(Bytes, Bytes)>;

/// What queries may do. Implemented by every [`Kv`] (a `&dyn Kv` coerces to `&dyn View`) and by
/// [`Txn`].
pub trait View {
    /// The value of a key.
    ///
    /// # Errors
    /// A failure of the engine.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError>;

    /// Keys in `[start, end)`, at most `limit`, ascending or (with `reverse`) descending from the
    /// end. `end` of `None` means no upper bound. A page, not a live iterator: to go on, ask again
    /// from the last key.
    ///
    /// # Errors
    /// A failure of the engine.
    fn range(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Page, KvError>;

    /// Keys that begin with `prefix`, ascending, at most `limit`.
    ///
    /// # Errors
    /// A failure of the engine.
    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Page, KvError> {
        self.range(prefix, prefix_end(prefix).as_deref(), false, limit)
    }
}

/// An ordered key-value engine.
pub trait Kv: View + Send + Sync + 'static {
    /// Applies all writes or none. Not durable: see [`Kv::durable_point`].
    ///
    /// # Errors
    /// A key or value over its limit (nothing is applied), or a failure of the engine.
    fn apply(&self, batch: Batch) -> Result<(), KvError>;

    /// Returns when everything applied before is on disk.
    ///
    /// # Errors
    /// A failure of the engine; the data must then be taken as lost.
    fn durable_point(&self) -> Result<(), KvError>;

    /// Removes every key.
    ///
    /// # Errors
    /// A failure of the engine.
    fn clear(&self) -> Result<(), KvError>;

    /// Sizes; walks the whole store.
    ///
    /// # Errors
    /// A failure of the engine.
    fn stats(&self) -> Result<KvStats, KvError>;
}

/// Writes that are applied together: the last write to a key counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    writes: BTreeMap<Bytes, Option<Bytes>>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.insert(key.into(), Some(value.into()));
    }

    /// Removes a key; removing a missing key is not an error.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.writes.insert(key.into(), None);
    }

    /// True when nothing would be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Number of keys written or removed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// The writes in key order; `None` is a removal.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Takes the writes out, in key order.
    pub fn into_writes(self) -> impl Iterator<Item = (Bytes, Option<Bytes>)> {
        self.writes.into_iter()
    }

    /// Checks every key and value against the limits of the store.
    ///
    /// # Errors
    /// The first key or value that is over its limit.
    pub fn check(&self) -> Result<(), KvError> {
        self.iter().try_for_each(|(key, value)| check_write(key, value))
    }
}

fn check_write(key: &[u8], value: Option<&[u8]>) -> Result<(), KvError> {
    if key.is_empty() {
        return Err(KvError::EmptyKey);
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(KvError::KeyTooLarge { bytes: key.len(), limit: KEY_BYTES_MAX });
    }
    let bytes = value.map_or(0, <[u8]>::len);
    if bytes > VALUE_BYTES_MAX {
        return Err(KvError::ValueTooLarge { bytes, limit: VALUE_BYTES_MAX });
    }
    Ok(())
}

/// Uncommitted writes over a view; reads see them. Nothing reaches the store until the caller
/// applies [`Txn::into_batch`].
pub struct Txn<'a> {
    base: &'a dyn View,
    batch: Batch,
}

impl<'a> Txn<'a> {
    /// Begins with no writes.
    #[must_use]
    pub fn new(base: &'a dyn View) -> Self {
        Self { base, batch: Batch::new() }
    }

    /// Sets a key.
    ///
    /// # Errors
    /// The key or value is over its limit; the transaction is unchanged.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), KvError> {
        let (key, value) = (key.into(), value.into());
        check_write(&key, Some(&value))?;
        self.batch.put(key, value);
        Ok(())
    }

    /// Removes a key.
    ///
    /// # Errors
    /// The key is over its limit; the transaction is unchanged.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> Result<(), KvError> {
        let key = key.into();
        check_write(&key, None)?;
        self.batch.delete(key);
        Ok(())
    }

    /// The writes so far.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Ends the transaction and hands its writes over.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }
}

impl View for Txn<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        match self.batch.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key),
        }
    }

    fn range(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Page, KvError> {
        let Some(bounds) = bounds(start, end) else { return Ok(Vec::new()) };
        let own: Vec<_> = self.batch.writes.range::<[u8], _>(bounds).collect();
        // Every own write can hide at most one stored key, so this many stored keys are enough.
        let stored = self.base.range(start, end, reverse, limit.saturating_add(own.len()))?;
        let mut merged: BTreeMap<Bytes, Bytes> = stored.into_iter().collect();
        // Own keys beyond a full page must not displace stored keys that were not fetched: those
        // lie past the last stored key of the page, so cutting to `limit` afterwards is right.
        for (key, value) in own {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        Ok(if reverse {
            merged.into_iter().rev().take(limit).collect()
        } else {
            merged.into_iter().take(limit).collect()
        })
    }
}

type Bounds<'a> = (std::ops::Bound<&'a [u8]>, std::ops::Bound<&'a [u8]>);

/// Bounds for a `BTreeMap`; `None` when the range is empty or reversed, which the map would
/// answer with a panic.
pub(crate) fn bounds<'a>(start: &'a [u8], end: Option<&'a [u8]>) -> Option<Bounds<'a>> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    match end {
        Some(end) if end <= start => None,
        Some(end) => Some((Included(start), Excluded(end))),
        None => Some((Included(start), Unbounded)),
    }
}

/// The first key after all keys that begin with `prefix`; `None` when there is no such key
/// (the prefix is empty or all `0xff`).
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryKv;

    fn store(keys: &[&str]) -> MemoryKv {
        let kv = MemoryKv::new();
        let mut batch = Batch::new();
        for key in keys {
            batch.put(*key, format!("old-{key}"));
        }
        kv.apply(batch).unwrap();
        kv
    }

    fn keys(page: Page) -> Vec<String> {
        page.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn prefix_end_is_the_next_sibling() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xff]), None);
        assert_eq!(prefix_end(b""), None);
    }

    #[test]
    fn transaction_reads_its_own_writes() {
        let kv = store(&["a", "b", "c"]);
        let mut txn = Txn::new(&kv);
        txn.put("b", "new").unwrap();
        txn.delete("a").unwrap();
        txn.put("d", "more").unwrap();
        assert_eq!(txn.get(b"a").unwrap(), None);
        assert_eq!(txn.get(b"b").unwrap(), Some(b"new".to_vec()));
        assert_eq!(keys(txn.range(b"a", None, false, 10).unwrap()), ["b", "c", "d"]);
        assert_eq!(keys(txn.range(b"a", None, false, 2).unwrap()), ["b", "c"]);
        assert_eq!(keys(txn.range(b"a", None, true, 2).unwrap()), ["d", "c"]);
        assert_eq!(kv.get(b"a").unwrap(), Some(b"old-a".to_vec()), "store is untouched");
        kv.apply(txn.into_batch()).unwrap();
        assert_eq!(kv.get(b"a").unwrap(), None);
    }

    #[test]
    fn deletions_do_not_shorten_a_page() {
        let kv = store(&["a", "b", "c", "d", "e"]);
        let mut txn = Txn::new(&kv);
        txn.delete("a").unwrap();
        txn.delete("b").unwrap();
        assert_eq!(keys(txn.range(b"", None, false, 2).unwrap()), ["c", "d"]);
        assert_eq!(keys(txn.range(b"a", Some(b"d"), true, 5).unwrap()), ["c"]);
    }

    #[test]
    fn reversed_range_is_empty() {
        let kv = store(&["a", "b"]);
        assert!(Txn::new(&kv).range(b"z", Some(b"a"), false, 5).unwrap().is_empty());
        assert!(Txn::new(&kv).range(b"a", Some(b"a"), false, 5).unwrap().is_empty());
    }

    #[test]
    fn oversized_writes_are_refused_by_name() {
        let kv = MemoryKv::new();
        let mut txn = Txn::new(&kv);
        let error = txn.put("k", vec![0; VALUE_BYTES_MAX + 1]).unwrap_err();
        assert!(error.to_string().contains("VALUE_BYTES_MAX"));
        let error = txn.put(vec![1; KEY_BYTES_MAX + 1], "v").unwrap_err();
        assert!(error.to_string().contains("KEY_BYTES_MAX"));
        assert_eq!(txn.put("", "v").unwrap_err(), KvError::EmptyKey);
        assert!(txn.batch().is_empty());
        txn.put("k", vec![0; VALUE_BYTES_MAX]).unwrap();
    }
}
