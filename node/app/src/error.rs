//! Why a use case did not give what was asked for: one closed type for every face.

use kedge_actors::fault::Fault;
use kedge_cluster::ProposeError;
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_state::row::StateError;
use serde_json::{Map, Value};
use std::time::Duration;

/// A failure of a use case. `Display` is for people and carries no secret; what only operators may
/// see is behind [`AppError::inside`].
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// User name and password are missing or wrong. Says nothing about which of them.
    #[error("Unauthorized")]
    Unauthenticated,
    /// Too many wrong passwords; come back later.
    #[error("too many failed logins, try again in {retry_after_s} s")]
    Throttled {
        /// When.
        retry_after_s: u32,
    },
    /// Too many logins wait for their check.
    #[error("too many logins are waiting, try again in {retry_after_s} s")]
    Busy {
        /// When.
        retry_after_s: u32,
    },
    /// The request cannot be met.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The state refused the command.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Something that the request needed did not work.
    #[error("{}", fault_text(.0))]
    Fault(#[from] Fault),
}

/// See [`AppError::Refused`].
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// HTTP status it means.
    pub status: u16,
    /// Stable code in snake case.
    pub code: &'static str,
    /// For people; fixed by the contract in many places.
    pub message: String,
    /// Codes of the contract's own list.
    pub error_codes: Vec<&'static str>,
    /// Further facts.
    pub detail: Map<String, Value>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// The status that says that something is broken here.
const INTERNAL: u16 = 500;

fn fault_text(fault: &Fault) -> &str {
    // What is broken inside is for the log: paths and keys have no place in an answer.
    if fault.status == INTERNAL { "internal error" } else { &fault.message }
}

impl AppError {
    pub(crate) fn refused(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let (error_codes, detail) = (Vec::new(), Map::new());
        Self::Refused(Box::new(Refusal { status, code, message, error_codes, detail }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::refused(400, "invalid", message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::refused(404, code, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Fault(Fault::lasting("internal", INTERNAL, message))
    }

    /// A command was answered with something else than it should: never the answer itself, which
    /// may hold hashes and sealed secrets.
    pub(crate) fn unexpected(wanted: &str) -> Self {
        Self::internal(format!("the command did not answer {wanted}"))
    }

    pub(crate) fn with_codes(mut self, codes: &[&'static str]) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.error_codes = codes.to_vec();
        }
        self
    }

    pub(crate) fn with_detail(mut self, name: &str, value: Value) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.detail.insert(name.to_owned(), value);
        }
        self
    }

    /// The HTTP status it means.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Throttled { .. } => 429,
            Self::Busy { .. } => 503,
            Self::Refused(refusal) => refusal.status,
            Self::Rejected(rejection) => rejection.code.status(),
            // A registry's refusal must not look like a refusal of the caller's own password.
            Self::Fault(fault) if fault.status == 401 => 400,
            Self::Fault(fault) => fault.status,
        }
    }

    /// Stable code in snake case.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Throttled { .. } => "throttled",
            Self::Busy { .. } => "busy",
            Self::Refused(refusal) => refusal.code,
            Self::Rejected(rejection) => rejection.code.as_str(),
            Self::Fault(fault) => &fault.code,
        }
    }

    /// Codes of the contract's own list (`GET /v2/system/error-codes`).
    #[must_use]
    pub fn error_codes(&self) -> Vec<&'static str> {
        match self {
            Self::Unauthenticated | Self::Throttled { .. } | Self::Busy { .. } => Vec::new(),
            Self::Refused(refusal) => refusal.error_codes.clone(),
            Self::Rejected(rejection) if rejection.code == RejectionCode::FeedSyncRunning => {
                vec!["FEED_SYNC_ALREADY_IN_PROGRESS"]
            }
            Self::Rejected(_) => Vec::new(),
            Self::Fault(fault) => contract_code(&fault.code).into_iter().collect(),
        }
    }

    /// Further facts for the answer.
    #[must_use]
    pub fn detail(&self) -> Map<String, Value> {
        match self {
            Self::Refused(refusal) => refusal.detail.clone(),
            Self::Unauthenticated
            | Self::Throttled { .. }
            | Self::Busy { .. }
            | Self::Rejected(_)
            | Self::Fault(_) => Map::new(),
        }
    }

    /// When it makes sense to come back, in seconds.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Throttled { retry_after_s } | Self::Busy { retry_after_s } => {
                Some(*retry_after_s)
            }
            Self::Fault(fault) => fault.retry_after_s,
            Self::Unauthenticated | Self::Refused(_) | Self::Rejected(_) => None,
        }
    }

    /// What is broken, for the log only; `None` when the answer says it all.
    #[must_use]
    pub fn inside(&self) -> Option<&str> {
        match self {
            Self::Fault(fault) if fault.status == INTERNAL => Some(&fault.message),
            Self::Fault(_)
            | Self::Unauthenticated
            | Self::Throttled { .. }
            | Self::Busy { .. }
            | Self::Refused(_)
            | Self::Rejected(_) => None,
        }
    }
}

/// The contract's word for a failure at an image registry.
pub(crate) fn contract_code(code: &str) -> Option<&'static str> {
    match code {
        "registry_auth_failed" | "registry_realm_refused" => Some("REGISTRY_PERMISSION_DENIED"),
        "image_not_found" => Some("REGISTRY_IMAGE_NOT_FOUND"),
        "registry_unreachable"
        | "registry_timeout"
        | "registry_tls_failed"
        | "egress_refused"
        | "registry_unavailable"
        | "rate_limited"
        | "registry_redirect_refused" => Some("REGISTRY_NOT_ACCESSIBLE"),
        "not_a_registry" | "manifest_unsupported" | "registry_host_invalid" => {
            Some("REGISTRY_NOT_SUPPORTED")
        }
        "platform_missing" | "platform_not_found" => Some("OSARCH_MISMATCH"),
        "digest_mismatch" | "size_mismatch" | "registry_answer_too_large" | "not_an_image" => {
            Some("SKOPEO_UNKNOWN_ERROR")
        }
        _ => None,
    }
}

/// Whole seconds for `Retry-After`, at least one.
pub(crate) fn seconds(pause: Duration) -> u32 {
    u32::try_from(pause.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

impl From<ProposeError> for AppError {
    fn from(error: ProposeError) -> Self {
        if let ProposeError::Rejected(rejection) = error {
            return Self::Rejected(rejection);
        }
        Self::Fault(error.into())
    }
}

impl From<StateError> for AppError {
    fn from(error: StateError) -> Self {
        Self::Fault(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_inside_stays_inside() {
        let error = AppError::from(Fault::lasting("state_unreadable", 500, "/var/lib/kedge: bad"));
        assert_eq!(error.to_string(), "internal error");
        assert_eq!(error.inside(), Some("/var/lib/kedge: bad"));
        assert_eq!(error.status(), 500);
    }

    #[test]
    fn a_registry_that_refuses_is_not_a_wrong_password_here() {
        let error = AppError::from(Fault::lasting("registry_auth_failed", 401, "q.io refused"));
        assert_eq!(error.status(), 400);
        assert_eq!(error.error_codes(), ["REGISTRY_PERMISSION_DENIED"]);
        assert_eq!(error.to_string(), "q.io refused");
    }

    #[test]
    fn a_full_disk_and_a_missing_leader_say_when_to_come_back() {
        let gone = ProposeError::from(kedge_cluster::Unavailable::NoLeader);
        let error = AppError::from(gone);
        assert_eq!((error.status(), error.retry_after_s()), (503, Some(1)));
        let full = kedge_cluster::Unavailable::DiskFull { reserve_bytes: 1 };
        let error = AppError::from(ProposeError::from(full));
        assert_eq!((error.status(), error.retry_after_s()), (507, Some(10)));
    }
}
