//! The `WWW-Authenticate` header (RFC 9110, 11.6.1): which logins a registry accepts.

use crate::limits::CHALLENGE_BYTES_MAX;
use std::collections::BTreeMap;

/// One challenge of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// `Basic realm="…"`.
    Basic,
    /// `Bearer realm="…",service="…",scope="…"`.
    Bearer {
        realm: String,
        /// Empty when the registry names none.
        service: String,
    },
}

/// One lexical element of the header.
#[derive(Debug, PartialEq)]
enum Lexeme {
    Word(String),
    Quoted(String),
    Equals,
    Comma,
}

fn lexemes(text: &str) -> Vec<Lexeme> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' => {}
            ',' => out.push(Lexeme::Comma),
            '=' => out.push(Lexeme::Equals),
            '"' => {
                let mut value = String::new();
                while let Some(c) = rest.next() {
                    match c {
                        '"' => break,
                        '\\' => value.extend(rest.next()),
                        other => value.push(other),
                    }
                }
                out.push(Lexeme::Quoted(value));
            }
            first => {
                let mut word = String::from(first);
                while let Some(c) = rest.next_if(|c| !matches!(c, ' ' | '\t' | ',' | '=' | '"')) {
                    word.push(c);
                }
                out.push(Lexeme::Word(word));
            }
        }
    }
    out
}

fn finish(scheme: &str, mut params: BTreeMap<String, String>) -> Option<Challenge> {
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: params.remove("realm")?,
            service: params.remove("service").unwrap_or_default(),
        }),
        _ => None,
    }
}

/// All challenges of all header lines that we can answer. Unknown schemes and malformed parts
/// are left out; a repeated parameter keeps its first value.
pub(crate) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Challenge> {
    let mut out = Vec::new();
    let mut budget = CHALLENGE_BYTES_MAX;
    for line in lines {
        let Some(left) = budget.checked_sub(line.len()) else { break };
        budget = left;
        parse_line(line, &mut out);
    }
    out
}

fn parse_line(line: &str, out: &mut Vec<Challenge>) {
    let lexemes = lexemes(line);
    let mut current: Option<(String, BTreeMap<String, String>)> = None;
    let mut index = 0;
    while index < lexemes.len() {
        match (&lexemes[index], lexemes.get(index + 1), lexemes.get(index + 2)) {
            (
                Lexeme::Word(name),
                Some(Lexeme::Equals),
                Some(Lexeme::Word(value) | Lexeme::Quoted(value)),
            ) => {
                if let Some((_, params)) = &mut current {
                    params.entry(name.to_ascii_lowercase()).or_insert_with(|| value.clone());
                }
                index += 3;
            }
            (Lexeme::Word(scheme), ..) => {
                out.extend(current.take().and_then(|(scheme, params)| finish(&scheme, params)));
                current = Some((scheme.clone(), BTreeMap::new()));
                index += 1;
            }
            (Lexeme::Quoted(_) | Lexeme::Equals | Lexeme::Comma, ..) => index += 1,
        }
    }
    out.extend(current.and_then(|(scheme, params)| finish(&scheme, params)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.into() }
    }

    #[test]
    fn challenges_parse() {
        let check = |lines: &[&str], expect: &[Challenge]| {
            assert_eq!(parse(lines.iter().copied()), expect, "{lines:?}");
        };
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;
        check(&[docker], &[bearer("https://auth.docker.io/token", "registry.docker.io")]);
        check(&[r#"Basic realm="Registry Realm""#], &[Challenge::Basic]);
        check(&["basic"], &[Challenge::Basic]);
        check(
            &[r#"Negotiate, Basic realm="x", Bearer realm=https://a/t, service = "s""#],
            &[Challenge::Basic, bearer("https://a/t", "s")],
        );
        check(
            &[r#"Basic realm="a""#, r#"BEARER REALM="https://a/t""#],
            &[Challenge::Basic, bearer("https://a/t", "")],
        );
        check(
            &[r#"Bearer realm="https://a/\"q\"",scope="a,b c""#],
            &[bearer("https://a/\"q\"", "")],
        );
        check(
            &[r#"Bearer realm="https://a/t",realm="https://evil/t""#],
            &[bearer("https://a/t", "")],
        );
    }

    #[test]
    fn malformed_challenges_are_left_out() {
        for line in ["", "Bearer", "Bearer service=\"x\"", "=", ",,,", "\"", "Digest qop=1", "a=b"]
        {
            assert_eq!(parse([line].into_iter()), [], "{line}");
        }
        let long = format!("Basic realm=\"{}\"", "x".repeat(CHALLENGE_BYTES_MAX));
        assert_eq!(parse([long.as_str()].into_iter()), []);
        // An open quote runs to the end of the line.
        assert_eq!(parse(["Bearer realm=\"https://a"].into_iter()), [bearer("https://a", "")]);
    }
}
