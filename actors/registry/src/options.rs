//! Settings of the client, one set per process.

use crate::egress::Network;
use std::time::Duration;

/// How the client behaves towards every registry.
#[derive(Debug, Clone)]
pub struct Options {
    /// `User-Agent` of every request.
    pub user_agent: String,
    /// Networks that may be dialled although they are not public, for air-gapped installations.
    /// Also opens loopback, link-local and metadata addresses when they are listed.
    pub allowed_networks: Vec<Network>,
    /// Token servers that may be sent a stored password, as (registry host, realm host), beside
    /// the same host and the built-in table.
    pub trusted_realms: Vec<(String, String)>,
    /// Certificates (DER) trusted beside the public web's roots.
    pub extra_roots: Vec<Vec<u8>>,
    /// Longest wait for a TCP and TLS connection.
    pub connect_timeout: Duration,
    /// Longest silence in the middle of an answer.
    pub read_timeout: Duration,
    /// Longest time for one operation on manifests, tags or tokens, retries included.
    pub operation_deadline: Duration,
    /// Longest time for one blob, resumed downloads included.
    pub blob_deadline: Duration,
    /// Most repetitions of a request that failed in passing.
    pub retries_max: u32,
    /// Wait before the first repetition; doubles each time, with jitter.
    pub retry_base: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("kedge/", env!("CARGO_PKG_VERSION")).to_owned(),
            allowed_networks: Vec::new(),
            trusted_realms: Vec::new(),
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            operation_deadline: Duration::from_secs(45),
            blob_deadline: Duration::from_secs(1800),
            retries_max: 6,
            retry_base: Duration::from_millis(250),
        }
    }
}
