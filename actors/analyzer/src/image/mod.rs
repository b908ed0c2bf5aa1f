//! Images: documents that describe them, layers that hold them, the squash over the stack.
//!
//! Reading order: [`manifest`] (what an image is made of), [`decode`] (blob bytes to tar bytes),
//! [`tar`] (tar bytes to entries), [`collect`] (entries to facts), [`layer`] (the three composed,
//! with digests), [`tree`] (facts of all layers to one SBOM).

pub mod budget;
pub mod collect;
mod databases;
pub mod decode;
pub mod dockerfile;
pub mod entries;
pub mod layer;
mod links;
pub mod manifest;
mod names;
mod purls;
mod stack;
pub mod tar;
pub mod tree;
