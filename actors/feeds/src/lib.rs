//! Vulnerability feeds: upstream bytes in, normalised advisories out, and the one-file dataset
//! ("generation") that matching reads.
//!
//! Called by `kedge-fetch` (which downloads), the feed-sync actor and the CLI. This crate is pure:
//! it opens no file and no socket, reads no clock and starts no thread. It must not decide what
//! matches; it only keeps what the feeds say, "not affected" included.

pub mod limits;

pub mod source;

mod archive;
mod ecosystem;
mod json;
mod module;
mod names;
mod parse;
mod ranges;
mod severity;
mod text;

mod alpine;
mod debian;
mod epss;
mod kev;
mod osv;

pub mod dataset;

pub use alpine::release_documents;
pub use names::normalize_package;
pub use parse::{Item, ParseError, ReadSeek, Report, parse};
pub use source::{SOURCES, Source};
