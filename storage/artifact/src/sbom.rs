//! The software bill of materials in its native form.

use crate::digest::Digest;
use crate::distro::Distro;
use crate::image::{Layer, Platform};
use crate::package::Package;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};

/// Version of the native SBOM document; raised when a field changes.
pub const SBOM_SCHEMA: u32 = 1;

/// What is inside one target. Depends on the target's content and the generator only: the same
/// content gives the same bytes on every machine, so there is no time and no host in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sbom {
    /// [`SBOM_SCHEMA`] when it was written.
    pub schema: u32,
    /// What made it.
    pub generator: Generator,
    /// What it describes.
    pub target: Target,
    /// The distribution, when one was recognised.
    pub distro: Option<Distro>,
    /// Packages, sorted by (kind, name, version, id).
    pub packages: Vec<Package>,
    /// What could not be read, sorted.
    pub problems: Vec<Problem>,
}

/// The program that made an SBOM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generator {
    /// Always `kedge` for our own.
    pub name: String,
    /// Version of the whole set of catalogers; part of every cache key.
    pub version: String,
}

/// What an SBOM describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Image, directory, archive.
    pub kind: TargetKind,
    /// Digest of the image manifest; `None` where there is none (docker archive, directory).
    pub manifest: Option<Digest>,
    /// Digest of the image configuration: the image id.
    pub config: Option<Digest>,
    /// Platform of the image.
    pub platform: Option<Platform>,
    /// Layers, lowest first.
    pub layers: Vec<Layer>,
}

/// Where the content came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A container image.
    Image,
    /// A directory tree.
    Directory,
}
