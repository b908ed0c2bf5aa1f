//! Settings of the REST interface.

use crate::limits::{REQUEST_TIMEOUT, REQUESTS_MAX};
use serde::{Deserialize, Serialize};

/// How requests are served. Field names are the keys of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Requests worked on at a time; more are answered with 503, and so is an account with more
    /// than a quarter of them. Health and metrics are outside.
    pub requests_max: usize,
    /// How long an ordinary request may take, in seconds.
    pub request_timeout_s: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { requests_max: REQUESTS_MAX, request_timeout_s: REQUEST_TIMEOUT.as_secs() }
    }
}
