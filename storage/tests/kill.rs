//! The consensus log and the key-value store under `kill -9`: the test starts itself as a writer
//! that acknowledges on a pipe, and kills it after a seeded number of acknowledgements.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kedge_storage::kv::{Batch, Kv, View};
use kedge_storage::log::{Log, LogEntry, LogOptions};
use kedge_storage::sled::{OpenOutcome, SledOptions, open_or_set_aside};
use support::{Random, generation_of, payload};

/// Set in the writer process: the folder it writes to and the seed of its round.
const DIR: &str = "KEDGE_TEST_KILL_DIR";
const SEED: &str = "KEDGE_TEST_KILL_SEED";

const ROUNDS: u64 = 30;

fn role() -> Option<(String, u64)> {
    Some((env::var(DIR).ok()?, env::var(SEED).ok()?.parse().unwrap()))
}

/// Starts this test again as a writer.
fn start_writer(test: &str, dir: &Path, seed: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads what the writer says, kills it after `count` lines, and returns every line it said.
fn kill_after(mut child: Child, count: u64) -> Vec<String> {
    let mut said = Vec::new();
    let mut killed = false;
    let output = BufReader::new(child.stdout.take().unwrap());
    for line in output.lines().map(Result::unwrap) {
        // The test harness talks on the same pipe; our lines begin with a mark. It may have
        // printed the test's name without a line break.
        if let Some((_, text)) = line.split_once("@ ").filter(|(_, text)| text.ends_with(" .")) {
            said.push(text.trim_end_matches(" .").to_owned());
        }
        if said.len() as u64 >= count && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed, "writer ended by itself after {said:?}");
    child.wait().unwrap();
    said
}

/// One write to the pipe, so that a line is said whole or cut off, and then not believed.
fn say(text: &str) {
    let line = format!("@ {text} .\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn options() -> LogOptions {
    LogOptions { segment_bytes: 64 * 1024, cache_bytes_max: 16 * 1024, ..LogOptions::default() }
}

/// Writes to the log for ever. Says `ack <index> <generation>` from the callback of every append,
/// and what it is about to do before it votes, truncates or purges.
fn write_log(dir: &str, seed: u64) {
    let mut random = Random::new(seed);
    let log = Log::open(Path::new(dir), options()).unwrap();
    // Later rounds and later truncations have higher generations.
    let mut generation = seed << 32;
    loop {
        let state = log.state();
        let purged = state.last_purged.map(|purged| purged.index);
        let next = state.last_index.or(purged).map_or(0, |last| last + 1);
        match random.below(40) {
            0 => {
                log.save_vote(generation.to_be_bytes().to_vec()).unwrap();
                say(&format!("vote {generation}"));
            }
            1 if state.last_index.is_some() => {
                let last = next - 1;
                let after = last.saturating_sub(random.below(5)).max(purged.unwrap_or(0));
                generation += 1;
                // So that no append before it is said to be acknowledged after this.
                log.flush().unwrap();
                say(&format!("truncate {after}"));
                log.truncate_after(Some(after)).unwrap();
            }
            2 if next > 60 => {
                say(&format!("purge {}", next - 50));
                log.purge(next - 50, b"id".to_vec()).unwrap();
            }
            _ => {
                let count = 1 + random.below(8);
                let entry = |index| {
                    let bytes = usize::try_from(16 + random.below(2000)).unwrap();
                    LogEntry { index, payload: payload(index, generation, bytes) }
                };
                let entries = (next..next + count).map(entry).collect();
                let last = next + count - 1;
                let done = move |result: Result<(), _>| {
                    result.unwrap();
                    say(&format!("ack {last} {generation}"));
                };
                log.append(entries, Box::new(done)).unwrap();
            }
        }
    }
}

/// What the writers have said, put together.
#[derive(Default)]
struct Said {
    /// Index to generation of entries that have to be there.
    acknowledged: BTreeMap<u64, u64>,
    next: u64,
    purge_max: Option<u64>,
    vote: u64,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words[0] {
            "ack" => {
                let (last, generation) = (number(1), number(2));
                for index in self.next..=last {
                    self.acknowledged.insert(index, generation);
                }
                self.next = last + 1;
            }
            "vote" => self.vote = number(1),
            "truncate" => {
                let after = number(1);
                self.acknowledged.retain(|index, _| *index <= after);
                self.next = self.next.min(after + 1);
            }
            "purge" => self.purge_max = self.purge_max.max(Some(number(1))),
            other => panic!("unknown word {other}"),
        }
    }

    fn check(&mut self, dir: &Path, round: u64) {
        let log = Log::open(dir, options()).unwrap();
        let state = log.state();
        let purged = state.last_purged.map(|purged| purged.index);
        assert!(purged <= self.purge_max, "round {round}: purged what nobody asked for");
        let first = state.first_index.or(purged.map(|p| p + 1)).unwrap_or(0);
        let end = state.last_index.map_or(first, |last| last + 1);
        let found = log.read(first..end, usize::MAX).unwrap();
        let mut generations = BTreeMap::new();
        for entry in found {
            let generation = generation_of(entry.index, &entry.payload);
            generations.insert(entry.index, generation.expect("payload is whole"));
        }
        for (index, generation) in self.acknowledged.range(first..) {
            let found = generations.get(index);
            assert!(
                found.is_some_and(|found| found >= generation),
                "round {round}: entry {index} of generation {generation:#x} lost, found {found:?}"
            );
        }
        let vote = log.vote().map_or(0, |v| u64::from_be_bytes(v.try_into().unwrap()));
        assert!(vote >= self.vote, "round {round}: vote {:#x} lost, found {vote:#x}", self.vote);
        self.acknowledged = generations;
        self.next = end;
    }
}

#[test]
fn killed_log_writer_loses_nothing_acknowledged() {
    if let Some((dir, seed)) = role() {
        return write_log(&dir, seed);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(7);
    let mut said = Said::default();
    let mut acknowledgements = 0;
    for round in 1..=ROUNDS {
        let child = start_writer("killed_log_writer_loses_nothing_acknowledged", dir.path(), round);
        for line in kill_after(child, 1 + random.below(200)) {
            acknowledgements += 1;
            said.hear(&line);
        }
        said.check(dir.path(), round);
    }
    assert!(acknowledgements > ROUNDS * 10, "only {acknowledgements} acknowledgements");
}

/// Every batch sets two keys to the same number; durable points are said.
fn write_store(dir: &str, seed: u64) {
    let options = SledOptions { cache_bytes: 4 << 20, flush_every_ms: 50 };
    let (kv, _) = open_or_set_aside(Path::new(dir), &options, "boot").unwrap();
    let mut random = Random::new(seed);
    let mut number = stored_number(&kv, b"a");
    loop {
        for _ in 0..=random.below(20) {
            number += 1;
            let mut batch = Batch::new();
            batch.put("a", number.to_be_bytes());
            batch.put("z", number.to_be_bytes());
            let filler = usize::try_from(random.below(8000)).unwrap();
            batch.put(format!("filler-{}", random.below(50)), vec![1; filler]);
            kv.apply(batch).unwrap();
        }
        kv.durable_point().unwrap();
        say(&format!("durable {number}"));
    }
}

fn stored_number(kv: &dyn Kv, key: &[u8]) -> u64 {
    let bytes = View::get(kv, key).unwrap();
    bytes.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

#[test]
fn killed_store_keeps_durable_points_and_whole_batches() {
    if let Some((dir, seed)) = role() {
        return write_store(&dir, seed);
    }
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let mut random = Random::new(8);
    for round in 1..=20 {
        let test = "killed_store_keeps_durable_points_and_whole_batches";
        let said = kill_after(start_writer(test, &dir, round), 1 + random.below(40));
        let last = said.last().unwrap().strip_prefix("durable ").unwrap();
        let (kv, outcome) = open_or_set_aside(&dir, &SledOptions::default(), "boot").unwrap();
        assert_eq!(outcome, OpenOutcome::Clean, "round {round}");
        let number = stored_number(&kv, b"a");
        assert!(number >= last.parse().unwrap(), "round {round}: {last} lost, found {number}");
        assert_eq!(stored_number(&kv, b"z"), number, "round {round}: a batch is torn");
    }
}
