//! What is inside an image: packages, files, metadata, SBOM documents.

use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/images/{image_digest}/content", "list_image_content")
        .access(InAccount("getImage"))
        .gives(Body::StringList)
        .about("Content types"),
    Route::get("/v2/images/{image_digest}/content-summary", "get_image_content_summary")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<ImageContentSummary>))
        .about("Number of items by content type"),
    Route::get("/v2/images/{image_digest}/content/files", "get_image_content_by_type_files")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<ContentFilesResponse>))
        .about("Files"),
    Route::get("/v2/images/{image_digest}/content/malware", "get_image_content_by_type_malware")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<ContentMalwareResponse>))
        .about("Malware scans"),
    Route::get("/v2/images/{image_digest}/content/java", "get_image_content_by_type_java_package")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<ContentJavaPackageResponse>))
        .about("Java archives"),
    Route::get("/v2/images/{image_digest}/content/licenses", "get_image_content_by_type_license")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<LicenseReviewResponse>))
        .about("Licences by package"),
    Route::get("/v2/images/{image_digest}/content/{content_type}", "get_image_content_by_type")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<ContentPackageResponse>))
        .about("Packages of one type"),
    Route::get("/v2/images/{image_digest}/metadata", "list_image_metadata")
        .access(InAccount("getImage"))
        .gives(Body::StringList)
        .about("Metadata types"),
    Route::get("/v2/images/{image_digest}/metadata/{metadata_type}", "get_image_metadata_by_type")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<MetadataResponse>))
        .about("Manifest, history or dockerfile, as base64 text"),
    Route::get("/v2/images/{image_digest}/sboms/native-json", "get_image_sbom_native_json")
        .access(InAccount("getImage"))
        .gives(Body::JsonObject)
        .about("SBOM in our own format"),
    Route::get("/v2/images/{image_digest}/sboms/cyclonedx-json", "get_image_sbom_cyclonedx_json")
        .access(InAccount("getImage"))
        .gives(Body::JsonObject)
        .about("SBOM in CycloneDX 1.6"),
    Route::get("/v2/images/{image_digest}/sboms/spdx-json", "get_image_sbom_spdx_json")
        .access(InAccount("getImage"))
        .gives(Body::JsonObject)
        .about("SBOM in SPDX 2.3"),
];

/// Content types, in the order they are listed. `os` is every package of the distribution.
pub const CONTENT_TYPES: &[&str] = &[
    "os", "files", "npm", "gem", "python", "java", "binary", "go", "rust", "nuget", "composer",
    "malware",
];

/// Metadata types.
pub const METADATA_TYPES: &[&str] = &["manifest", "docker_history", "dockerfile"];

/// Number of items by content type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageContentSummary {
    /// One entry per type that has items.
    pub items: Vec<ContentCount>,
}

/// Number of items of one content type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentCount {
    /// One of [`CONTENT_TYPES`].
    pub content_type: String,
    /// For people.
    pub display_name: String,
    /// How many.
    pub count: u64,
}

/// Files of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentFilesResponse {
    /// The image.
    pub image_digest: String,
    /// `files`.
    pub content_type: String,
    /// The files.
    pub content: Vec<FilesContent>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilesContent {
    /// Absolute path.
    pub filename: String,
    /// Group.
    pub gid: u32,
    /// Target of a link.
    pub linkdest: Option<String>,
    /// Octal text, `0o755`.
    pub mode: String,
    /// Hex digest, when the content was read.
    pub sha256: Option<String>,
    /// Bytes.
    pub size: u64,
    /// `file`, `dir`, `slink`, `hlink`, `special`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Owner.
    pub uid: u32,
}

/// Malware scans of an image; an empty list when none ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContentMalwareResponse {
    /// The image.
    pub image_digest: String,
    /// `malware`.
    pub content_type: String,
    /// One entry per scanner.
    pub content: Vec<MalwareScan>,
}

/// One run of a scanner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MalwareScan {
    /// Whether it ran.
    pub enabled: bool,
    /// Its name.
    pub scanner: String,
    /// What it tells about itself.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// What it found.
    pub findings: Vec<MalwareFinding>,
}

/// A hit of a scanner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MalwareFinding {
    /// File.
    pub path: String,
    /// Signature.
    pub signature: String,
}

/// Java archives of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentJavaPackageResponse {
    /// The image.
    pub image_digest: String,
    /// `java`.
    pub content_type: String,
    /// The archives.
    pub content: Vec<JavaPackageContent>,
}

/// One Java archive. The names with hyphens are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct JavaPackageContent {
    /// Name.
    pub package: String,
    /// Version.
    pub version: String,
    /// Of the manifest.
    pub implementation_version: String,
    /// Of the manifest.
    pub specification_version: String,
    /// Of pom.properties.
    pub maven_version: String,
    /// Path.
    pub location: String,
    /// `java-jar` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Maker.
    pub origin: String,
    /// Licences.
    pub licenses: Vec<String>,
    /// CPEs.
    pub cpes: Vec<String>,
    /// Package URL.
    pub purl: String,
}

/// Packages of one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContentPackageResponse {
    /// The image.
    pub image_digest: String,
    /// One of [`CONTENT_TYPES`].
    pub content_type: String,
    /// The packages.
    pub content: Vec<PackageContent>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PackageContent {
    /// Name.
    pub package: String,
    /// Version.
    pub version: String,
    /// Installed bytes, as text.
    pub size: String,
    /// `dpkg`, `python` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Maker.
    pub origin: String,
    /// Licences.
    pub licenses: Vec<String>,
    /// Path.
    pub location: String,
    /// CPEs.
    pub cpes: Vec<String>,
    /// Kind of `metadata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_type: Option<String>,
    /// Facts that only one ecosystem has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// Package URL.
    pub purl: String,
}

/// Licences by package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenseReviewResponse {
    /// One entry per package.
    pub items: Vec<LicenseReviewItem>,
}

/// Licences of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenseReviewItem {
    /// The package.
    pub package: LicenseReviewPackage,
    /// Its licences.
    pub licenses: Vec<LicenseReviewPackageLicense>,
}

/// A package in a licence report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenseReviewPackage {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Package URL.
    pub purl: String,
}

/// A licence of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenseReviewPackageLicense {
    /// SPDX id, or the name as found.
    pub license_id: String,
    /// Name.
    pub license_name: String,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_text: Option<String>,
    /// Standard header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_header: Option<String>,
    /// Link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_url: Option<String>,
    /// Where it was learnt.
    #[serde(default)]
    pub source: LicenseSource,
}

/// Where a licence was learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LicenseSource {
    /// A correction of the user.
    Override,
    /// The analysis.
    #[default]
    Sbom,
}

/// Manifest, history or dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetadataResponse {
    /// The image.
    pub image_digest: String,
    /// One of [`METADATA_TYPES`].
    pub metadata_type: String,
    /// Base64 text.
    pub metadata: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_items_keep_their_hyphens() {
        let item = JavaPackageContent {
            package: "a".into(),
            version: "1".into(),
            implementation_version: "2".into(),
            specification_version: "3".into(),
            maven_version: "4".into(),
            location: "/a.jar".into(),
            kind: "java-jar".into(),
            origin: "o".into(),
            licenses: vec![],
            cpes: vec![],
            purl: String::new(),
        };
        let value = serde_json::to_value(item).unwrap();
        assert_eq!(value["implementation-version"], "2");
        assert_eq!(value["specification-version"], "3");
        assert_eq!(value["maven-version"], "4");
        assert_eq!(value["type"], "java-jar");
    }
}
