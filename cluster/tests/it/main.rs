//! Nodes in real folders: start, propose, crash, start again.

mod common;
mod compaction;
mod faults;
mod kill;
mod recovery;
