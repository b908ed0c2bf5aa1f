//! Registry credentials.

use crate::tokens::AccountName;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A stored credential: how to authenticate to a registry host, for all or some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Owner.
    pub account: AccountName,
    /// `host[:port]`, `host/path`, or `host/path/*`.
    pub registry: String,
    /// For people; the registry string when none was given.
    pub name: String,
    /// How to authenticate.
    pub kind: RegistryKind,
    /// User name, or what stands for it.
    pub user: String,
    /// Password, sealed with the account's data key; empty for none. Never leaves the node.
    pub sealed_password: Vec<u8>,
    /// Verify the TLS certificate.
    pub verify_tls: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
}

/// How a registry authenticates. Closed: cloud kinds (`AwsEcr`, `Gcr`, `Acr`) are added here, and
/// the compiler then names every place that must know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryKind {
    /// User name and password, or none (`docker_v2`).
    DockerV2,
}

impl RegistryKind {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DockerV2 => "docker_v2",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        (name == Self::DockerV2.as_str()).then_some(Self::DockerV2)
    }
}

impl Registry {
    /// The host with port: the part before the first slash.
    #[must_use]
    pub fn host(&self) -> &str {
        self.registry.split('/').next().unwrap_or(&self.registry)
    }

    /// How well this entry fits `host/repository`: the number of path segments it fixes, or
    /// `None` when it does not fit. Whole segments only: `h/team` fits `h/team/app` and not
    /// `h/team-b/app`; a `*` may stand only alone after a slash.
    #[must_use]
    pub fn fit(&self, host: &str, repository: &str) -> Option<usize> {
        let mut entry = self.registry.split('/');
        if entry.next() != Some(host) {
            return None;
        }
        let mut path = repository.split('/');
        let mut fixed = 0;
        for segment in entry {
            match (segment, path.next()) {
                ("*", Some(_)) => return Some(fixed),
                (segment, Some(part)) if segment == part => fixed += 1,
                _ => return None,
            }
        }
        Some(fixed)
    }
}

/// The entry that fits `host/repository` best: the longest match on whole path segments.
#[must_use]
pub fn best_fit<'a>(
    entries: impl IntoIterator<Item = &'a Registry>,
    host: &str,
    repository: &str,
) -> Option<&'a Registry> {
    entries
        .into_iter()
        .filter_map(|entry| Some((entry.fit(host, repository)?, entry.registry.len(), entry)))
        .max_by_key(|(fixed, bytes, entry)| (*fixed, *bytes, std::cmp::Reverse(&entry.registry)))
        .map(|(_, _, entry)| entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(registry: &str) -> Registry {
        Registry {
            account: "a".into(),
            registry: registry.into(),
            name: registry.into(),
            kind: RegistryKind::DockerV2,
            user: String::new(),
            sealed_password: Vec::new(),
            verify_tls: true,
            created_at: Timestamp(0),
            last_updated: Timestamp(0),
        }
    }

    #[test]
    fn longest_match_on_whole_segments() {
        let entries = [
            entry("h.io"),
            entry("h.io/team"),
            entry("h.io/team/*"),
            entry("h.io/team/app"),
            entry("h.io/team/app/*"),
            entry("other.io/*"),
        ];
        let best = |repository: &str| {
            best_fit(&entries, "h.io", repository).map(|found| found.registry.as_str())
        };
        assert_eq!(best("x/y"), Some("h.io"));
        assert_eq!(best("team-b/app"), Some("h.io"), "a prefix of a segment is no match");
        assert_eq!(best("team"), Some("h.io/team"));
        assert_eq!(best("team/x"), Some("h.io/team/*"));
        assert_eq!(best("team/app"), Some("h.io/team/app"));
        assert_eq!(best("team/app/deep/er"), Some("h.io/team/app/*"));
        assert_eq!(best_fit(&entries, "h.io.evil", "team/app"), None);
        assert_eq!(best_fit(&entries, "h.io:5000", "team/app"), None);
    }
}
