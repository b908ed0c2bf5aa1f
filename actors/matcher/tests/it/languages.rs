//! Language ecosystems: names, schemes, lists of versions, Go's main module.

use kedge_artifact::advisory::{FixState, RangeKind};
use kedge_artifact::finding::MatchRule;
use kedge_artifact::package::{Package, PackageDetails, PackageKind};

use crate::fixture::*;

fn go(name: &str, version: &str, main: bool, toolchain: &str) -> Package {
    let mut package = package(PackageKind::Go, name, version);
    package.details = PackageDetails::Go { main, toolchain: toolchain.into(), sum: String::new() };
    package
}

#[test]
fn each_ecosystem_uses_its_own_data_and_order() {
    let check = |kind, scope: &str, name: &str, fixed: &str, inside: &str, outside: &str| {
        let feed = feed(vec![row(scope, name, "X-1").fixed(fixed)]);
        let result = matches(None, vec![package(kind, name, inside)], &feed);
        assert_eq!(found(&result), [format!("X-1 {name}")], "{inside} < {fixed}");
        assert_eq!(result.findings[0].why.rule, MatchRule::Ecosystem);
        let result = matches(None, vec![package(kind, name, outside)], &feed);
        assert!(result.findings.is_empty(), "{outside} is not < {fixed}");
        assert!(result.problems.is_empty());
    };
    check(PackageKind::Python, "pypi", "django", "4.2", "4.2rc1", "4.2.post1");
    check(PackageKind::Npm, "npm", "@scope/Name", "2.0.0", "2.0.0-beta.1", "2.0.0");
    check(PackageKind::Java, "maven", "org.x:y", "2.15.0", "2.15.0-rc1", "2.15.0.Final");
    check(PackageKind::Go, "go", "golang.org/x/net", "0.17.0", "v0.9.0", "v0.17.0");
    check(PackageKind::Rust, "crates.io", "time", "0.2.23", "0.2.9", "0.3.0");
    check(PackageKind::Gem, "rubygems", "rails", "7.0.4.1", "7.0.4", "7.0.4.1");
    check(PackageKind::Composer, "packagist", "symfony/http-kernel", "5.4.20", "5.4.3", "6.0.0");
    check(PackageKind::Nuget, "nuget", "newtonsoft.json", "13.0.1", "12.0.3.1", "13.0.1.0");
}

#[test]
fn names_are_normalised_where_the_ecosystem_does() {
    let feed = feed(vec![row("pypi", "zope-interface", "P"), row("nuget", "a.b", "N")]);
    let packages = vec![
        package(PackageKind::Python, "Zope.Interface", "1.0"),
        package(PackageKind::Nuget, "A.B", "1.0"),
    ];
    assert_eq!(found(&matches(None, packages, &feed)), ["N A.B", "P Zope.Interface"]);
}

#[test]
fn ecosystems_do_not_mix() {
    let feed = feed(vec![row("npm", "requests", "X-1")]).covering(&["pypi"]);
    let result = matches(None, vec![package(PackageKind::Python, "requests", "1.0")], &feed);
    assert!(result.findings.is_empty());
}

#[test]
fn several_ranges_and_listed_versions() {
    let feed = feed(vec![
        row("npm", "x", "RANGES")
            .range(Some("0"), Some("1.5.0"), None)
            .or_range(Some("2.0.0"), None, Some("2.3.0"))
            .edit(|_, row| row.fix.versions = vec!["1.5.0".into(), "2.3.1".into()]),
        row("npm", "x", "LIST").versions(&["2.1.0", "not a version"]),
    ]);
    let ids =
        |version: &str| found(&matches(None, vec![package(PackageKind::Npm, "x", version)], &feed));
    assert_eq!(ids("1.0.0"), ["RANGES x"]);
    assert_eq!(ids("1.5.0"), [""; 0]);
    assert_eq!(ids("2.1.0"), ["LIST x", "RANGES x"]);
    assert_eq!(ids("2.3.0"), ["RANGES x"]);
    assert_eq!(ids("2.3.1"), [""; 0]);
    let result = matches(None, vec![package(PackageKind::Npm, "x", "2.1.0")], &feed);
    let why = |index: usize| result.findings[index].why.range.as_str();
    assert_eq!((why(0), why(1)), ("= 2.1.0", ">= 2.0.0, <= 2.3.0"));
    // Fix versions that are older than the installed one help nobody.
    assert_eq!(result.findings[1].fix.versions, ["2.3.1"]);
}

#[test]
fn the_end_of_the_matching_range_is_a_fix_when_the_row_names_none() {
    let feed = feed(vec![row("npm", "x", "A").range(None, Some("1.5.0"), None)]);
    let result = matches(None, vec![package(PackageKind::Npm, "x", "1.0.0")], &feed);
    assert_eq!(result.findings[0].fix.state, FixState::Fixed);
    assert_eq!(result.findings[0].fix.versions, ["1.5.0"]);
}

#[test]
fn python_local_builds_are_their_public_version() {
    let feed = feed(vec![
        row("pypi", "torch", "LAST").range(None, None, Some("2.0.0")),
        row("pypi", "torch", "LIST").versions(&["2.0.0"]),
    ]);
    let result = matches(None, vec![package(PackageKind::Python, "torch", "2.0.0+cu118")], &feed);
    assert_eq!(found(&result), ["LAST torch", "LIST torch"]);
}

#[test]
fn go_main_modules_without_a_release_are_skipped_and_told() {
    let feed = feed(vec![row("go", "example.com/app", "GO-1")]);
    for version in ["(devel)", "v0.0.0-20240101000000-0123456789ab", ""] {
        let result = matches(None, vec![go("example.com/app", version, true, "")], &feed);
        assert!(result.findings.is_empty(), "{version}");
        assert_eq!(codes(&result), ["go_main_module_without_release"]);
    }
    let result = matches(None, vec![go("example.com/app", "v1.0.0+incompatible", true, "")], &feed);
    assert_eq!(found(&result), ["GO-1 example.com/app"]);
    // A dependency at a pseudo version is an ordinary version; one at (devel) cannot be compared.
    let pseudo = go("example.com/app", "v0.0.0-20240101000000-0123456789ab", false, "");
    assert_eq!(found(&matches(None, vec![pseudo], &feed)).len(), 1);
    let result = matches(None, vec![go("example.com/app", "(devel)", false, "")], &feed);
    assert_eq!(codes(&result), ["package_version_unreadable"]);
}

#[test]
fn the_standard_library_comes_from_the_toolchain_once() {
    let feed = feed(vec![row("go", "stdlib", "GO-2").fixed("1.21.5").edit(|_, row| {
        row.ranges[0].kind = RangeKind::Semver;
    })]);
    let app = |toolchain| go("example.com/app", "(devel)", true, toolchain);
    let result = matches(None, vec![app("go1.21.4 X:boringcrypto")], &feed);
    assert_eq!(found(&result), ["GO-2 example.com/app"]);
    assert_eq!(result.findings[0].why.searched_name, "stdlib");
    assert!(matches(None, vec![app("go1.21.5")], &feed).findings.is_empty());
    // A dependency in the same binary does not repeat it.
    let dependency = go("example.com/lib", "v1.0.0", false, "go1.21.4");
    assert!(matches(None, vec![dependency], &feed).findings.is_empty());
    // A cataloger that lists the standard library itself is not doubled.
    let listed = package(PackageKind::Go, "stdlib", "1.21.4");
    assert_eq!(found(&matches(None, vec![app("go1.21.4"), listed], &feed)), ["GO-2 stdlib"]);
}

#[test]
fn java_needs_its_group() {
    let feed = feed(vec![row("maven", "org.apache.logging.log4j:log4j-core", "GHSA-1")]);
    let java = |name: &str, group: Option<&str>| {
        let mut package = package(PackageKind::Java, name, "2.14.1");
        package.details = PackageDetails::Java {
            group: group.map(str::to_owned),
            artifact: name.rsplit(':').next().unwrap_or(name).into(),
            implementation_version: String::new(),
            specification_version: String::new(),
            sha1: String::new(),
        };
        package
    };
    let group = Some("org.apache.logging.log4j");
    let result = matches(None, vec![java("log4j-core", group)], &feed);
    assert_eq!(found(&result), ["GHSA-1 log4j-core"]);
    // The sibling artefact is not affected by its brother's advisory.
    assert!(matches(None, vec![java("log4j-api", group)], &feed).findings.is_empty());
    let result = matches(None, vec![java("log4j-core", None)], &feed);
    assert!(result.findings.is_empty());
    assert_eq!(codes(&result), ["java_group_unknown"]);
}

#[test]
fn not_affected_rows_work_in_ecosystems_too() {
    // A rebuilder's statement that names no version speaks of all of them.
    let feed = feed(vec![
        row("pypi", "x", "GHSA-1").aliases(&["CVE-1"]),
        row("pypi", "x", "CVE-1").unaffected().versions(&[]),
        row("pypi", "x", "GHSA-2"),
        row("pypi", "x", "GHSA-2").unaffected().versions(&["9.0"]),
    ]);
    let result = matches(None, vec![package(PackageKind::Python, "x", "1.0")], &feed);
    assert_eq!(found(&result), ["GHSA-2 x"]);
    assert_eq!(suppressed(&result), ["not_affected GHSA-1 x"]);
    assert!(result.problems.is_empty());
}

#[test]
fn crates_from_elsewhere_are_not_those_of_crates_io() {
    let feed = feed(vec![row("crates.io", "time", "RUSTSEC-1").fixed("0.2.23")]);
    let check = |origin: Option<&str>, expect: bool| {
        let mut time = package(PackageKind::Rust, "time", "0.2.9");
        time.origin = origin.map(str::to_owned);
        let result = matches(None, vec![time], &feed);
        assert_eq!(!result.findings.is_empty(), expect, "{origin:?}");
        let problems: &[&str] = if expect { &[] } else { &["crate_not_from_crates_io"] };
        assert_eq!(codes(&result), problems, "{origin:?}");
    };
    check(None, true);
    check(Some("crates.io"), true);
    check(Some("local"), false);
    check(Some("git"), false);
    check(Some("registry"), false);
}
