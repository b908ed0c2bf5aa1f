//! Agreement: commands become entries of a replicated, durable log, and entries become state, the
//! same on every node.
//!
//! [`start()`] brings a node up and gives a [`Handle`]. [`Handle::propose`] is the only way in which
//! the replicated state changes; it answers after the entry is durable on a majority and applied
//! here. The log is the truth. The state store is a cache of the newest snapshot and the log, and
//! is rebuilt from them whenever it cannot be trusted.
//!
//! This crate must not know what a command does (that is `kedge-state`), how bytes survive (that
//! is `kedge-storage`), nor anything of HTTP, images or actors. Only `consensus` names the
//! consensus engine, and nothing generic of it leaves this crate.

pub mod limits;
pub mod options;

pub mod errors;
pub mod handle;
pub mod identity;

mod consensus;
mod events;
mod start;

pub use consensus::snapshot::SnapshotError;
pub use errors::{ProposeError, ShutdownError, SnapshotNowError, StoppedError, Unavailable};
pub use handle::{Handle, Metrics};
pub use identity::Identity;
pub use options::{Engine, Options};
pub use start::{StartError, start};
