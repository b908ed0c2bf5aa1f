//! Maven versions, after "Version Order Specification" of Maven's POM reference.
//!
//! A version is a list of tokens with a `.` or `-` prefix; a change between digits and letters is
//! a hyphen. Trailing null tokens are dropped at the end and before every hyphen. Where the
//! specification and the code of Maven's `ComparableVersion` disagree (`1.0.final-redhat` next to
//! `1.0-sp1-redhat`), the specification is followed.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, is_zero};
use crate::{Scheme, VersionError};

/// Orders two Maven versions. Every text is a Maven version.
///
/// # Errors
/// Empty or over-long text, or control characters.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    let a = check(Scheme::Maven, a)?.to_lowercase();
    let b = check(Scheme::Maven, b)?.to_lowercase();
    let (a, b) = (parse(&a), parse(&b));
    Ok((0..a.len().max(b.len()))
        .map(|index| match (a.get(index), b.get(index)) {
            (Some(x), Some(y)) => order(x, y),
            (Some(x), None) => order(x, &padding(x)),
            (None, Some(y)) => order(&padding(y), y),
            (None, None) => Ordering::Equal,
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A qualifier. Its prefix does not matter: `.x` equals `-x`.
    Word(&'a str),
    /// A number after a hyphen or after a change from letters to digits.
    HyphenNumber(&'a str),
    /// A number after a dot, or the first one.
    DotNumber(&'a str),
}

impl Token<'_> {
    fn is_null(&self) -> bool {
        match self {
            Token::Word(word) => word.is_empty(),
            Token::HyphenNumber(digits) | Token::DotNumber(digits) => is_zero(digits),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Token::Word(_) => 0,
            Token::HyphenNumber(_) => 1,
            Token::DotNumber(_) => 2,
        }
    }
}

/// What stands in for the missing tokens of the shorter version.
fn padding(other: &Token<'_>) -> Token<'static> {
    match other {
        Token::DotNumber(_) => Token::DotNumber("0"),
        Token::Word(_) | Token::HyphenNumber(_) => Token::Word(""),
    }
}

fn order(a: &Token<'_>, b: &Token<'_>) -> Ordering {
    match (a, b) {
        (Token::Word(x), Token::Word(y)) => word_rank(x).cmp(&word_rank(y)).then_with(|| x.cmp(y)),
        (Token::HyphenNumber(x), Token::HyphenNumber(y))
        | (Token::DotNumber(x), Token::DotNumber(y)) => compare_digits(x, y),
        (x, y) => x.rank().cmp(&y.rank()),
    }
}

/// Known qualifiers in their order; unknown ones come after them, alphabetically.
const WORDS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];

fn word_rank(word: &str) -> usize {
    WORDS.iter().position(|known| *known == word).unwrap_or(WORDS.len())
}

/// Replaces the short and alternative spellings by the canonical one.
fn canonical(word: &str, digit_follows: bool) -> &str {
    match word {
        "a" if digit_follows => "alpha",
        "b" if digit_follows => "beta",
        "m" if digit_follows => "milestone",
        "cr" => "rc",
        "ga" | "final" | "release" => "",
        other => other,
    }
}

/// Cuts a lower-case version into tokens, dropping trailing nulls on the way.
fn parse(version: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = version;
    let mut hyphen = false;
    loop {
        let digits = rest.starts_with(|c: char| c.is_ascii_digit());
        let end = rest
            .find(|c: char| c == '.' || c == '-' || c.is_ascii_digit() != digits)
            .unwrap_or(rest.len());
        let (text, tail) = rest.split_at(end);
        let next = tail.chars().next();
        let separated = matches!(next, Some('.' | '-'));
        let token = match (text.is_empty(), digits, hyphen) {
            (true, _, true) => Token::HyphenNumber("0"),
            (true, _, false) => Token::DotNumber("0"),
            (false, true, true) => Token::HyphenNumber(text),
            (false, true, false) => Token::DotNumber(text),
            (false, false, _) => Token::Word(canonical(text, next.is_some() && !separated)),
        };
        push(&mut tokens, token);
        let Some(next) = next else { break };
        hyphen = next != '.';
        rest = if separated { &tail[1..] } else { tail };
    }
    trim(&mut tokens);
    tokens
}

fn push<'a>(tokens: &mut Vec<Token<'a>>, token: Token<'a>) {
    match token {
        Token::Word(_) | Token::HyphenNumber(_) => trim(tokens),
        Token::DotNumber(_) => {}
    }
    tokens.push(token);
}

fn trim(tokens: &mut Vec<Token<'_>>) {
    while tokens.last().is_some_and(Token::is_null) {
        tokens.pop();
    }
}
