//! The manifest: what a generation was made of, and when. JSON, for people and other programs.

use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The manifest of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`super::FORMAT_VERSION`].
    pub format: u32,
    /// Generation id: SHA-256 of the content, hex.
    pub generation: String,
    /// When it was built, as the caller said.
    pub built: Timestamp,
    /// [`super::NORMALIZER_VERSION`] of the builder.
    pub normalizer: u32,
    /// What each driver brought, in table order.
    pub drivers: Vec<DriverManifest>,
}

/// One driver in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverManifest {
    /// Driver name.
    pub name: String,
    /// SPDX id of the data's licence.
    pub licence: String,
    /// Who is to be named.
    pub attribution: String,
    /// Records, all inputs together.
    pub records: u64,
    /// Its documents.
    pub inputs: Vec<InputManifest>,
}

/// One document in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputManifest {
    /// Path below the driver's base; with `#retired` for rows that upstream has dropped.
    pub document: String,
    /// Where it was read: URL without credentials, or path.
    pub location: String,
    /// When the source was last known to say exactly this.
    pub fetched: Timestamp,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub digest: String,
    /// Normaliser that read it.
    pub normalizer: u32,
    /// Records.
    pub records: u64,
    /// Rows.
    pub rows: u64,
    /// Records that could not be used.
    pub skipped: u64,
}

impl Manifest {
    /// The entry of one document.
    #[must_use]
    pub fn input(&self, driver: &str, document: &str) -> Option<&InputManifest> {
        let driver = self.drivers.iter().find(|entry| entry.name == driver)?;
        driver.inputs.iter().find(|input| input.document == document)
    }
}
