use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::limits::{LOG_ENTRY_BYTES_MAX, LOG_META_BYTES_MAX};

fn options() -> LogOptions {
    LogOptions { group: 5, ..LogOptions::default() }
}

fn entry(index: u64) -> LogEntry {
    LogEntry { index, payload: format!("entry {index}").into_bytes() }
}

fn entries(range: Range<u64>) -> Vec<LogEntry> {
    range.map(entry).collect()
}

fn all(log: &Log) -> Vec<LogEntry> {
    let state = log.state();
    match (state.first_index, state.last_index) {
        (Some(first), Some(last)) => log.read(first..last + 1, usize::MAX).unwrap(),
        _ => Vec::new(),
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Copies a log folder as a kill would leave it: without the mark of an orderly close.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in segments(from) {
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn content_is_there_before_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    assert_eq!(log.state(), LogState::default());
    assert_eq!(log.read(0..10, 100).unwrap(), []);
    log.append_sync(entries(0..10)).unwrap();
    log.save_vote(b"term 1".to_vec()).unwrap();
    log.truncate_after(Some(6)).unwrap();
    log.append_sync(vec![LogEntry { index: 7, payload: b"other".to_vec() }]).unwrap();
    log.purge(2, b"id 2".to_vec()).unwrap();
    let check = |log: &Log| {
        let purged = Purged { index: 2, id: b"id 2".to_vec() };
        let state = log.state();
        assert_eq!((state.first_index, state.last_index), (Some(3), Some(7)));
        assert_eq!(state.last_purged, Some(purged));
        assert_eq!(log.vote(), Some(b"term 1".to_vec()));
        let found = all(log);
        assert_eq!(found[..4], entries(3..7));
        assert_eq!(found[4].payload, b"other");
        assert_eq!(log.read(2..5, 100), Err(LogError::Missing { index: 2 }));
        assert_eq!(log.read(8..12, 100).unwrap(), []);
    };
    check(&log);
    drop(log);
    check(&Log::open(dir.path(), options()).unwrap());
}

#[test]
fn read_is_cut_by_bytes_but_makes_progress() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    log.append_sync(entries(0..5)).unwrap();
    assert_eq!(log.read(1..5, 0).unwrap(), entries(1..2));
    assert_eq!(log.read(1..5, 8).unwrap(), entries(1..3), "ends with the entry that reaches it");
    assert_eq!(log.read(1..5, 14).unwrap(), entries(1..3));
    assert_eq!(log.read(3..3, 14).unwrap(), []);
}

#[test]
fn appends_must_continue_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    log.append_sync(entries(4..6)).unwrap();
    let error = log.append_sync(entries(7..8)).unwrap_err();
    assert_eq!(error, LogError::NotContiguous { expected: 6, found: 7 });
    let error = log.append_sync(vec![entry(6), entry(8)]).unwrap_err();
    assert_eq!(error, LogError::NotContiguous { expected: 7, found: 8 });
    assert_eq!(all(&log), entries(4..6), "nothing of a refused append is there");
    // A snapshot that is ahead of the log.
    log.purge(100, b"id".to_vec()).unwrap();
    assert!(log.append_sync(entries(6..7)).is_err());
    log.append_sync(entries(101..103)).unwrap();
    log.purge(50, b"older".to_vec()).unwrap();
    assert_eq!(log.state().last_purged.unwrap().index, 100, "never backwards");
    log.truncate_after(None).unwrap();
    log.append_sync(entries(101..102)).unwrap();
    drop(log);
    assert_eq!(all(&Log::open(dir.path(), options()).unwrap()), entries(101..102));
}

#[test]
fn limits_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let large = LogEntry { index: 0, payload: vec![0; LOG_ENTRY_BYTES_MAX + 1] };
    let error = log.append_sync(vec![large]).unwrap_err();
    assert!(error.to_string().contains("LOG_ENTRY_BYTES_MAX"), "{error}");
    let error = log.save_vote(vec![0; LOG_META_BYTES_MAX + 1]).unwrap_err();
    assert!(error.to_string().contains("LOG_META_BYTES_MAX"), "{error}");
    assert!(log.purge(0, vec![0; LOG_META_BYTES_MAX + 1]).is_err());
    assert_eq!(log.failure(), None, "a refused request is no failure of the log");
    let tiny = LogOptions { segment_bytes: 10, ..options() };
    let error = Log::open(dir.path(), tiny).unwrap_err();
    assert!(error.to_string().contains("segment_bytes"), "{error}");
}

#[test]
fn segments_rotate_and_purged_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let small = LogOptions { segment_bytes: 4096, ..options() };
    let log = Log::open(dir.path(), small.clone()).unwrap();
    log.save_vote(b"vote".to_vec()).unwrap();
    for index in 0..200 {
        let payload = vec![u8::try_from(index).unwrap(); 100];
        log.append_sync(vec![LogEntry { index, payload }]).unwrap();
    }
    let before = segments(dir.path()).len();
    assert!(before > 4, "{before} segments");
    assert!(log.disk_bytes() > 200 * 100);
    log.purge(150, b"id".to_vec()).unwrap();
    // Deletion follows the acknowledgement; the next operation comes after it.
    log.flush().unwrap();
    let after = segments(dir.path());
    assert!(after.len() < before, "{} of {before} segments left", after.len());
    assert_eq!(log.read(151..200, usize::MAX).unwrap().len(), 49);
    assert!(log.disk_bytes() < 100 * 200);
    drop(log);
    // Vote and purge were carried over into the segments that are left.
    let log = Log::open(dir.path(), small.clone()).unwrap();
    assert_eq!(log.vote(), Some(b"vote".to_vec()));
    assert_eq!(log.state().first_index, Some(151));
    assert_eq!(log.read(199..200, 1000).unwrap()[0].payload, [199; 100]);
    drop(log);
    // A segment that is still needed is missed.
    fs::remove_file(&after[0]).unwrap();
    let error = Log::open(dir.path(), small).unwrap_err();
    assert!(matches!(error, LogError::MissingSegment { .. }), "{error}");
}

#[test]
fn gap_of_purged_segments_is_healed_and_others_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let small = LogOptions { segment_bytes: 4096, ..options() };
    let log = Log::open(dir.path(), small.clone()).unwrap();
    for index in 0..200 {
        log.append_sync(vec![LogEntry { index, payload: vec![1; 100] }]).unwrap();
    }
    let copied = dir.path().join("../gap").join(dir.path().file_name().unwrap());
    copy(dir.path(), &copied);
    log.purge(199, b"id".to_vec()).unwrap();
    log.flush().unwrap();
    drop(log);
    // Deletions of a power cut: the first segment came back, the second did not.
    let first = segment_path(&copied, 1);
    fs::copy(&first, segment_path(dir.path(), 1)).unwrap();
    let log = Log::open(dir.path(), small.clone()).unwrap();
    assert_eq!(log.state().last_purged.unwrap().index, 199);
    assert!(!segment_path(dir.path(), 1).exists());

    fs::remove_file(segment_path(&copied, 3)).unwrap();
    let error = Log::open(&copied, small).unwrap_err();
    assert!(matches!(error, LogError::MissingSegment { sequence: 3, .. }), "{error}");
    fs::remove_dir_all(copied.parent().unwrap()).unwrap();
}

#[test]
fn cache_is_bounded_and_old_entries_come_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let bounded = LogOptions { cache_bytes_max: 2_000, segment_bytes: 4096, ..options() };
    let log = Log::open(dir.path(), bounded).unwrap();
    for start in (0..300).step_by(10) {
        let payload = |index: u64| vec![index.to_le_bytes()[0]; 50];
        let batch = (start..start + 10).map(|index| LogEntry { index, payload: payload(index) });
        log.append_sync(batch.collect()).unwrap();
        assert!(log.shared.lock().cached_bytes() <= 2_000);
    }
    let found = log.read(0..300, usize::MAX).unwrap();
    assert!(found.iter().all(|e| e.payload == [e.index.to_le_bytes()[0]; 50]));
    assert_eq!(found.len(), 300);
    log.truncate_after(Some(5)).unwrap();
    log.append_sync(entries(6..300)).unwrap();
    assert_eq!(log.read(6..300, usize::MAX).unwrap(), entries(6..300));
    assert!(log.shared.lock().cached_bytes() <= 2_000);
    log.purge(299, b"id".to_vec()).unwrap();
    assert_eq!(log.shared.lock().cached_bytes(), 0);
}

#[test]
fn damage_to_a_stored_entry_is_found_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let uncached = LogOptions { cache_bytes_max: 0, ..options() };
    let log = Log::open(dir.path(), uncached).unwrap();
    log.append_sync(entries(0..3)).unwrap();
    assert_eq!(all(&log), entries(0..3));
    let path = segment_path(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(7).position(|window| window == b"entry 1").unwrap();
    bytes[at] = b'E';
    fs::write(&path, bytes).unwrap();
    assert_eq!(log.read(0..1, 100).unwrap(), entries(0..1));
    let error = log.read(1..2, 100).unwrap_err();
    assert!(matches!(error, LogError::Corrupt { offset, .. } if offset as usize == at - 25));
}

#[test]
fn other_groups_and_newer_formats_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Log::open(dir.path(), options()).unwrap());
    let error = Log::open(dir.path(), LogOptions { group: 6, ..options() }).unwrap_err();
    assert!(matches!(error, LogError::WrongGroup { found: 5, expected: 6, .. }), "{error}");
    let path = segment_path(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    fs::write(&path, &bytes).unwrap();
    let error = Log::open(dir.path(), options()).unwrap_err();
    assert!(matches!(error, LogError::NewerFormat { found: 2, known: 1, .. }), "{error}");
    bytes[0] = b'X';
    fs::write(&path, &bytes).unwrap();
    let error = Log::open(dir.path(), options()).unwrap_err();
    assert!(matches!(error, LogError::Corrupt { offset: 0, .. }), "{error}");
}

/// Writes three batches: entry 0, entries 1 to 3, entries 4 to 6. Returns the files as a kill
/// leaves them, and the offsets at which records begin.
fn three_batches(dir: &Path) -> (Vec<u8>, Vec<usize>) {
    let log = Log::open(dir, options()).unwrap();
    log.append_sync(entries(0..1)).unwrap();
    log.append_sync(entries(1..4)).unwrap();
    log.append_sync(entries(4..7)).unwrap();
    let bytes = fs::read(segment_path(dir, 1)).unwrap();
    let record = 25 + "entry 0".len();
    let starts = (0..=7).map(|number| 32 + number * record).collect();
    (bytes, starts)
}

fn open_with(dir: &Path, bytes: &[u8]) -> Result<Log, LogError> {
    fs::create_dir_all(dir).unwrap();
    fs::write(segment_path(dir, 1), bytes).unwrap();
    Log::open(dir, options())
}

#[test]
fn cut_anywhere_keeps_every_whole_record() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, starts) = three_batches(&dir.path().join("from"));
    assert_eq!(bytes.len(), starts[7]);
    for cut in 0..=bytes.len() {
        let at = dir.path().join("cut");
        let log = open_with(&at, &bytes[..cut]).unwrap();
        let whole = starts[1..].iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(all(&log), entries(0..whole), "cut at {cut}");
        // The log goes on where it was cut, and what follows is kept.
        log.append_sync(entries(whole..whole + 1)).unwrap();
        drop(log);
        assert_eq!(all(&Log::open(&at, options()).unwrap()), entries(0..whole + 1));
    }
}

#[test]
fn flip_anywhere_is_an_error_unless_it_can_be_a_torn_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, starts) = three_batches(&dir.path().join("from"));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x04;
        let opened = open_with(&dir.path().join("flip"), &damaged);
        let record = starts.iter().rposition(|start| *start <= at);
        match record {
            // Entries 4 to 6 are the last batch: it may never have been acknowledged.
            Some(record @ 4..) => {
                assert_eq!(all(&opened.unwrap()), entries(0..record as u64), "flip at {at}");
            }
            Some(record) => {
                let offset = starts[record] as u64;
                let error = opened.unwrap_err();
                let is_right =
                    matches!(&error, LogError::Corrupt { offset: found, .. } if *found == offset);
                assert!(is_right, "flip at {at}: {error}");
            }
            None => assert!(opened.is_err(), "flip at {at} in the header"),
        }
    }
}

#[test]
fn after_an_orderly_close_every_flip_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    let (open, starts) = three_batches(&from);
    let closed = fs::read(segment_path(&from, 1)).unwrap();
    assert!(closed.len() > open.len());
    for at in starts[0]..open.len() {
        let mut damaged = closed.clone();
        damaged[at] ^= 0x80;
        let error = open_with(&dir.path().join("flip"), &damaged).unwrap_err();
        assert!(matches!(error, LogError::Corrupt { .. }), "flip at {at}: {error}");
    }
}

#[test]
fn garbage_and_zeros_after_the_end_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, _) = three_batches(&dir.path().join("from"));
    let garbage: Vec<u8> =
        (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    // Bytes that are valid records elsewhere are no records here.
    for tail in [vec![0; 9000], garbage, bytes[32..].to_vec()] {
        let log = open_with(&dir.path().join("tail"), &[&bytes[..], &tail].concat()).unwrap();
        assert_eq!(all(&log), entries(0..7));
    }
}

#[test]
fn damage_in_an_earlier_segment_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let small = LogOptions { segment_bytes: 4096, ..options() };
    let log = Log::open(dir.path(), small.clone()).unwrap();
    for index in 0..80 {
        log.append_sync(vec![LogEntry { index, payload: vec![1; 100] }]).unwrap();
    }
    drop(log);
    let path = segment_path(dir.path(), 1);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = Log::open(dir.path(), small).unwrap_err();
    assert!(matches!(&error, LogError::Corrupt { segment, .. } if segment.ends_with("1.log")));
}

#[test]
fn concurrent_callers_share_syncs_and_all_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let next = Mutex::new(0_u64);
    let done = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let mut next = next.lock().unwrap();
                    let done = Arc::clone(&done);
                    let ack = move |result: Result<(), LogError>| {
                        result.unwrap();
                        done.fetch_add(1, Ordering::SeqCst);
                    };
                    log.append(vec![entry(*next)], Box::new(ack)).unwrap();
                    assert_eq!(log.read(*next..*next + 1, 1).unwrap(), [entry(*next)]);
                    *next += 1;
                }
            });
        }
    });
    log.flush().unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 800);
    drop(log);
    assert_eq!(all(&Log::open(dir.path(), options()).unwrap()), entries(0..800));
}

#[test]
fn small_queue_only_slows_its_callers_down() {
    let dir = tempfile::tempdir().unwrap();
    let narrow = LogOptions { queue_bytes_max: 1, ..options() };
    let log = Log::open(dir.path(), narrow).unwrap();
    for index in 0..100 {
        log.append(vec![entry(index)], Box::new(|result| result.unwrap())).unwrap();
    }
    log.flush().unwrap();
    assert_eq!(all(&log), entries(0..100));
}

#[test]
fn huge_append_is_one_append() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let payload = |index: u64| vec![index.to_le_bytes()[0]; 1_000_000];
    let huge = (0..20).map(|index| LogEntry { index, payload: payload(index) }).collect();
    log.append_sync(huge).unwrap();
    drop(log);
    let log = Log::open(dir.path(), options()).unwrap();
    let found = log.read(0..20, usize::MAX).unwrap();
    assert!(found.iter().all(|entry| entry.payload == payload(entry.index)));
    assert_eq!(found.len(), 20);
}

#[test]
fn panicking_callback_fails_the_log_instead_of_hanging_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    log.append(entries(0..1), Box::new(|_| panic!("callback of this test"))).unwrap();
    // Whatever the timing, callers get an answer.
    while log.failure().is_none() {
        let _ = log.flush();
    }
    assert_eq!(log.failure(), Some(LogError::Closed));
    assert_eq!(log.append_sync(entries(1..2)), Err(LogError::Closed));
}
