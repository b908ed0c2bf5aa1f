//! Where content to analyse comes from, and how it is read.
//!
//! A target is an image in a registry, an OCI layout (directory or archive), a docker archive, a
//! directory tree or a single file. `spec` reads what a person typed, `sources` open it, and
//! `analyze` streams every layer once through the analyzer and squashes the result. The same
//! image gives the same SBOM bytes from wherever it comes.
//!
//! Called by the CLI for local scans and by the node's analyzer actor. It unpacks nothing to
//! disk, follows no URL that an image names, interprets no package data itself (the analyzer
//! does), and keeps nothing between calls but what the caller's cache keeps.

pub mod analyze;
pub mod cache;
pub mod error;
pub mod limits;
pub mod progress;
pub mod source;
pub mod sources;
pub mod spec;

mod archive;
mod bodies;
mod document;
mod pipeline;

pub use analyze::{AnalyzeOptions, TargetAnalysis, analyze};
pub use cache::{LayerCache, NoCache};
pub use error::TargetError;
pub use progress::{Progress, ProgressSink, quiet};
pub use source::{Image, ImageSource, LayerInput, LayerSource, LayerStream, RawDocument};
pub use sources::{
    DirectorySource, DockerArchiveSource, OciArchiveSource, OciLayoutSource, RegistrySource, open,
};
pub use spec::{SpecError, TargetSpec};
