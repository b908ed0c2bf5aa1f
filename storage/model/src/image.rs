//! Images and tags.

use crate::tokens::AccountName;
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::package::PackageKind;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An image of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Owner.
    pub account: AccountName,
    /// Digest of the platform's manifest: the identity.
    pub digest: Digest,
    /// Digest of the index it was picked from, or of the manifest itself.
    pub parent_digest: Digest,
    /// Digest of the configuration, known once resolved.
    pub image_id: Option<Digest>,
    /// Names it was seen under, newest first.
    pub tags: Vec<TagSeen>,
    /// Where the analysis stands.
    pub analysis: AnalysisState,
    /// When it was added.
    pub created_at: Timestamp,
    /// When the record last changed.
    pub last_updated: Timestamp,
    /// When the last successful analysis ended.
    pub analyzed_at: Option<Timestamp>,
    /// The user's own key-value pairs, sorted by key.
    pub annotations: Vec<(String, String)>,
    /// Blob of the Dockerfile the user gave.
    pub dockerfile: Option<Digest>,
    /// Which platform.
    pub platform: Platform,
    /// What the analysis produced.
    pub result: Option<AnalysisResult>,
    /// Why the last analysis failed.
    pub failure: Option<Failure>,
}

/// A name of an image and when it pointed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagSeen {
    /// Host with port.
    pub registry: String,
    /// Repository path.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// When the tag was first seen at this digest.
    pub detected_at: Timestamp,
}

impl TagSeen {
    /// `registry/repository:tag`.
    #[must_use]
    pub fn full_tag(&self) -> String {
        format!("{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

/// Where the analysis of an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AnalysisState {
    /// Waiting.
    NotAnalyzed,
    /// A worker holds it.
    Analyzing,
    /// There is a result.
    Analyzed,
    /// Given up; `failure` says why.
    Failed,
}

impl AnalysisState {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnalyzed => "not_analyzed",
            Self::Analyzing => "analyzing",
            Self::Analyzed => "analyzed",
            Self::Failed => "analysis_failed",
        }
    }
}

/// What an analysis produced: pointers to blobs, and facts for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisResult {
    /// Blob of the native SBOM (zstd).
    pub sbom: Digest,
    /// Digest of the SBOM's own bytes: what results are recorded against.
    pub sbom_content: Digest,
    /// Blob of the file list (zstd, codec).
    pub files: Digest,
    /// Blob of the manifest as the registry sent it.
    pub manifest: Digest,
    /// Blob of the configuration as the registry sent it.
    pub config: Digest,
    /// Digest of the configuration: the image id.
    pub image_id: Digest,
    /// Version of the set of catalogers.
    pub catalogers: String,
    /// Sum of the layer blobs in bytes.
    pub size_bytes: u64,
    /// Layers.
    pub layer_count: u32,
    /// `ID` of the distribution; empty when none was recognised.
    pub distro: String,
    /// `VERSION_ID` of the distribution.
    pub distro_version: String,
    /// Packages by kind.
    pub package_counts: Vec<(PackageKind, u32)>,
    /// Files in the squashed image.
    pub file_count: u64,
    /// Problems in the SBOM.
    pub problem_count: u32,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable code.
    pub code: String,
    /// For people; no secrets.
    pub message: String,
}

/// What a tag points to now and pointed to before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Host with port.
    pub registry: String,
    /// Repository path.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// Digests, newest first, with the time each was first seen.
    pub history: Vec<(Digest, Timestamp)>,
}
