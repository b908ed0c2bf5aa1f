//! Range texts: `>= 1.0, < 2.0 || = 3.0`, npm ranges, Maven intervals, PEP 440 and gem specifiers.
//!
//! The question asked is the advisory's ("is this version affected"), not the installer's: a
//! pre-release lies where its order puts it, in every scheme.

use std::cmp::Ordering;

use crate::limits::COMPARATORS_MAX;
use crate::npm::Prereleases;
use crate::ranges::compare_public;
use crate::text::check_range;
use crate::{Options, Scheme, VersionError, gem, npm, pep440};

/// True when `version` lies in the range text.
///
/// # Errors
/// When the version or the range cannot be read in the scheme, or a limit is passed.
pub fn satisfies(scheme: Scheme, version: &str, range: &str) -> Result<bool, VersionError> {
    let range = check_range(scheme, range)?;
    scheme.validate(version)?;
    if scheme == Scheme::Npm {
        return npm::satisfies(version, range, Prereleases::Include);
    }
    if scheme == Scheme::Maven && range.starts_with(['[', '(']) {
        return in_intervals(version, range);
    }
    let mut found = false;
    for (index, alternative) in range.split("||").enumerate() {
        let comparators = comparators(scheme, alternative)?;
        if comparators.is_empty() || index >= COMPARATORS_MAX {
            return Err(VersionError::range(scheme, range, "an empty alternative, or too many"));
        }
        let mut all = true;
        for (operator, wanted) in comparators {
            // Every comparator is evaluated, so that a bad one is reported and not skipped over.
            all &= accepts(scheme, version, operator, wanted)?;
        }
        found |= all;
    }
    Ok(found)
}

fn accepts(
    scheme: Scheme,
    version: &str,
    operator: &str,
    wanted: &str,
) -> Result<bool, VersionError> {
    if wanted == "*" && matches!(operator, "" | "=" | "==" | ">=") {
        return Ok(true);
    }
    let bad = |reason| VersionError::range(scheme, wanted, reason);
    let order = || compare_public(scheme, Options::default(), version, wanted);
    if let Some(prefix) = wanted.strip_suffix(".*") {
        return match (scheme, operator) {
            (Scheme::Pep440, "==") => in_prefix(version, prefix),
            (Scheme::Pep440, "!=") => in_prefix(version, prefix).map(|inside| !inside),
            _ => Err(bad("a wildcard is not allowed here")),
        };
    }
    match operator {
        "" | "=" | "==" | "===" => order().map(Ordering::is_eq),
        "!=" => order().map(Ordering::is_ne),
        "<" => order().map(Ordering::is_lt),
        "<=" => order().map(Ordering::is_le),
        ">" => order().map(Ordering::is_gt),
        ">=" => order().map(Ordering::is_ge),
        "~>" if scheme == Scheme::Gem => gem::satisfies_pessimistic(version, wanted),
        "~=" if scheme == Scheme::Pep440 => compatible(version, wanted),
        "^" | "~" | "~>" if matches!(scheme, Scheme::Semver | Scheme::Go) => {
            npm::satisfies(version, &format!("{operator}{wanted}"), Prereleases::Include)
        }
        _ => Err(bad("the operator does not exist in this scheme")),
    }
}

/// PEP 440 `== X.Y.*`.
fn in_prefix(version: &str, prefix: &str) -> Result<bool, VersionError> {
    let (version, prefix) = (version.to_ascii_lowercase(), prefix.to_ascii_lowercase());
    Ok(pep440::matches_prefix(
        &pep440::Version::parse(&version)?,
        &pep440::Version::parse(&prefix)?,
    ))
}

/// PEP 440 `~= X.Y.Z`: at least that, and `== X.Y.*`.
fn compatible(version: &str, wanted: &str) -> Result<bool, VersionError> {
    let lower = wanted.to_ascii_lowercase();
    let parsed = pep440::Version::parse(&lower)?;
    let Some((_, kept)) = parsed.release.split_last().filter(|(_, kept)| !kept.is_empty()) else {
        return Err(VersionError::range(Scheme::Pep440, wanted, "~= needs two release numbers"));
    };
    if parsed.has_local() {
        return Err(VersionError::range(Scheme::Pep440, wanted, "~= takes no local version"));
    }
    let prefix = format!("{}!{}", parsed.epoch(), kept.join("."));
    let order = compare_public(Scheme::Pep440, Options::default(), version, wanted)?;
    Ok(order.is_ge() && in_prefix(version, &prefix)?)
}

/// Cuts `>= 1, <2` into operator and version pairs. Blanks and commas separate; an operator may
/// stand apart from its version.
pub(crate) fn comparators(scheme: Scheme, text: &str) -> Result<Vec<(&str, &str)>, VersionError> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() {
            return Ok(out);
        }
        if out.len() >= COMPARATORS_MAX {
            return Err(VersionError::range(scheme, text, "over the limit COMPARATORS_MAX"));
        }
        let tail = rest.trim_start_matches(['<', '>', '=', '!', '~', '^']);
        let (operator, tail) = rest.split_at(rest.len() - tail.len());
        let tail = tail.trim_start();
        let (version, tail) = tail.split_at(version_end(tail));
        if version.is_empty() {
            return Err(VersionError::range(scheme, text, "an operator without a version"));
        }
        out.push((operator, version));
        rest = tail;
    }
}

/// A version ends at a blank, a comma or the next operator. `~`, `^` and a lone `!` occur inside
/// versions (Debian, rpm, PEP 440 epochs).
fn version_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    text.char_indices()
        .find(|(index, c)| {
            c.is_whitespace()
                || matches!(c, ',' | '<' | '>' | '=')
                || (*c == '!' && bytes.get(index + 1) == Some(&b'='))
        })
        .map_or(text.len(), |(index, _)| index)
}

/// Maven's `[1.0,2.0)`, `(,1.0]`, `[1.5]`, joined by commas.
fn in_intervals(version: &str, range: &str) -> Result<bool, VersionError> {
    let bad = |reason| VersionError::range(Scheme::Maven, range, reason);
    let mut rest = range;
    let mut found = false;
    while !rest.is_empty() {
        let open = rest.starts_with('(');
        if !open && !rest.starts_with('[') {
            return Err(bad("an interval starts with [ or ("));
        }
        let end = rest.find([']', ')']).ok_or_else(|| bad("an interval is not closed"))?;
        let (body, closed) = (&rest[1..end], rest[end..].starts_with(']'));
        found |= match body.split_once(',') {
            Some((low, high)) => {
                let above = bound(version, low)?
                    .is_none_or(|order| order.is_gt() || (!open && order.is_eq()));
                let below = bound(version, high)?
                    .is_none_or(|order| order.is_lt() || (closed && order.is_eq()));
                above && below
            }
            None if open || !closed => return Err(bad("a single version needs [ and ]")),
            None => bound(version, body)?.ok_or_else(|| bad("an empty interval"))?.is_eq(),
        };
        rest = rest[end + 1..].trim_start_matches([',', ' ']);
    }
    Ok(found)
}

fn bound(version: &str, limit: &str) -> Result<Option<Ordering>, VersionError> {
    match limit.trim() {
        "" => Ok(None),
        limit => Scheme::Maven.compare(version, limit).map(Some),
    }
}
