//! RPM versions: `[epoch:]version[-release]`, ordered as rpm(8) `rpmvercmp` does.
//!
//! The epoch policy is explicit because feeds and package databases disagree about leaving it out.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, is_number, take};
use crate::{Scheme, VersionError};

/// What a missing epoch means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EpochPolicy {
    /// Epochs are compared only when both sides have one. Right for matching: a source rpm name and
    /// many advisories carry none. Note that this relation is not transitive over a mixed set
    /// (`1:1` < `2` < `0:3` < `1:1`); never sort by it.
    #[default]
    Auto,
    /// A missing epoch is zero, as in rpm itself. A total order.
    Zero,
}

/// Orders two rpm versions.
///
/// # Errors
/// Empty or over-long text, inner blanks, or an empty version part.
pub fn compare(a: &str, b: &str, policy: EpochPolicy) -> Result<Ordering, VersionError> {
    let (a, b) = (parse(a)?, parse(b)?);
    let epochs = match (policy, a.epoch, b.epoch) {
        (EpochPolicy::Auto, Some(x), Some(y)) => compare_digits(x, y),
        (EpochPolicy::Auto, Some(_) | None, None) | (EpochPolicy::Auto, None, Some(_)) => {
            Ordering::Equal
        }
        (EpochPolicy::Zero, x, y) => compare_digits(x.unwrap_or("0"), y.unwrap_or("0")),
    };
    Ok(epochs
        .then_with(|| compare_part(a.version, b.version))
        .then_with(|| compare_part(a.release, b.release)))
}

/// The epoch written in a version, if any.
#[must_use]
pub fn epoch(version: &str) -> Option<&str> {
    parse(version).ok().and_then(|evr| evr.epoch)
}

struct Evr<'a> {
    epoch: Option<&'a str>,
    version: &'a str,
    release: &'a str,
}

fn parse(text: &str) -> Result<Evr<'_>, VersionError> {
    let whole = check(Scheme::Rpm, text)?;
    if whole.contains(char::is_whitespace) {
        return Err(VersionError::invalid(Scheme::Rpm, whole, "it contains a blank"));
    }
    // `rpm -q` prints a missing epoch as "(none)"; some inventories keep it.
    let rest = whole.strip_prefix("(none):").unwrap_or(whole);
    let (epoch, rest) = match rest.split_once(':') {
        // rpm reads an empty epoch before the colon as zero.
        Some(("", rest)) => (Some("0"), rest),
        Some((epoch, rest)) if is_number(epoch) => (Some(epoch), rest),
        Some(_) | None => (None, rest),
    };
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    if version.is_empty() {
        return Err(VersionError::invalid(Scheme::Rpm, whole, "the version part is empty"));
    }
    Ok(Evr { epoch, version, release })
}

/// One step of `rpmvercmp`. The variants are in order: a tilde sorts before the end, a caret after
/// it, then words, then numbers.
#[derive(PartialEq, Eq)]
enum Token<'a> {
    Tilde,
    End,
    Caret,
    Word(&'a str),
    Number(&'a str),
}

impl Token<'_> {
    fn rank(&self) -> u8 {
        match self {
            Token::Tilde => 0,
            Token::End => 1,
            Token::Caret => 2,
            Token::Word(_) => 3,
            Token::Number(_) => 4,
        }
    }
}

/// Cuts the next token off; whatever is not a letter, digit, `~` or `^` only separates.
fn next(text: &str) -> (Token<'_>, &str) {
    let text =
        text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^');
    match text.bytes().next() {
        None => (Token::End, text),
        Some(b'~') => (Token::Tilde, &text[1..]),
        Some(b'^') => (Token::Caret, &text[1..]),
        Some(byte) if byte.is_ascii_digit() => {
            let (digits, rest) = take(text, |byte| byte.is_ascii_digit());
            (Token::Number(digits), rest)
        }
        Some(_) => {
            let (word, rest) = take(text, |byte| byte.is_ascii_alphabetic());
            (Token::Word(word), rest)
        }
    }
}

fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let ((token_a, rest_a), (token_b, rest_b)) = (next(a), next(b));
        let order = match (&token_a, &token_b) {
            (Token::Number(x), Token::Number(y)) => compare_digits(x, y),
            (Token::Word(x), Token::Word(y)) => x.cmp(y),
            (x, y) => x.rank().cmp(&y.rank()),
        };
        if order.is_ne() || token_a == Token::End {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}
