//! Debian versions, after deb-version(7) and Debian policy §5.6.12.
//!
//! `[epoch:]upstream[-revision]`; a missing epoch is zero. Characters outside the policy's set are
//! accepted when they are printable ASCII, as dpkg accepts them with a warning: installed packages
//! of third parties have them.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, is_number, take};
use crate::{Scheme, VersionError};

/// Orders two Debian versions.
///
/// # Errors
/// Empty or over-long text, a bad epoch, an empty upstream or revision part, or characters outside
/// printable ASCII.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    let (a, b) = (parse(a)?, parse(b)?);
    Ok(compare_digits(a.epoch, b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision)))
}

struct Deb<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

fn parse(version: &str) -> Result<Deb<'_>, VersionError> {
    let whole = check(Scheme::Deb, version)?;
    let invalid = |reason| Err(VersionError::invalid(Scheme::Deb, whole, reason));
    if !whole.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid("only printable ASCII without blanks is allowed");
    }
    let (epoch, rest) = whole.split_once(':').unwrap_or(("0", whole));
    if !is_number(epoch) {
        return invalid("the epoch is not a number");
    }
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((_, "")) => return invalid("the revision is empty"),
        Some(parts) => parts,
        None => (rest, ""),
    };
    if upstream.is_empty() {
        return invalid("the upstream version is empty");
    }
    Ok(Deb { epoch, upstream, revision })
}

/// Alternates between non-digit and digit runs, as dpkg does.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = take(a, |byte| !byte.is_ascii_digit());
        let (text_b, rest_b) = take(b, |byte| !byte.is_ascii_digit());
        let (digits_a, rest_a) = take(rest_a, |byte| byte.is_ascii_digit());
        let (digits_b, rest_b) = take(rest_b, |byte| byte.is_ascii_digit());
        let order = compare_text(text_a, text_b).then_with(|| compare_digits(digits_a, digits_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn compare_text(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    (0..a.len().max(b.len()))
        .map(|index| weight(a.get(index)).cmp(&weight(b.get(index))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// `~` sorts before the end, the end before letters, letters before everything else.
fn weight(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_alphabetic() => 2 + u16::from(*byte),
        Some(byte) => 2 + 256 + u16::from(*byte),
    }
}
