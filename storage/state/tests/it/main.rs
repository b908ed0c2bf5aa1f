//! The replicated state, driven as the consensus layer drives it: entries in, answers out.

mod accounts;
mod determinism;
mod golden;
mod images;
mod jobs;
mod policies;
mod registries;
mod world;
