//! Image references: `registry/repository[:tag][@digest]`.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest reference accepted, in bytes: 255 for the name, 128 for the tag, 72 for the digest.
pub const REFERENCE_BYTES_MAX: usize = 512;

/// Registry used when a reference names none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// A normalised image reference. Grammar: the distribution specification's "reference" rules;
/// the first component is a host when it contains `.` or `:` or is `localhost`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// Host with optional port, lower case.
    pub registry: String,
    /// Repository path without the host.
    pub repository: String,
    /// Tag. `latest` is filled in when the text has neither tag nor digest.
    pub tag: Option<String>,
    /// Digest.
    pub digest: Option<Digest>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Over [`REFERENCE_BYTES_MAX`].
    #[error("image reference is longer than {REFERENCE_BYTES_MAX} bytes (REFERENCE_BYTES_MAX)")]
    TooLong,
    /// A URL scheme in front.
    #[error("image reference '{0}' must not start with a URL scheme")]
    Scheme(String),
    /// Empty, or a part is malformed.
    #[error("image reference '{text}': {what}")]
    Form {
        /// The offending text, cut.
        text: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

fn is_host(component: &str) -> bool {
    component == "localhost" || component.contains(['.', ':'])
}

/// `docker.io` and its historic names are one registry.
fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "dockerhub" => DEFAULT_REGISTRY.to_owned(),
        _ => host,
    }
}

fn host_is_valid(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_ok = port.is_none_or(|p| p.parse::<u16>().is_ok_and(|n| n > 0));
    let bracketed = name.starts_with('[') && name.ends_with(']');
    let name_ok = if bracketed {
        name[1..name.len() - 1].parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        !name.is_empty()
            && name.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
    };
    port_ok && name_ok
}

fn component_is_valid(component: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(component.bytes().next())
        && edge(component.bytes().last())
        && component
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn tag_is_valid(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > REFERENCE_BYTES_MAX {
            return Err(ReferenceError::TooLong);
        }
        let form = |what| ReferenceError::Form { text: text.to_owned(), what };
        if text.contains("://") {
            return Err(ReferenceError::Scheme(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse::<Digest>().map_err(|_| form("the digest is malformed"))?))
            }
            None => (text, None),
        };
        // A colon after the last slash starts the tag; one before it belongs to the port.
        let name_end = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[name_end..].split_once(':') {
            Some((last, tag)) => (&rest[..name_end + last.len()], Some(tag)),
            None => (rest, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (canonical_host(host), path.to_owned()),
            Some(("dockerhub", path)) => (DEFAULT_REGISTRY.to_owned(), path.to_owned()),
            _ => (DEFAULT_REGISTRY.to_owned(), name.to_owned()),
        };
        if !host_is_valid(&registry) {
            return Err(form("the registry host is malformed"));
        }
        // Docker Hub keeps its official images under `library/`.
        let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository
        };
        if !repository.split('/').all(component_is_valid) {
            return Err(form("the repository must be lower-case words joined by '/'"));
        }
        if !tag.is_none_or(tag_is_valid) {
            return Err(form("the tag is malformed"));
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { registry, repository, tag, digest })
    }
}

impl Reference {
    /// `registry/repository`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// `registry/repository:tag`, when there is a tag.
    #[must_use]
    pub fn full_tag(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| format!("{}:{tag}", self.name()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_normalise() {
        let check = |text: &str, expect: &str| {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), expect, "{text}");
        };
        check("alpine", "docker.io/library/alpine:latest");
        check("anchore/kai:v1", "docker.io/anchore/kai:v1");
        check("localhost:5000/a/b", "localhost:5000/a/b:latest");
        check("127.0.0.1:5000/a:1.2", "127.0.0.1:5000/a:1.2");
        check("Registry.Example.com/a:T", "registry.example.com/a:T");
        check("index.docker.io/library/busybox", "docker.io/library/busybox:latest");
        let digest = Digest::of(b"x");
        check(&format!("q.io/a@{digest}"), &format!("q.io/a@{digest}"));
        check(&format!("q.io/a:1@{digest}"), &format!("q.io/a:1@{digest}"));
        check("[::1]:5000/a", "[::1]:5000/a:latest");
    }

    #[test]
    fn bad_references_are_refused() {
        for text in [
            "",
            "A",
            "a/B",
            "https://q.io/a",
            "q.io/",
            "q.io//a",
            "a:",
            "a:.x",
            "a@sha256:1",
            "q.io:99999/a",
            "q..io/a",
            "a/-b",
            "q.io/a b",
            "q.io/../etc",
            "user@q.io/a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text} was accepted");
        }
        assert_eq!("a".repeat(600).parse::<Reference>(), Err(ReferenceError::TooLong));
    }
}
