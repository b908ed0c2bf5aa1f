//! Exit codes and failures. One table, so that scripts can rely on it (`kedgectl help exit-codes`).

use kedge_target::{SpecError, TargetError};
use std::fmt::Display;
use std::io;
use std::path::Path;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Failed.
    Error,
    /// Done, and the result is over the threshold that was asked for.
    GateFailed,
    /// What was named does not exist.
    NotFound,
    /// Not logged in, wrong credentials, or not allowed.
    Auth,
    /// Waited longer than was asked for.
    TimedOut,
    /// The node, registry or feed cannot be reached or cannot answer now.
    Unavailable,
    /// The command line is wrong.
    Usage,
    /// `db check`: newer data exists.
    UpdateAvailable,
    /// Stopped by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Every code, in order, with what it means.
    pub(crate) const TABLE: [(Self, &'static str); 10] = [
        (Self::Ok, "success"),
        (Self::Error, "error, or a gate that could not be judged because data is missing"),
        (Self::GateFailed, "gate failed: --fail-on, --fail-on-kev, --fail-on-policy, --gate"),
        (Self::NotFound, "what was named does not exist"),
        (Self::Auth, "not logged in, wrong credentials, or not permitted"),
        (Self::TimedOut, "timed out waiting"),
        (Self::Unavailable, "node, registry or feed cannot be reached, or is busy"),
        (Self::Usage, "usage: unknown flag, missing argument, malformed value"),
        (Self::UpdateAvailable, "db check: newer vulnerability data exists"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::GateFailed => 2,
            Self::NotFound => 3,
            Self::Auth => 4,
            Self::TimedOut => 5,
            Self::Unavailable => 6,
            Self::Usage => 64,
            Self::UpdateAvailable => 100,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command failed, for people and for scripts.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Exit code.
    pub(crate) exit: Exit,
    /// What failed.
    pub(crate) message: String,
    /// Stable code, the server's or ours.
    pub(crate) code: Option<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Id of the request at the server.
    pub(crate) request_id: Option<String>,
}

impl Failure {
    /// A failure with an exit code of its own.
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        let message = message.to_string();
        Self { exit, message, code: None, hint: None, request_id: None }
    }

    /// An ordinary error.
    pub(crate) fn error(message: impl Display) -> Self {
        Self::new(Exit::Error, message)
    }

    /// A mistake in the command line.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something that is not there.
    pub(crate) fn not_found(message: impl Display) -> Self {
        Self::new(Exit::NotFound, message)
    }

    /// A local file that cannot be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let exit = if missing { Exit::NotFound } else { Exit::Error };
        Self::new(exit, format!("{}: {error}", path.display()))
    }

    /// The reader of our output has gone (`kedgectl … | head`): nothing to tell, nothing failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Ok, "");
        }
        Self::error(format!("standard output: {error}"))
    }

    /// Adds the stable code.
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        let exit = match &error {
            SpecError::Missing(_) => Exit::NotFound,
            SpecError::Empty(_) | SpecError::Engine(_) | SpecError::Scheme(_) => Exit::Usage,
            SpecError::Reference { .. } => Exit::Usage,
            SpecError::File { .. } => Exit::Error,
        };
        let failure = Self::new(exit, &error);
        if exit == Exit::Usage { failure.hint("see 'kedgectl help targets'") } else { failure }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let code = error.code();
        match &error {
            TargetError::Registry(inner) => registry(inner),
            TargetError::ImageNotFound { .. } => Self::not_found(&error).code(code),
            TargetError::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Self::not_found(&error).code(code)
            }
            TargetError::Ambiguous { .. } => Self::error(&error)
                .code(code)
                .hint("name one after the path: docker-archive:FILE:NAME, oci:DIR:NAME"),
            TargetError::Manifest { .. }
            | TargetError::Layer { .. }
            | TargetError::Squash(_)
            | TargetError::File { .. }
            | TargetError::Form { .. }
            | TargetError::Traversal { .. }
            | TargetError::DigestMismatch { .. }
            | TargetError::Limit { .. }
            | TargetError::Cancelled
            | TargetError::Panicked { .. } => Self::error(&error).code(code),
        }
    }
}

/// A registry's refusal, with what can be done about it on this machine.
fn registry(error: &kedge_registry::Error) -> Failure {
    use kedge_registry::Error as E;
    let (exit, hint) = match error {
        E::Unreachable { .. } | E::Timeout { .. } => {
            (Exit::Unavailable, Some("check the host name, the port and the network"))
        }
        E::RateLimited { .. } | E::Unavailable { .. } => {
            (Exit::Unavailable, Some("try again later"))
        }
        E::TlsFailed { .. } => {
            (Exit::Unavailable, Some("give the registry's certificate with --registry-cacert FILE"))
        }
        E::AuthFailed { .. } => (
            Exit::Auth,
            Some("set KEDGE_REGISTRY_AUTH_USERNAME and _PASSWORD, or log in with docker or podman"),
        ),
        E::RealmRefused { .. } => (Exit::Auth, None),
        E::NotFound { .. } => (Exit::NotFound, Some("check repository and tag")),
        E::EgressRefused { .. }
        | E::RedirectRefused { .. }
        | E::DigestMismatch { .. }
        | E::SizeMismatch { .. }
        | E::ManifestUnsupported { .. }
        | E::NotARegistry { .. }
        | E::TooLarge { .. }
        | E::HostInvalid(_)
        | E::Setup(_) => (Exit::Error, None),
    };
    let failure = Failure::new(exit, error).code(error.code());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 64, 100, 130]);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Ok, ""));
    }
}
