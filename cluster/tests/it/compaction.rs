//! The log and the snapshots stay small, however much is proposed.

use std::fs;

use kedge_cluster::limits::SNAPSHOTS_KEPT;
use kedge_cluster::{Engine, Options};
use kedge_model::event::Event;

use crate::common::{
    bootstrap, change, create, folder_bytes, names, options, propose, propose_many, start, stop,
};

const EVERY: u64 = 500;

#[tokio::test]
async fn the_folder_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let small = || Options { snapshot_every_entries: EVERY, ..options(dir.path(), Engine::Memory) };
    let node = start(small()).await;
    propose(&node, bootstrap()).await.unwrap();
    propose(&node, create(0)).await.unwrap();
    propose_many(&node, (0..6_000).map(change).collect()).await;

    let applied = node.metrics().applied_index.unwrap();
    assert!(applied >= 6_000);
    node.wait_for(|metrics| metrics.purged_index >= Some(applied - 4 * EVERY)).await.unwrap();
    // Two intervals are kept, one is being written, and the log shrinks by whole segments. An
    // entry has at most 600 bytes. The state remembers requests, so it grows with their number.
    let log_bytes_max = 4 * EVERY * 600 + 3 * 64 * 1024;
    let log_bytes = node.metrics().log_bytes;
    assert!(log_bytes <= log_bytes_max, "{log_bytes}");
    assert_eq!(fs::read_dir(dir.path().join("snapshots")).unwrap().count(), SNAPSHOTS_KEPT);
    let state_bytes = node.state_stats().await.unwrap().live_bytes;
    let bytes_max = log_bytes_max + SNAPSHOTS_KEPT as u64 * (2 * state_bytes + 4_096);
    stop(node).await;
    let bytes = folder_bytes(dir.path());
    assert!(bytes <= bytes_max, "{bytes} > {bytes_max}");

    let node = start(small()).await;
    assert_eq!(names(&node), ["account-000000", "admin"]);
    stop(node).await;
}

#[tokio::test]
async fn bytes_alone_make_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot_every_bytes = 100 * 1024;
    let node = start(Options { snapshot_every_bytes, ..options(dir.path(), Engine::Memory) }).await;
    propose(&node, bootstrap()).await.unwrap();
    propose(&node, create(0)).await.unwrap();
    propose_many(&node, (0..1_000).map(change).collect()).await;
    node.wait_for(|metrics| metrics.snapshot_index > Some(10)).await.unwrap();
    stop(node).await;
}

#[tokio::test]
async fn a_snapshot_of_nothing_new_is_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), Engine::Memory)).await;
    propose(&node, bootstrap()).await.unwrap();
    let index = node.snapshot_now().await.unwrap();
    assert_eq!(node.snapshot_now().await.unwrap(), index);
    assert_eq!(Some(index), node.metrics().applied_index);
    assert_eq!(fs::read_dir(dir.path().join("snapshots")).unwrap().count(), 1);
    stop(node).await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_does_not_stop_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), Engine::Memory)).await;
    propose(&node, bootstrap()).await.unwrap();
    let folder = dir.path().join("snapshots");
    fs::remove_dir(&folder).unwrap();
    let error = node.snapshot_now().await.unwrap_err();
    assert!(error.to_string().contains("snapshots"), "{error}");
    propose(&node, create(1)).await.unwrap();
    fs::create_dir(&folder).unwrap();
    node.snapshot_now().await.unwrap();
    stop(node).await;
}

#[tokio::test]
async fn watchers_hear_what_was_applied() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), Engine::Memory)).await;
    propose(&node, bootstrap()).await.unwrap();
    let mut events = node.events();
    let force = kedge_model::command::Command::SyncFeeds { force: false };
    propose(&node, force).await.unwrap();
    assert!(matches!(events.recv().await.unwrap(), Event::JobReady(_)));
    stop(node).await;
}
