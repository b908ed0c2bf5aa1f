//! What is inside an analysed image: packages, files, metadata.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use kedge_artifact::digest::Digest;
use kedge_artifact::image::FileEntry;
use kedge_artifact::package::PackageKind;
use kedge_artifact::sbom::Sbom;
use kedge_model::image::Image;
use kedge_policy::gates::vulnerabilities::package_type;
use std::sync::Arc;

/// The contract's word for a kind of package (`dpkg`, `python`, …).
#[must_use]
pub fn type_word(kind: PackageKind) -> &'static str {
    package_type(kind)
}

/// The kinds of packages behind a content type of the contract; `None` for other words. `os` is
/// every package of the distribution.
#[must_use]
pub fn kinds_of(content_type: &str) -> Option<Vec<PackageKind>> {
    if content_type == "os" {
        return Some(PackageKind::ALL.into_iter().filter(|kind| kind.is_os()).collect());
    }
    let kind = PackageKind::ALL.into_iter().find(|kind| kind.as_str() == content_type)?;
    (!kind.is_os()).then(|| vec![kind])
}

/// An image and its SBOM.
pub struct Inventory {
    /// The image.
    pub image: Image,
    /// The SBOM.
    pub sbom: Arc<Sbom>,
}

/// A document about an image that is not an SBOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// The manifest as the registry sent it.
    Manifest,
    /// The history in the configuration, as a JSON array.
    History,
    /// The dockerfile, given or guessed from the history.
    Dockerfile,
}

impl Metadata {
    /// The document of this name in the contract.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "manifest" => Some(Self::Manifest),
            "docker_history" => Some(Self::History),
            "dockerfile" => Some(Self::Dockerfile),
            _ => None,
        }
    }
}

/// The history entries of an image configuration.
fn history(config: &[u8]) -> Result<Vec<u8>, AppError> {
    let broken =
        |error: serde_json::Error| AppError::internal(format!("image configuration: {error}"));
    let config: serde_json::Value = serde_json::from_slice(config).map_err(broken)?;
    let entries = config.get("history").filter(|history| history.is_array());
    let empty = serde_json::Value::Array(Vec::new());
    serde_json::to_vec(entries.unwrap_or(&empty)).map_err(broken)
}

impl App {
    /// The image, for its list of content and metadata types.
    ///
    /// # Errors
    /// 403, 404 when it does not exist or is not analysed.
    pub async fn image_with_content(
        &self,
        who: &Identity,
        digest: &str,
    ) -> Result<Image, AppError> {
        self.analyzed_image(who, digest, "getImage").await
    }

    /// The packages of an image.
    ///
    /// # Errors
    /// 403, 404 when it does not exist or is not analysed.
    pub async fn inventory(&self, who: &Identity, digest: &str) -> Result<Inventory, AppError> {
        let image = self.analyzed_image(who, digest, "getImage").await?;
        let sbom = self.system().sbom(&image).await?;
        Ok(Inventory { image, sbom })
    }

    /// The files of an image.
    ///
    /// # Errors
    /// 403, 404 when it does not exist or is not analysed.
    pub async fn files(
        &self,
        who: &Identity,
        digest: &str,
    ) -> Result<(Digest, Vec<FileEntry>), AppError> {
        let image = self.analyzed_image(who, digest, "getImage").await?;
        Ok((image.digest, self.system().files(&image).await?))
    }

    /// Manifest, history or dockerfile.
    ///
    /// # Errors
    /// 403, 404 when the image does not exist or is not analysed.
    pub async fn metadata(
        &self,
        who: &Identity,
        digest: &str,
        what: Metadata,
    ) -> Result<(Digest, Vec<u8>), AppError> {
        let image = self.analyzed_image(who, digest, "getImage").await?;
        let bytes = match what {
            Metadata::Manifest => self.system().manifest_bytes(&image).await?,
            Metadata::History => {
                let config = self.system().config_bytes(&image).await?;
                crate::blocking(move || history(&config)).await??
            }
            Metadata::Dockerfile => self.system().dockerfile(&image).await?.text.into_bytes(),
        };
        Ok((image.digest, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        use PackageKind::{Apk, Deb, Npm, Rpm};
        assert_eq!(kinds_of("os").unwrap(), [Deb, Apk, Rpm]);
        assert_eq!(kinds_of("npm").unwrap(), [Npm]);
        for other in ["deb", "files", "", "OS"] {
            assert_eq!(kinds_of(other), None, "{other}");
        }
        assert_eq!(type_word(Deb), "dpkg");
    }

    #[test]
    fn history_of_a_configuration() {
        assert_eq!(
            history(br#"{"history":[{"created_by":"a"}]}"#).unwrap(),
            br#"[{"created_by":"a"}]"#
        );
        assert_eq!(history(br#"{"history":{}}"#).unwrap(), b"[]");
        assert_eq!(history(b"not json").unwrap_err().to_string(), "internal error");
    }
}
