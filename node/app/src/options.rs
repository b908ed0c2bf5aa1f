//! Settings of the use cases.

use crate::error::AppError;
use kedge_artifact::image::Platform;
use serde::{Deserialize, Serialize};

/// How the use cases behave. Field names are the keys of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Platform that is taken from a multi-platform image: `os/architecture[/variant]`.
    pub platform: String,
    /// Largest image that is taken in, in MB of compressed layers; 0 for any.
    pub image_compressed_mb_max: u64,
    /// How long a request for a feed sync waits for its end, in seconds.
    pub feed_sync_wait_s: u32,
    /// Seconds between feed syncs, as the list of drivers shows it. The node sets it from the
    /// settings of the feeds.
    #[serde(skip)]
    pub feed_interval_s: u64,
    /// URL under which clients reach this node; shown in the list of services and in events.
    pub base_url: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            platform: "linux/amd64".to_owned(),
            image_compressed_mb_max: 0,
            feed_sync_wait_s: 900,
            feed_interval_s: 0,
            base_url: "http://127.0.0.1:8228".to_owned(),
        }
    }
}

impl Options {
    /// The platform, parsed.
    ///
    /// # Errors
    /// When it is not of the form `os/architecture[/variant]`.
    pub fn platform(&self) -> Result<Platform, AppError> {
        self.platform.parse().map_err(|error| AppError::invalid(format!("platform: {error}")))
    }
}
