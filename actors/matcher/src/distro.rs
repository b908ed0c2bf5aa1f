//! Which release of which distribution's feed an image is matched against.
//!
//! Never another release than the image's own: without data for it there is a problem, not the
//! data of a neighbour. Sources: os-release(5) and the distributions' own os-release files.

use kedge_artifact::advisory::{AdvisorySource, Scope};
use kedge_artifact::distro::Distro;
use kedge_artifact::package::PackageKind;
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::Sbom;
use kedge_artifact::time::Timestamp;

use crate::MatchOptions;

/// The data chosen for the OS packages of one image.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The kind of its packages.
    pub(crate) kind: PackageKind,
    /// Where its advisories are.
    pub(crate) base: Scope,
    /// When they were fetched; `None` when there are none.
    pub(crate) fetched: Option<Timestamp>,
    /// Where the upstream distribution discloses what this one has not fixed.
    pub(crate) disclosures: Option<(Scope, Timestamp)>,
    /// Where the subscribed channels' fixes are.
    pub(crate) channels: Vec<Scope>,
    /// Whether the feed names unfixed issues too, so that it can stand in for language feeds.
    pub(crate) complete: bool,
}

/// How a release number is read from os-release.
#[derive(Debug, Clone, Copy)]
enum Release {
    /// Debian: the major number, else by codename, else `sid`.
    Debian,
    /// The first two components (`3.19.1` is `3.19`); development versions are `edge`.
    Alpine,
    /// postmarketOS: the Alpine release that its own release is built on.
    Postmarketos,
    /// The first two components and nothing less.
    MajorMinor,
    /// The first two components, then the first alone.
    MajorMinorThenMajor,
    /// As written.
    Whole,
    /// No releases.
    Rolling,
}

struct Family {
    ids: &'static [&'static str],
    feed: &'static str,
    kind: PackageKind,
    release: Release,
    /// The distribution that this one rebuilds.
    upstream: Option<&'static str>,
    /// Good enough to stand in for language feeds (matching of owned packages).
    complete: bool,
    /// The feed does not list issues without a fix.
    fixed_only: bool,
}

const fn family(
    ids: &'static [&'static str],
    feed: &'static str,
    kind: PackageKind,
    release: Release,
) -> Family {
    Family { ids, feed, kind, release, upstream: None, complete: false, fixed_only: false }
}

const fn complete(mut family: Family) -> Family {
    family.complete = true;
    family
}

const fn rebuild_of(upstream: &'static str, mut family: Family) -> Family {
    family.upstream = Some(upstream);
    family.complete = true;
    fixed_only(family)
}

const fn fixed_only(mut family: Family) -> Family {
    family.fixed_only = true;
    family
}

use PackageKind::{Apk, Deb, Rpm};
use Release::{MajorMinor, MajorMinorThenMajor, Rolling, Whole};

const FAMILIES: &[Family] = &[
    complete(family(&["debian", "raspbian"], "debian", Deb, Release::Debian)),
    complete(family(&["ubuntu"], "ubuntu", Deb, MajorMinor)),
    family(&["echo"], "echo", Deb, Rolling),
    fixed_only(family(&["alpine"], "alpine", Apk, Release::Alpine)),
    fixed_only(family(&["postmarketos"], "alpine", Apk, Release::Postmarketos)),
    fixed_only(family(&["wolfi"], "wolfi", Apk, Rolling)),
    fixed_only(family(&["chainguard"], "chainguard", Apk, Rolling)),
    fixed_only(family(&["minimos"], "minimos", Apk, Rolling)),
    fixed_only(family(&["secureos"], "secureos", Apk, Rolling)),
    complete(family(&["rhel", "redhat", "centos", "scientific"], "rhel", Rpm, MajorMinorThenMajor)),
    rebuild_of("rhel", family(&["almalinux", "alma"], "almalinux", Rpm, MajorMinorThenMajor)),
    rebuild_of("rhel", family(&["rocky", "rockylinux"], "rocky", Rpm, MajorMinorThenMajor)),
    fixed_only(family(&["ol", "oracle", "oraclelinux"], "oracle", Rpm, MajorMinorThenMajor)),
    fixed_only(family(&["amzn", "amazon"], "amazon", Rpm, Whole)),
    fixed_only(family(&["fedora"], "fedora", Rpm, Whole)),
    family(&["sles", "sled", "sles_sap", "suse"], "sles", Rpm, MajorMinorThenMajor),
    family(&["opensuse-leap"], "opensuse-leap", Rpm, MajorMinor),
    family(&["opensuse-tumbleweed"], "opensuse-tumbleweed", Rpm, Rolling),
    complete(family(&["mariner", "cbl-mariner"], "mariner", Rpm, MajorMinorThenMajor)),
    complete(family(&["azurelinux"], "azurelinux", Rpm, MajorMinorThenMajor)),
    family(&["photon"], "photon", Rpm, MajorMinorThenMajor),
];

/// Debian releases by codename (wiki.debian.org/DebianReleases).
const DEBIAN_CODENAMES: [(&str, &str); 9] = [
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// Ubuntu LTS releases by codename (wiki.ubuntu.com/Releases), for derivatives that keep it.
const UBUNTU_CODENAMES: [(&str, &str); 6] = [
    ("trusty", "14.04"),
    ("xenial", "16.04"),
    ("bionic", "18.04"),
    ("focal", "20.04"),
    ("jammy", "22.04"),
    ("noble", "24.04"),
];

/// postmarketOS releases and the Alpine release below (wiki.postmarketos.org/wiki/Releases).
const POSTMARKETOS: [(&str, &str); 9] = [
    ("v21.06", "3.14"),
    ("v21.12", "3.15"),
    ("v22.06", "3.16"),
    ("v22.12", "3.17"),
    ("v23.06", "3.18"),
    ("v23.12", "3.19"),
    ("v24.06", "3.20"),
    ("v24.12", "3.21"),
    ("v25.06", "3.22"),
];

/// Finds the data for the image's distribution. `None` when the distribution is not known at all;
/// a known one without data comes back with `fetched: None`.
pub(crate) fn choose(
    sbom: &Sbom,
    source: &dyn AdvisorySource,
    options: &MatchOptions,
    problems: &mut Vec<Problem>,
) -> Option<Chosen> {
    if !sbom.packages.iter().any(|package| package.kind.is_os()) {
        return None;
    }
    let distro = sbom.distro.as_ref()?;
    let (family, versions) = resolve(distro)?;
    let scope = |id: &str, version: &str, channel: &str| Scope::Distro {
        id: id.to_owned(),
        version: version.to_owned(),
        channel: channel.to_owned(),
    };
    let covered = |id: &str| {
        versions.iter().find_map(|version| {
            let scope = scope(id, version, "");
            source.coverage(&scope).map(|fetched| (scope, fetched))
        })
    };
    let own = covered(family.feed);
    let upstream = family.upstream.and_then(&covered);
    let (base, fetched, disclosures) = match (own, upstream) {
        (Some((base, fetched)), upstream) => (base, Some(fetched), upstream),
        // A rebuild without a feed of its own is matched as what it rebuilds.
        (None, Some((base, fetched))) => (base, Some(fetched), None),
        (None, None) => (scope(family.feed, versions.first()?, ""), None, None),
    };
    // The base may be the upstream's own feed, which discloses what is unfixed.
    let own_feed = matches!(&base, Scope::Distro { id, .. } if id == family.feed);
    let fixed_only = own_feed && family.fixed_only && disclosures.is_none();
    if fetched.is_some() && fixed_only {
        let message = "this feed lists fixed issues only: those without a fix are not known";
        problems.push(Problem::info("unfixed_issues_unknown", base.label(), message));
    }
    let channels = options
        .channels
        .iter()
        .flat_map(|channel| versions.iter().map(move |v| scope(family.feed, v, channel)))
        .filter(|scope| source.coverage(scope).is_some())
        .collect();
    // What is silent about unfixed issues cannot clear a language package by its silence.
    let (kind, complete) = (family.kind, family.complete && !fixed_only);
    Some(Chosen { kind, base, fetched, disclosures, channels, complete })
}

/// The family and the spellings of the release, the most precise first.
fn resolve(distro: &Distro) -> Option<(&'static Family, Vec<String>)> {
    let named = |id: &str| FAMILIES.iter().find(|family| family.ids.contains(&id));
    if let Some(family) = named(&distro.id) {
        return releases(family, distro).map(|versions| (family, versions));
    }
    derived(distro)
}

/// Derivatives are trusted only where their release can be told: by a codename of the parent, or,
/// for rebuilds of RHEL, because the major number is the same by definition. A plain `ID_LIKE` is
/// not enough: Linux Mint 21 is no Ubuntu 21.
fn derived(distro: &Distro) -> Option<(&'static Family, Vec<String>)> {
    let like = |id: &str| distro.id_like.iter().any(|parent| parent == id);
    let family = |id: &str| FAMILIES.iter().find(|family| family.feed == id);
    let by_codename = |table: &[(&str, &str)]| {
        table
            .iter()
            .find(|(codename, _)| *codename == distro.codename)
            .map(|(_, version)| vec![(*version).to_owned()])
    };
    if like("ubuntu")
        && let Some(versions) = by_codename(&UBUNTU_CODENAMES)
    {
        return Some((family("ubuntu")?, versions));
    }
    if like("debian")
        && let Some(versions) = by_codename(&DEBIAN_CODENAMES)
    {
        return Some((family("debian")?, versions));
    }
    if like("rhel") || like("centos") {
        let family = family("rhel")?;
        return releases(family, distro).map(|versions| (family, versions));
    }
    None
}

fn releases(family: &Family, distro: &Distro) -> Option<Vec<String>> {
    let version = distro.version_id.as_str();
    let unstable = |word: &str| distro.pretty_name.to_ascii_lowercase().contains(word);
    match family.release {
        Release::Debian => match components(version) {
            Some(parts) => Some(vec![parts[0].to_owned()]),
            None if unstable("/sid") || distro.codename == "sid" => Some(vec!["sid".to_owned()]),
            None => DEBIAN_CODENAMES
                .iter()
                .find(|(codename, _)| *codename == distro.codename)
                .map(|(_, version)| vec![(*version).to_owned()]),
        },
        Release::Alpine if version.contains("_alpha") || unstable("edge") || version == "edge" => {
            Some(vec!["edge".to_owned()])
        }
        Release::Postmarketos if version == "edge" => Some(vec!["edge".to_owned()]),
        Release::Postmarketos => POSTMARKETOS
            .iter()
            .find(|(release, _)| version.starts_with(release))
            .map(|(_, alpine)| vec![(*alpine).to_owned()]),
        Release::Alpine | Release::MajorMinor => match components(version)?.as_slice() {
            [major, minor, ..] => Some(vec![format!("{major}.{minor}")]),
            _ => None,
        },
        Release::MajorMinorThenMajor => match components(version)?.as_slice() {
            [major, minor, ..] => Some(vec![format!("{major}.{minor}"), (*major).to_owned()]),
            [major] => Some(vec![(*major).to_owned()]),
            [] => None,
        },
        Release::Whole => components(version).map(|_| vec![version.to_owned()]),
        Release::Rolling => Some(vec!["rolling".to_owned()]),
    }
}

/// The numbers of a dotted release; `None` for anything else.
fn components(version: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = version.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.iter().all(number).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distro(id: &str, version: &str, codename: &str, like: &str, pretty: &str) -> Distro {
        Distro {
            id: id.into(),
            version_id: version.into(),
            codename: codename.into(),
            id_like: like.split_whitespace().map(str::to_owned).collect(),
            pretty_name: pretty.into(),
        }
    }

    #[test]
    fn releases_of_known_and_derived_distributions() {
        let check = |distro: Distro, expect: &str| {
            let found = resolve(&distro).map_or("none".to_owned(), |(family, versions)| {
                format!("{}:{}", family.feed, versions.join(","))
            });
            assert_eq!(found, expect, "{distro:?}");
        };
        check(distro("debian", "12", "bookworm", "", ""), "debian:12");
        check(distro("debian", "12.5", "bookworm", "", ""), "debian:12");
        check(distro("debian", "", "bookworm", "", "Debian GNU/Linux 12"), "debian:12");
        check(distro("debian", "", "forky", "", "Debian GNU/Linux forky/sid"), "debian:sid");
        check(distro("debian", "", "", "", ""), "none");
        check(distro("raspbian", "11", "bullseye", "debian", ""), "debian:11");
        check(distro("ubuntu", "22.04", "jammy", "debian", ""), "ubuntu:22.04");
        check(distro("alpine", "3.19.1", "", "", "Alpine Linux v3.19"), "alpine:3.19");
        check(distro("alpine", "3.21_alpha20240807", "", "", "Alpine Linux edge"), "alpine:edge");
        check(distro("alpine", "3", "", "", ""), "none");
        check(distro("postmarketos", "v23.12", "", "alpine", ""), "alpine:3.19");
        check(distro("postmarketos", "v99.12", "", "alpine", ""), "none");
        check(distro("wolfi", "20230201", "", "", ""), "wolfi:rolling");
        check(distro("almalinux", "9.3", "", "rhel centos fedora", ""), "almalinux:9.3,9");
        check(distro("rocky", "8.9", "", "rhel centos fedora", ""), "rocky:8.9,8");
        check(distro("centos", "9", "", "rhel fedora", ""), "rhel:9");
        check(distro("rhel", "9.3", "", "fedora", ""), "rhel:9.3,9");
        check(distro("ol", "8.9", "", "fedora", ""), "oracle:8.9,8");
        check(distro("amzn", "2023", "", "fedora", ""), "amazon:2023");
        check(distro("eurolinux", "9.2", "", "rhel fedora centos", ""), "rhel:9.2,9");
        // Derivatives: only what can be told for sure.
        check(distro("linuxmint", "21.3", "virginia", "ubuntu debian", ""), "none");
        check(distro("neon", "22.04", "jammy", "ubuntu debian", ""), "ubuntu:22.04");
        check(distro("mx", "23", "bookworm", "debian", ""), "debian:12");
        check(distro("kali", "2024.1", "kali-rolling", "debian", ""), "none");
        check(distro("nobara", "39", "", "fedora", ""), "none");
        check(distro("../../etc", "12", "", "", ""), "none");
    }
}
