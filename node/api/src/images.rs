//! Images: submission, listing, deletion.

use crate::query::{flag, list};
use crate::routes::Access::InAccount;
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/images", "list_images")
        .access(InAccount("listImages"))
        .params(query::<ListImagesQuery>)
        .gives(Body::Json(schema::<AnchoreImageList>))
        .about("Images of the account"),
    Route::post("/v2/images", "add_image")
        .access(InAccount("createImage"))
        .params(query::<AddImageQuery>)
        .takes(Body::Json(schema::<ImageAnalysisRequest>))
        .gives(Body::Json(schema::<AnchoreImage>))
        .about("Submit an image for analysis"),
    Route::delete("/v2/images", "delete_images_async")
        .access(InAccount("deleteImage"))
        .params(query::<DeleteImagesQuery>)
        .gives(Body::List(schema::<DeleteImageResponse>))
        .about("Delete several images"),
    Route::get("/v2/images/{image_digest}", "get_image")
        .access(InAccount("getImage"))
        .gives(Body::Json(schema::<AnchoreImage>))
        .about("One image"),
    Route::delete("/v2/images/{image_digest}", "delete_image")
        .access(InAccount("deleteImage"))
        .params(query::<DeleteImageQuery>)
        .gives(Body::Json(schema::<DeleteImageResponse>))
        .about("Delete an image"),
    Route::get("/v2/images/{image_digest}/ancestors", "get_image_ancestors")
        .access(InAccount("getImage"))
        .gives(Body::List(schema::<ImageAncestor>))
        .about("Images that this one was built on"),
];

/// Answer of `GET /v2/images`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnchoreImageList {
    /// The images.
    pub items: Vec<AnchoreImage>,
}

/// Whether an image is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageStatus {
    /// There.
    Active,
    /// Kept, not used.
    Inactive,
    /// Switched off.
    Disabled,
    /// Being removed.
    Deleting,
}

/// How far the analysis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnalysisStatus {
    /// Waiting.
    NotAnalyzed,
    /// Running.
    Analyzing,
    /// Done.
    Analyzed,
    /// Given up; see the events.
    AnalysisFailed,
}

impl AnalysisStatus {
    /// The word of the contract, as error texts need it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnalyzed => "not_analyzed",
            Self::Analyzing => "analyzing",
            Self::Analyzed => "analyzed",
            Self::AnalysisFailed => "analysis_failed",
        }
    }
}

/// Filter by [`ImageStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageStatusFilter {
    /// Every image.
    All,
    /// Those that are there.
    Active,
    /// Those being removed.
    Deleting,
}

/// An image: one manifest, with all the tags that point or pointed to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnchoreImage {
    /// Digest of the manifest.
    pub image_digest: String,
    /// Digest of the index that named the manifest, or the manifest's own.
    pub parent_digest: String,
    /// Owner.
    pub account_name: String,
    /// Whether it is there.
    pub image_status: ImageStatus,
    /// How far the analysis is.
    pub analysis_status: AnalysisStatus,
    /// Changes of the analysis status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis_status_detail: Option<Vec<AnalysisStatusDetail>>,
    /// Facts found by the analysis; absent before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_content: Option<ImageContent>,
    /// One entry per tag; clients rely on the first.
    pub image_detail: Vec<ImageDetail>,
    /// Free key and value pairs of the user.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub last_updated: String,
}

/// A change of the analysis status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnalysisStatusDetail {
    /// Before.
    pub from_status: String,
    /// After.
    pub to_status: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// Who did it.
    pub source: ServiceAnalysisReference,
}

/// A service that worked on an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceAnalysisReference {
    /// Id of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// For instance `analyzer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// `syft-native-pipeline` is the contract's word for the newer of its two engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis_engine: Option<String>,
    /// Version of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise_version: Option<String>,
}

/// Facts found by the analysis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageContent {
    /// The facts.
    pub metadata: ImageContentMetadata,
}

/// Whether the dockerfile was given or derived from the image's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum DockerfileMode {
    /// Derived.
    Guessed,
    /// Given.
    Actual,
}

/// Facts about an analysed image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageContentMetadata {
    /// CPU architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro_version: Option<String>,
    /// Whether it is in extended support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_support: Option<bool>,
    /// Where the dockerfile came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile_mode: Option<DockerfileMode>,
    /// Bytes of all layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<u64>,
    /// Number of layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_count: Option<u64>,
}

/// An image under one tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageDetail {
    /// `registry/repo:tag`.
    pub full_tag: String,
    /// `registry/repo@digest`.
    pub full_digest: String,
    /// Owner.
    pub account_name: String,
    /// Digest of the image configuration without `sha256:`.
    pub image_id: String,
    /// Host and port.
    pub registry: String,
    /// Repository.
    pub repo: String,
    /// Tag.
    pub tag: String,
    /// Digest of the manifest.
    pub image_digest: String,
    /// Base64 text of the dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// When the tag was first seen on this digest, RFC 3339.
    #[schema(format = DateTime)]
    pub tag_detected_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub last_updated: String,
}

/// Query of `GET /v2/images`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListImagesQuery {
    /// Only images with this id (digest of the configuration).
    pub image_id: Option<String>,
    /// Also the digests a tag pointed to before.
    #[serde(default, deserialize_with = "flag")]
    pub history: Option<bool>,
    /// Only images of this tag, `registry/repo:tag`.
    pub full_tag: Option<String>,
    /// `active` when absent.
    #[param(inline)]
    pub image_status: Option<ImageStatusFilter>,
    /// Only images in this state.
    #[param(inline)]
    pub analysis_status: Option<AnalysisStatus>,
    /// Only images analysed at or after this RFC 3339 time.
    #[param(format = DateTime)]
    pub analyzed_since: Option<String>,
}

/// Query of `POST /v2/images`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AddImageQuery {
    /// Analyse again.
    #[serde(default, deserialize_with = "flag")]
    pub force: Option<bool>,
    /// Watch the tag.
    #[serde(default, deserialize_with = "flag")]
    pub auto_subscribe: Option<bool>,
}

/// Query of `DELETE /v2/images`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteImagesQuery {
    /// Digests, separated by commas.
    #[serde(deserialize_with = "list")]
    #[param(style = Form, explode = false)]
    pub image_digests: Vec<String>,
    /// Also when tags or subscriptions still need them.
    #[serde(default, deserialize_with = "flag")]
    pub force: Option<bool>,
}

/// Query of `DELETE /v2/images/{image_digest}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteImageQuery {
    /// Also when tags or subscriptions still need it.
    #[serde(default, deserialize_with = "flag")]
    pub force: Option<bool>,
}

/// Body of `POST /v2/images`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageAnalysisRequest {
    /// `docker`, the only type there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_type: Option<String>,
    /// Key and value pairs to set; the value `null` (as text too) removes a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub annotations: Option<BTreeMap<String, Option<String>>>,
    /// Where the image is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ImageSource>,
}

/// Where an image is. Exactly one member may be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSource {
    /// A tag in a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<RegistryTagSource>,
    /// A digest in a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<RegistryDigestSource>,
    /// An archived analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<AnalysisArchiveSource>,
    /// An import that was uploaded before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub import: Option<serde_json::Value>,
}

/// An image by tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryTagSource {
    /// `docker.io/library/nginx:latest`.
    pub pull_string: String,
    /// Base64 text of the dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-zA-Z0-9+/=]+$")]
    pub dockerfile: Option<String>,
}

/// An image by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryDigestSource {
    /// `docker.io/library/nginx@sha256:…`.
    pub pull_string: String,
    /// The tag to record it under, `docker.io/library/nginx:latest`.
    pub tag: String,
    /// RFC 3339 time from which the tag counts as pointing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub creation_timestamp_override: Option<String>,
    /// Base64 text of the dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-zA-Z0-9+/=]+$")]
    pub dockerfile: Option<String>,
}

/// An image from the archive of analyses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalysisArchiveSource {
    /// Digest of the image.
    pub digest: String,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteStatus {
    /// No such image.
    NotFound,
    /// Going.
    Deleting,
    /// Refused; `detail` says why.
    DeleteFailed,
}

/// Answer of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeleteImageResponse {
    /// The image.
    pub image_digest: String,
    /// What became of it.
    pub status: DeleteStatus,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An image that another one was built on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageAncestor {
    /// Digest of the manifest.
    pub image_digest: String,
    /// Digest of the index.
    pub parent_digest: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its layers.
    pub layers: Vec<String>,
    /// Marked as base by the user.
    pub user_marked_base: bool,
    /// Taken as the base.
    pub chosen_base_image: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_bodies_are_read() {
        let by_tag: ImageAnalysisRequest = serde_json::from_str(
            r#"{"source":{"tag":{"pull_string":"docker.io/library/alpine:3.19","dockerfile":"RlJP"}},
               "image_type":"docker","annotations":{"k":"v","drop":"null","gone":null}}"#,
        )
        .unwrap();
        assert_eq!(by_tag.source.unwrap().tag.unwrap().dockerfile.as_deref(), Some("RlJP"));
        assert_eq!(by_tag.annotations.unwrap()["gone"], None);
        let by_digest: ImageAnalysisRequest = serde_json::from_str(
            r#"{"source":{"digest":{"pull_string":"a@sha256:0","tag":"a:1",
               "creation_timestamp_override":"2024-05-01T10:00:00Z"}}}"#,
        )
        .unwrap();
        assert_eq!(by_digest.source.unwrap().digest.unwrap().tag, "a:1");
    }

    #[test]
    fn unknown_fields_are_named() {
        for (body, field) in [
            (r#"{"sourec":{}}"#, "sourec"),
            (r#"{"source":{"tag":{"pull_string":"a","dockerfil":"x"}}}"#, "dockerfil"),
            (r#"{"source":{"tags":{}}}"#, "tags"),
        ] {
            let error = serde_json::from_str::<ImageAnalysisRequest>(body).unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn nothing_is_sent_as_null() {
        let response = DeleteImageResponse {
            image_digest: "sha256:0".into(),
            status: DeleteStatus::NotFound,
            detail: None,
        };
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"image_digest":"sha256:0","status":"not_found"}"#
        );
    }
}
