//! Semantic versions (semver.org 2.0.0), read strictly or leniently.
//!
//! Lenient reading is what advisories and packages in the field need: a leading `v` or `=`, one or
//! two components, more than three components, leading zeros, and a pre-release glued to the last
//! number (`1.2.3rc1`, as node-semver's loose mode). Build metadata never takes part in ordering.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, is_number, take};
use crate::{Scheme, VersionError};

/// Orders two versions, read leniently.
///
/// # Errors
/// Empty or over-long text, or text that does not start with a number.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    Ok(Semver::parse(Scheme::Semver, a)?.order(&Semver::parse(Scheme::Semver, b)?))
}

/// Checks a version against the grammar of semver.org, without any leniency.
///
/// # Errors
/// When the text deviates from the grammar in any way.
pub fn validate_strict(version: &str) -> Result<(), VersionError> {
    let whole = check(Scheme::Semver, version)?;
    let invalid = |reason| Err(VersionError::invalid(Scheme::Semver, whole, reason));
    if whole.len() != version.len() {
        return invalid("surrounding white space");
    }
    let (rest, build) = match whole.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (whole, None),
    };
    let (core, pre) = match rest.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (rest, None),
    };
    let leading_zero = |part: &str| part.len() > 1 && part.starts_with('0');
    let parts: Vec<&str> = core.split('.').collect();
    if parts.len() != 3 || parts.iter().any(|part| !is_number(part) || leading_zero(part)) {
        return invalid("three numbers without leading zeros are required");
    }
    if pre.is_some_and(|pre| {
        !identifiers(pre) || pre.split('.').any(|part| is_number(part) && leading_zero(part))
    }) {
        return invalid("bad pre-release");
    }
    if build.is_some_and(|build| !identifiers(build)) {
        return invalid("bad build metadata");
    }
    Ok(())
}

fn identifiers(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// A version cut into its parts; numbers stay text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Semver<'a> {
    pub(crate) core: Vec<&'a str>,
    pub(crate) pre: Vec<&'a str>,
}

impl<'a> Semver<'a> {
    pub(crate) fn parse(scheme: Scheme, version: &'a str) -> Result<Self, VersionError> {
        let whole = check(scheme, version)?;
        let invalid = |reason| Err(VersionError::invalid(scheme, whole, reason));
        let bare = whole.trim_start_matches(['v', 'V', '=', ' ']);
        // Only the first plus starts build metadata; nothing after it is ordered.
        let bare = bare.split_once('+').map_or(bare, |(bare, _)| bare);
        let mut core = Vec::new();
        let mut rest = bare;
        loop {
            let (number, tail) = take(rest, |byte| byte.is_ascii_digit());
            if number.is_empty() {
                return invalid("a number is missing");
            }
            core.push(number);
            // `1.2.RELEASE` and `1.2.x` are not numbers all the way; the tail is then a qualifier.
            let dotted_digit = |tail: &str| tail.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
            if tail.starts_with('.') && dotted_digit(tail) {
                rest = &tail[1..];
            } else {
                rest = tail;
                break;
            }
        }
        let pre = rest.strip_prefix(['-', '.']).unwrap_or(rest);
        if pre.is_empty() && !rest.is_empty() {
            return invalid("it ends in a separator");
        }
        if pre.contains(|c: char| !c.is_ascii_alphanumeric() && !"-._~".contains(c)) {
            return invalid("unexpected character in the pre-release");
        }
        let pre: Vec<&str> = if pre.is_empty() { Vec::new() } else { pre.split('.').collect() };
        if pre.contains(&"") {
            return invalid("an empty pre-release identifier");
        }
        Ok(Self { core, pre })
    }

    /// Precedence of semver.org §11, with missing components read as zero.
    pub(crate) fn order(&self, other: &Semver<'_>) -> Ordering {
        self.order_core(other).then_with(|| order_pre(&self.pre, &other.pre))
    }

    pub(crate) fn order_core(&self, other: &Semver<'_>) -> Ordering {
        let part = |core: &[&'a str], index: usize| core.get(index).copied().unwrap_or("0");
        (0..self.core.len().max(other.core.len()))
            .map(|index| {
                let theirs = other.core.get(index).copied().unwrap_or("0");
                compare_digits(part(&self.core, index), theirs)
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// Orders pre-release lists: none is newest, numbers before words, shorter before longer.
pub(crate) fn order_pre(a: &[&str], b: &[&str]) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    a.iter()
        .zip(b)
        .map(|(x, y)| match (is_number(x), is_number(y)) {
            (true, true) => compare_digits(x, y),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => x.cmp(y),
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}
