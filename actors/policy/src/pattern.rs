//! Patterns of policy documents: wildcards, and regular expressions with a linear engine.

use crate::limits::{REGEX_BYTES_MAX, REGEX_PROGRAM_BYTES_MAX};
use regex::{Regex, RegexBuilder};

/// Prefix that makes a pattern a regular expression.
const REGEX_PREFIX: &str = "regexp:";

/// A pattern of a mapping, an image list or an allowlist item.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// The whole text; `*` stands for any text.
    Wildcard(String),
    /// A regular expression that must match at the start of the text.
    Regex(Regex),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it starts with `regexp:` and the rest is not a regular expression within the limits.
    pub fn new(text: &str) -> Result<Self, String> {
        match text.strip_prefix(REGEX_PREFIX) {
            Some(raw) => start_regex(raw).map(Self::Regex),
            None => Ok(Self::Wildcard(text.to_owned())),
        }
    }

    /// Whether the text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Wildcard(pattern) => wildcard(pattern, text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Whether `text` is `pattern`, in which every `*` stands for any text. Takes no longer than the
/// product of both lengths.
#[must_use]
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or("")) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or("");
    // The first place where each middle part occurs leaves the most for the parts behind it.
    let mut rest = rest;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A regular expression that matches at the start of a text, like Python's `re.match`.
///
/// # Errors
/// When it is too long, too large when compiled, or uses what a linear engine cannot do
/// (look-around, back-references).
pub fn start_regex(raw: &str) -> Result<Regex, String> {
    if raw.len() > REGEX_BYTES_MAX {
        return Err(format!(
            "regular expression is longer than {REGEX_BYTES_MAX} bytes (REGEX_BYTES_MAX)"
        ));
    }
    let build = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(REGEX_PROGRAM_BYTES_MAX)
            .dfa_size_limit(REGEX_PROGRAM_BYTES_MAX)
            .build()
            .map_err(|error| describe(&error))
    };
    // Compiled alone first, so that an unbalanced parenthesis cannot escape the group.
    build(raw)?;
    // In verbose mode a comment may run to the end and would swallow the closing parenthesis.
    build(&format!(r"\A(?:{raw}{})", "\n".repeat(usize::from(raw.contains("(?x")))))
}

fn describe(error: &regex::Error) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return format!(
            "regular expression needs more than {REGEX_PROGRAM_BYTES_MAX} bytes when compiled \
             (REGEX_PROGRAM_BYTES_MAX)"
        );
    }
    // The library draws the error under the expression; its last line is the reason.
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    format!("not a regular expression: {}", reason.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, expect) in [
            ("*", "", true),
            ("*", "anything", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("CVE-2019-1234+*", "CVE-2019-1234+openssl", true),
            ("*+openssl", "CVE-2019-1234+openssl", true),
            ("a*a", "a", false),
            ("lib.so", "libxso", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(wildcard(pattern, text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn regular_expressions_match_at_the_start() {
        let pattern = Pattern::new("regexp:lib|usr").unwrap();
        assert!(pattern.matches("library"));
        assert!(pattern.matches("usr/x"));
        assert!(!pattern.matches("/usr"));
        // A wildcard pattern takes special characters as they are.
        assert!(!Pattern::new("a.c").unwrap().matches("abc"));
    }

    #[test]
    fn hostile_expressions_are_refused_or_linear() {
        let evil = start_regex("(a+)+$").unwrap();
        assert!(!evil.is_match(&format!("{}b", "a".repeat(50_000))));
        assert!(start_regex(&"a".repeat(1 << 20)).unwrap_err().contains("REGEX_BYTES_MAX"));
        let huge = "((a{100}){100}){100}";
        assert!(start_regex(huge).unwrap_err().contains("REGEX_PROGRAM_BYTES_MAX"));
        assert!(start_regex("(?=a)b").unwrap_err().contains("look-around"));
        assert!(start_regex("a)|(b").is_err());
    }
}
