//! A whole node, driven through its REST API as a stranger would.

// A failed assertion is what these panics are for.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod images;
mod lifecycle;
mod policies;
mod registries;
mod same_bytes;
mod secrets;
