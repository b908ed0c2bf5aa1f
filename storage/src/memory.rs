//! The engine in memory: for tests of the state machine and for read-only tools. It forgets
//! everything when it is dropped.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::kv::{Batch, Bytes, Kv, KvError, KvStats, Page, View, bounds};

/// An ordered map under a lock.
#[derive(Debug, Default)]
pub struct MemoryKv {
    map: RwLock<BTreeMap<Bytes, Bytes>>,
}

impl MemoryKv {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // A panic cannot leave the map half written (writes are checked first), so a poisoned lock is
    // still good.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Bytes, Bytes>> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Bytes, Bytes>> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self.read().get(key).cloned())
    }

    fn range(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Page, KvError> {
        let Some(bounds) = bounds(start, end) else { return Ok(Vec::new()) };
        let map = self.read();
        let found = map.range::<[u8], _>(bounds).map(|(key, value)| (key.clone(), value.clone()));
        Ok(if reverse { found.rev().take(limit).collect() } else { found.take(limit).collect() })
    }
}

impl Kv for MemoryKv {
    fn apply(&self, batch: Batch) -> Result<(), KvError> {
        batch.check()?;
        let mut map = self.write();
        for (key, value) in batch.into_writes() {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn durable_point(&self) -> Result<(), KvError> {
        Ok(())
    }

    fn clear(&self) -> Result<(), KvError> {
        self.write().clear();
        Ok(())
    }

    fn stats(&self) -> Result<KvStats, KvError> {
        let map = self.read();
        let live = map.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        Ok(KvStats { keys_count: map.len() as u64, live_bytes: live, disk_bytes: 0 })
    }
}
