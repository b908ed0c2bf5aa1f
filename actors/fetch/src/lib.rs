//! Getting the feeds: downloads or reads folders, keeps raw copies, builds generations with
//! `kedge-feeds`, and keeps them in a local store.
//!
//! Called by the CLI (`kedgectl db …`) and by the node's feed-sync actor; both use the same code.
//! This crate must not match, and must not decide when to fetch: callers own clock and schedule.

pub mod limits;

pub mod location;
pub mod options;

mod cache;
mod fetcher;
mod folder;
mod guard;
mod http;

pub mod file;
pub mod store;
pub mod sync;

pub use file::{FileReader, VerifyError, check_replacement, open_file};
pub use location::Location;
pub use options::{Options, Progress, Stage};
pub use store::{LocalStore, StoreError};
pub use sync::{
    DocumentResult, DocumentState, DriverResult, DriverState, SyncError, SyncOutcome, sync,
};
