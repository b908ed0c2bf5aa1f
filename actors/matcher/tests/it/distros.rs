//! Debian, Ubuntu, Alpine: source packages, releases, not-affected rows, the kernel.

use kedge_artifact::advisory::{FixState, Level, Verdict, VulnerabilityStatus};
use kedge_artifact::finding::MatchRule;
use kedge_artifact::package::PackageKind::{Apk, Deb};
use kedge_matcher::{MatchOptions, find_matches};

use crate::fixture::*;

#[test]
fn a_binary_package_is_found_through_its_source_and_says_why() {
    let libssl = source(package(Deb, "libssl3", "3.0.11-1~deb12u2"), "openssl", None);
    let feed = feed(vec![row("debian:12", "openssl", "CVE-1").fixed("3.0.13-1~deb12u1")]);
    let result = matches(distro("debian", "12"), vec![libssl], &feed);
    assert_eq!(found(&result), ["CVE-1 libssl3"]);
    let finding = &result.findings[0];
    assert_eq!(finding.why.rule, MatchRule::DistroSource);
    assert_eq!(finding.why.searched_name, "openssl");
    assert_eq!(finding.why.compared_version, "3.0.11-1~deb12u2");
    assert_eq!(finding.why.scheme, "deb");
    assert_eq!(finding.why.range, "< 3.0.13-1~deb12u1");
    assert_eq!(finding.why.record, "CVE-1");
    assert_eq!(finding.scope, scope("debian:12"));
    assert_eq!(finding.driver, "test");
    assert_eq!(finding.path, "/where/libssl3");
    assert_eq!(finding.fix.state, FixState::Fixed);
    assert_eq!(finding.fix.versions, ["3.0.13-1~deb12u1"]);
    assert_eq!(result.generation, "test-generation");
    assert!(result.problems.is_empty(), "{:?}", result.problems);
}

#[test]
fn the_source_version_is_compared_not_the_binary_one() {
    // perl-Pod-Escapes 1.04 of perl 5.36: comparing 1.04 with a fix in 5.16 would be wrong.
    let escapes = source(package(Deb, "libpod-escapes", "1:1.04-3"), "perl", Some("5.36.0-7"));
    let feed = feed(vec![
        row("debian:12", "perl", "CVE-old").fixed("5.16.0-1"),
        row("debian:12", "perl", "CVE-new").fixed("5.36.0-8"),
    ]);
    let result = matches(distro("debian", "12"), vec![escapes], &feed);
    assert_eq!(found(&result), ["CVE-new libpod-escapes"]);
    assert_eq!(result.findings[0].why.compared_version, "5.36.0-7");
}

#[test]
fn rows_about_sources_and_binaries_do_not_cross() {
    // The binary package "linux" is not the source package of that name, and the reverse.
    let tool = source(package(Deb, "tool", "1.0-1"), "tool-source", None);
    let feed = feed(vec![
        row("debian:12", "tool", "CVE-source").level(Level::Source),
        row("debian:12", "tool", "CVE-binary").level(Level::Binary),
        row("debian:12", "tool-source", "CVE-other").level(Level::Binary),
    ]);
    let result = matches(distro("debian", "12"), vec![tool], &feed);
    assert_eq!(found(&result), ["CVE-binary tool"]);
    assert_eq!(result.findings[0].why.rule, MatchRule::Distro);
}

#[test]
fn no_release_falls_to_another() {
    let feed = feed(vec![row("debian:11", "curl", "CVE-1"), row("alpine:3.18", "curl", "CVE-2")]);
    for (id, version, kind, label) in
        [("debian", "12", Deb, "debian:12"), ("alpine", "3.19.1", Apk, "alpine:3.19")]
    {
        let result = matches(distro(id, version), vec![package(kind, "curl", "1-r1")], &feed);
        assert!(result.findings.is_empty());
        assert_eq!(codes(&result), ["advisory_data_missing"]);
        assert_eq!(result.problems[0].place, label);
        assert_eq!(result.coverage[0].scope, label);
        assert_eq!(result.coverage[0].fetched, None);
    }
}

#[test]
fn ubuntu_and_derivatives_that_keep_the_codename() {
    let feed = feed(vec![row("ubuntu:22.04", "bash", "UBUNTU-CVE-1").upstream(&["CVE-1"])]);
    let mut neon = distro("neon", "22.04");
    if let Some(distro) = &mut neon {
        distro.codename = "jammy".into();
        distro.id_like = vec!["ubuntu".into(), "debian".into()];
    }
    for distro in [distro("ubuntu", "22.04"), neon] {
        let result = matches(distro, vec![package(Deb, "bash", "5.1-6")], &feed);
        assert_eq!(found(&result), ["UBUNTU-CVE-1 bash"]);
        assert_eq!(result.findings[0].aliases, ["CVE-1"]);
        assert_eq!(result.findings[0].cves, ["CVE-1"]);
    }
}

#[test]
fn alpine_not_affected_rows_remove_the_match() {
    let feed = feed(vec![
        row("alpine:3.19", "busybox", "CVE-fixed").fixed("1.36.1-r5"),
        row("alpine:3.19", "busybox", "CVE-open").fixed("1.36.1-r20"),
        row("alpine:3.19", "busybox", "CVE-nak"),
        row("alpine:3.19", "busybox", "CVE-nak").unaffected(),
    ]);
    let applet = source(package(Apk, "ssl_client", "1.36.1-r15"), "busybox", None);
    let result = matches(distro("alpine", "3.19.1"), vec![applet], &feed);
    assert_eq!(found(&result), ["CVE-open ssl_client"]);
    assert_eq!(suppressed(&result), ["not_affected CVE-nak ssl_client"]);
    assert!(!result.suppressed[0].reason.is_empty());
    // Alpine's data does not list what is unfixed; the result says so.
    assert_eq!(codes(&result), ["unfixed_issues_unknown"]);
}

#[test]
fn not_affected_reaches_aliases_and_respects_ranges() {
    let feed = feed(vec![
        row("debian:12", "x", "CVE-1"),
        row("debian:12", "x", "DSA-1").aliases(&["CVE-1"]).unaffected(),
        row("debian:12", "x", "CVE-2"),
        row("debian:12", "x", "CVE-2").range(Some("2"), None, None).unaffected(),
        row("debian:12", "x", "CVE-3").edit(|_, row| row.ranges.clear()),
        row("debian:12", "x", "CVE-3").unaffected().edit(|_, row| row.ranges.clear()),
    ]);
    let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed);
    assert_eq!(found(&result), ["CVE-2 x"], "the row for 2 and later does not speak of 1-1");
    assert_eq!(suppressed(&result), ["not_affected CVE-1 x", "not_affected CVE-3 x"]);
}

#[test]
fn undecided_rows_are_shown_apart_and_give_way_to_decided_ones() {
    let feed = feed(vec![
        row("debian:12", "x", "CVE-1").verdict(Verdict::UnderInvestigation),
        row("debian:12", "x", "CVE-2").verdict(Verdict::UnderInvestigation),
        row("debian:12", "x", "CVE-2"),
    ]);
    let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed);
    assert_eq!(found(&result), ["CVE-2 x"]);
    assert_eq!(suppressed(&result), ["under_investigation CVE-1 x"]);
}

#[test]
fn withdrawn_and_rejected_never_match_and_never_clear() {
    let feed = feed(vec![
        row("debian:12", "x", "CVE-withdrawn").withdrawn(),
        row("debian:12", "x", "CVE-rejected").status(VulnerabilityStatus::Rejected),
        row("debian:12", "x", "CVE-disputed").status(VulnerabilityStatus::Disputed),
        row("debian:12", "x", "CVE-disputed").unaffected().withdrawn(),
    ]);
    let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed);
    assert_eq!(found(&result), ["CVE-disputed x"]);
    assert!(result.suppressed.is_empty());
}

#[test]
fn wont_fix_and_deferred_match_with_their_state() {
    let feed = feed(vec![
        row("debian:12", "x", "CVE-1").state(FixState::WontFix),
        row("debian:12", "x", "CVE-2").state(FixState::Deferred),
        row("debian:12", "x", "CVE-3").state(FixState::NotFixed),
    ]);
    let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed);
    let states: Vec<FixState> = result.findings.iter().map(|f| f.fix.state).collect();
    assert_eq!(states, [FixState::WontFix, FixState::Deferred, FixState::NotFixed]);
}

#[test]
fn kernel_headers_are_taken_back_but_the_kernel_is_not() {
    let of_linux = |name: &str| source(package(Deb, name, "6.1.76-1"), "linux", None);
    let packages = vec![
        of_linux("linux-headers-6.1.0-18-amd64"),
        of_linux("linux-image-6.1.0-18-amd64"),
        of_linux("linux-kbuild-6.1"),
        of_linux("linux-libc-dev"),
        of_linux("linux-perf"),
    ];
    let feed = feed(vec![row("debian:12", "linux", "CVE-1")]);
    let result = matches(distro("debian", "12"), packages, &feed);
    assert_eq!(found(&result), ["CVE-1 linux-image-6.1.0-18-amd64", "CVE-1 linux-perf"]);
    assert_eq!(
        suppressed(&result),
        [
            "kernel_headers CVE-1 linux-headers-6.1.0-18-amd64",
            "kernel_headers CVE-1 linux-kbuild-6.1",
            "kernel_headers CVE-1 linux-libc-dev",
        ]
    );
}

#[test]
fn architecture_rows_apply_to_their_architecture_only() {
    let mut amd = package(Deb, "x", "1-1");
    amd.architecture = Some("amd64".into());
    let mut all = package(Deb, "y", "1-1");
    all.architecture = Some("all".into());
    let rows = |name: &str| {
        [
            row("debian:12", name, "CVE-arm").architecture("arm64"),
            row("debian:12", name, "CVE-amd").architecture("x86_64"),
        ]
    };
    let feed = feed([rows("x"), rows("y")].concat());
    let result = matches(distro("debian", "12"), vec![amd, all], &feed);
    assert_eq!(found(&result), ["CVE-amd x", "CVE-amd y", "CVE-arm y"]);
}

#[test]
fn subscribed_channels_change_fixes_but_disclose_nothing() {
    let feed = feed(vec![
        row("ubuntu:18.04", "x", "CVE-1").state(FixState::WontFix),
        row("ubuntu:18.04", "x", "CVE-2").state(FixState::WontFix),
        row("ubuntu:18.04+esm", "x", "CVE-1").fixed("1-1+esm1"),
        row("ubuntu:18.04+esm", "x", "CVE-2").fixed("1-1+esm3"),
        row("ubuntu:18.04+esm", "x", "CVE-3").fixed("1-1+esm3"),
    ]);
    let sbom = sbom(distro("ubuntu", "18.04"), vec![package(Deb, "x", "1-1+esm2")]);
    let options = MatchOptions { channels: vec!["esm".into()], ..MatchOptions::default() };
    let result = find_matches(&sbom, &feed, &options);
    assert_eq!(found(&result), ["CVE-2 x"]);
    assert_eq!(result.findings[0].fix.state, FixState::Fixed);
    assert_eq!(result.findings[0].fix.versions, ["1-1+esm3"]);
    assert_eq!(suppressed(&result), ["fixed_in_channel CVE-1 x"]);
    // Without the subscription the base alone speaks.
    let result = find_matches(&sbom, &feed, &MatchOptions::default());
    assert_eq!(found(&result), ["CVE-1 x", "CVE-2 x"]);
    assert_eq!(result.findings[1].fix.state, FixState::WontFix);
}
