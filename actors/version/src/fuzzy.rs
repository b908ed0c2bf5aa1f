//! Best-effort ordering for versions without a scheme of their own.
//!
//! Runs of digits and letters are compared one by one, the shorter version padded with zeros. Words
//! are pre-releases unless they are known post-release words or a letter glued to the last number
//! (`1.0a`). The approach is that of Repology's libversion manual.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, is_zero, take};
use crate::{Scheme, VersionError};

/// Orders two versions of unknown scheme.
///
/// # Errors
/// Empty or over-long text, or text without a single digit (`unknown`, `(devel)`, `latest`).
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    let a = check(Scheme::Fuzzy, a)?.to_lowercase();
    let b = check(Scheme::Fuzzy, b)?.to_lowercase();
    let (a, b) = (parse(&a)?, parse(&b)?);
    Ok((0..a.len().max(b.len()))
        .map(|index| {
            let x = a.get(index).unwrap_or(&Part::Zero);
            order(x, b.get(index).unwrap_or(&Part::Zero))
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal))
}

enum Part<'a> {
    Before(&'a str),
    Zero,
    After(&'a str),
    Number(&'a str),
    Letter(&'a str),
}

impl Part<'_> {
    fn rank(&self) -> u8 {
        match self {
            Part::Before(_) => 0,
            Part::Zero => 1,
            Part::After(_) => 2,
            Part::Number(_) => 3,
            Part::Letter(_) => 4,
        }
    }
}

fn order(a: &Part<'_>, b: &Part<'_>) -> Ordering {
    match (a, b) {
        (Part::Number(x), Part::Number(y)) => compare_digits(x, y),
        (Part::Before(x), Part::Before(y))
        | (Part::After(x), Part::After(y))
        | (Part::Letter(x), Part::Letter(y)) => x.cmp(y),
        (x, y) => x.rank().cmp(&y.rank()),
    }
}

fn parse(version: &str) -> Result<Vec<Part<'_>>, VersionError> {
    if !version.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(VersionError::invalid(Scheme::Fuzzy, version, "it has no digit"));
    }
    // `v1.2` and `release-1.2`: words before the first number name the project, not the version.
    let mut rest = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = Vec::new();
    let mut after_number = false;
    while !rest.is_empty() {
        let (digits, tail) = take(rest, |byte| byte.is_ascii_digit());
        let (word, after_word) = take(rest, |byte| byte.is_ascii_lowercase());
        if !digits.is_empty() {
            parts.push(if is_zero(digits) { Part::Zero } else { Part::Number(digits) });
            (rest, after_number) = (tail, true);
        } else if !word.is_empty() {
            let glued = after_number && !after_word.starts_with(|c: char| c.is_ascii_digit());
            parts.push(classify(word, glued));
            (rest, after_number) = (after_word, false);
        } else {
            rest =
                rest.trim_start_matches(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
            after_number = false;
        }
    }
    Ok(parts)
}

fn classify(word: &str, glued: bool) -> Part<'_> {
    let starts = |words: &[&str]| words.iter().any(|known| word.starts_with(known));
    if starts(&["alpha", "beta", "rc", "pre", "dev", "snapshot"]) {
        Part::Before(word)
    } else if starts(&["post", "patch", "errata", "hotfix"]) || matches!(word, "pl" | "sp")
        // Java's `8u202` is an update; OpenSSL's `1.0.2u` ends in a letter.
        || (word == "u" && !glued)
    {
        Part::After(word)
    } else if glued {
        Part::Letter(word)
    } else {
        Part::Before(word)
    }
}
