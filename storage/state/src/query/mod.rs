//! Questions to the state, over any view: the store, a transaction, a snapshot.

pub mod account;
pub mod blobs;
pub mod evaluation;
pub mod event;
pub mod feed;
pub mod image;
pub mod job;
pub mod policy;
pub mod registry;
