//! What can go wrong with a registry, with stable codes. Hosts are in the texts, secrets never:
//! no URL query, no header value and no free text of the registry is repeated.

use kedge_artifact::digest::Digest;
use std::time::Duration;

/// Why a registry operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke off.
    #[error("registry {host} cannot be reached: {what}")]
    Unreachable {
        /// Host with port.
        host: String,
        /// What the network said.
        what: String,
    },
    /// No answer in time.
    #[error("registry {host} did not answer in time: {what}")]
    Timeout {
        /// Host with port.
        host: String,
        /// What was waited for.
        what: String,
    },
    /// The TLS handshake failed, for instance because of the certificate.
    #[error("tls with {host} failed: {what}")]
    TlsFailed {
        /// Host with port.
        host: String,
        /// What is wrong.
        what: String,
    },
    /// The login was refused, or there is none and one is wanted.
    #[error("registry {host} refused access: {what}")]
    AuthFailed {
        /// Host with port.
        host: String,
        /// What was refused.
        what: String,
    },
    /// The registry names a token server that must not be told the stored password.
    #[error(
        "registry {registry} wants its password sent to {realm}, which is not known to belong to it"
    )]
    RealmRefused {
        /// Registry host.
        registry: String,
        /// Host of the token server.
        realm: String,
    },
    /// The address must not be dialled.
    #[error("connection to {host} refused by the egress rules: {what}")]
    EgressRefused {
        /// Host that was asked for.
        host: String,
        /// Address and its class.
        what: String,
    },
    /// A redirect that must not be followed.
    #[error("redirect from {host} refused: {what}")]
    RedirectRefused {
        /// Host that sent the redirect.
        host: String,
        /// Why.
        what: String,
    },
    /// Repository, tag, manifest or blob is not there (or not visible to this login).
    #[error("{reference} was not found at registry {host}")]
    NotFound {
        /// Host with port.
        host: String,
        /// Repository with tag or digest.
        reference: String,
    },
    /// The bytes have another digest than was asked for.
    #[error("{what} has digest {actual}, not {expected}")]
    DigestMismatch {
        /// Manifest or blob, with its repository.
        what: String,
        /// Asked for.
        expected: Digest,
        /// Computed over the bytes.
        actual: Digest,
    },
    /// The content is longer or shorter than its descriptor says.
    #[error("{what} has {actual} bytes, its descriptor says {expected}")]
    SizeMismatch {
        /// Blob, with its repository.
        what: String,
        /// Of the descriptor.
        expected: u64,
        /// Announced or received.
        actual: u64,
    },
    /// The manifest is of a kind that cannot be read.
    #[error("manifest of {reference} is not supported: {what}")]
    ManifestUnsupported {
        /// Repository with tag or digest.
        reference: String,
        /// Which kind.
        what: String,
    },
    /// Too many requests.
    #[error("registry {host} limits the rate of requests")]
    RateLimited {
        /// Host with port.
        host: String,
        /// What it asked to wait, already capped.
        retry_after: Option<Duration>,
    },
    /// A 5xx answer.
    #[error("registry {host} answered with status {status}")]
    Unavailable {
        /// Host with port.
        host: String,
        /// HTTP status.
        status: u16,
        /// What it asked to wait, already capped.
        retry_after: Option<Duration>,
    },
    /// What answers there is not a registry.
    #[error("{host} gave not a registry answer: {what}")]
    NotARegistry {
        /// Host with port.
        host: String,
        /// What came instead.
        what: String,
    },
    /// A limit of `limits.rs` was passed.
    #[error("{what} from {host} is over the limit of {limit} ({name})")]
    TooLarge {
        /// Host with port.
        host: String,
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
        /// Its name.
        name: &'static str,
    },
    /// The host of an [`crate::Access`] is not a host with an optional port.
    #[error("'{0}' is not a registry host with an optional port")]
    HostInvalid(String),
    /// The client could not be built from its options.
    #[error("registry client: {0}")]
    Setup(String),
}

impl Error {
    /// Stable code in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "registry_unreachable",
            Self::Timeout { .. } => "registry_timeout",
            Self::TlsFailed { .. } => "registry_tls_failed",
            Self::AuthFailed { .. } => "registry_auth_failed",
            Self::RealmRefused { .. } => "registry_realm_refused",
            Self::EgressRefused { .. } => "egress_refused",
            Self::RedirectRefused { .. } => "registry_redirect_refused",
            Self::NotFound { .. } => "image_not_found",
            Self::DigestMismatch { .. } => "digest_mismatch",
            Self::SizeMismatch { .. } => "size_mismatch",
            Self::ManifestUnsupported { .. } => "manifest_unsupported",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "registry_unavailable",
            Self::NotARegistry { .. } => "not_a_registry",
            Self::TooLarge { .. } => "registry_answer_too_large",
            Self::HostInvalid(_) => "registry_host_invalid",
            Self::Setup(_) => "registry_client_setup",
        }
    }

    /// Whether the same request may succeed a little later. The one place that decides retries.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. } => true,
            Self::TlsFailed { .. }
            | Self::AuthFailed { .. }
            | Self::RealmRefused { .. }
            | Self::EgressRefused { .. }
            | Self::RedirectRefused { .. }
            | Self::NotFound { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::ManifestUnsupported { .. }
            | Self::NotARegistry { .. }
            | Self::TooLarge { .. }
            | Self::HostInvalid(_)
            | Self::Setup(_) => false,
        }
    }

    /// How long the registry asked to wait, capped.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::TlsFailed { .. }
            | Self::AuthFailed { .. }
            | Self::RealmRefused { .. }
            | Self::EgressRefused { .. }
            | Self::RedirectRefused { .. }
            | Self::NotFound { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::ManifestUnsupported { .. }
            | Self::NotARegistry { .. }
            | Self::TooLarge { .. }
            | Self::HostInvalid(_)
            | Self::Setup(_) => None,
        }
    }
}
