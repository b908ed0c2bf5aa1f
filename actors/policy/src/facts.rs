//! What is known about the image that is judged.

use kedge_artifact::digest::Digest;
use kedge_artifact::finding::Matches;
use kedge_artifact::image::FileEntry;
use kedge_artifact::package::PackageId;
use kedge_artifact::sbom::Sbom;
use kedge_artifact::time::Timestamp;
use std::collections::BTreeMap;

/// When each vulnerability was first found in a package of the image: (vulnerability, package).
pub type FirstSeen = BTreeMap<(String, PackageId), Timestamp>;

/// Where a dockerfile came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DockerfileMode {
    /// Derived from the image's history.
    Guessed,
    /// Given by the user.
    Actual,
}

/// A dockerfile.
#[derive(Debug, Clone, Copy)]
pub struct Dockerfile<'a> {
    /// Its text.
    pub text: &'a str,
    /// Where it came from.
    pub mode: DockerfileMode,
}

/// The facts about one image under one tag. A part that is `None` is unknown; rules that need it
/// say that they cannot be evaluated.
#[derive(Debug, Clone, Copy)]
pub struct ImageFacts<'a> {
    /// Host and port of the registry.
    pub registry: &'a str,
    /// Repository.
    pub repository: &'a str,
    /// Tag; empty when the image is judged without one.
    pub tag: &'a str,
    /// Digest of the manifest.
    pub digest: &'a Digest,
    /// Digest of the configuration.
    pub image_id: Option<&'a Digest>,
    /// What is inside.
    pub sbom: &'a Sbom,
    /// Files of the squashed image.
    pub files: Option<&'a [FileEntry]>,
    /// Vulnerabilities.
    pub matches: Option<&'a Matches>,
    /// When vulnerabilities were first found here; what is absent was found just now.
    pub first_seen: Option<&'a FirstSeen>,
    /// Dockerfile.
    pub dockerfile: Option<Dockerfile<'a>>,
    /// Bytes of all layers, compressed as the registry has them.
    pub size: Option<u64>,
    /// Number of layers.
    pub layer_count: Option<u64>,
    /// CPU architecture, for instance `amd64`.
    pub architecture: &'a str,
    /// Operating system, for instance `linux`.
    pub os: &'a str,
}

impl ImageFacts<'_> {
    /// `registry/repository:tag`, or with the digest when there is no tag.
    #[must_use]
    pub fn full_tag(&self) -> String {
        match self.tag {
            "" => format!("{}/{}@{}", self.registry, self.repository, self.digest),
            tag => format!("{}/{}:{tag}", self.registry, self.repository),
        }
    }
}
