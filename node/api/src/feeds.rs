//! Advisory data: the contract's `/v2/system/feeds` and our drivers and generations.

use crate::query::flag;
use crate::routes::Access::{AnyUser, InSystem};
use crate::routes::{Body, Route, query, schema};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Routes of this file.
pub const ROUTES: &[Route] = &[
    Route::get("/v2/system/feeds", "get_system_feeds")
        .access(AnyUser)
        .gives(Body::List(schema::<FeedMetadata>))
        .about("Feeds with their groups"),
    Route::post("/v2/system/feeds", "post_system_feeds")
        .access(InSystem("updateFeeds"))
        .params(query::<SyncFeedsQuery>)
        .gives(Body::Json(schema::<SyncFeedsResponse>))
        .about("Sync all feeds now and wait"),
    Route::get("/v2/system/feeds/{feed}", "get_system_feed")
        .access(InSystem("listFeeds"))
        .params(query::<FeedVersionQuery>)
        .gives(Body::Json(schema::<FeedDataRecord>))
        .about("One dataset"),
    Route::post("/v2/system/feeds/{feed}", "upload_system_feed")
        .access(InSystem("updateFeeds"))
        .params(query::<UploadFeedQuery>)
        .takes(Body::Upload)
        .status(202)
        .about("Upload a dataset"),
    Route::get("/kedge/v1/feeds/drivers", "list_feed_drivers")
        .access(AnyUser)
        .gives(Body::Json(schema::<FeedDriverList>))
        .about("Drivers and when each ran"),
    Route::get("/kedge/v1/feeds/generation", "get_feed_generation")
        .access(AnyUser)
        .gives(Body::Json(schema::<FeedGeneration>))
        .about("The generation in use"),
    Route::get("/kedge/v1/feeds/bundle", "export_feeds")
        .access(AnyUser)
        .gives(Body::Bytes("application/octet-stream"))
        .about("The generation in use as one file"),
    Route::post("/kedge/v1/feeds/bundle", "import_feeds")
        .access(InSystem("updateFeeds"))
        .params(query::<ImportFeedsQuery>)
        .takes(Body::Bytes("application/octet-stream"))
        .gives(Body::Json(schema::<FeedGeneration>))
        .about("Take over a generation from a file"),
];

/// Datasets of the contract.
pub const DATASETS: &[&str] =
    &["vulnerability_db", "kev_db", "clamav_db", "epss_db", "vulnerability_match_exclusions_db"];

/// A feed with its groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedMetadata {
    /// Name.
    pub name: String,
    /// Version of the data format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub created_at: Option<String>,
    /// Last attempt, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    /// When the data was built, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub data_service_built_at: Option<String>,
    /// When it arrived here, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub enterprise_received_at: Option<String>,
    /// Groups; empty, never absent: clients iterate over it.
    pub groups: Vec<FeedGroupMetadata>,
    /// Last complete sync, RFC 3339; clients wait until it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_full_sync: Option<String>,
    /// Whether it is synced.
    pub enabled: bool,
    /// One of [`DATASETS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// Digest of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_checksum: Option<String>,
}

/// A part of a feed, for instance one release of one distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedGroupMetadata {
    /// For instance `debian:12`.
    pub name: String,
    /// When the data was built, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub data_service_built_at: Option<String>,
    /// When it arrived here, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub enterprise_received_at: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub created_at: Option<String>,
    /// Last sync, RFC 3339 ending in `Z`: clients append one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_sync: Option<String>,
    /// Records.
    pub record_count: u64,
    /// Whether it is synced.
    pub enabled: bool,
}

/// Query of `POST /v2/system/feeds`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SyncFeedsQuery {
    /// Fetch also what has not changed.
    #[serde(default, deserialize_with = "flag")]
    pub force_sync: Option<bool>,
}

/// Answer of `POST /v2/system/feeds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncFeedsResponse {
    /// For people.
    pub message: String,
}

/// Query of `GET /v2/system/feeds/{feed}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedVersionQuery {
    /// Version of the data format.
    pub version: String,
}

/// Query of `POST /v2/system/feeds/{feed}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadFeedQuery {
    /// Version of the data format.
    pub version: String,
    /// When the data was built, RFC 3339.
    #[param(format = DateTime)]
    pub built: String,
    /// Digest of the upload.
    pub checksum: String,
}

/// Query of `POST /kedge/v1/feeds/bundle`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportFeedsQuery {
    /// Take over also a generation older than the one in use.
    #[serde(default, deserialize_with = "flag")]
    pub force: Option<bool>,
}

/// One dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedDataRecord {
    /// Id of the record.
    pub id: String,
    /// Name.
    pub name: String,
    /// One of [`DATASETS`].
    pub dataset: String,
    /// Format.
    pub data_format: String,
    /// Digest.
    pub checksum: String,
    /// Version of the format.
    pub version: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub data_service_built_at: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub enterprise_received_at: Option<String>,
}

/// Answer of `GET /kedge/v1/feeds/drivers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedDriverList {
    /// One entry per driver.
    pub drivers: Vec<FeedDriver>,
}

/// A driver and when it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedDriver {
    /// For instance `debian`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Where it fetches from, without credentials.
    pub base_url: String,
    /// Whether it is synced.
    pub enabled: bool,
    /// Seconds between syncs.
    pub interval_s: u64,
    /// Last attempt, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_attempt: Option<String>,
    /// Last success, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_success: Option<String>,
    /// Why the last attempt failed; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Records in the generation in use.
    pub record_count: u64,
    /// Scopes it covers, for instance `debian:12`.
    pub scopes: Vec<String>,
    /// Records that were skipped, and why, cut at a limit.
    pub problems: Vec<crate::findings::Problem>,
}

/// An immutable set of advisory data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedGeneration {
    /// Digest of its content.
    pub id: String,
    /// When it was built, RFC 3339.
    #[schema(format = DateTime)]
    pub built_at: String,
    /// Records in it.
    pub record_count: u64,
    /// Bytes.
    pub size: u64,
    /// The generation before, kept for going back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}
