//! The nouns of the service: account, registry, image, job, policy, event; the commands that
//! change them, and the refusals.
//!
//! These are the types on disk and in the consensus log. They are positional when stored, so a
//! field that changes is a new version of the row (see `kedge-state`, `row.rs`). No IO, no clock.

pub mod account;
pub mod command;
pub mod evaluation;
pub mod event;
pub mod feed;
pub mod image;
pub mod job;
pub mod limits;
pub mod policy;
pub mod registry;
pub mod rejection;
pub mod tokens;
