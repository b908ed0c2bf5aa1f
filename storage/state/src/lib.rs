//! The replicated state: a function from a log of entries to rows, and the questions one may ask.
//!
//! `apply` is synchronous and deterministic: time, random bytes and the caller are in the entry,
//! so the same log gives the same bytes on every peer. It must not read a clock, draw a random
//! number, look at the environment or iterate over anything unordered.
//!
//! [`apply()`] is called by the consensus layer alone; [`query`] by whoever has a view.

pub mod access;
pub mod apply;
pub mod codec;
pub mod query;
pub mod row;
pub mod schedule;

pub use apply::{Applied, apply};
pub use codec::{decode_entry, encode_entry};
