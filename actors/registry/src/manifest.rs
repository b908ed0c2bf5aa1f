//! Which kind of manifest a registry served, decided from the bytes.

use serde::de::IgnoredAny;
use std::fmt;

/// The manifests that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// OCI image manifest.
    OciManifest,
    /// OCI image index.
    OciIndex,
    /// Docker image manifest, version 2, schema 2.
    DockerManifest,
    /// Docker manifest list.
    DockerList,
}

/// `Accept` header of manifest requests: all of [`MediaType`].
pub(crate) const ACCEPT_MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

impl MediaType {
    const ALL: [Self; 4] =
        [Self::OciManifest, Self::OciIndex, Self::DockerManifest, Self::DockerList];

    /// The media type's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// The type of a text, parameters left aside.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.split(';').next().unwrap_or("").trim();
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(bare))
    }

    /// Whether it lists manifests, one per platform.
    #[must_use]
    pub const fn is_index(self) -> bool {
        match self {
            Self::OciIndex | Self::DockerList => true,
            Self::OciManifest | Self::DockerManifest => false,
        }
    }

    /// Decides from the document itself; `header` only tells OCI from Docker where the document
    /// names no type. A document that could be read as both a manifest and an index is refused,
    /// as the image specification demands since 1.0.1.
    ///
    /// # Errors
    /// What is wrong with it, for [`crate::Error::ManifestUnsupported`].
    pub fn identify(bytes: &[u8], header: Option<&str>) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            schema_version: Option<u64>,
            media_type: Option<String>,
            manifests: Option<IgnoredAny>,
            layers: Option<IgnoredAny>,
            config: Option<IgnoredAny>,
            fs_layers: Option<IgnoredAny>,
        }
        let shape: Shape = serde_json::from_slice(bytes).map_err(|error| {
            format!("not a manifest document (line {}, column {})", error.line(), error.column())
        })?;
        if shape.schema_version == Some(1) || shape.fs_layers.is_some() {
            return Err("docker schema 1, which registries stopped serving; push it again".into());
        }
        let index = match (shape.manifests, shape.layers.is_some() || shape.config.is_some()) {
            (Some(_), true) => return Err("it is both a manifest and an index".into()),
            (Some(_), false) => true,
            (None, true) => false,
            (None, false) => return Err("it has neither layers nor manifests".into()),
        };
        let own = shape.media_type.as_deref().filter(|text| !text.is_empty());
        let named = match own {
            Some(text) => Some(Self::parse(text).ok_or_else(|| {
                let shown: String =
                    text.chars().filter(|c| c.is_ascii_graphic()).take(100).collect();
                format!("media type '{shown}'")
            })?),
            None => header.and_then(Self::parse).filter(|kind| kind.is_index() == index),
        };
        match named {
            Some(kind) if kind.is_index() != index => {
                Err(format!("it calls itself {kind} but is not one"))
            }
            Some(kind) => Ok(kind),
            None if index => Ok(Self::OciIndex),
            None => Ok(Self::OciManifest),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_decide() {
        let check = |body: &str, header: Option<&str>, expect: MediaType| {
            assert_eq!(MediaType::identify(body.as_bytes(), header), Ok(expect), "{body}");
        };
        let docker = MediaType::DockerManifest.as_str();
        check(r#"{"schemaVersion":2,"config":{},"layers":[]}"#, None, MediaType::OciManifest);
        check(r#"{"config":{},"layers":[]}"#, Some(docker), MediaType::DockerManifest);
        check(r#"{"manifests":[]}"#, Some(docker), MediaType::OciIndex);
        let own = format!(r#"{{"mediaType":"{docker}","config":{{}},"layers":[]}}"#);
        check(&own, Some(MediaType::OciManifest.as_str()), MediaType::DockerManifest);
    }

    #[test]
    fn other_documents_are_named() {
        let check = |body: &str, expect: &str| {
            let got = MediaType::identify(body.as_bytes(), None).unwrap_err();
            assert!(got.contains(expect), "{body}: {got}");
        };
        check(r#"{"schemaVersion":1,"fsLayers":[],"signatures":[]}"#, "schema 1");
        check(r#"{"manifests":[],"layers":[]}"#, "both");
        check("{}", "neither");
        check("[]", "not a manifest");
        check("<html>", "not a manifest");
        check(r#"{"mediaType":"text/x","layers":[]}"#, "text/x");
        check(r#"{"layers":[],"layers":[]}"#, "not a manifest");
        let index = MediaType::OciIndex.as_str();
        check(&format!(r#"{{"mediaType":"{index}","layers":[]}}"#), "calls itself");
        check(&"[".repeat(100_000), "not a manifest");
    }
}
