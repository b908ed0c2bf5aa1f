//! Rows from each scheme's public specification or manual: an ascending list per scheme, and
//! groups of equal spellings.

use kedge_version::Scheme;
use std::cmp::Ordering;

/// Every earlier entry is older than every later one; also a check of transitivity.
fn ascending(scheme: Scheme, versions: &[&str]) {
    for (i, a) in versions.iter().enumerate() {
        for (j, b) in versions.iter().enumerate() {
            let found = scheme.compare(a, b).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(found, i.cmp(&j), "{scheme}: {a} against {b}");
        }
    }
}

fn equal(scheme: Scheme, versions: &[&str]) {
    for a in versions {
        for b in versions {
            let found = scheme.compare(a, b).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(found, Ordering::Equal, "{scheme}: {a} against {b}");
        }
    }
}

fn invalid(scheme: Scheme, versions: &[&str]) {
    for version in versions {
        assert!(scheme.validate(version).is_err(), "{scheme}: {version:?} must be refused");
    }
}

#[test]
fn deb() {
    // deb-version(7): "~~, ~~a, ~, the empty part, a", then epochs and revisions.
    ascending(
        Scheme::Deb,
        &[
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0~rc1-1",
            "1.0",
            "1.0-0.1",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb12u1",
            "1.0-1+deb12u2",
            "1.0-1+deb12u10",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.0.1-1",
            "1.2-1",
            "1.10-1",
            "1:0.1-1",
            "2:0",
        ],
    );
    equal(Scheme::Deb, &["0:1.0-0", "1.0", "1.0-0", "0:1.00-00", " 1.0 "]);
    equal(Scheme::Deb, &["1.2.3-4-5", "0:1.2.3-4-5"]);
    invalid(Scheme::Deb, &["", ":1", "a:1", "1:", "1-", "1 2", "1.0\u{e9}", "-1", "-1:1"]);
}

#[test]
fn rpm() {
    ascending(
        Scheme::Rpm,
        &[
            "1.0~~",
            "1.0~rc1-1",
            "1.0~rc1^git1-1",
            "1.0-1",
            "1.0-1.el9",
            "1.0-1.el9_2",
            "1.0-2",
            "1.0^20240101-1",
            "1.0a-1",
            "1.0.a-2",
            "1.0.1-1",
            "1.1-1",
            "1.10-1",
            "2.0-1",
            "2.0.1a-1",
            "20101121-1",
        ],
    );
    equal(Scheme::Rpm, &["1.0_1-1", "1.0.1-1", "1.0+1-1", "1.00.1-01", "(none):1.0.1-1"]);
    // Missing epochs are not compared by default; written ones are.
    assert_eq!(Scheme::Rpm.compare("1:1.0-1", "2.0-1"), Ok(Ordering::Less));
    assert_eq!(Scheme::Rpm.compare("1:1.0-1", "0:2.0-1"), Ok(Ordering::Greater));
    let zero = kedge_version::Options { rpm_epoch: kedge_version::EpochPolicy::Zero };
    assert_eq!(Scheme::Rpm.compare_with("1:1.0-1", "2.0-1", zero), Ok(Ordering::Greater));
    assert_eq!(Scheme::Rpm.compare_with("0:1.0-1", "1.0-1", zero), Ok(Ordering::Equal));
    assert_eq!(kedge_version::rpm::epoch("2:1.0-1"), Some("2"));
    assert_eq!(kedge_version::rpm::epoch("1.0-1"), None);
    invalid(Scheme::Rpm, &["", "1.0 1", "-1", "1:"]);
}

#[test]
fn apk() {
    ascending(
        Scheme::Apk,
        &[
            "0.1.0_alpha",
            "0.1.0_alpha2",
            "0.1.0_beta1",
            "0.1.0_pre2",
            "0.1.0_rc1",
            "0.1.0",
            "0.1.0-r0",
            "0.1.0-r1",
            "0.1.0-r10",
            "0.1.0_cvs1",
            "0.1.0_git20200101",
            "0.1.0_p1",
            "0.1.0_p1-r1",
            "0.1.0_p2",
            "0.1.0a",
            "0.1.0b-r3",
            "0.1.0.1",
            "0.1.01",
            "0.1.1",
            "0.1.9",
            "0.1.10",
            "1.0",
            "10",
        ],
    );
    ascending(
        Scheme::Apk,
        &["6.0_rc1_alpha", "6.0_rc1", "6.0_rc1_git1", "6.0_rc2", "6.0", "6.0_p1_p1"],
    );
    equal(Scheme::Apk, &["1.2.3-r01", "1.2.3-r1"]);
    assert_eq!(kedge_version::apk::without_revision("1.2_rc1-r3"), "1.2_rc1");
    assert_eq!(kedge_version::apk::without_revision("1.2-rX"), "1.2-rX");
    invalid(Scheme::Apk, &["", "a", "1.", "1_foo", "1-r", "1-1", "1.0bc"]);
    invalid(Scheme::Apk, &["1.2-r1x", ".1", "1..2"]);
}

#[test]
fn semver() {
    // semver.org §11.
    ascending(
        Scheme::Semver,
        &[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2",
            "1.10",
            "2.0.0",
            "2.0.0.1",
        ],
    );
    equal(Scheme::Semver, &["1.0.0", "v1", "1.0", "=1.0.0", "1.0.0+build.7", "01.0.0.0"]);
    equal(Scheme::Semver, &["1.0.0-rc1", "1.0.0rc1", "1.0.0.rc1"]);
    invalid(Scheme::Semver, &["", "v", "latest", "1.", "1..2", "1.0-", "1.0-a b", "x1"]);
    for good in ["0.0.0", "1.2.3-0.a-b.9+00.x", "1.0.0--"] {
        assert_eq!(kedge_version::semver::validate_strict(good), Ok(()), "{good}");
    }
    for bad in
        ["1.0", "v1.0.0", "01.0.0", "1.0.0-01", "1.0.0-a..b", "1.0.0+", "1.0.0-a_b", " 1.0.0"]
    {
        assert!(kedge_version::semver::validate_strict(bad).is_err(), "{bad}");
    }
}

#[test]
fn pep440() {
    ascending(
        Scheme::Pep440,
        &[
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1.10",
            "1!0.1",
        ],
    );
    equal(Scheme::Pep440, &["1.0", "v1.0", "1", "1.0.0", "0!1.0", "1.00"]);
    equal(Scheme::Pep440, &["1.0a1", "1.0-ALPHA.1", "1.0_alpha1", "1.0.a.1"]);
    equal(Scheme::Pep440, &["1.0rc1", "1.0c1", "1.0-preview-1", "1.0pre1"]);
    equal(Scheme::Pep440, &["1.0.post1", "1.0-1", "1.0-r1", "1.0.rev1", "1.0post1"]);
    equal(Scheme::Pep440, &["1.0.dev0", "1.0dev", "1.0-dev"]);
    equal(Scheme::Pep440, &["1.0+ubuntu-1", "1.0+Ubuntu.1", "1.0+ubuntu_1"]);
    invalid(Scheme::Pep440, &["", "1.0x", "french toast", "1.0+", "1.0+a..b", "1.", "a!1", "1.0-"]);
}

#[test]
fn maven() {
    ascending(
        Scheme::Maven,
        &[
            "1-alpha2snapshot",
            "1-alpha2",
            "1-alpha-123",
            "1-beta-2",
            "1-beta123",
            "1-m2",
            "1-m11",
            "1-rc",
            "1-cr2",
            "1-rc123",
            "1-SNAPSHOT",
            "1",
            "1-sp",
            "1-sp2",
            "1-sp123",
            "1-abc",
            "1-def",
            "1-pom-1",
            "1-1-snapshot",
            "1-1",
            "1-2",
            "1-123",
            "1.1",
            "1.2",
            "1.10",
        ],
    );
    ascending(Scheme::Maven, &["2.0", "2.0.a", "2-1", "2.0.2", "2.0.123", "2.1.0", "2.1-1"]);
    ascending(Scheme::Maven, &["6.1.0rc3", "6.1.0", "6.1H.5-beta"]);
    ascending(
        Scheme::Maven,
        &["1.0.0.RC1", "1.0.0-RC2", "2.0.0.Final", "31.1-android", "31.1-jre"],
    );
    ascending(Scheme::Maven, &["20190126.230843", "1234567890.12345", "123456789012345.1H.5-beta"]);
    equal(Scheme::Maven, &["1", "1.0", "1.0.0", "1-0", "1.0-0", "1-ga", "1.final", "1.RELEASE"]);
    equal(Scheme::Maven, &["1x", "1-x", "1.x", "1.0.0x", "1X"]);
    equal(Scheme::Maven, &["1a1", "1-alpha-1", "1-Alpha1", "1.0-a1"]);
    invalid(Scheme::Maven, &["", "  ", "1\n2"]);
}

#[test]
fn go() {
    ascending(
        Scheme::Go,
        &[
            "v0.0.0-20210101000000-abcdefabcdef",
            "v0.0.0-20220101000000-0123456789ab",
            "v0.0.1",
            "v1.2.3-0.20240101000000-abcdefabcdef",
            "v1.2.3-rc.1",
            "v1.2.3",
            "v1.2.4-0.20240101000000-abcdefabcdef",
            "v2.0.0+incompatible",
            "v10.0.0",
        ],
    );
    ascending(Scheme::Go, &["go1.20", "go1.21rc2", "go1.21rc10", "go1.21.0", "go1.21.3"]);
    equal(Scheme::Go, &["go1.22rc1", "1.22.0-rc.1", "v1.22-rc1"]);
    equal(Scheme::Go, &["v1.2.0", "1.2", "go1.2", "v1.2.0+incompatible", "go1.2 X:boringcrypto"]);
    assert!(kedge_version::go::is_untagged_pseudo("v0.0.0-20210101000000-abcdefabcdef"));
    assert!(!kedge_version::go::is_untagged_pseudo("v1.2.3-0.20210101000000-abcdefabcdef"));
    assert!(!kedge_version::go::is_untagged_pseudo("v0.0.0-rc1"));
    invalid(Scheme::Go, &["", "(devel)", "devel", "v", "1.2.3.4", "go"]);
}

#[test]
fn gem() {
    ascending(
        Scheme::Gem,
        &[
            "0.9",
            "1.0.a",
            "1.0.a.2",
            "1.0.a10",
            "1.0.b1",
            "1.0.rc1",
            "1.0",
            "1.0.1.beta",
            "1.0.1",
            "1.2",
            "1.10",
        ],
    );
    equal(Scheme::Gem, &["1", "1.0", "1.0.0", "1.00"]);
    equal(Scheme::Gem, &["1.2.3", "1.2.3-x86_64-linux", "1.2.3-java", "1.2.3-arm64-darwin"]);
    equal(Scheme::Gem, &["1.0-1", "1.0.pre.1"]);
    invalid(Scheme::Gem, &["", "junk", "1..2", "1.2_3", "1.", "-1"]);
}

#[test]
fn fuzzy() {
    ascending(
        Scheme::Fuzzy,
        &["1.0alpha1", "1.0beta1", "1.0rc1", "1.0", "1.0-post1", "1.0.1", "1.0a", "1.1", "1.10"],
    );
    equal(Scheme::Fuzzy, &["v1.0", "1.0.0", "release-1.0", "1"]);
    ascending(Scheme::Fuzzy, &["1.0.2", "1.0.2a", "1.0.2u", "1.0.3"]);
    ascending(Scheme::Fuzzy, &["8", "8u202", "8u211", "9"]);
    invalid(Scheme::Fuzzy, &["", "unknown", "(devel)", "latest"]);
}
