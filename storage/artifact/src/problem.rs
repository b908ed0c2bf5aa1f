//! What went wrong with one part of an input while the rest was good.

use serde::{Deserialize, Serialize};

/// A data problem as a value: it travels with the result and is shown to people, so that nothing
/// is called clean because something failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, machine-readable code in snake case, for instance `dpkg_stanza_malformed`.
    pub code: String,
    /// How much it matters.
    pub severity: ProblemSeverity,
    /// Where: a path in the image, a record id, a line. Empty when it concerns the whole input.
    pub place: String,
    /// What was wrong, for people: lower case, no full stop.
    pub message: String,
}

/// How much a [`Problem`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemSeverity {
    /// Worth knowing; nothing is missing from the result.
    Info,
    /// Part of the input could not be used; the result may be incomplete there.
    Degraded,
    /// The result must not be relied on for what `place` names.
    Error,
}

impl Problem {
    /// Part of the input was skipped.
    #[must_use]
    pub fn degraded(code: &str, place: impl Into<String>, message: impl Into<String>) -> Self {
        let severity = ProblemSeverity::Degraded;
        Self { code: code.into(), severity, place: place.into(), message: message.into() }
    }

    /// The named part of the result is not to be relied on.
    #[must_use]
    pub fn error(code: &str, place: impl Into<String>, message: impl Into<String>) -> Self {
        let severity = ProblemSeverity::Error;
        Self { code: code.into(), severity, place: place.into(), message: message.into() }
    }

    /// Worth knowing, nothing is missing.
    #[must_use]
    pub fn info(code: &str, place: impl Into<String>, message: impl Into<String>) -> Self {
        let severity = ProblemSeverity::Info;
        Self { code: code.into(), severity, place: place.into(), message: message.into() }
    }
}
