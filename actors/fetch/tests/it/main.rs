//! Fetching, synchronising and keeping generations, against folders and servers made here.

// Helpers are not in `#[test]` functions, where clippy.toml allows this.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod http;
mod store;
mod support;
mod sync;
