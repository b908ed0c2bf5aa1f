//! Alpine package versions, after apk-package(5) and the ordering of apk-tools.
//!
//! `digits{.digits}[letter]{_suffix[digits]}[~hash][-rN]`. A digit after the letter (`1.0a1`) is
//! accepted as apk-tools 2 does.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, is_number, take};
use crate::{Scheme, VersionError};

/// Orders two apk versions.
///
/// # Errors
/// Empty or over-long text, or text outside the grammar.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    let (a, b) = (parse(a)?, parse(b)?);
    for (x, y) in a.iter().zip(&b) {
        let order = compare_token(x, y);
        if order.is_ne() {
            return Ok(order);
        }
    }
    // Every list ends in `End`, so a difference in length was decided above.
    Ok(Ordering::Equal)
}

/// The version without its package revision (`-rN`), as upstream advisories know it.
#[must_use]
pub fn without_revision(version: &str) -> &str {
    match version.rsplit_once("-r") {
        Some((upstream, revision)) if is_number(revision) && !upstream.is_empty() => upstream,
        Some(_) | None => version,
    }
}

/// Suffix words; those before [`POST_RELEASE`] sort before the version without a suffix.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
const POST_RELEASE: usize = 4;

enum Token<'a> {
    First(&'a str),
    Digits(&'a str),
    Letter(u8),
    Suffix(usize),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
    End,
}

impl Token<'_> {
    /// Where two tokens differ in kind, the version that goes on with the higher rank is newer.
    fn rank(&self) -> u8 {
        match self {
            Token::Suffix(index) if *index < POST_RELEASE => 0,
            Token::End => 1,
            Token::Revision(_) => 2,
            Token::Hash(_) => 3,
            Token::SuffixNumber(_) => 4,
            Token::Suffix(_) => 5,
            Token::Letter(_) => 6,
            Token::Digits(_) => 7,
            Token::First(_) => 8,
        }
    }
}

fn compare_token(a: &Token<'_>, b: &Token<'_>) -> Ordering {
    match (a, b) {
        // A leading zero makes the component a fraction: compared as text.
        (Token::Digits(x), Token::Digits(y)) if x.starts_with('0') || y.starts_with('0') => {
            x.cmp(y)
        }
        (Token::First(x), Token::First(y))
        | (Token::Digits(x), Token::Digits(y))
        | (Token::SuffixNumber(x), Token::SuffixNumber(y))
        | (Token::Revision(x), Token::Revision(y)) => compare_digits(x, y),
        (Token::Letter(x), Token::Letter(y)) => x.cmp(y),
        (Token::Suffix(x), Token::Suffix(y)) => x.cmp(y),
        (Token::Hash(x), Token::Hash(y)) => x.cmp(y),
        (x, y) => x.rank().cmp(&y.rank()),
    }
}

fn parse(version: &str) -> Result<Vec<Token<'_>>, VersionError> {
    let whole = check(Scheme::Apk, version)?;
    let invalid = |reason| VersionError::invalid(Scheme::Apk, whole, reason);
    let digits = |text| match take(text, |byte: u8| byte.is_ascii_digit()) {
        ("", _) => Err(invalid("a number is missing")),
        parts => Ok(parts),
    };
    let (first, mut rest) = digits(whole)?;
    let mut tokens = vec![Token::First(first)];
    while let Some(tail) = rest.strip_prefix('.') {
        let (number, tail) = digits(tail)?;
        tokens.push(Token::Digits(number));
        rest = tail;
    }
    if let Some(letter) = rest.bytes().next().filter(u8::is_ascii_lowercase) {
        tokens.push(Token::Letter(letter));
        rest = &rest[1..];
        let (number, tail) = take(rest, |byte| byte.is_ascii_digit());
        if !number.is_empty() {
            tokens.push(Token::Digits(number));
            rest = tail;
        }
    }
    while let Some(tail) = rest.strip_prefix('_') {
        let (word, tail) = take(tail, |byte| byte.is_ascii_lowercase());
        let index = SUFFIXES.iter().position(|suffix| *suffix == word);
        tokens.push(Token::Suffix(index.ok_or_else(|| invalid("unknown suffix word"))?));
        let (number, tail) = take(tail, |byte| byte.is_ascii_digit());
        if !number.is_empty() {
            tokens.push(Token::SuffixNumber(number));
        }
        rest = tail;
    }
    if let Some(tail) = rest.strip_prefix('~') {
        let (hash, tail) = take(tail, |byte| byte.is_ascii_hexdigit());
        tokens.push(Token::Hash(hash));
        rest = tail;
    }
    if let Some(tail) = rest.strip_prefix("-r") {
        let (number, tail) = digits(tail)?;
        tokens.push(Token::Revision(number));
        rest = tail;
    }
    if !rest.is_empty() {
        return Err(invalid("unexpected text after the version"));
    }
    tokens.push(Token::End);
    Ok(tokens)
}
