//! What the benchmarks share: writing an image as an OCI layout, and finding its layers again.
//!
//! Used by the binaries `mkimage` (makes the demonstration images) and `floor` (the least work that
//! any scanner has to do), and by the scripts beside them. Nothing of the product depends on this
//! crate, and it must not depend on what it measures: the floor would otherwise move with it.

pub mod layout;
pub mod pack;
pub mod tree;
