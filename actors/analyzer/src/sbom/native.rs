//! Our own document: the [`Sbom`] itself as compact JSON.

use crate::sbom::{SbomError, check_form, check_packages, malformed};
use kedge_artifact::sbom::{SBOM_SCHEMA, Sbom};
use serde::Deserialize;

/// Writes the document. Field order is that of the types; there is no map in them whose order
/// could vary.
///
/// # Panics
/// Never: plain data with string keys always becomes JSON.
#[must_use]
pub fn to_bytes(sbom: &Sbom) -> Vec<u8> {
    serde_json::to_vec(sbom).expect("plain data with string keys becomes JSON")
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

/// Reads the document.
///
/// # Errors
/// Too large, malformed, or of a schema that this program does not know.
pub fn from_bytes(bytes: &[u8]) -> Result<Sbom, SbomError> {
    check_form(bytes)?;
    let Schema { schema } = serde_json::from_slice(bytes).map_err(malformed)?;
    if schema != SBOM_SCHEMA {
        return Err(SbomError::Version(schema.to_string()));
    }
    let sbom: Sbom = serde_json::from_slice(bytes).map_err(malformed)?;
    check_packages(sbom.packages.len())?;
    Ok(sbom)
}
