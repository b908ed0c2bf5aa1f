//! The engine's own storage test suite, run on our stores.

use std::sync::Arc;

use kedge_storage::kv::Kv;
use kedge_storage::log::{Log, LogOptions};
use kedge_storage::memory::MemoryKv;
use kedge_storage::sled::{SledKv, SledOptions};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tokio::sync::mpsc;

use super::log::LogStore;
use super::machine::Machine;
use super::snapshot::SnapshotFolder;
use super::{StateStore, TypeConfig};
use crate::events::Events;

struct OnMemory;
struct OnSled;

fn stores(dir: &tempfile::TempDir, kv: Arc<dyn Kv>) -> (LogStore, Machine) {
    let folder = SnapshotFolder::open(&dir.path().join("snapshots"), [7; 16]).unwrap();
    let store = StateStore::open(kv, folder, [7; 16], Arc::new(|| 0)).unwrap();
    let log = Log::open(&dir.path().join("log"), LogOptions::default()).unwrap();
    let (in_use, _) = mpsc::channel(1);
    let machine = Machine::new(Arc::new(store), Events::new(), in_use.clone()).unwrap();
    (LogStore::new(Arc::new(log), in_use), machine)
}

type Built = (tempfile::TempDir, LogStore, Machine);

impl StoreBuilder<TypeConfig, LogStore, Machine, tempfile::TempDir> for OnMemory {
    async fn build(&self) -> Result<Built, StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let (log, machine) = stores(&dir, Arc::new(MemoryKv::new()));
        Ok((dir, log, machine))
    }
}

impl StoreBuilder<TypeConfig, LogStore, Machine, tempfile::TempDir> for OnSled {
    async fn build(&self) -> Result<Built, StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let kv = SledKv::open(&dir.path().join("sled"), &SledOptions::default()).unwrap();
        let (log, machine) = stores(&dir, Arc::new(kv));
        Ok((dir, log, machine))
    }
}

#[tokio::test]
async fn suite_on_memory() {
    Suite::test_all(OnMemory).await.unwrap();
}

#[tokio::test]
async fn suite_on_sled() {
    Suite::test_all(OnSled).await.unwrap();
}
