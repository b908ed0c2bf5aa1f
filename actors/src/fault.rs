//! What goes wrong in a service of the actors, in one shape for every face of the product.

use crate::access::AccessError;
use crate::pool::JobError;
use crate::shared::DocumentError;
use kedge_cluster::ProposeError;
use kedge_state::row::StateError;
use kedge_storage::blobs::BlobError;
use kedge_target::TargetError;

/// A failure with a stable code, a text for people and the HTTP status it means. Carries no
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Stable code in snake case.
    pub code: String,
    /// For people: lower case, no full stop.
    pub message: String,
    /// The HTTP status it is answered with.
    pub status: u16,
    /// When it makes sense to try again, in seconds.
    pub retry_after_s: Option<u32>,
    /// Whether trying again can help.
    pub transient: bool,
}

impl Fault {
    /// A fault that trying again does not mend.
    #[must_use]
    pub fn lasting(code: &str, status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code: code.to_owned(), message, status, retry_after_s: None, transient: false }
    }

    /// A fault that may pass.
    #[must_use]
    pub fn passing(code: &str, status: u16, message: impl Into<String>) -> Self {
        Self { transient: true, retry_after_s: Some(1), ..Self::lasting(code, status, message) }
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        Self::lasting("state_unreadable", 500, error.to_string())
    }
}

impl From<DocumentError> for Fault {
    fn from(error: DocumentError) -> Self {
        match &error {
            DocumentError::Blob(BlobError::DiskFull { .. }) => {
                Self::passing("disk_full", 507, error.to_string())
            }
            DocumentError::Stopping => Self::passing("stopping", 503, error.to_string()),
            DocumentError::TooLarge { .. } => Self::lasting("limit", 400, error.to_string()),
            DocumentError::Blob(_)
            | DocumentError::Decompress { .. }
            | DocumentError::Malformed { .. } => {
                Self::lasting("document_unreadable", 500, error.to_string())
            }
        }
    }
}

impl From<AccessError> for Fault {
    fn from(error: AccessError) -> Self {
        match &error {
            AccessError::State(_) => Self::lasting("state_unreadable", 500, error.to_string()),
            AccessError::Vault { .. } => {
                Self::lasting("credential_unreadable", 500, error.to_string())
            }
            AccessError::NoAccount(_) => Self::lasting("account_not_found", 404, error.to_string()),
        }
    }
}

impl From<kedge_registry::Error> for Fault {
    fn from(error: kedge_registry::Error) -> Self {
        let status = registry_status(&error);
        let message = error.to_string();
        if error.is_transient() {
            Self::passing(error.code(), status, message)
        } else {
            Self::lasting(error.code(), status, message)
        }
    }
}

/// A registry's failure as ours: what the user can mend is a 4xx, what only the registry can is
/// a 502 or 504.
fn registry_status(error: &kedge_registry::Error) -> u16 {
    match error.code() {
        "image_not_found" => 404,
        "registry_auth_failed" => 401,
        "registry_timeout" => 504,
        "rate_limited" => 503,
        "registry_unreachable" | "registry_tls_failed" | "not_a_registry" | "digest_mismatch" => {
            502
        }
        _ => 400,
    }
}

impl From<TargetError> for Fault {
    fn from(error: TargetError) -> Self {
        if let TargetError::Registry(error) = error {
            return error.into();
        }
        let (code, message) = (error.code(), error.to_string());
        if error.is_transient() {
            Self::passing(code, 502, message)
        } else {
            Self::lasting(code, 400, message)
        }
    }
}

impl From<ProposeError> for Fault {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Rejected(rejection) => {
                let code = rejection.code;
                Self::lasting(code.as_str(), code.status(), rejection.message)
            }
            ProposeError::Unavailable { ref reason, retry_after } => {
                let full = matches!(reason, kedge_cluster::Unavailable::DiskFull { .. });
                let (code, status) = if full { ("disk_full", 507) } else { ("unavailable", 503) };
                let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1);
                let fault = Self::passing(code, status, error.to_string());
                Self { retry_after_s: Some(seconds), ..fault }
            }
            ProposeError::TooLarge { .. } => Self::lasting("limit", 400, error.to_string()),
            ProposeError::Stopped(_) => Self::passing("stopping", 503, error.to_string()),
            ProposeError::Encode(_) | ProposeError::Random(_) => {
                Self::lasting("internal", 500, error.to_string())
            }
        }
    }
}

impl From<Fault> for JobError {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code, message: fault.message, transient: fault.transient }
    }
}
