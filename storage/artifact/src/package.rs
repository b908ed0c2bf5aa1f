//! An installed package, as a cataloger found it.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One installed package. One record for one (kind, name, version, architecture) and owner; every
/// place where it was seen is in `locations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Stable id inside one SBOM; see [`PackageId::derive`].
    pub id: PackageId,
    /// The name as the ecosystem's own advisories write it: Debian binary package name,
    /// `@scope/name` for npm, `group:artifact` for Maven (artifact alone when the group is
    /// unknown), the whole module path for Go, the normalised project name for PyPI (PEP 503).
    pub name: String,
    /// The version as the package database writes it, epoch included where the scheme has one.
    pub version: String,
    /// Which ecosystem it belongs to.
    pub kind: PackageKind,
    /// Package URL (purl-spec), canonical form.
    pub purl: String,
    /// CPU architecture in the ecosystem's own words; `None` where the ecosystem has none.
    pub architecture: Option<String>,
    /// The source package it was built from, when it differs or is known.
    pub source: Option<SourcePackage>,
    /// Licence expressions or names, as found, in order of appearance, without repeats.
    pub licenses: Vec<String>,
    /// Where it was found, the evidence first. Paths are absolute inside the image.
    pub locations: Vec<Location>,
    /// The OS package whose file list owns this package's evidence.
    pub owned_by: Option<PackageId>,
    /// Installed size in bytes, when the database tells.
    pub size: Option<u64>,
    /// Who made or maintains it, as found; shown as `origin`.
    pub origin: Option<String>,
    /// Facts that only one ecosystem has.
    pub details: PackageDetails,
}

/// A source package: the name that distribution advisories use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Source package name.
    pub name: String,
    /// Source version; `None` when it equals the binary version.
    pub version: Option<String>,
}

/// A path and the layer that brought it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Absolute path inside the image. Members of archives are appended after `!`
    /// (`/app/a.war!WEB-INF/lib/b.jar`).
    pub path: String,
    /// Diff id of the layer; `None` for a plain directory.
    pub layer: Option<Digest>,
}

/// Identifies a package inside its SBOM and across SBOMs of the same content: 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageId(pub String);

impl PackageId {
    /// Derived from what makes a package that package, so the same content gives the same id on
    /// every machine.
    #[must_use]
    pub fn derive(kind: PackageKind, name: &str, version: &str, arch: &str, path: &str) -> Self {
        let text = format!("{}\0{name}\0{version}\0{arch}\0{path}", kind.as_str());
        Self(Digest::of(text.as_bytes()).hex()[..16].to_owned())
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ecosystem of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// Debian package.
    Deb,
    /// Alpine package.
    Apk,
    /// RPM package.
    Rpm,
    /// Python distribution.
    Python,
    /// Node module.
    Npm,
    /// Java archive.
    Java,
    /// Go module in a binary.
    Go,
    /// Rust crate in a binary.
    Rust,
    /// Ruby gem.
    Gem,
    /// PHP Composer package.
    Composer,
    /// .NET package.
    Nuget,
    /// A program recognised by its own bytes.
    Binary,
}

impl PackageKind {
    /// Every kind, in display order.
    pub const ALL: [Self; 12] = [
        Self::Deb,
        Self::Apk,
        Self::Rpm,
        Self::Python,
        Self::Npm,
        Self::Java,
        Self::Go,
        Self::Rust,
        Self::Gem,
        Self::Composer,
        Self::Nuget,
        Self::Binary,
    ];

    /// The name in documents, tables and the API: the serde name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Python => "python",
            Self::Npm => "npm",
            Self::Java => "java",
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Gem => "gem",
            Self::Composer => "composer",
            Self::Nuget => "nuget",
            Self::Binary => "binary",
        }
    }

    /// Whether a distribution's package manager installed it.
    #[must_use]
    pub const fn is_os(self) -> bool {
        matches!(self, Self::Deb | Self::Apk | Self::Rpm)
    }
}

impl fmt::Display for PackageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Facts that only one ecosystem has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageDetails {
    /// Nothing beyond the common fields.
    #[default]
    None,
    /// RPM.
    Rpm {
        /// `Epoch` tag; `None` when the header has none (not the same as 0 for source packages).
        epoch: Option<u32>,
        /// `Modularitylabel` tag: `None` the header cannot express it, empty: not modular.
        module: Option<String>,
        /// `Vendor` tag.
        vendor: String,
    },
    /// Go module.
    Go {
        /// The main module of the binary, not a dependency.
        main: bool,
        /// Toolchain, for instance `go1.22.3`.
        toolchain: String,
        /// `h1:` sum from the build info; empty when absent.
        sum: String,
    },
    /// Java archive.
    Java {
        /// `groupId`, when pom.properties or the manifest states it.
        group: Option<String>,
        /// `artifactId`.
        artifact: String,
        /// `Implementation-Version` of the manifest; empty when absent.
        implementation_version: String,
        /// `Specification-Version` of the manifest; empty when absent.
        specification_version: String,
        /// Hex sha1 of the archive: the key of Maven's own index; empty when not computed.
        sha1: String,
    },
    /// Python distribution.
    Python {
        /// Importable top-level names (`top_level.txt`), or empty.
        top_level: Vec<String>,
    },
    /// Node module.
    Npm {
        /// `homepage` or repository URL; empty when absent.
        homepage: String,
    },
}
