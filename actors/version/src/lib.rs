//! Version comparison for every packaging scheme that kedge matches against.
//!
//! Pure functions over text: no IO, no clock, no allocation by attacker-given numbers. Numbers are
//! compared as digit strings, so nothing overflows. Called by the matcher, the policy engine and
//! the feed normaliser.
//!
//! This crate must not know packages, advisories or distributions: which scheme applies to which
//! package is the matcher's decision. What cannot be read as a version of its scheme is an error,
//! never a guess; callers turn the error into a reported problem.

pub mod limits;

mod error;
mod scheme;
mod text;

pub mod apk;
pub mod deb;
pub mod fuzzy;
pub mod gem;
pub mod go;
pub mod maven;
pub mod npm;
pub mod pep440;
pub mod rpm;
pub mod semver;

pub mod constraint;
pub mod ranges;

pub use error::VersionError;
pub use rpm::EpochPolicy;
pub use scheme::{Options, ParseSchemeError, Scheme};
