//! A disk that stalls or fails, and callers that ask for too much.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures::future::join_all;
use kedge_cluster::limits::{ENTRY_BYTES_MAX, PROPOSALS_IN_FLIGHT_MAX};
use kedge_cluster::{Engine, Handle, Options, ProposeError, Unavailable};
use kedge_model::command::Command;
use kedge_model::tokens::AccountName;
use kedge_storage::log::disk::{Disk, DiskFile, RealDisk};

use crate::common::{bootstrap, create, expected, names, options, propose, start, stop};

/// A disk whose syncs are counted, can be held up, and can be made to fail.
#[derive(Default)]
struct TestDisk {
    control: Arc<Control>,
}

#[derive(Default)]
struct Control {
    syncs_count: AtomicUsize,
    is_failing: AtomicBool,
    is_held: Mutex<bool>,
    released: Condvar,
}

impl Control {
    fn hold(&self, is_held: bool) {
        *self.is_held.lock().unwrap() = is_held;
        self.released.notify_all();
    }

    fn sync(&self) -> io::Result<()> {
        let held = self.is_held.lock().unwrap();
        drop(self.released.wait_while(held, |is_held| *is_held).unwrap());
        self.syncs_count.fetch_add(1, Ordering::SeqCst);
        match self.is_failing.load(Ordering::SeqCst) {
            true => Err(io::Error::from_raw_os_error(5)),
            false => Ok(()),
        }
    }
}

struct TestFile {
    file: Arc<dyn DiskFile>,
    control: Arc<Control>,
}

impl DiskFile for TestFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }
    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.control.sync()?;
        self.file.sync()
    }
}

impl Disk for TestDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let (file, control) = (RealDisk.open(path)?, Arc::clone(&self.control));
        Ok(Arc::new(TestFile { file, control }))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
}

async fn start_on_test_disk(dir: &Path, timeout: Duration) -> (Handle, Arc<Control>) {
    let disk = TestDisk::default();
    let control = Arc::clone(&disk.control);
    let options = Options {
        log_disk: Arc::new(disk),
        propose_timeout: timeout,
        log_segment_bytes: 16 * 1024 * 1024,
        ..options(dir, Engine::Memory)
    };
    let node = start(options).await;
    propose(&node, bootstrap()).await.unwrap();
    (node, control)
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn commands_that_wait_together_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (node, control) = start_on_test_disk(dir.path(), LONG).await;
    let before = node.metrics().last_index.unwrap();
    control.hold(true);
    let syncs_before = control.syncs_count.load(Ordering::SeqCst);
    let proposals = join_all((0..200).map(|number| propose(&node, create(number))));
    let release = async {
        // All of them are in the log's queue; the disk has not moved.
        let is_queued = |last| last >= Some(before + 200);
        node.wait_for(|metrics| is_queued(metrics.last_index)).await.unwrap();
        assert_eq!(control.syncs_count.load(Ordering::SeqCst), syncs_before);
        control.hold(false);
    };
    let (answers, ()) = tokio::join!(proposals, release);
    answers.into_iter().for_each(|answer| drop(answer.unwrap()));
    // One for what was being written when the disk stalled, one for all the rest; purging or
    // rolling over may add a few, never one per command.
    let syncs = control.syncs_count.load(Ordering::SeqCst) - syncs_before;
    assert!((1..=5).contains(&syncs), "{syncs} syncs for 200 commands");
    stop(node).await;
}

#[tokio::test]
async fn nothing_is_acknowledged_after_a_failed_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (node, control) = start_on_test_disk(dir.path(), LONG).await;
    propose(&node, create(0)).await.unwrap();
    control.is_failing.store(true, Ordering::SeqCst);
    let error = propose(&node, create(1)).await.unwrap_err();
    assert!(matches!(error, ProposeError::Stopped(_)), "{error}");
    let reason = node.fatal().await;
    assert!(reason.contains("log"), "{reason}");
    // A disk that seems well again changes nothing: this process has lost its trust.
    control.is_failing.store(false, Ordering::SeqCst);
    let error = propose(&node, create(2)).await.unwrap_err();
    assert!(matches!(error, ProposeError::Stopped(_)), "{error}");
    assert!(node.shutdown().await.is_err());
    drop(node);

    let node = start(options(dir.path(), Engine::Memory)).await;
    let found = names(&node);
    assert!(found.contains(&expected(0..1)[0]));
    assert!(!found.contains(&expected(2..3)[0]));
    propose(&node, create(3)).await.unwrap();
    stop(node).await;
}

#[tokio::test]
async fn a_command_that_is_not_committed_in_time_has_an_unknown_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let (node, control) = start_on_test_disk(dir.path(), Duration::from_millis(50)).await;
    control.hold(true);
    let error = propose(&node, create(0)).await.unwrap_err();
    let ProposeError::Unavailable { reason, retry_after } = error else { panic!("{error}") };
    assert_eq!(reason, Unavailable::Timeout);
    assert!(reason.is_outcome_unknown() && retry_after > Duration::ZERO);
    // It still counts: whoever gave up waiting has not made room in the log's queue.
    assert_eq!(node.metrics().proposals_in_flight_count, 1);
    control.hold(false);
    // It was not lost either.
    node.wait_for(|_| names(&node).contains(&expected(0..1)[0])).await.unwrap();
    stop(node).await;
}

#[tokio::test]
async fn too_many_commands_at_once_are_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let (node, control) = start_on_test_disk(dir.path(), LONG).await;
    let before = node.metrics().last_index.unwrap();
    control.hold(true);
    let surplus = 70;
    let count = PROPOSALS_IN_FLIGHT_MAX + surplus;
    let proposals = join_all((0..count).map(|number| propose(&node, create(number))));
    let release = async {
        let last = before + PROPOSALS_IN_FLIGHT_MAX as u64;
        node.wait_for(|metrics| metrics.last_index >= Some(last)).await.unwrap();
        control.hold(false);
    };
    let (answers, ()) = tokio::join!(proposals, release);
    let refused = answers.into_iter().filter_map(Result::err).map(|error| match error {
        ProposeError::Unavailable { reason, .. } => reason,
        error @ (ProposeError::Rejected(_)
        | ProposeError::TooLarge { .. }
        | ProposeError::Encode(_)
        | ProposeError::Random(_)
        | ProposeError::Stopped(_)) => panic!("{error}"),
    });
    assert_eq!(refused.collect::<Vec<_>>(), vec![Unavailable::Overloaded; surplus]);
    assert_eq!(names(&node).len(), PROPOSALS_IN_FLIGHT_MAX + 1);
    stop(node).await;
}

#[tokio::test]
async fn an_oversized_command_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), Engine::Memory)).await;
    let before = node.metrics().last_index;
    let account = AccountName::from("admin");
    let command = Command::UpdateAccount { account, email: "x".repeat(ENTRY_BYTES_MAX) };
    let error = propose(&node, command).await.unwrap_err();
    assert!(matches!(error, ProposeError::TooLarge { .. }));
    assert!(error.to_string().contains("ENTRY_BYTES_MAX"), "{error}");
    assert_eq!(node.metrics().last_index, before);
    stop(node).await;
}

#[tokio::test]
async fn commands_are_refused_before_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let full = Options { disk_reserve_bytes: u64::MAX, ..options(dir.path(), Engine::Memory) };
    let node = start(full).await;
    let error = propose(&node, bootstrap()).await.unwrap_err();
    let ProposeError::Unavailable { reason, .. } = error else { panic!("{error}") };
    assert!(matches!(reason, Unavailable::DiskFull { .. }) && !reason.is_outcome_unknown());
    assert!(node.metrics().is_disk_low);
    assert!(names(&node).is_empty(), "reads go on");
    stop(node).await;
}

#[tokio::test]
async fn a_stopped_node_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), Engine::Memory)).await;
    node.shutdown().await.unwrap();
    let error = propose(&node, bootstrap()).await.unwrap_err();
    assert!(matches!(error, ProposeError::Stopped(_)), "{error}");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn linearizable_reads_see_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(options(dir.path(), Engine::Memory)).await;
    propose(&node, bootstrap()).await.unwrap();
    let accounts = node.read_linearizable(|view| kedge_state::query::account::list(view).unwrap());
    assert_eq!(accounts.await.unwrap().len(), 1);
    stop(node).await;
}
