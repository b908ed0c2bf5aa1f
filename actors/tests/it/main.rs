//! The actors on a real cluster of one.

// A failed assertion is what these panics are for.
#![allow(clippy::unwrap_used)]

mod pool;
mod world;
