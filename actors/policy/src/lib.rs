//! The policy engine: a policy document and the facts about one image in, a verdict out.
//!
//! The language is that of Anchore Enterprise's policy documents, version 2: rule sets, mappings,
//! allowlists, lists of allowed and denied images. Gates are data ([`gates::GATES`]): name,
//! triggers, parameters with validators, and the function that checks. Messages are part of the
//! interface, because a finding's id is a hash of its message unless its trigger gives one.
//!
//! Pure: no IO, no clock (the time is passed in), no logging. It must not know where facts come
//! from and must never take "could not be checked" for "nothing found": whatever cannot be
//! evaluated is a finding and a problem.

pub mod allowlist;
pub mod default;
pub mod document;
pub mod evaluate;
pub mod evaluation;
pub mod facts;
pub mod gates;
pub mod limits;
pub mod mapping;
pub mod pattern;
pub mod spec;
pub mod validate;

mod cvss3;
mod params;

pub use document::PolicyDocument;
pub use evaluate::evaluate;
pub use evaluation::{Action, Evaluation};
pub use facts::{Dockerfile, DockerfileMode, ImageFacts};
pub use validate::{parse, validate};
