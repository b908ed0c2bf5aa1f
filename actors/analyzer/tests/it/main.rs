//! Whole layers and images, built in memory, through the public API.

mod catalogue;
mod documents;
mod layers;
mod stacks;
mod support;
mod wild;
