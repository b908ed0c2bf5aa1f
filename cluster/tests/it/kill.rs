//! A node that is killed with SIGKILL at any moment loses nothing it acknowledged.
//!
//! The test runs itself as a second process, which proposes commands as fast as it can and says
//! after each answer which one it was.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use kedge_cluster::{Options, ProposeError};

use crate::common::{SLED, bootstrap, create, name, names, options, propose, start, stop};

const FOLDER: &str = "KEDGE_TEST_KILL_FOLDER";
const FIRST: &str = "KEDGE_TEST_KILL_FIRST";
const ROUNDS: usize = 8;
const ACK: &str = "acknowledged ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    if let Ok(folder) = std::env::var(FOLDER) {
        let first = std::env::var(FIRST).unwrap().parse().unwrap();
        write_until_killed(Path::new(&folder), first).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        // Different moments: during the start of compaction, between, long after.
        let acks_before_kill = 1 + round * round * 23;
        acknowledged.extend(run_and_kill(dir.path(), round * 1_000_000, acks_before_kill));
        let node = start(small(dir.path())).await;
        let found = names(&node);
        for number in &acknowledged {
            let name = name(*number);
            assert!(found.binary_search(&name).is_ok(), "{name} is lost after round {round}");
        }
        stop(node).await;
    }
    assert!(acknowledged.len() > ROUNDS * 100);
}

fn small(dir: &Path) -> Options {
    Options { snapshot_every_entries: 150, ..options(dir, SLED) }
}

fn run_and_kill(dir: &Path, first: usize, acks_before_kill: usize) -> Vec<usize> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::nothing_acknowledged_is_lost_by_a_kill", "--exact", "--nocapture"])
        .env(FOLDER, dir)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    let mut is_killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The kill can cut the last line short.
        let number = line.strip_prefix(ACK).and_then(|rest| rest.strip_suffix('.'));
        acknowledged.extend(number.map(|number| number.parse::<usize>().unwrap()));
        if acknowledged.len() >= acks_before_kill && !is_killed {
            child.kill().unwrap();
            is_killed = true;
        }
    }
    assert!(is_killed, "the writer ended by itself: {:?}", child.wait().unwrap());
    child.wait().unwrap();
    acknowledged
}

async fn write_until_killed(dir: &Path, first: usize) -> ! {
    let node = start(small(dir)).await;
    match propose(&node, bootstrap()).await {
        Ok(_) | Err(ProposeError::Rejected(_)) => {}
        Err(error) => panic!("{error}"),
    }
    let writers = (0..4).map(|writer| {
        let node = node.clone();
        tokio::spawn(async move {
            for number in (first + writer..).step_by(4) {
                propose(&node, create(number)).await.unwrap();
                let line = format!("{ACK}{number}.\n");
                // One write, so that lines do not mix.
                std::io::stdout().write_all(line.as_bytes()).unwrap();
                std::io::stdout().flush().unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    unreachable!("the writers go on until they are killed")
}
