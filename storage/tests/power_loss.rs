//! The consensus log against a disk that loses power, fails to sync, or is full, at seeded points.
//!
//! What must hold: operations are recovered in order, at least up to the last acknowledged one,
//! and nothing is recovered that was never asked for.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kedge_storage::log::{Ack, Log, LogEntry, LogError, LogOptions};
use support::sim_disk::{Fault, SimDisk};
use support::{Random, payload};

/// What the log should hold.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    entries: BTreeMap<u64, Vec<u8>>,
    purged: Option<(u64, Vec<u8>)>,
    vote: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Operation {
    Append(Vec<LogEntry>),
    Vote(Vec<u8>),
    Truncate(Option<u64>),
    Purge(u64, Vec<u8>),
}

impl Model {
    fn of(log: &Log) -> Self {
        let state = log.state();
        let range = state.first_index.unwrap_or(0)..state.last_index.map_or(0, |last| last + 1);
        let entries = log.read(range, usize::MAX).unwrap();
        Self {
            entries: entries.into_iter().map(|entry| (entry.index, entry.payload)).collect(),
            purged: state.last_purged.map(|purged| (purged.index, purged.id)),
            vote: log.vote(),
        }
    }

    fn next_index(&self) -> u64 {
        let after_last = self.entries.keys().next_back().map(|last| last + 1);
        after_last.or(self.purged.as_ref().map(|(index, _)| index + 1)).unwrap_or(0)
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(entries) => {
                for entry in entries {
                    self.entries.insert(entry.index, entry.payload.clone());
                }
            }
            Operation::Vote(vote) => self.vote = Some(vote.clone()),
            Operation::Truncate(after) => {
                self.entries.retain(|index, _| after.is_some_and(|after| *index <= after));
            }
            Operation::Purge(upto, id) => {
                self.entries.retain(|index, _| index > upto);
                self.purged = Some((*upto, id.clone()));
            }
        }
    }

    fn choose(&self, random: &mut Random, generation: u64) -> Operation {
        let first = self.entries.keys().next().copied();
        match (random.below(20), first) {
            (0 | 1, _) => Operation::Vote(generation.to_le_bytes().to_vec()),
            (2, Some(first)) => {
                let inside = first + random.below(self.entries.len() as u64);
                Operation::Truncate(Some(inside))
            }
            (3, Some(_)) if self.purged.is_some() => Operation::Truncate(None),
            (4 | 5, Some(first)) => {
                // Sometimes past the end, as when a snapshot is installed.
                let upto = first + random.below(self.entries.len() as u64 + 3);
                Operation::Purge(upto, payload(upto, generation, 24))
            }
            _ => {
                let start = self.next_index();
                let count = 1 + random.below(4);
                let entry = |index| {
                    let bytes = 20 + random.below(1500);
                    let bytes = usize::try_from(bytes).unwrap();
                    LogEntry { index, payload: payload(index, generation, bytes) }
                };
                Operation::Append((start..start + count).map(entry).collect())
            }
        }
    }
}

fn open(disk: &SimDisk) -> Result<Log, LogError> {
    // Small segments and no cache: rotation and reading from files happen all the time.
    let options =
        LogOptions { group: 1, segment_bytes: 8192, cache_bytes_max: 0, ..LogOptions::default() };
    Log::open_on(Arc::new(disk.clone()), Path::new("/sim"), options)
}

fn submit(log: &Log, operation: &Operation, done: Ack) -> Result<(), LogError> {
    match operation.clone() {
        Operation::Append(entries) => log.append(entries, done),
        Operation::Vote(vote) => log.submit_vote(vote, done),
        Operation::Truncate(after) => log.submit_truncate_after(after, done),
        Operation::Purge(upto, id) => log.submit_purge(upto, id, done),
    }
}

/// Runs operations until the log fails; returns them, and how many were acknowledged.
fn run(log: Log, base: &Model, random: &mut Random, count: u64) -> (Vec<Operation>, usize) {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut model = base.clone();
    let mut operations = Vec::new();
    for _ in 0..count {
        let operation = model.choose(random, random.clone().next());
        let counter = Arc::clone(&acknowledged);
        let number = operations.len();
        let done: Ack = Box::new(move |result| {
            if result.is_ok() {
                // Acknowledgements come in order and without gaps.
                assert_eq!(counter.fetch_add(1, Ordering::SeqCst), number);
            }
        });
        if submit(&log, &operation, done).is_err() {
            break;
        }
        model.apply(&operation);
        operations.push(operation);
        let is_pause = random.below(3) == 0;
        if is_pause && log.flush().is_err() {
            break;
        }
    }
    drop(log);
    (operations, acknowledged.load(Ordering::SeqCst))
}

/// Checks that `found` is `base` with some of the operations applied: all acknowledged ones, then
/// any number of the others in order, the last of these perhaps an append in part.
fn check(found: &Model, base: &Model, operations: &[Operation], acknowledged: usize, seed: u64) {
    let mut model = base.clone();
    for (number, operation) in operations.iter().enumerate() {
        if number >= acknowledged {
            if model == *found {
                return;
            }
            if let Operation::Append(entries) = operation {
                for count in 1..entries.len() {
                    let mut partial = model.clone();
                    partial.apply(&Operation::Append(entries[..count].to_vec()));
                    if partial == *found {
                        return;
                    }
                }
            }
        }
        model.apply(operation);
    }
    let (indexes, expected): (Vec<_>, Vec<_>) =
        (found.entries.keys().collect(), model.entries.keys().collect());
    assert!(
        model == *found,
        "seed {seed}: {acknowledged} of {} acknowledged, found {indexes:?} {:?} {:?}, all would be \
         {expected:?} {:?} {:?}",
        operations.len(),
        found.purged,
        found.vote,
        model.purged,
        model.vote
    );
}

/// One life of a disk: several processes, each ended by a fault; returns how many faults hit.
fn life(seed: u64, fault_kind: fn(u64) -> Fault) -> usize {
    let random = &mut Random::new(seed);
    let disk = SimDisk::default();
    let mut base = Model::default();
    let mut operations = Vec::new();
    let mut acknowledged = 0;
    let mut hits = 0;
    for _ in 0..4 {
        disk.plan(Some(fault_kind(1 + random.below(60))));
        match open(&disk) {
            Ok(log) => {
                let found = Model::of(&log);
                check(&found, &base, &operations, acknowledged, seed);
                // What can be read after opening counts as safe.
                base = found;
                (operations, acknowledged) = run(log, &base, random, 60);
            }
            // The fault hit recovery itself: what held before has to hold afterwards.
            Err(LogError::Io { .. } | LogError::DiskFull { .. }) => {}
            Err(error) => panic!("seed {seed}: log can not be opened: {error}"),
        }
        hits += usize::from(disk.is_off());
        if random.below(4) == 0 {
            disk.restart_process();
        } else {
            disk.restart_machine(random);
        }
    }
    disk.plan(None);
    let log = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    check(&Model::of(&log), &base, &operations, acknowledged, seed);
    hits
}

#[test]
fn power_cut_loses_nothing_acknowledged() {
    let hits: usize = (0..400).map(|seed| life(seed, Fault::PowerOff)).sum();
    assert!(hits > 600, "only {hits} power cuts fell into the work");
}

#[test]
fn full_disk_loses_nothing_acknowledged() {
    for seed in 1000..1100 {
        life(seed, Fault::Full);
    }
}

#[test]
fn failed_sync_is_never_acknowledged_later() {
    for seed in 2000..2200 {
        let random = &mut Random::new(seed);
        let disk = SimDisk::default();
        let log = open(&disk).unwrap();
        disk.plan(Some(Fault::SyncFails(1 + random.below(40))));
        let base = Model::default();
        let (operations, acknowledged) = run(log, &base, random, 80);
        assert!(disk.is_fault_over(), "seed {seed}: no sync failed");
        disk.forget_unsynced();
        // The process comes back on the same machine: the unsynced pages still read well.
        disk.restart_process();
        let log = open(&disk).unwrap();
        let found = Model::of(&log);
        check(&found, &base, &operations, acknowledged, seed);
        drop(log);
        // It answered from what it read, so a power cut must not take that back.
        disk.restart_machine(random);
        assert_eq!(Model::of(&open(&disk).unwrap()), found, "seed {seed}");
    }
}

#[test]
fn failure_stays_and_is_named() {
    for (fault, is_full) in [(Fault::SyncFails(1), false), (Fault::Full(1), true)] {
        let disk = SimDisk::default();
        let log = open(&disk).unwrap();
        disk.plan(Some(fault));
        let entry = LogEntry { index: 0, payload: vec![1] };
        let error = log.append_sync(vec![entry]).unwrap_err();
        assert_eq!(matches!(error, LogError::DiskFull { .. }), is_full, "{error}");
        // The disk works again, but the log must not be used before it is opened again.
        disk.plan(None);
        let next = LogEntry { index: 1, payload: vec![1] };
        assert_eq!(log.append_sync(vec![next]), Err(error.clone()));
        assert_eq!(log.save_vote(vec![1]), Err(error.clone()));
        assert_eq!(log.truncate_after(None), Err(error.clone()));
        assert_eq!(log.purge(0, vec![]), Err(error.clone()));
        assert_eq!(log.failure(), Some(error));
    }
}
