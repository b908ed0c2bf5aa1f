//! Which Linux distribution an image is, as its `os-release` says.

use serde::{Deserialize, Serialize};

/// The facts of `os-release(5)` (systemd manual) that matching and policy need. Values are as the
/// file gives them; deciding which advisories fit is the matcher's business.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Distro {
    /// `ID`, lower case, for instance `debian`. Never used as a path.
    pub id: String,
    /// `VERSION_ID`, for instance `12` or `3.19.1`; empty on rolling distributions.
    pub version_id: String,
    /// `VERSION_CODENAME`, for instance `bookworm`; empty when absent.
    pub codename: String,
    /// `ID_LIKE`, split at blanks.
    pub id_like: Vec<String>,
    /// `PRETTY_NAME`, or what could be made of `NAME` and the version.
    pub pretty_name: String,
}

impl Distro {
    /// `id:version`, for people and feed group names (`debian:12`); `id:rolling` without version.
    #[must_use]
    pub fn label(&self) -> String {
        match self.version_id.as_str() {
            "" => format!("{}:rolling", self.id),
            version => format!("{}:{version}", self.id),
        }
    }
}
