//! Go module and toolchain versions, after the "Versions" section of the Go modules reference.
//!
//! Semantic versions with an optional `v` or `go` prefix. `+incompatible` is build metadata, a
//! pseudo version is an ordinary pre-release, and a toolchain's `1.22rc1` is `1.22.0-rc.1` as in
//! the Go vulnerability database. What follows a blank (` X:experiment`) is not part of it.

use std::cmp::Ordering;

use crate::semver::{Semver, order_pre};
use crate::text::{check, take};
use crate::{Scheme, VersionError};

/// Orders two Go versions.
///
/// # Errors
/// Empty or over-long text, `(devel)`, or anything that is not one to three numbers with an
/// optional pre-release.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    let (a, b) = (parse(a)?, parse(b)?);
    Ok(a.order_core(&b).then_with(|| order_pre(&toolchain_pre(&a), &toolchain_pre(&b))))
}

/// The bare semantic version: prefix, build metadata and trailing remarks removed.
#[must_use]
pub fn clean(version: &str) -> &str {
    let version = version.split_whitespace().next().unwrap_or("");
    let version = version.strip_prefix("go").unwrap_or(version);
    let version = version.strip_prefix('v').unwrap_or(version);
    version.split_once('+').map_or(version, |(bare, _)| bare)
}

/// True for a pseudo version without a base tag (`v0.0.0-20210101000000-abcdefabcdef`): what the
/// toolchain writes for a module that has no tag, so it says nothing about a release.
#[must_use]
pub fn is_untagged_pseudo(version: &str) -> bool {
    let Some(rest) = clean(version).strip_prefix("0.0.0-") else {
        return false;
    };
    match rest.split_once('-') {
        Some((time, hash)) => {
            time.len() == 14
                && time.bytes().all(|byte| byte.is_ascii_digit())
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        None => false,
    }
}

fn parse(version: &str) -> Result<Semver<'_>, VersionError> {
    let whole = check(Scheme::Go, version)?;
    let bare = clean(whole);
    let invalid = |reason| VersionError::invalid(Scheme::Go, whole, reason);
    let parsed = Semver::parse(Scheme::Go, bare).map_err(|_| invalid("not a Go version"))?;
    if parsed.core.len() > 3 {
        return Err(invalid("more than three numbers"));
    }
    Ok(parsed)
}

/// Splits `rc1` into `rc` and `1`, so that the toolchain's spelling equals the database's.
fn toolchain_pre<'a>(version: &Semver<'a>) -> Vec<&'a str> {
    if let [single] = version.pre.as_slice() {
        let (word, number) = take(single, |byte| byte.is_ascii_lowercase());
        if matches!(word, "rc" | "beta") && crate::text::is_number(number) {
            return vec![word, number];
        }
    }
    version.pre.clone()
}
