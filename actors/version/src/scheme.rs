//! The closed list of version schemes and the dispatch to them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::rpm::EpochPolicy;
use crate::{VersionError, apk, deb, fuzzy, gem, go, maven, npm, pep440, rpm, semver};

/// How a version text is to be read and ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Debian and Ubuntu packages (dpkg).
    Deb,
    /// RPM packages: epoch, version, release.
    Rpm,
    /// Alpine, Wolfi and other apk packages.
    Apk,
    /// Semantic versions, read leniently (crates, hex, and similar).
    Semver,
    /// npm packages: semantic versions with node-semver's range grammar.
    Npm,
    /// Python packages (PEP 440).
    Pep440,
    /// Maven artefacts.
    Maven,
    /// Go modules and the Go toolchain.
    Go,
    /// Ruby gems.
    Gem,
    /// Best effort for everything that has no scheme of its own.
    Fuzzy,
}

/// Choices that change how versions compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What a missing rpm epoch means.
    pub rpm_epoch: EpochPolicy,
}

impl Scheme {
    /// Every scheme, in declaration order.
    pub const ALL: [Scheme; 10] = [
        Scheme::Deb,
        Scheme::Rpm,
        Scheme::Apk,
        Scheme::Semver,
        Scheme::Npm,
        Scheme::Pep440,
        Scheme::Maven,
        Scheme::Go,
        Scheme::Gem,
        Scheme::Fuzzy,
    ];

    /// The lower-case name, as printed and as parsed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Deb => "deb",
            Scheme::Rpm => "rpm",
            Scheme::Apk => "apk",
            Scheme::Semver => "semver",
            Scheme::Npm => "npm",
            Scheme::Pep440 => "pep440",
            Scheme::Maven => "maven",
            Scheme::Go => "go",
            Scheme::Gem => "gem",
            Scheme::Fuzzy => "fuzzy",
        }
    }

    /// Orders two versions with the default [`Options`].
    ///
    /// # Errors
    /// When either text is empty, over the length limit, or not a version of this scheme.
    pub fn compare(self, a: &str, b: &str) -> Result<Ordering, VersionError> {
        self.compare_with(a, b, Options::default())
    }

    /// Orders two versions.
    ///
    /// # Errors
    /// As [`Scheme::compare`].
    pub fn compare_with(
        self,
        a: &str,
        b: &str,
        options: Options,
    ) -> Result<Ordering, VersionError> {
        match self {
            Scheme::Deb => deb::compare(a, b),
            Scheme::Rpm => rpm::compare(a, b, options.rpm_epoch),
            Scheme::Apk => apk::compare(a, b),
            Scheme::Semver => semver::compare(a, b),
            Scheme::Npm => npm::compare(a, b),
            Scheme::Pep440 => pep440::compare(a, b),
            Scheme::Maven => maven::compare(a, b),
            Scheme::Go => go::compare(a, b),
            Scheme::Gem => gem::compare(a, b),
            Scheme::Fuzzy => fuzzy::compare(a, b),
        }
    }

    /// Checks that a text is a version of this scheme.
    ///
    /// # Errors
    /// As [`Scheme::compare`].
    pub fn validate(self, version: &str) -> Result<(), VersionError> {
        self.compare(version, version).map(|_| ())
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A scheme name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown version scheme {0:?}")]
pub struct ParseSchemeError(String);

impl FromStr for Scheme {
    type Err = ParseSchemeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Scheme::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == name)
            .ok_or_else(|| ParseSchemeError(name.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_are_refused() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse::<Scheme>(), Ok(scheme));
        }
        assert!("dpkg".parse::<Scheme>().is_err());
        assert!("Deb".parse::<Scheme>().is_err());
    }
}
