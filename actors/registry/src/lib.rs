//! The client for image registries: the OCI distribution protocol, read only.
//!
//! The one crate of ours that opens connections to image registries, and so the place where the
//! rules for such connections live: which addresses may be dialled (`egress`), who may be told a
//! password (`auth`), where a redirect may lead (`session`), how much is read (`limits`), and
//! that every byte handed on has the digest that was asked for (`blob`, `manifest`).
//!
//! It must not store anything on disk, read the environment, follow a URL that an image names
//! (foreign layers), push, or interpret what is inside a layer.

pub mod access;
pub mod blob;
pub mod client;
pub mod egress;
pub mod error;
pub mod limits;
pub mod manifest;
pub mod options;
pub mod reader;

mod auth;
mod challenge;
mod retry;
mod session;
mod tags;
mod transport;

pub use access::{Access, Credential, EgressRule, Password, PlainHttp};
pub use blob::BlobStream;
pub use client::{Client, Descriptor, Resolved};
pub use egress::Network;
pub use error::Error;
pub use manifest::MediaType;
pub use options::Options;
pub use reader::{BlobReader, Pump};
