//! SBOM documents of analysed images.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use kedge_analyzer::sbom::{DocumentInfo, Format, write};
use kedge_artifact::time::Timestamp;
use kedge_model::image::Image;

/// The formats in which an SBOM is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SbomFormat {
    /// Our own: the very bytes that were stored.
    Native,
    /// CycloneDX 1.6 JSON.
    CycloneDx,
    /// SPDX 2.3 JSON.
    Spdx,
}

/// The name by which a document calls the image.
fn name(image: &Image) -> String {
    match image.tags.first() {
        Some(seen) => seen.full_tag(),
        None => image.digest.to_string(),
    }
}

/// `created` of the image configuration.
fn created(config: &[u8]) -> Option<Timestamp> {
    let config: serde_json::Value = serde_json::from_slice(config).ok()?;
    config.get("created")?.as_str()?.parse().ok()
}

impl App {
    /// The SBOM of an image as a JSON document.
    ///
    /// # Errors
    /// 403, 404 when the image does not exist or is not analysed.
    pub async fn sbom_document(
        &self,
        who: &Identity,
        digest: &str,
        format: SbomFormat,
    ) -> Result<Vec<u8>, AppError> {
        let image = self.analyzed_image(who, digest, "getImage").await?;
        let format = match format {
            SbomFormat::Native => return Ok(self.system().sbom_bytes(&image).await?),
            SbomFormat::CycloneDx => Format::CycloneDx,
            SbomFormat::Spdx => Format::Spdx,
        };
        let sbom = self.system().sbom(&image).await?;
        let config = self.system().config_bytes(&image).await?;
        // Tens of thousands of packages take a while to write.
        crate::blocking(move || {
            let info = DocumentInfo { name: name(&image), created: created(&config) };
            write(&sbom, format, &info)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creation_times() {
        assert_eq!(created(br#"{"created":"1970-01-01T00:00:01Z"}"#), Some(Timestamp(1000)));
        for bad in [&b"{}"[..], b"x", br#"{"created":7}"#, br#"{"created":"soon"}"#] {
            assert_eq!(created(bad), None);
        }
    }
}
