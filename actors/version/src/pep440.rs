//! Python versions, after PEP 440 (packaging.python.org, "Version specifiers").
//!
//! The normalisations of the specification are accepted on input: `v` prefix, alternative
//! spellings and separators, implicit numbers, implicit post releases.

use std::cmp::Ordering;

use crate::text::{check, compare_digits, is_number, is_zero, take};
use crate::{Scheme, VersionError};

/// Orders two Python versions.
///
/// # Errors
/// Empty or over-long text, or text outside the grammar of PEP 440.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    Ok(Version::parse(&a)?.order(&Version::parse(&b)?))
}

/// The version without its local part (`1.0+cu118` is `1.0`). Advisories name public versions.
#[must_use]
pub fn public(version: &str) -> &str {
    version.split_once('+').map_or(version, |(public, _)| public)
}

/// Kinds of pre-release in order; a development release of no pre-release sorts before them, a
/// final release after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Development,
    Alpha,
    Beta,
    Candidate,
    Final,
}

/// Spellings, the longer ones before their prefixes.
const PRE_WORDS: [(&str, Phase); 8] = [
    ("alpha", Phase::Alpha),
    ("beta", Phase::Beta),
    ("preview", Phase::Candidate),
    ("pre", Phase::Candidate),
    ("rc", Phase::Candidate),
    ("a", Phase::Alpha),
    ("b", Phase::Beta),
    ("c", Phase::Candidate),
];
const POST_WORDS: [&str; 3] = ["post", "rev", "r"];

/// A version in parts, of lower-case text.
pub(crate) struct Version<'a> {
    epoch: &'a str,
    pub(crate) release: Vec<&'a str>,
    pre: Option<(Phase, &'a str)>,
    post: Option<&'a str>,
    dev: Option<&'a str>,
    local: Vec<&'a str>,
}

impl<'a> Version<'a> {
    pub(crate) fn parse(version: &'a str) -> Result<Self, VersionError> {
        let whole = check(Scheme::Pep440, version)?;
        let invalid = |reason| VersionError::invalid(Scheme::Pep440, whole, reason);
        let text = whole.strip_prefix('v').unwrap_or(whole);
        let (text, local) = match text.split_once('+') {
            Some((text, local)) => {
                (text, parse_local(local).ok_or_else(|| invalid("bad local part"))?)
            }
            None => (text, Vec::new()),
        };
        let (epoch, mut rest) = match text.split_once('!') {
            Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
            Some(_) => return Err(invalid("the epoch is not a number")),
            None => ("0", text),
        };
        let mut release = Vec::new();
        loop {
            let (number, tail) = take(rest, |byte| byte.is_ascii_digit());
            if number.is_empty() {
                return Err(invalid("a release number is missing"));
            }
            release.push(number);
            rest = tail;
            let digit_follows = tail.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
            if !(tail.starts_with('.') && digit_follows) {
                break;
            }
            rest = &tail[1..];
        }
        let mut pre = None;
        for (word, phase) in PRE_WORDS {
            if pre.is_none()
                && let Some((number, tail)) = labelled(rest, word)
            {
                pre = Some((phase, number));
                rest = tail;
            }
        }
        let (post, rest) = parse_post(rest);
        let (dev, rest) = match labelled(rest, "dev") {
            Some((number, tail)) => (Some(number), tail),
            None => (None, rest),
        };
        if !rest.is_empty() {
            return Err(invalid("unexpected text after the version"));
        }
        Ok(Self { epoch, release, pre, post, dev, local })
    }

    pub(crate) fn has_local(&self) -> bool {
        !self.local.is_empty()
    }

    pub(crate) fn epoch(&self) -> &'a str {
        self.epoch
    }

    pub(crate) fn order(&self, other: &Version<'_>) -> Ordering {
        compare_digits(self.epoch, other.epoch)
            .then_with(|| order_release(&self.release, &other.release))
            .then_with(|| order_pre(self.pre_key(), other.pre_key()))
            .then_with(|| order_option(self.post, other.post, Ordering::Less))
            .then_with(|| order_option(self.dev, other.dev, Ordering::Greater))
            .then_with(|| order_local(&self.local, &other.local))
    }

    /// `1.0.dev1` sorts before `1.0a1`: a development release of no pre- and no post-release.
    fn pre_key(&self) -> (Phase, &'a str) {
        match (self.pre, self.post, self.dev) {
            (Some(pre), _, _) => pre,
            (None, None, Some(_)) => (Phase::Development, "0"),
            (None, _, _) => (Phase::Final, "0"),
        }
    }
}

/// Reads `[-_.]?word[-_.]?digits?`.
fn labelled<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let rest = text.strip_prefix(['-', '_', '.']).unwrap_or(text).strip_prefix(word)?;
    let separated = rest.strip_prefix(['-', '_', '.']).unwrap_or(rest);
    match take(separated, |byte| byte.is_ascii_digit()) {
        // The pattern of PEP 440 makes separator and number optional on their own.
        ("", rest) => Some(("0", rest)),
        parts => Some(parts),
    }
}

fn parse_post(text: &str) -> (Option<&str>, &str) {
    for word in POST_WORDS {
        if let Some((number, rest)) = labelled(text, word) {
            return (Some(number), rest);
        }
    }
    // `1.0-1` is an implicit post release.
    match text.strip_prefix('-').map(|tail| take(tail, |byte| byte.is_ascii_digit())) {
        Some((number, rest)) if !number.is_empty() => (Some(number), rest),
        Some(_) | None => (None, text),
    }
}

fn parse_local(text: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = text.split(['-', '_', '.']).collect();
    let good = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    parts.iter().all(good).then_some(parts)
}

fn order_release(a: &[&str], b: &[&str]) -> Ordering {
    (0..a.len().max(b.len()))
        .map(|index| {
            compare_digits(
                a.get(index).copied().unwrap_or("0"),
                b.get(index).copied().unwrap_or("0"),
            )
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn order_pre(a: (Phase, &str), b: (Phase, &str)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| compare_digits(a.1, b.1))
}

/// Orders numbers of which one may be absent; `absent` is how an absent one compares to a present.
fn order_option(a: Option<&str>, b: Option<&str>, absent: Ordering) -> Ordering {
    match (a, b) {
        (Some(x), Some(y)) => compare_digits(x, y),
        (None, None) => Ordering::Equal,
        (None, Some(_)) => absent,
        (Some(_), None) => absent.reverse(),
    }
}

/// Local parts: none first, words before numbers, shorter before longer.
fn order_local(a: &[&str], b: &[&str]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(x, y)| match (is_number(x), is_number(y)) {
            (true, true) => compare_digits(x, y),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => x.cmp(y),
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// True when `version` starts with the release of a `==X.Y.*` prefix. Both in lower case.
pub(crate) fn matches_prefix(version: &Version<'_>, prefix: &Version<'_>) -> bool {
    compare_digits(version.epoch, prefix.epoch).is_eq()
        && prefix.release.iter().enumerate().all(|(index, wanted)| {
            match version.release.get(index) {
                Some(found) => compare_digits(found, wanted).is_eq(),
                None => is_zero(wanted),
            }
        })
}
