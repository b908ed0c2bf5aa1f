//! RubyGems versions, after the documentation of `Gem::Version`.
//!
//! Segments of digits or letters; a letter segment makes a pre-release; a hyphen means `.pre.`.
//! A trailing platform (`1.2.3-x86_64-linux`), which file names carry, is cut off.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, increment, is_number, is_zero, take};
use crate::{Scheme, VersionError};

/// Orders two gem versions.
///
/// # Errors
/// Empty or over-long text, or text outside `Gem::Version`'s pattern.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    Ok(order(&parse(a)?, &parse(b)?))
}

/// `~> wanted`: at least `wanted`, and before the next change of its last but one segment.
///
/// # Errors
/// As [`compare`].
pub fn satisfies_pessimistic(version: &str, wanted: &str) -> Result<bool, VersionError> {
    let (version, wanted) = (parse(version)?, parse(wanted)?);
    if order(&version, &wanted).is_lt() {
        return Ok(false);
    }
    let mut bumped = release(&wanted);
    if bumped.len() > 1 {
        bumped.pop();
    }
    let next = bumped.pop().map(increment).unwrap_or_default();
    bumped.push(&next);
    Ok(order(&release(&version), &bumped).is_lt())
}

fn release<'a>(segments: &[&'a str]) -> Vec<&'a str> {
    segments.iter().copied().take_while(|segment| is_number(segment)).collect()
}

/// Beginnings of the platform part of a gem's file name.
const PLATFORMS: [&str; 14] = [
    "x86",
    "x64",
    "i386",
    "i486",
    "i586",
    "i686",
    "amd64",
    "arm",
    "aarch64",
    "java",
    "jruby",
    "universal",
    "mswin",
    "ppc",
];

fn parse(version: &str) -> Result<Vec<&str>, VersionError> {
    let whole = check(Scheme::Gem, version)?;
    let invalid = |reason| VersionError::invalid(Scheme::Gem, whole, reason);
    let bare = match whole.split_once('-') {
        Some((bare, tail)) if PLATFORMS.iter().any(|name| tail.starts_with(name)) => bare,
        Some(_) | None => whole,
    };
    if !bare.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(invalid("it does not start with a number"));
    }
    let mut segments = Vec::new();
    for (index, dashed) in bare.split('-').enumerate() {
        if index > 0 {
            segments.push("pre");
        }
        for part in dashed.split('.') {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(invalid("segments are letters and digits between dots"));
            }
            split_segments(part, &mut segments);
        }
    }
    Ok(segments)
}

fn split_segments<'a>(mut part: &'a str, segments: &mut Vec<&'a str>) {
    while !part.is_empty() {
        let digits = part.starts_with(|c: char| c.is_ascii_digit());
        let (segment, rest) = take(part, |byte| byte.is_ascii_digit() == digits);
        segments.push(segment);
        part = rest;
    }
}

/// Drops zeros at the end and zeros before the first letter segment.
fn canonical<'a>(segments: &[&'a str]) -> Vec<&'a str> {
    let zero = |segment: &&str| is_number(segment) && is_zero(segment);
    let words_at =
        segments.iter().position(|segment| !is_number(segment)).unwrap_or(segments.len());
    let mut out = Vec::with_capacity(segments.len());
    for half in [&segments[..words_at], &segments[words_at..]] {
        let kept = half.iter().rposition(|segment| !zero(segment)).map_or(0, |index| index + 1);
        out.extend_from_slice(&half[..kept]);
    }
    out
}

fn order(a: &[&str], b: &[&str]) -> Ordering {
    let (a, b) = (canonical(a), canonical(b));
    (0..a.len().max(b.len()))
        .map(|index| {
            let x = a.get(index).copied().unwrap_or("0");
            let y = b.get(index).copied().unwrap_or("0");
            match (is_number(x), is_number(y)) {
                (true, true) => compare_digits(x, y),
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => x.cmp(y),
            }
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
