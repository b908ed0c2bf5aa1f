//! SBOM documents: our own JSON, CycloneDX 1.6 and SPDX 2.3, written and read.
//!
//! Everything written here is a function of the SBOM and [`DocumentInfo`] alone: serial numbers
//! and namespaces come from the content, times from the image, so that the same content gives the
//! same bytes on every machine and a stored document can be made again and compared.

pub mod cyclonedx;
pub mod diff;
mod extras;
mod licenses;
pub mod native;
pub mod spdx;

use crate::limits::{SBOM_DOCUMENT_BYTES_MAX, SBOM_PACKAGES_MAX};
use kedge_artifact::sbom::Sbom;
use kedge_artifact::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What the public formats want to know beside the SBOM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentInfo {
    /// Name of what is described: an image reference, a path.
    pub name: String,
    /// When the image was made, by its configuration. The beginning of 1970 stands in when it
    /// does not say: a clock would make every document different.
    pub created: Option<Timestamp>,
}

impl DocumentInfo {
    /// RFC 3339 in whole seconds, as both formats accept it.
    fn created_text(&self) -> String {
        let ms = self.created.unwrap_or_default().0;
        Timestamp(ms - ms.rem_euclid(1000)).to_string()
    }
}

/// A document format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own.
    Native,
    /// CycloneDX JSON.
    CycloneDx,
    /// SPDX JSON.
    Spdx,
}

/// Why a document could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Over a bound of `limits.rs`.
    #[error("SBOM goes over the limit {limit} of {max}")]
    Limit {
        /// Name of the constant.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// Not JSON, or not of the format's form.
    #[error("SBOM is malformed: {0}")]
    Malformed(String),
    /// A version that this program does not know.
    #[error("SBOM has the unsupported version '{0}'")]
    Version(String),
    /// None of the formats that can be read.
    #[error("not an SBOM: neither kedge, CycloneDX nor SPDX JSON")]
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    generator: Option<IgnoredAny>,
    packages: Option<IgnoredAny>,
}

/// Which format a document has.
///
/// # Errors
/// Too large, not JSON, or none that we read.
pub fn detect(bytes: &[u8]) -> Result<Format, SbomError> {
    check_form(bytes)?;
    let probe: Probe = serde_json::from_slice(bytes).map_err(malformed)?;
    if probe.bom_format.is_some() {
        Ok(Format::CycloneDx)
    } else if probe.spdx_version.is_some() {
        Ok(Format::Spdx)
    } else if probe.generator.is_some() && probe.packages.is_some() {
        Ok(Format::Native)
    } else {
        Err(SbomError::Unknown)
    }
}

/// Reads a document of any format.
///
/// # Errors
/// As [`detect`] and the reader of the format.
pub fn read(bytes: &[u8]) -> Result<Sbom, SbomError> {
    match detect(bytes)? {
        Format::Native => native::from_bytes(bytes),
        Format::CycloneDx => cyclonedx::from_bytes(bytes),
        Format::Spdx => spdx::from_bytes(bytes),
    }
}

/// Writes a document of any format.
#[must_use]
pub fn write(sbom: &Sbom, format: Format, info: &DocumentInfo) -> Vec<u8> {
    match format {
        Format::Native => native::to_bytes(sbom),
        Format::CycloneDx => cyclonedx::to_bytes(sbom, info),
        Format::Spdx => spdx::to_bytes(sbom, info),
    }
}

fn check_form(bytes: &[u8]) -> Result<(), SbomError> {
    if bytes.len() > SBOM_DOCUMENT_BYTES_MAX {
        let max = SBOM_DOCUMENT_BYTES_MAX;
        return Err(SbomError::Limit { limit: "SBOM_DOCUMENT_BYTES_MAX", max });
    }
    // Structs would also be read from JSON arrays.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(SbomError::Malformed("it is not a JSON object".to_owned()));
    }
    Ok(())
}

fn check_packages(count: usize) -> Result<(), SbomError> {
    if count > SBOM_PACKAGES_MAX {
        return Err(SbomError::Limit { limit: "SBOM_PACKAGES_MAX", max: SBOM_PACKAGES_MAX });
    }
    Ok(())
}

fn malformed(error: serde_json::Error) -> SbomError {
    SbomError::Malformed(error.to_string())
}
