//! Language packages that OS packages brought.

use kedge_artifact::package::PackageKind::{Apk, Deb, Npm, Python, Rpm};

use crate::fixture::*;

#[test]
fn a_complete_distribution_judges_what_it_packaged() {
    let packages = vec![
        package(Deb, "python3-requests", "2.28.1+dfsg-1"),
        owned_by(package(Python, "requests", "2.28.1"), "python3-requests"),
        package(Python, "flask", "2.0.0"),
    ];
    let feed = feed(vec![
        row("pypi", "requests", "GHSA-1").fixed("2.31.0"),
        row("pypi", "flask", "GHSA-2").fixed("2.2.5"),
    ])
    .covering(&["debian:12"]);
    let result = matches(distro("debian", "12"), packages.clone(), &feed);
    assert_eq!(found(&result), ["GHSA-2 flask"]);
    assert_eq!(suppressed(&result), ["owned_by_os_package GHSA-1 requests"]);
    // Without the distribution's data nobody else judges it.
    let feed = crate::fixture::feed(feed.rows);
    let result = matches(distro("debian", "12"), packages, &feed);
    assert_eq!(found(&result), ["GHSA-1 requests", "GHSA-2 flask"]);
}

#[test]
fn bundled_libraries_of_another_version_stay() {
    // node_modules inside the nodejs package: the distribution does not track each of them.
    let packages =
        vec![package(Deb, "nodejs", "18.19.0-1"), owned_by(package(Npm, "tar", "6.1.0"), "nodejs")];
    let feed = feed(vec![row("npm", "tar", "GHSA-1").aliases(&["CVE-1"]).fixed("6.2.1")])
        .covering(&["debian:12"]);
    let result = matches(distro("debian", "12"), packages.clone(), &feed);
    assert_eq!(found(&result), ["GHSA-1 tar"]);
    // Unless it says something about that very vulnerability, under any of its names.
    let mut rows = feed.rows.clone();
    rows.push(row("debian:12", "nodejs", "CVE-1").unaffected());
    let result = matches(distro("debian", "12"), packages, &crate::fixture::feed(rows));
    assert_eq!(suppressed(&result), ["not_affected GHSA-1 tar"]);
    assert!(result.findings.is_empty());
}

#[test]
fn other_distributions_clear_only_what_they_speak_of() {
    let packages = vec![
        package(Apk, "py3-urllib3", "1.26.5-r1"),
        owned_by(package(Python, "urllib3", "1.26.5"), "py3-urllib3"),
    ];
    let feed = feed(vec![
        row("pypi", "urllib3", "GHSA-silent").fixed("1.26.18"),
        row("pypi", "urllib3", "GHSA-fixed").aliases(&["CVE-fixed"]).fixed("1.26.17"),
        row("pypi", "urllib3", "GHSA-nak").aliases(&["CVE-nak"]).fixed("1.26.17"),
        row("pypi", "urllib3", "GHSA-open").aliases(&["CVE-open"]).fixed("1.26.17"),
        row("alpine:3.19", "py3-urllib3", "CVE-fixed").fixed("1.26.5-r1"),
        row("alpine:3.19", "py3-urllib3", "CVE-nak").unaffected(),
        row("alpine:3.19", "py3-urllib3", "CVE-open").fixed("1.26.5-r2"),
    ]);
    let result = matches(distro("alpine", "3.19.0"), packages, &feed);
    assert_eq!(
        found(&result),
        ["CVE-open py3-urllib3", "GHSA-open urllib3", "GHSA-silent urllib3"]
    );
    assert_eq!(
        suppressed(&result),
        ["fixed_by_os_package GHSA-fixed urllib3", "not_affected GHSA-nak urllib3"]
    );
}

#[test]
fn sles_and_amazon_do_not_stand_in() {
    for (id, version, label) in [("sles", "15.5", "sles:15.5"), ("amzn", "2023", "amazon:2023")] {
        let packages = vec![
            package(Rpm, "python3-requests", "2.28.1-1"),
            owned_by(package(Python, "requests", "2.28.1"), "python3-requests"),
        ];
        let feed = feed(vec![row("pypi", "requests", "GHSA-1")]).covering(&[label]);
        let result = matches(distro(id, version), packages, &feed);
        assert_eq!(found(&result), ["GHSA-1 requests"], "{id}");
    }
}

#[test]
fn an_owner_that_is_not_in_the_sbom_changes_nothing() {
    let packages = vec![
        package(Deb, "other", "1-1"),
        owned_by(package(Python, "requests", "2.28.1"), "removed"),
    ];
    let feed = feed(vec![row("pypi", "requests", "GHSA-1")]).covering(&["debian:12"]);
    assert_eq!(found(&matches(distro("debian", "12"), packages, &feed)), ["GHSA-1 requests"]);
}

#[test]
fn a_rebuild_stands_in_only_together_with_its_upstreams_disclosures() {
    let packages = vec![
        package(Rpm, "python3-requests", "2.28.1-1.el9"),
        owned_by(package(Python, "requests", "2.28.1"), "python3-requests"),
    ];
    let rows = vec![row("pypi", "requests", "GHSA-1")];
    let alone = feed(rows.clone()).covering(&["almalinux:9"]);
    let result = matches(distro("almalinux", "9.3"), packages.clone(), &alone);
    assert_eq!(found(&result), ["GHSA-1 requests"]);
    let both = feed(rows).covering(&["almalinux:9", "rhel:9"]);
    let result = matches(distro("almalinux", "9.3"), packages, &both);
    assert_eq!(suppressed(&result), ["owned_by_os_package GHSA-1 requests"]);
}
