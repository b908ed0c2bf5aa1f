//! The configuration of an image (OCI image-spec, `config.md`), as Docker writes it too.

use super::lenient::{self, Field, Shape, needed, optional};
use super::{ANY_COUNT, ManifestError, check_object, malformed, platform_of};
use crate::limits::{CONFIG_DOCUMENT_BYTES_MAX, HISTORY_MAX, LAYERS_MAX};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::time::Timestamp;
use oci_spec::image as oci;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What messages call it.
const DOCUMENT: &str = "image configuration";

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

/// What is kept of a configuration. `Healthcheck` is Docker's and unknown to `oci-spec`.
static CONFIGURATION: Shape = Shape::Object(&[
    needed("architecture", Shape::Text),
    needed("os", Shape::Text),
    optional("variant", Shape::Text),
    optional("created", Shape::Text),
    optional("author", Shape::Text),
    needed("rootfs", Shape::Object(&ROOTFS)),
    optional("history", Shape::List(&Shape::Object(&HISTORY), HISTORY_MAX)),
    needed("config", Shape::Object(&PROCESS)),
]);

static ROOTFS: [Field; 2] = [
    needed("type", Shape::Fixed("layers")),
    needed("diff_ids", Shape::List(&Shape::Text, LAYERS_MAX)),
];

static HISTORY: [Field; 5] = [
    optional("created", Shape::Text),
    optional("created_by", Shape::Text),
    optional("author", Shape::Text),
    optional("comment", Shape::Text),
    optional("empty_layer", Shape::Flag),
];

static PROCESS: [Field; 10] = [
    optional("User", Shape::Text),
    optional("Env", Shape::List(&Shape::Text, ANY_COUNT)),
    optional("Entrypoint", Shape::List(&Shape::Text, ANY_COUNT)),
    optional("Cmd", Shape::List(&Shape::Text, ANY_COUNT)),
    optional("WorkingDir", Shape::Text),
    optional("ExposedPorts", Shape::Names),
    optional("Volumes", Shape::Names),
    optional("Labels", Shape::Texts),
    optional("Healthcheck", Shape::Object(&HEALTHCHECK)),
    optional("StopSignal", Shape::Text),
];

static HEALTHCHECK: [Field; 1] = [optional("Test", Shape::List(&Shape::Text, ANY_COUNT))];

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
    check_object(bytes, DOCUMENT)?;
    let raw = lenient::read(bytes, &CONFIGURATION).map_err(malformed(DOCUMENT))?;
    let platform = platform_of(&raw);
    let health = raw["config"]["Healthcheck"]["Test"][0].as_str();
    let healthcheck = health.is_some_and(|test| test != "NONE");
    let read: oci::ImageConfiguration = serde_json::from_value(raw).map_err(malformed(DOCUMENT))?;
    let diff_ids = read.rootfs().diff_ids();
    let history = read.history().as_deref().unwrap_or_default();
    if diff_ids.len() > LAYERS_MAX {
        return limit("number of diff ids", "LAYERS_MAX", LAYERS_MAX);
    }
    if history.len() > HISTORY_MAX {
        return limit("number of history entries", "HISTORY_MAX", HISTORY_MAX);
    }
    let digest = |text: &String| {
        text.parse().map_err(|source| ManifestError::Digest { document: DOCUMENT, source })
    };
    let absent = oci::Config::default();
    let process = read.config().as_ref().unwrap_or(&absent);
    Ok(ImageConfig {
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant,
        created: time(read.created()),
        author: text(read.author()),
        diff_ids: diff_ids.iter().map(digest).collect::<Result<_, _>>()?,
        history: history.iter().map(history_entry).collect(),
        healthcheck,
        user: text(process.user()),
        env: process.env().clone().unwrap_or_default(),
        entrypoint: process.entrypoint().clone().unwrap_or_default(),
        cmd: process.cmd().clone().unwrap_or_default(),
        working_dir: text(process.working_dir()),
        exposed_ports: sorted(process.exposed_ports()),
        volumes: sorted(process.volumes()),
        labels: process.labels().clone().unwrap_or_default().into_iter().collect(),
        stop_signal: text(process.stop_signal()),
    })
}

fn text(read: &Option<String>) -> String {
    read.clone().unwrap_or_default()
}

fn time(read: &Option<String>) -> Option<Timestamp> {
    read.as_ref().and_then(|text| text.parse().ok())
}

/// `oci-spec` gives the names of a map in an order that changes from run to run.
fn sorted(read: &Option<Vec<String>>) -> Vec<String> {
    let mut names = read.clone().unwrap_or_default();
    names.sort();
    names
}

fn history_entry(read: &oci::History) -> HistoryEntry {
    HistoryEntry {
        created: time(read.created()),
        created_by: text(read.created_by()),
        author: text(read.author()),
        comment: text(read.comment()),
        empty_layer: read.empty_layer().unwrap_or_default(),
    }
}
