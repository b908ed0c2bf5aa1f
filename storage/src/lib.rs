//! Bytes that survive: the key-value seam with its two engines, the durable consensus log,
//! content-addressed blobs, the stored-value codec, sealed secrets and the data folder.
//!
//! What goes where: what was acknowledged lives in [`log`]; the key-value store is a cache of
//! snapshot plus log that may be thrown away at any time; what is larger than
//! [`limits::VALUE_BYTES_MAX`] is a blob.
//!
//! This crate must not know what the bytes mean: no entity, command, policy or rule of the product
//! belongs here, nor anything about peers. It has no async code; callers move it off their
//! runtime's threads.

pub mod limits;

pub mod codec;
pub mod keyspaces;
pub mod kv;
pub mod memory;
pub mod sled;

pub mod blobs;
pub mod log;
pub mod secrets;

pub mod data_dir;

mod files;
