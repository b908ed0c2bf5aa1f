//! For tests of whole nodes: a node in this process, a registry, images and feeds of their own.
//!
//! Never part of a shipped binary. A failure of a helper is a failed test, so everything here
//! panics with what went wrong.
#![allow(clippy::unwrap_used)]

pub mod feeds;
pub mod image;
pub mod node;
pub mod registry;
