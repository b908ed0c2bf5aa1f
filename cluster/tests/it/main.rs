//! Nodes in real folders: start, propose, crash, start again.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod compaction;
mod faults;
mod kill;
mod recovery;
