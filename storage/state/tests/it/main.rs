//! The replicated state, driven as the consensus layer drives it: entries in, answers out.

// A failed assertion is what these panics are for.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod accounts;
mod determinism;
mod golden;
mod images;
mod jobs;
mod policies;
mod registries;
mod world;
