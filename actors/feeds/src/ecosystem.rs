//! OSV's ecosystem names, with their suffixes, as scopes.
//!
//! Source: OSV schema 1.7, "Defined ecosystems". A name may carry a release or a repository after
//! a colon (`Debian:12`, `Alpine:v3.19`, `Packagist:https://packages.drupal.org/8`).

use kedge_artifact::advisory::{Level, Scope};

/// Where rows of an ecosystem go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) scope: Scope,
    pub(crate) level: Level,
}

/// Language ecosystems that are kept, in OSV's spelling.
const LANGUAGES: [&str; 13] = [
    "PyPI",
    "npm",
    "Maven",
    "Go",
    "crates.io",
    "RubyGems",
    "NuGet",
    "Packagist",
    "Hex",
    "Pub",
    "SwiftURL",
    "CRAN",
    "GitHub Actions",
];

/// The scope of an ecosystem name; `None` for those that are not supported.
pub(crate) fn place(ecosystem: &str) -> Option<Place> {
    let (base, suffix) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    if LANGUAGES.contains(&base) {
        let scope = Scope::Ecosystem { name: base.to_ascii_lowercase() };
        return Some(Place { scope, level: Level::Module });
    }
    let (id, level) = match base {
        "Debian" => ("debian", Level::Source),
        "Alpine" => ("alpine", Level::Source),
        "AlmaLinux" => ("almalinux", Level::Binary),
        // Rocky's records name source packages: its erratum on OpenJDK 11 lists `java-11-openjdk`
        // and none of the binary packages that are built from it.
        "Rocky Linux" => ("rocky", Level::Source),
        "Ubuntu" => ("ubuntu", Level::Source),
        _ => return None,
    };
    let (version, channel) = release(base, suffix)?;
    let scope = Scope::Distro { id: id.into(), version, channel };
    Some(Place { scope, level })
}

/// Release and channel of a distribution's suffix. Rows without a release cannot be placed: a
/// version of one release means nothing in another.
fn release(base: &str, suffix: &str) -> Option<(String, String)> {
    let plain = |text: &str| {
        let ok = !text.is_empty()
            && text.len() <= 20
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
        ok.then(|| text.to_owned())
    };
    if base == "Ubuntu" {
        // `22.04:LTS`, `Pro:18.04:LTS`, `Pro:FIPS:20.04:LTS`.
        let mut words: Vec<&str> = suffix.split(':').filter(|w| *w != "LTS").collect();
        let version = plain(words.pop()?)?;
        let channel = match words.as_slice() {
            [] => String::new(),
            ["Pro"] => "esm".into(),
            ["Pro", stream] => stream.to_ascii_lowercase(),
            _ => return None,
        };
        return Some((version, channel));
    }
    Some((plain(suffix.strip_prefix('v').unwrap_or(suffix))?, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_suffixes() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(place(name).map(|p| p.scope.label()).as_deref(), expect, "{name}");
        };
        check("Debian:12", Some("debian:12"));
        check("Alpine:v3.19", Some("alpine:3.19"));
        check("AlmaLinux:9", Some("almalinux:9"));
        check("Rocky Linux:9", Some("rocky:9"));
        check("Ubuntu:22.04:LTS", Some("ubuntu:22.04"));
        check("Ubuntu:Pro:18.04:LTS", Some("ubuntu:18.04+esm"));
        check("PyPI", Some("pypi"));
        check("Packagist:https://packages.drupal.org/8", Some("packagist"));
        check("Debian", None);
        check("OSS-Fuzz", None);
        check("Debian:../../etc", None);
        assert_eq!(place("Rocky Linux:8").unwrap().level, Level::Source);
        assert_eq!(place("AlmaLinux:8").unwrap().level, Level::Binary);
    }
}
