//! What a node knows after it was stopped, killed or damaged.

use std::fs;
use std::path::{Path, PathBuf};

use kedge_cluster::identity::IdentityError;
use kedge_cluster::{Engine, Handle, ProposeError, StartError};
use kedge_model::tokens::RequestId;
use kedge_storage::data_dir::DataDirError;

use crate::common::{
    NODE, SLED, bootstrap, copy_folder, create, create_all, damage, expected, names, options,
    propose, start, stop,
};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    for engine in [Engine::Memory, SLED] {
        let dir = tempfile::tempdir().unwrap();
        let node = start(options(dir.path(), engine)).await;
        let identity = node.identity();
        propose(&node, bootstrap()).await.unwrap();
        create_all(&node, 0..40).await;
        let first = names(&node);
        stop(node).await;

        let node = start(options(dir.path(), engine)).await;
        assert_eq!(node.identity(), identity);
        assert_eq!(names(&node), first, "{engine:?}");
        create_all(&node, 40..50).await;
        stop(node).await;
        let node = start(options(dir.path(), engine)).await;
        let mut all = expected(0..50);
        all.sort();
        assert_eq!(names(&node), all, "{engine:?}");
        assert!(node.metrics().is_leader);
        stop(node).await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_log_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), Engine::Memory)).await;
    propose(&node, bootstrap()).await.unwrap();
    for number in 0..10 {
        propose(&node, create(number)).await.unwrap();
        // The files as they are at this moment are what a killed process leaves.
        let image = tempfile::tempdir().unwrap();
        copy_folder(dir.path(), &image.path().join("data"));
        let after_crash = start(options(&image.path().join("data"), Engine::Memory)).await;
        let mut all = expected(0..number + 1);
        all.sort();
        assert_eq!(names(&after_crash), all);
        stop(after_crash).await;
    }
    stop(node).await;
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), SLED)).await;
    propose(&node, bootstrap()).await.unwrap();
    let request = RequestId([5; 16]);
    let first = node.propose_with(request, NODE, create(1)).await.unwrap();
    assert_eq!(node.propose_with(request, NODE, create(1)).await.unwrap(), first);
    stop(node).await;
    let node = start(options(dir.path(), SLED)).await;
    assert_eq!(node.propose_with(request, NODE, create(1)).await.unwrap(), first);
    let error = propose(&node, create(1)).await.unwrap_err();
    assert!(matches!(error, ProposeError::Rejected(_)), "{error}");
    stop(node).await;
}

async fn with_two_snapshots(dir: &Path) -> Handle {
    let node = start(options(dir, SLED)).await;
    propose(&node, bootstrap()).await.unwrap();
    create_all(&node, 0..300).await;
    let older = node.snapshot_now().await.unwrap();
    create_all(&node, 300..600).await;
    assert!(node.snapshot_now().await.unwrap() > older);
    create_all(&node, 600..650).await;
    node.wait_for(|metrics| metrics.purged_index == Some(older)).await.unwrap();
    node
}

fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("snapshots")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    paths
}

fn wipe_state(dir: &Path) {
    fs::remove_dir_all(dir.join("state")).unwrap();
}

#[tokio::test]
async fn a_wiped_state_is_rebuilt_from_snapshot_and_log() {
    let dir = tempfile::tempdir().unwrap();
    let node = with_two_snapshots(dir.path()).await;
    let before = names(&node);
    stop(node).await;
    wipe_state(dir.path());
    let node = start(options(dir.path(), SLED)).await;
    assert_eq!(names(&node), before);
    stop(node).await;
}

#[tokio::test]
async fn a_damaged_state_store_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let node = with_two_snapshots(dir.path()).await;
    let before = names(&node);
    stop(node).await;
    for name in ["db", "conf"] {
        fs::write(dir.path().join("state/sled").join(name), "not a database").unwrap();
    }
    let node = start(options(dir.path(), SLED)).await;
    assert_eq!(names(&node), before);
    // What was set aside is gone again, once it is of no use.
    let left = fs::read_dir(dir.path().join("state")).unwrap().count();
    assert_eq!(left, 2, "the store and its marker");
    stop(node).await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_replaced_by_the_one_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = with_two_snapshots(dir.path()).await;
    let before = names(&node);
    stop(node).await;
    damage(&snapshots(dir.path())[1]);
    wipe_state(dir.path());
    let node = start(options(dir.path(), SLED)).await;
    assert_eq!(names(&node), before);
    stop(node).await;
    let aside = snapshots(dir.path()).pop().unwrap();
    assert_eq!(aside.extension().unwrap(), "corrupt");
}

#[tokio::test]
async fn damaged_snapshots_beside_a_good_state_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let node = with_two_snapshots(dir.path()).await;
    let before = names(&node);
    stop(node).await;
    snapshots(dir.path()).iter().for_each(|path| damage(path));
    let node = start(options(dir.path(), SLED)).await;
    assert_eq!(names(&node), before);
    assert!(node.metrics().snapshot_index.is_some());
    stop(node).await;
    // And the new one is good for a rebuild.
    wipe_state(dir.path());
    let node = start(options(dir.path(), SLED)).await;
    assert_eq!(names(&node), before);
    stop(node).await;
}

#[tokio::test]
async fn a_gap_between_state_and_log_is_named_not_papered_over() {
    let dir = tempfile::tempdir().unwrap();
    let node = with_two_snapshots(dir.path()).await;
    let purged = node.metrics().purged_index.unwrap();
    stop(node).await;
    snapshots(dir.path()).iter().for_each(|path| damage(path));
    wipe_state(dir.path());
    let error = kedge_cluster::start(options(dir.path(), SLED)).await.unwrap_err();
    assert!(
        matches!(error, StartError::StateLost { state_index: 0, purged_index, .. }
            if purged_index == purged),
        "{error}"
    );
    // Looking again does not make it better.
    let error = kedge_cluster::start(options(dir.path(), SLED)).await.unwrap_err();
    assert!(matches!(error, StartError::StateLost { .. }), "{error}");
}

#[tokio::test]
async fn a_lost_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    stop(with_two_snapshots(dir.path()).await).await;
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    let error = kedge_cluster::start(options(dir.path(), SLED)).await.unwrap_err();
    assert!(matches!(error, StartError::LogLost { .. }), "{error}");
}

#[tokio::test]
async fn a_lost_identity_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    stop(with_two_snapshots(dir.path()).await).await;
    fs::remove_file(dir.path().join("identity.json")).unwrap();
    let error = kedge_cluster::start(options(dir.path(), SLED)).await.unwrap_err();
    assert!(matches!(error, StartError::Identity(IdentityError::Missing { .. })), "{error}");
}

#[tokio::test]
async fn data_of_another_cluster_is_refused() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stop(with_two_snapshots(a.path()).await).await;
    stop(start(options(b.path(), SLED)).await).await;
    fs::copy(b.path().join("identity.json"), a.path().join("identity.json")).unwrap();
    let error = kedge_cluster::start(options(a.path(), SLED)).await.unwrap_err();
    assert!(error.to_string().contains("belongs to cluster"), "{error}");
}

#[tokio::test]
async fn a_second_node_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), SLED)).await;
    let error = kedge_cluster::start(options(dir.path(), SLED)).await.unwrap_err();
    assert!(matches!(error, StartError::DataDir(DataDirError::InUse { .. })), "{error}");
    stop(node).await;
    stop(start(options(dir.path(), SLED)).await).await;
}
