//! Verbs: how the engines are run. Supervision, leases, retries, time.
//!
//! An actor is a pair: a pure crate under `actors/` says what is computed, a file here says how
//! it is run. [`system::System::start`] brings the tree up; [`system::System`] is what the rest of the
//! node holds. Only this crate names ractor.

pub mod access;
pub mod analyzer;
pub mod cache;
pub mod evaluator;
pub mod fault;
pub mod feeds;
pub mod janitor;
pub mod limits;
pub mod lookup;
pub mod matcher;
pub mod metrics;
pub mod options;
pub mod pool;
pub mod results;
pub mod shared;
pub mod supervisor;
pub mod system;
pub mod vault;
pub mod watcher;
