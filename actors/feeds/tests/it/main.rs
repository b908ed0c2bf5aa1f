//! Parsers and dataset from the outside, on small documents written for these tests.

// Helpers are not in `#[test]` functions, where clippy.toml allows this.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod dataset;
mod hostile;
mod parsers;
mod support;
