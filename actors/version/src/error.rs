//! The one error of this crate.

use crate::Scheme;
use crate::limits::{EXCERPT_CHARS, RANGE_BYTES_MAX, VERSION_BYTES_MAX};

/// Why a version or a range could not be used. Every variant names the offending text (shortened).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The version text is empty.
    #[error("empty {scheme} version")]
    Empty {
        /// Scheme the text was read as.
        scheme: Scheme,
    },
    /// The version text is longer than [`VERSION_BYTES_MAX`].
    #[error(
        "{scheme} version of {bytes} bytes is over the limit VERSION_BYTES_MAX ({VERSION_BYTES_MAX})"
    )]
    TooLong {
        /// Scheme the text was read as.
        scheme: Scheme,
        /// Length found.
        bytes: usize,
    },
    /// The text does not follow the grammar of its scheme.
    #[error("{version:?} is not a {scheme} version: {reason}")]
    Invalid {
        /// Scheme the text was read as.
        scheme: Scheme,
        /// The text, shortened.
        version: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The range text is longer than [`RANGE_BYTES_MAX`].
    #[error(
        "{scheme} range of {bytes} bytes is over the limit RANGE_BYTES_MAX ({RANGE_BYTES_MAX})"
    )]
    RangeTooLong {
        /// Scheme the text was read as.
        scheme: Scheme,
        /// Length found.
        bytes: usize,
    },
    /// The range text does not follow the grammar of its scheme.
    #[error("{range:?} is not a {scheme} range: {reason}")]
    InvalidRange {
        /// Scheme the text was read as.
        scheme: Scheme,
        /// The text, shortened.
        range: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl VersionError {
    pub(crate) fn invalid(scheme: Scheme, version: &str, reason: &'static str) -> Self {
        Self::Invalid { scheme, version: excerpt(version), reason }
    }

    pub(crate) fn range(scheme: Scheme, range: &str, reason: &'static str) -> Self {
        Self::InvalidRange { scheme, range: excerpt(range), reason }
    }
}

fn excerpt(text: &str) -> String {
    if text.chars().nth(EXCERPT_CHARS).is_none() {
        return text.to_owned();
    }
    text.chars().take(EXCERPT_CHARS).chain("...".chars()).collect()
}
