//! The log with failures injected around its three critical steps. Needs the `failpoints` feature:
//! `cargo test -p kedge-storage --features failpoints --test failpoints`.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

use fail::FailScenario;
use kedge_storage::log::{Log, LogEntry, LogError, LogOptions};

fn entry(index: u64) -> Vec<LogEntry> {
    vec![LogEntry { index, payload: index.to_le_bytes().to_vec() }]
}

fn open(dir: &Path) -> Log {
    Log::open(dir, LogOptions::default()).unwrap()
}

#[test]
fn injected_failures_stop_the_log_and_reopening_heals_it() {
    // The entry that failed may or may not be there afterwards; only before the write is it known.
    let points =
        [("log::before_write", Some(1)), ("log::before_fsync", None), ("log::before_ack", None)];
    for (point, entries) in points {
        let scenario = FailScenario::setup();
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        log.append_sync(entry(0)).unwrap();
        fail::cfg(point, "return(disk is gone)").unwrap();
        let error = log.append_sync(entry(1)).unwrap_err();
        assert!(error.to_string().contains("disk is gone"), "{error}");
        fail::remove(point);
        assert_eq!(log.append_sync(entry(2)), Err(error.clone()));
        assert_eq!(log.save_vote(vec![1]), Err(error.clone()));
        assert!(matches!(log.failure(), Some(LogError::Io { .. })));
        drop(log);
        let log = open(dir.path());
        let next = log.state().last_index.unwrap() + 1;
        assert_eq!(log.read(0..1, 100).unwrap(), entry(0));
        if let Some(expected) = entries {
            assert_eq!(next, expected, "{point}");
        }
        log.append_sync(entry(next)).unwrap();
        scenario.teardown();
    }
}
