//! Whole layers and images, built in memory, through the public API.

#![allow(clippy::unwrap_used, reason = "the helpers of tests stand outside of test functions")]

mod catalogue;
mod documents;
mod layers;
mod served;
mod stacks;
mod support;
mod wild;
