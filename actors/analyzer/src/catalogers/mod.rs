//! The catalogers: each recognises one kind of package in one captured file.
//!
//! A cataloger sees one file of one layer at a time and says what it found. Joining the facts of
//! several files and layers (ownership, whiteouts) is `image/tree.rs`'s business.

mod apk;
pub mod binary;
pub(crate) mod distro;
mod dpkg;
mod gem;
mod java;
mod node;
mod octets;
mod python;
mod rpm;
mod text;

use crate::limits::{OWNED_FILE_BYTES, PATH_BYTES_MAX};
use kedge_artifact::digest::Digest;
use kedge_artifact::distro::Distro;
use kedge_artifact::package::{Package, PackageKind};
use kedge_artifact::problem::Problem;
use serde::{Deserialize, Serialize};

/// One file taken out of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'a> {
    /// Path without leading slash, components normalised (`var/lib/dpkg/status`).
    pub path: &'a str,
    /// The whole content.
    pub bytes: &'a [u8],
}

/// What a cataloger found in one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Packages. `id`, `locations` and `owned_by` are filled in by the squash, except that a
    /// cataloger may put member paths of archives into `locations` (path `a.war!b.jar`, layer
    /// `None`); an empty `locations` means the captured file itself.
    pub packages: Vec<Package>,
    /// File lists of OS packages, for ownership.
    pub owned: Vec<OwnedFiles>,
    /// The distribution, when the file is an os-release or one of its kin.
    pub distro: Option<Distro>,
    /// Licences that a file states for an OS package other than in the package database.
    pub licenses: Vec<OwnedLicenses>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Licences of one OS package, found beside the package database (Debian's `copyright` files).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedLicenses {
    /// Ecosystem of the package.
    pub kind: PackageKind,
    /// Name of the package.
    pub name: String,
    /// Licence names in order of appearance, without repeats.
    pub licenses: Vec<String>,
}

/// The files that one OS package owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedFiles {
    /// Ecosystem of the owner.
    pub kind: PackageKind,
    /// Name of the owner.
    pub name: String,
    /// Architecture of the owner; empty when the list does not tell.
    pub architecture: String,
    /// Paths without leading slash.
    pub files: Vec<String>,
}

/// Adds a file name to a list while the names of one database stay in bounds; `left` starts at
/// [`OWNED_BYTES_MAX`](crate::limits::OWNED_BYTES_MAX). `false` when there is no room.
fn own(files: &mut Vec<String>, directory: &str, name: &str, left: &mut usize) -> bool {
    let bytes = directory.len() + 1 + name.len();
    match left.checked_sub(bytes + OWNED_FILE_BYTES) {
        Some(rest) if bytes <= PATH_BYTES_MAX => *left = rest,
        // One impossible name does not end the list.
        Some(_) => return true,
        None => return false,
    }
    let slash = if directory.is_empty() { "" } else { "/" };
    files.push([directory, slash, name].concat());
    true
}

/// Says that [`own`] had no room.
fn lists_cut(path: &str) -> Problem {
    let what = "file lists take more than OWNED_BYTES_MAX, the rest is left out";
    Problem::degraded("file_list_cut", format!("/{path}"), what)
}

/// How much of a file a cataloger needs, decided from the tar header alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing.
    No,
    /// The whole content, up to the named limit; over it the file is skipped with a problem.
    Whole {
        /// Most bytes the cataloger takes.
        bytes_max: u64,
    },
}

/// One row of the table of catalogers.
pub struct Cataloger {
    /// Stable name, for instance `dpkg`.
    pub name: &'static str,
    /// Raised when the output for the same input changes; part of every cache key.
    pub version: u32,
    /// Whether it wants a file, from path, mode and size.
    pub wants: fn(path: &str, mode: u32, size: u64) -> Want,
    /// Reads one captured file.
    pub catalog: fn(file: Captured<'_>) -> Found,
}

/// Every cataloger of whole files. The first that wants a file gets it; executables that none
/// wants go to [`binary`].
pub const CATALOGERS: &[Cataloger] = &[
    dpkg::CATALOGER,
    apk::CATALOGER,
    distro::CATALOGER,
    python::CATALOGER,
    node::CATALOGER,
    gem::CATALOGER,
    rpm::CATALOGER,
    java::CATALOGER,
];

/// Who reads a file.
#[derive(Clone, Copy)]
pub enum Selected {
    /// A cataloger that needs the whole content.
    Whole {
        /// Its row.
        cataloger: &'static Cataloger,
        /// Most bytes it takes.
        bytes_max: u64,
    },
    /// The scanner of executables, while the bytes stream by.
    Binary,
}

/// Decides from the header alone who reads a file. Called once per entry of every layer: each
/// `wants` looks at the end of the path first and is done after a few comparisons.
#[must_use]
pub fn select(path: &str, mode: u32, size: u64) -> Option<Selected> {
    for cataloger in CATALOGERS {
        match (cataloger.wants)(path, mode, size) {
            Want::No => {}
            Want::Whole { bytes_max } => return Some(Selected::Whole { cataloger, bytes_max }),
        }
    }
    binary::wants(path, mode, size).then_some(Selected::Binary)
}

/// Version of the whole set: changes whenever facts of an unchanged layer could. Part of every
/// cache key and of every SBOM.
#[must_use]
pub fn version() -> String {
    let mut text = format!("facts={FACTS_VERSION};binary={};", binary::VERSION);
    for cataloger in CATALOGERS {
        text.push_str(&format!("{}={};", cataloger.name, cataloger.version));
    }
    format!("{}+{}", env!("CARGO_PKG_VERSION"), Digest::of(text.as_bytes()).short())
}

/// Raised when the reading of layers or the squash changes what comes out.
const FACTS_VERSION: u32 = 2;
