//! The configuration of an image (OCI image-spec, `config.md`), as Docker writes it too.

use super::{ManifestError, check_object, malformed};
use crate::limits::{CONFIG_DOCUMENT_BYTES_MAX, HISTORY_MAX, LAYERS_MAX};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One step of an image's making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub created: Option<Timestamp>,
    /// The command, as the builder wrote it.
    pub created_by: String,
    /// Author.
    pub author: String,
    /// Comment, for instance `buildkit.dockerfile.v0`.
    pub comment: String,
    /// Whether it made no layer.
    pub empty_layer: bool,
}

/// The configuration of an image, as far as matching, policy and people need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// CPU.
    pub architecture: String,
    /// Operating system.
    pub os: String,
    /// CPU variant; empty when absent.
    pub variant: String,
    /// When the image was made.
    pub created: Option<Timestamp>,
    /// Author; empty when absent.
    pub author: String,
    /// Diff ids of the layers, lowest first.
    pub diff_ids: Vec<Digest>,
    /// Steps, first one first.
    pub history: Vec<HistoryEntry>,
    /// User of the process; empty: root.
    pub user: String,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Command.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Ports, for instance `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether a health check is set.
    pub healthcheck: bool,
    /// Stop signal; empty when absent.
    pub stop_signal: String,
}

impl ImageConfig {
    /// The platform of the image.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
        }
    }
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    rootfs: Option<RawRootfs>,
    #[serde(default)]
    history: Option<Vec<RawHistory>>,
    #[serde(default)]
    config: Option<RawProcess>,
}

#[derive(Deserialize)]
struct RawRootfs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawHistory {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    empty_layer: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawProcess {
    user: Option<String>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    labels: Option<BTreeMap<String, String>>,
    healthcheck: Option<serde_json::Value>,
    stop_signal: Option<String>,
}

/// Reads an image configuration. Times that are no times are left out: nothing depends on them.
///
/// # Errors
/// Malformed, over a limit, or a bad diff id.
pub fn parse_config(bytes: &[u8]) -> Result<ImageConfig, ManifestError> {
    let limit = |what, limit, max| Err(ManifestError::Limit { what, limit, max });
    if bytes.len() > CONFIG_DOCUMENT_BYTES_MAX {
        let max = CONFIG_DOCUMENT_BYTES_MAX;
        return limit("image configuration size in bytes", "CONFIG_DOCUMENT_BYTES_MAX", max);
    }
    check_object(bytes, "image configuration")?;
    let raw: RawConfig = serde_json::from_slice(bytes).map_err(malformed("image configuration"))?;
    let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
    let history = raw.history.unwrap_or_default();
    if diff_ids.len() > LAYERS_MAX {
        return limit("number of diff ids", "LAYERS_MAX", LAYERS_MAX);
    }
    if history.len() > HISTORY_MAX {
        return limit("number of history entries", "HISTORY_MAX", HISTORY_MAX);
    }
    let digest = |text: String| {
        let document = "image configuration";
        text.parse().map_err(|source| ManifestError::Digest { document, source })
    };
    let process = raw.config.unwrap_or_default();
    let health = process.healthcheck.as_ref().and_then(|check| check.get("Test")?.get(0)?.as_str());
    Ok(ImageConfig {
        architecture: raw.architecture,
        os: raw.os,
        variant: raw.variant.unwrap_or_default(),
        created: raw.created.and_then(|text| text.parse().ok()),
        author: raw.author.unwrap_or_default(),
        diff_ids: diff_ids.into_iter().map(digest).collect::<Result<_, _>>()?,
        history: history.into_iter().map(history_entry).collect(),
        healthcheck: health.is_some_and(|test| test != "NONE"),
        user: process.user.unwrap_or_default(),
        env: process.env.unwrap_or_default(),
        entrypoint: process.entrypoint.unwrap_or_default(),
        cmd: process.cmd.unwrap_or_default(),
        working_dir: process.working_dir.unwrap_or_default(),
        exposed_ports: process.exposed_ports.unwrap_or_default().into_keys().collect(),
        volumes: process.volumes.unwrap_or_default().into_keys().collect(),
        labels: process.labels.unwrap_or_default(),
        stop_signal: process.stop_signal.unwrap_or_default(),
    })
}

fn history_entry(raw: RawHistory) -> HistoryEntry {
    HistoryEntry {
        created: raw.created.and_then(|text| text.parse().ok()),
        created_by: raw.created_by.unwrap_or_default(),
        author: raw.author.unwrap_or_default(),
        comment: raw.comment.unwrap_or_default(),
        empty_layer: raw.empty_layer.unwrap_or_default(),
    }
}
