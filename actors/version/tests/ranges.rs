//! Events ranges, range texts, and what must be refused.

use kedge_version::limits::{COMPARATORS_MAX, RANGE_BYTES_MAX};
use kedge_version::npm::{self, Prereleases};
use kedge_version::{EpochPolicy, Options, Scheme, VersionError, constraint, ranges};

#[test]
fn events_follow_the_osv_schema() {
    let check = |version, introduced, fixed, last, expect: bool| {
        let found = ranges::contains(Scheme::Semver, version, introduced, fixed, last);
        assert_eq!(found, Ok(expect), "{version} in {introduced:?} {fixed:?} {last:?}");
    };
    check("0.1.0-a", Some("0"), Some("1.0.0"), None, true);
    check("1.0.0", Some("0"), Some("1.0.0"), None, false);
    check("1.0.0-rc.1", None, Some("1.0.0"), None, true);
    check("1.0.0", Some("1.0.0"), Some("2.0.0"), None, true);
    check("0.9.9", Some("1.0.0"), None, None, false);
    check("9.9.9", Some("1.0.0"), None, None, true);
    check("1.5.0", Some("1.0.0"), None, Some("1.5.0"), true);
    check("1.5.1", Some("1.0.0"), None, Some("1.5.0"), false);
    check("1.5.1", None, None, None, true);
    // `fixed` wins: the record's own last_affected is not to widen it.
    check("1.5.0", None, Some("1.5.0"), Some("1.5.0"), false);
}

#[test]
fn unreadable_versions_are_errors_even_in_open_ranges() {
    assert!(ranges::contains(Scheme::Semver, "latest", None, None, None).is_err());
    assert!(ranges::contains(Scheme::Semver, "1.0.0", Some("0"), Some("soon"), None).is_err());
    assert!(ranges::contains(Scheme::Deb, "1.0", None, Some(""), None).is_err());
    assert!(ranges::same(Scheme::Semver, "1.0.0", "latest").is_err());
}

#[test]
fn python_local_builds_count_as_their_public_version() {
    let last = |v| ranges::contains(Scheme::Pep440, v, None, None, Some("2.0.0"));
    assert_eq!(last("2.0.0+cu118"), Ok(true));
    assert_eq!(last("2.0.1+cu118"), Ok(false));
    assert_eq!(ranges::same(Scheme::Pep440, "2.0.0+cu118", "2.0"), Ok(true));
    assert_eq!(ranges::same(Scheme::Pep440, "2.0.0+cu118", "2.0+cu117"), Ok(false));
}

#[test]
fn epoch_policy_reaches_ranges() {
    let zero = Options { rpm_epoch: EpochPolicy::Zero };
    let bounds = (None, Some("1:2.0-1"), None);
    let contains = |options| ranges::contains_with(Scheme::Rpm, options, "3.0-1", bounds);
    assert_eq!(contains(Options::default()), Ok(false));
    assert_eq!(contains(zero), Ok(true));
}

#[test]
fn node_semver_ranges() {
    let check = |range: &str, inside: &[&str], outside: &[&str]| {
        for version in inside {
            let found = npm::satisfies(version, range, Prereleases::SameTuple);
            assert_eq!(found, Ok(true), "{version} in {range:?}");
        }
        for version in outside {
            let found = npm::satisfies(version, range, Prereleases::SameTuple);
            assert_eq!(found, Ok(false), "{version} not in {range:?}");
        }
    };
    // The tables of the semver package's documentation.
    check("1.2.3 - 2.3.4", &["1.2.3", "2.3.4"], &["1.2.2", "2.3.5"]);
    check("1.2 - 2.3", &["1.2.0", "2.3.99"], &["2.4.0", "1.1.9"]);
    check("1.2.3 - 2", &["2.99.0"], &["3.0.0", "3.0.0-a"]);
    check("*", &["0.0.0", "9.0.0"], &["1.0.0-a"]);
    check("", &["1.2.3"], &["1.2.3-a"]);
    check("1.x", &["1.0.0", "1.9.9"], &["2.0.0", "0.9.9", "2.0.0-a"]);
    check("1.2.*", &["1.2.0", "1.2.9"], &["1.3.0"]);
    check("1", &["1.5.0"], &["2.0.0"]);
    check("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]);
    check("~1.2", &["1.2.0"], &["1.3.0"]);
    check("~1", &["1.9.0"], &["2.0.0"]);
    check("~> 1.2.3", &["1.2.9"], &["1.3.0"]);
    check("~1.2.3-beta.2", &["1.2.3-beta.4", "1.2.3"], &["1.2.4-beta.2", "1.2.3-beta.1"]);
    check("^1.2.3", &["1.2.3", "1.9.9"], &["2.0.0", "2.0.0-0"]);
    check("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0"]);
    check("^0.0.3", &["0.0.3"], &["0.0.4", "0.0.2"]);
    check("^1.2.3-beta.2", &["1.2.3-beta.2", "1.5.0"], &["1.2.4-beta.2"]);
    check("^0.0.x", &["0.0.9"], &["0.1.0"]);
    check("^0.x", &["0.9.9"], &["1.0.0"]);
    check("^1.x", &["1.0.0"], &["2.0.0"]);
    check(">1", &["2.0.0"], &["1.9.9"]);
    check(">1.2", &["1.3.0"], &["1.2.9"]);
    check("<=1", &["1.9.9"], &["2.0.0"]);
    check("<=1.2", &["1.2.9"], &["1.3.0"]);
    check("<1.2", &["1.1.9"], &["1.2.0"]);
    check(">*", &[], &["1.0.0"]);
    check(">=1.2.3 <2.0.0 || >= 3", &["1.2.3", "3.0.1"], &["2.0.0", "1.0.0"]);
    check(">= 1.0, < 2.0", &["1.5.0"], &["2.0.0"]);
    check("== 1.5.0", &["1.5.0", "v1.5.0"], &["1.5.1"]);
    check(">1.2.3-alpha.3", &["1.2.3-alpha.7", "3.4.5"], &["3.4.5-alpha.9"]);
    check(">=1.0.0<2.0.0", &["1.0.0"], &["2.0.0"]);
    check(
        "^999999999999999999999.0.0",
        &["999999999999999999999.1.0"],
        &["1000000000000000000000.0.0"],
    );
}

#[test]
fn advisories_do_not_miss_pre_releases() {
    let check = |v, range, expect| {
        assert_eq!(constraint::satisfies(Scheme::Npm, v, range), Ok(expect), "{v} in {range}");
    };
    check("2.0.0-beta.1", "< 2.0.0", true);
    check("2.0.0-beta.1", ">= 1.0.0, < 2.0.0", true);
    check("2.0.0", "< 2.0.0", false);
    check("1.0.0-a", "1.x", true);
    check("2.0.0-beta.1", "^1.0.0", false);
}

#[test]
fn range_texts_of_the_other_schemes() {
    let check = |scheme: Scheme, v: &str, range: &str, expect: bool| {
        let found = constraint::satisfies(scheme, v, range);
        assert_eq!(found, Ok(expect), "{scheme}: {v} in {range}");
    };
    check(Scheme::Deb, "1.0~rc1-1", "< 1.0-1", true);
    check(Scheme::Deb, "1.0~rc1-1", "= 1.0~rc1-1", true);
    check(Scheme::Rpm, "1.0-1", ">= 1.0-1, != 1.0-2", true);
    check(Scheme::Apk, "1.2-r3", "< 1.2-r3 || = 1.2-r4", false);
    check(Scheme::Pep440, "1.4.2", "~=1.4.0", true);
    check(Scheme::Pep440, "1.5.0", "~=1.4.0", false);
    check(Scheme::Pep440, "1.5", "~=1.4", true);
    check(Scheme::Pep440, "1.4.9", "==1.4.*", true);
    check(Scheme::Pep440, "1!1.4", "==1.4.*", false);
    check(Scheme::Pep440, "1!1.4", "==1!1.4.*", true);
    check(Scheme::Pep440, "1.4.9", "!=1.4.*,>1", false);
    check(Scheme::Pep440, "1.0+local", "==1.0", true);
    check(Scheme::Gem, "2.3.9", "~> 2.3.1", true);
    check(Scheme::Gem, "2.4", "~> 2.3.1", false);
    check(Scheme::Gem, "2.9", "~> 2.3", true);
    check(Scheme::Gem, "3.0.a", "~> 2.3", false);
    check(Scheme::Maven, "1.5", "[1.0,2.0)", true);
    check(Scheme::Maven, "2.0", "[1.0,2.0)", false);
    check(Scheme::Maven, "1.0", "(1.0,2.0]", false);
    check(Scheme::Maven, "2.5", "(,1.0],[2.5]", true);
    check(Scheme::Maven, "1.5", ">= 1.0, < 2.0", true);
    check(Scheme::Semver, "1.9.0", "^1.2", true);
    check(Scheme::Go, "v1.2.3", ">= 1.2.0, < 1.2.4", true);
    check(Scheme::Fuzzy, "3.1a", "*", true);
}

#[test]
fn bad_ranges_are_refused_not_guessed() {
    for (scheme, range) in [
        (Scheme::Semver, ""),
        (Scheme::Semver, "> 1 ||"),
        (Scheme::Semver, ">="),
        (Scheme::Semver, "< latest"),
        (Scheme::Deb, "^1.0"),
        (Scheme::Deb, "=1.*"),
        (Scheme::Pep440, "~=1"),
        (Scheme::Pep440, ">1.*"),
        (Scheme::Maven, "[1.0"),
        (Scheme::Maven, "(1.0]"),
        (Scheme::Maven, "[]"),
        (Scheme::Maven, "[1,2] x"),
        (Scheme::Npm, "!1.0.0"),
        (Scheme::Npm, "1.2.3.4"),
        (Scheme::Npm, ">> 1"),
        (Scheme::Npm, "latest"),
        // The first comparator decides, but the second is broken and must be told.
        (Scheme::Semver, "> 9, < soon"),
    ] {
        assert!(constraint::satisfies(scheme, "1.0", range).is_err(), "{scheme} {range:?}");
    }
}

#[test]
fn limits_name_themselves() {
    let long = "1".repeat(RANGE_BYTES_MAX + 1);
    let error = constraint::satisfies(Scheme::Semver, "1.0", &long).unwrap_err();
    assert!(error.to_string().contains("RANGE_BYTES_MAX"), "{error}");
    assert!(matches!(error, VersionError::RangeTooLong { .. }));
    for scheme in [Scheme::Semver, Scheme::Npm] {
        let many = ">1 ".repeat(COMPARATORS_MAX + 1);
        let error = constraint::satisfies(scheme, "1.0", &many).unwrap_err();
        assert!(error.to_string().contains("COMPARATORS_MAX"), "{error}");
    }
    let error = Scheme::Deb.validate(&"1".repeat(1 << 20)).unwrap_err();
    assert!(error.to_string().contains("VERSION_BYTES_MAX"), "{error}");
    let error = Scheme::Go.validate(&"x".repeat(1000)).unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}
