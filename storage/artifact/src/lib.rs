//! The nouns of the trade: digest, reference, purl, package, SBOM, advisory, finding.
//!
//! Plain data that every engine reads and writes. Small and dull on purpose: sixteen crates
//! rebuild when this one changes. It does no IO, keeps no clock and knows no store.
//!
//! All types are encoded both as JSON (documents) and with a positional codec (rows, caches), so
//! none of them may use serde's `skip_serializing_if`, `untagged` or `flatten`.

pub mod advisory;
pub mod digest;
pub mod distro;
pub mod finding;
pub mod image;
pub mod package;
pub mod problem;
pub mod purl;
pub mod reference;
pub mod sbom;
pub mod time;
