use kedge_model::command::{Bootstrap, Command, CreateAccount, Entry, PolicySeed};
use kedge_model::tokens::{AccountName, Caller, NodeId, RequestId};
use kedge_storage::memory::MemoryKv;
use kedge_storage::sled::{SledKv, SledOptions};
use tempfile::TempDir;

use super::*;
use crate::consensus::record::LogIdRecord;
use crate::consensus::{CommandBytes, MembershipOf, PeerAddress};
use crate::limits::SNAPSHOT_PAGE_KEYS;

const CLUSTER: [u8; 16] = [7; 16];

fn seed() -> PolicySeed {
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    PolicySeed {
        id: "default".to_owned(),
        name: "default".to_owned(),
        description: String::new(),
        document: empty.parse().unwrap(),
    }
}

fn command(index: u64) -> Command {
    if index == 1 {
        return Command::Bootstrap(Box::new(Bootstrap {
            user: "admin".to_owned(),
            password_hash: "hash".to_owned(),
            data_key: vec![1],
            policy: seed(),
        }));
    }
    // Some are refused, which must be the same everywhere too.
    let name = AccountName(format!("account-{}", index - index % 5));
    let data_key = vec![2; 100];
    Command::CreateAccount(Box::new(CreateAccount {
        name,
        email: String::new(),
        data_key,
        policy: seed(),
    }))
}

/// Entry `index` of a log that is the same in every test: members at 0, blanks here and there,
/// else commands.
fn entry(index: u64) -> EntryOf {
    let log_id = LogIdRecord { term: 1, node: 1, index }.into();
    let payload = match index {
        0 => {
            let nodes = std::collections::BTreeMap::from([(1, PeerAddress::default())]);
            PayloadOf::Membership(MembershipOf::from(nodes))
        }
        _ if index % 97 == 3 => PayloadOf::Blank,
        _ => {
            let mut entry = Entry {
                at: Default::default(),
                proposer: NodeId(1),
                request: RequestId(u128::from(index).to_be_bytes()),
                random: [3; 16],
                caller: Caller::Node(NodeId(1)),
                command: command(index),
            };
            entry.at.0 = 1_700_000_000_000 + i64::try_from(index).unwrap();
            PayloadOf::Normal(CommandBytes(kedge_state::encode_entry(&entry).unwrap()))
        }
    };
    EntryOf { log_id, payload }
}

fn open(dir: &TempDir, kv: Arc<dyn Kv>) -> StateStore {
    let folder = SnapshotFolder::open(&dir.path().join("snapshots"), CLUSTER).unwrap();
    StateStore::open(kv, folder, CLUSTER, Arc::new(|| 0)).unwrap()
}

fn memory(dir: &TempDir) -> StateStore {
    open(dir, Arc::new(MemoryKv::new()))
}

fn apply(store: &StateStore, range: std::ops::Range<u64>) {
    for index in range {
        store.apply(entry(index)).unwrap();
    }
}

/// The state proper; our own bookkeeping is compared by `applied`.
fn content(store: &StateStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut content = store.read(|view| view.range(b"", None, false, usize::MAX).unwrap());
    content.retain(|(key, _)| key.first() != Some(&(Keyspace::Consensus as u8)));
    content
}

/// Without printing two whole states when they differ.
fn assert_same_state(a: &StateStore, b: &StateStore) {
    assert_eq!(a.applied(), b.applied());
    let (a, b) = (content(a), content(b));
    assert_eq!(a.len(), b.len());
    let differing = a.iter().zip(&b).find(|(a, b)| a != b);
    assert_eq!(differing, None);
}

#[test]
fn the_same_log_gives_the_same_state_on_every_engine() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let on_memory = memory(&a);
    let sled = SledKv::open(&b.path().join("sled"), &SledOptions::default()).unwrap();
    let on_sled = open(&b, Arc::new(sled));
    apply(&on_memory, 0..2_010);
    apply(&on_sled, 0..2_010);
    assert_same_state(&on_memory, &on_sled);
    for index in [1_000, 2_000] {
        let digest = on_memory.digest_at(index).unwrap();
        assert!(digest.is_some());
        assert_eq!(digest, on_sled.digest_at(index).unwrap());
    }
    assert_ne!(on_memory.digest_at(1_000).unwrap(), on_memory.digest_at(2_000).unwrap());
    assert_eq!(on_memory.digest_at(1_001).unwrap(), None);
}

#[test]
fn another_write_gives_another_digest() {
    let mut batch = Batch::new();
    batch.put("key", "value");
    let digest = next_digest([0; 32], 1, &batch);
    let mut removed = Batch::new();
    removed.delete("key");
    let mut empty = Batch::new();
    empty.put("key", "");
    let mut moved = Batch::new();
    moved.put("keyv", "alue");
    for other in [&removed, &empty, &moved, &Batch::new()] {
        assert_ne!(next_digest([0; 32], 1, other), digest);
    }
    assert_ne!(next_digest([0; 32], 2, &batch), digest);
    assert_ne!(next_digest([1; 32], 1, &batch), digest);
    assert_ne!(next_digest([0; 32], 1, &removed), next_digest([0; 32], 1, &empty));
}

#[test]
fn a_store_loaded_from_a_snapshot_goes_on_the_same() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = memory(&a);
    apply(&first, 0..700);
    let snapshot = first.make_snapshot().unwrap();
    assert_eq!(snapshot.index(), Some(699));

    let second = memory(&b);
    // What was there before must be gone afterwards.
    apply(&second, 0..3);
    second.install(&snapshot).unwrap();
    assert_same_state(&first, &second);
    apply(&first, 700..900);
    apply(&second, 700..900);
    assert_same_state(&first, &second);
    assert_eq!(second.folder().newest().unwrap().index(), Some(699));
}

#[test]
fn a_snapshot_made_while_entries_are_applied_is_of_one_point() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = memory(&a);
    let before = 600;
    assert!(before > 2 * SNAPSHOT_PAGE_KEYS as u64);
    apply(&store, 0..before);
    let snapshot = std::thread::scope(|scope| {
        let writer = scope.spawn(|| apply(&store, before..before + 600));
        let snapshot = store.make_snapshot().unwrap();
        writer.join().unwrap();
        snapshot
    });
    // Whatever point it is of, going on from there must lead to the same state.
    let restored = memory(&b);
    restored.install(&snapshot).unwrap();
    apply(&restored, snapshot.index().unwrap() + 1..before + 600);
    assert_same_state(&restored, &store);
}

#[test]
fn a_crash_while_a_snapshot_is_loaded_leaves_an_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Arc::new(MemoryKv::new());
    let mut batch = Batch::new();
    batch.put(vec![Keyspace::Accounts as u8, 1], "half of a state");
    kv.apply(batch).unwrap();
    let store = open(&dir, Arc::clone(&kv) as Arc<dyn Kv>);
    assert_eq!(store.applied().0, None);
    assert!(content(&store).is_empty());
}

#[test]
fn a_snapshot_of_nothing_is_not_one_of_the_first_entry() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let snapshot = memory(&a).make_snapshot().unwrap();
    let store = memory(&b);
    store.install(&snapshot).unwrap();
    assert_eq!(store.applied().0, None);
    apply(&store, 0..10);
}

#[test]
fn a_reopened_store_knows_how_far_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Arc::new(MemoryKv::new());
    let store = open(&dir, Arc::clone(&kv) as Arc<dyn Kv>);
    apply(&store, 0..10);
    let again = open(&dir, kv);
    assert_eq!(again.applied(), store.applied());
    assert_eq!(again.applied().1.voter_ids().collect::<Vec<_>>(), [1]);
}

#[test]
fn an_unreadable_command_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(&dir);
    apply(&store, 0..5);
    let before = content(&store);
    let mut bad = entry(5);
    bad.payload = PayloadOf::Normal(CommandBytes(vec![1, 200, 0]));
    let error = store.apply(bad).unwrap_err().to_string();
    assert!(error.contains("log entry has version 200"), "{error}");
    assert_eq!(content(&store), before);
}
