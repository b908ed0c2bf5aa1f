//! Nothing is silently clean.

use kedge_artifact::package::PackageKind::{Binary, Deb, Gem, Npm, Rpm};
use kedge_artifact::problem::ProblemSeverity;
use kedge_artifact::time::Timestamp;

use crate::fixture::*;

#[test]
fn coverage_counts_packages_and_tells_the_age_of_the_data() {
    let packages = vec![
        package(Deb, "a", "1-1"),
        package(Deb, "b", "1-1"),
        package(Npm, "c", "1.0.0"),
        package(Gem, "d", "1.0.0"),
        package(Binary, "e", "1.0"),
    ];
    let feed = feed(vec![]).covering(&["debian:12", "npm"]);
    let result = matches(distro("debian", "12"), packages, &feed);
    let lines: Vec<(&str, u32, Option<Timestamp>)> =
        result.coverage.iter().map(|c| (c.scope.as_str(), c.package_count, c.fetched)).collect();
    let fetched = Some(Timestamp(1_000));
    assert_eq!(
        lines,
        [("", 1, None), ("debian:12", 2, fetched), ("npm", 1, fetched), ("rubygems", 1, None)]
    );
    assert_eq!(codes(&result), ["advisory_data_missing", "binaries_not_matched"]);
    assert_eq!(result.problems[0].severity, ProblemSeverity::Error);
    assert_eq!(result.problems[0].place, "rubygems");
}

#[test]
fn unknown_distributions_are_errors() {
    let feed = feed(vec![row("debian:12", "x", "CVE-1")]);
    let x = || vec![package(Deb, "x", "1-1")];
    let mut mint = distro("linuxmint", "21.3");
    if let Some(mint) = &mut mint {
        mint.id_like = vec!["ubuntu".into(), "debian".into()];
    }
    // None at all, one nobody knows, a derivative without a known codename, a broken release.
    for distro in [None, distro("templeos", "5"), mint, distro("debian", "twelve")] {
        let result = matches(distro.clone(), x(), &feed);
        assert!(result.findings.is_empty());
        assert_eq!(codes(&result), ["distro_unknown"], "{distro:?}");
        assert_eq!(result.problems[0].severity, ProblemSeverity::Error);
        assert_eq!(result.coverage[0].fetched, None);
    }
}

#[test]
fn packages_of_another_package_manager_are_not_matched_and_told() {
    let packages = vec![package(Deb, "x", "1-1"), package(Rpm, "x", "1-1")];
    let feed = feed(vec![row("debian:12", "x", "CVE-1")]);
    let result = matches(distro("debian", "12"), packages, &feed);
    assert_eq!(found(&result), ["CVE-1 x"]);
    assert_eq!(codes(&result), ["distro_unknown"]);
    assert!(result.problems[0].message.contains("rpm"), "{}", result.problems[0].message);
}

#[test]
fn an_image_without_packages_has_nothing_to_tell() {
    let result = matches(distro("templeos", "5"), vec![], &feed(vec![]));
    assert!(result.problems.is_empty() && result.coverage.is_empty());
}

#[test]
fn versions_that_cannot_be_read_are_problems() {
    let feed = feed(vec![row("npm", "x", "A"), row("npm", "x", "B").versions(&["weird one"])]);
    let result = matches(None, vec![package(Npm, "x", "weird one")], &feed);
    // The very text that an advisory lists still matches.
    assert_eq!(found(&result), ["B x"]);
    assert_eq!(codes(&result), ["package_version_unreadable"]);
    assert!(result.problems[0].place.contains("/where/x"), "{}", result.problems[0].place);
    let result = matches(None, vec![package(Npm, "x", "")], &feed);
    assert_eq!(codes(&result), ["package_version_missing"]);
    let empty_deb = package(Deb, "x", "");
    let feed = crate::fixture::feed(vec![row("debian:12", "x", "A")]);
    let result = matches(distro("debian", "12"), vec![empty_deb], &feed);
    assert_eq!(codes(&result), ["package_version_missing"]);
}

#[test]
fn broken_rows_are_problems_and_do_not_hide_good_ones() {
    let feed = feed(vec![
        row("npm", "x", "BROKEN").fixed("soon"),
        row("npm", "x", "HALF").range(None, Some("soon"), None).or_range(None, Some("2.0.0"), None),
        row("npm", "x", "EMPTY").versions(&[]),
        row("npm", "x", "GOOD").fixed("2.0.0"),
    ]);
    let result = matches(None, vec![package(Npm, "x", "1.0.0")], &feed);
    assert_eq!(found(&result), ["GOOD x", "HALF x"]);
    let places: Vec<&str> = result.problems.iter().map(|p| p.place.as_str()).collect();
    assert_eq!(codes(&result), ["advisory_range_unreadable"; 2]);
    assert_eq!(places, ["BROKEN npm x", "EMPTY npm x"]);
}

#[test]
fn a_source_that_cannot_be_read_is_an_error_not_a_clean_image() {
    let mut feed = feed(vec![row("npm", "x", "A")]);
    feed.broken = true;
    let result = matches(None, vec![package(Npm, "x", "1.0.0")], &feed);
    assert!(result.findings.is_empty());
    assert_eq!(codes(&result), ["advisory_data_unreadable"]);
    assert_eq!(result.problems[0].severity, ProblemSeverity::Error);
    assert!(result.problems[0].message.contains("disk gone"));
}
