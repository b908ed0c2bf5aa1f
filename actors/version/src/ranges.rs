//! Evaluation of one events range with the meaning of the OSV schema: from `introduced` (or the
//! beginning) up to but without `fixed`, or up to and with `last_affected`.

use std::cmp::Ordering;

use crate::{Options, Scheme, VersionError, pep440};

/// True when `version` lies in the range. `introduced` absent or `"0"` is the beginning of time;
/// with neither end the range is open; `fixed` wins over `last_affected` when both are given.
///
/// # Errors
/// When a text that is needed cannot be read in the scheme.
pub fn contains(
    scheme: Scheme,
    version: &str,
    introduced: Option<&str>,
    fixed: Option<&str>,
    last_affected: Option<&str>,
) -> Result<bool, VersionError> {
    contains_with(scheme, Options::default(), version, (introduced, fixed, last_affected))
}

/// As [`contains`], with options; the bounds are `(introduced, fixed, last_affected)`.
///
/// # Errors
/// As [`contains`].
pub fn contains_with(
    scheme: Scheme,
    options: Options,
    version: &str,
    bounds: (Option<&str>, Option<&str>, Option<&str>),
) -> Result<bool, VersionError> {
    // An unreadable version must be reported even when the range would be open on both sides.
    scheme.validate(version)?;
    let (introduced, fixed, last_affected) = bounds;
    if let Some(introduced) = introduced.filter(|introduced| introduced.trim() != "0")
        && scheme.compare_with(version, introduced, options)?.is_lt()
    {
        return Ok(false);
    }
    match (fixed, last_affected) {
        (Some(fixed), _) => Ok(scheme.compare_with(version, fixed, options)?.is_lt()),
        (None, Some(last)) => Ok(compare_public(scheme, options, version, last)?.is_le()),
        (None, None) => Ok(true),
    }
}

/// True when `version` is the release that an advisory lists by name.
///
/// # Errors
/// When the texts differ and one of them cannot be read in the scheme.
pub fn same(scheme: Scheme, version: &str, listed: &str) -> Result<bool, VersionError> {
    if version == listed {
        return Ok(true);
    }
    compare_public(scheme, Options::default(), version, listed).map(Ordering::is_eq)
}

/// Compares with an inclusive bound. A Python local version (`2.0+cu118`) is a build of the public
/// version that an advisory names, so the local part counts only when the bound has one too.
pub(crate) fn compare_public(
    scheme: Scheme,
    options: Options,
    version: &str,
    bound: &str,
) -> Result<Ordering, VersionError> {
    let version = match scheme {
        Scheme::Pep440 if !bound.contains('+') => pep440::public(version),
        Scheme::Pep440
        | Scheme::Deb
        | Scheme::Rpm
        | Scheme::Apk
        | Scheme::Semver
        | Scheme::Npm
        | Scheme::Maven
        | Scheme::Go
        | Scheme::Gem
        | Scheme::Fuzzy => version,
    };
    scheme.compare_with(version, bound, options)
}
