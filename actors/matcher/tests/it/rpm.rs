//! RPM distributions: epochs, modules, rebuilds and their upstream's disclosures.

use kedge_artifact::package::{Package, PackageDetails, PackageKind::Rpm};
use kedge_matcher::{MatchOptions, find_matches};
use kedge_version::EpochPolicy;

use crate::fixture::*;

fn rpm(name: &str, version: &str, epoch: Option<u32>, module: Option<&str>) -> Package {
    let mut package = package(Rpm, name, version);
    let module = module.map(str::to_owned);
    package.details = PackageDetails::Rpm { epoch, module, vendor: String::new() };
    package
}

#[test]
fn almalinux_errata_name_binary_packages() {
    let feed = feed(vec![
        row("almalinux:9", "openssl-libs", "ALSA-2024:1")
            .upstream(&["CVE-1", "CVE-2"])
            .fixed("1:3.0.7-25.el9_3"),
        row("almalinux:9", "openssl", "ALSA-2024:2").fixed("1:3.0.7-25.el9_3"),
    ]);
    let libs = source(rpm("openssl-libs", "1:3.0.7-24.el9", Some(1), Some("")), "openssl", None);
    let result = matches(distro("almalinux", "9.3"), vec![libs.clone()], &feed);
    assert_eq!(found(&result), ["ALSA-2024:1 openssl-libs"], "the row of openssl is not its row");
    assert_eq!(result.findings[0].cves, ["CVE-1", "CVE-2"]);
    assert!(result.findings[0].aliases.is_empty(), "grouped CVEs are no aliases");
    assert_eq!(result.findings[0].why.compared_version, "1:3.0.7-24.el9");

    let by_cve = MatchOptions { by_cve: true, ..MatchOptions::default() };
    let result = find_matches(&sbom(distro("almalinux", "9.3"), vec![libs]), &feed, &by_cve);
    assert_eq!(found(&result), ["CVE-1 openssl-libs", "CVE-2 openssl-libs"]);
    assert_eq!(result.findings[0].aliases, ["ALSA-2024:1"]);
    assert_eq!(result.findings[0].cves, ["CVE-1"]);
    assert_eq!(result.findings[0].why.record, "ALSA-2024:1");
}

#[test]
fn rocky_errata_name_source_packages() {
    let feed = feed(vec![
        row("rocky:8", "java-11-openjdk", "RLSA-1")
            .upstream(&["CVE-1"])
            .fixed("1:11.0.13.0.8-1.el8_4"),
    ]);
    let headless = |release: &str| {
        let version = format!("1:11.0.{release}.0.8-1.el8_4");
        let package = rpm("java-11-openjdk-headless", &version, Some(1), Some(""));
        source(package, "java-11-openjdk", Some(&version[2..]))
    };
    let result = matches(distro("rocky", "8.5"), vec![headless("12")], &feed);
    assert_eq!(found(&result), ["RLSA-1 java-11-openjdk-headless"]);
    assert_eq!(result.findings[0].why.searched_name, "java-11-openjdk");
    assert!(matches(distro("rocky", "8.5"), vec![headless("13")], &feed).findings.is_empty());
}

#[test]
fn a_binary_without_epoch_has_epoch_zero() {
    let feed = feed(vec![row("almalinux:9", "x", "ALSA-1").fixed("1:1.0-1")]);
    let result = matches(distro("almalinux", "9"), vec![rpm("x", "2.0-1", None, None)], &feed);
    assert_eq!(found(&result), ["ALSA-1 x"]);
    assert_eq!(result.findings[0].why.compared_version, "0:2.0-1");
    // An epoch in the purl of an imported SBOM counts (it is the only place left for it).
    let mut imported = package(Rpm, "x", "2.0-1");
    imported.purl = "pkg:rpm/almalinux/x@2.0-1?epoch=2".into();
    assert!(matches(distro("almalinux", "9"), vec![imported], &feed).findings.is_empty());
    // Rows without an epoch are compared without it.
    let feed = crate::fixture::feed(vec![row("almalinux:9", "x", "ALSA-1").fixed("2.0-2")]);
    let result = matches(distro("almalinux", "9"), vec![rpm("x", "2:2.0-1", Some(2), None)], &feed);
    assert_eq!(found(&result), ["ALSA-1 x"]);
}

#[test]
fn a_source_version_without_epoch_is_not_given_one() {
    use kedge_artifact::advisory::Level;
    let feed =
        feed(vec![row("rhel:9", "perl", "CVE-1").level(Level::Source).fixed("4:5.32.1-481.el9")]);
    let escapes = |release: &str| {
        let version = format!("5.32.1-{release}.el9");
        source(rpm("perl-Pod-Escapes", "1:1.07-460.el9", Some(1), None), "perl", Some(&version))
    };
    let check = |release, policy, expect: usize| {
        let sbom = sbom(distro("rhel", "9.2"), vec![escapes(release)]);
        let options = MatchOptions { rpm_epoch: policy, ..MatchOptions::default() };
        assert_eq!(find_matches(&sbom, &feed, &options).findings.len(), expect, "{release}");
    };
    check("480", EpochPolicy::Auto, 1);
    check("481", EpochPolicy::Auto, 0);
    check("481", EpochPolicy::Zero, 1);
}

#[test]
fn modules_must_agree() {
    let check = |row_module: Option<&str>, label: Option<&str>, expect: bool| {
        let mut row = row("almalinux:8", "nodejs", "ALSA-1");
        if let Some(module) = row_module {
            row = row.module(module);
        }
        let package = rpm("nodejs", "1:16.1-1", Some(1), label);
        let result = matches(distro("almalinux", "8.9"), vec![package], &feed(vec![row]));
        assert_eq!(!result.findings.is_empty(), expect, "{row_module:?} {label:?}");
    };
    let label = Some("nodejs:16:8060020220101:ad008a3a");
    check(Some("nodejs:16"), label, true);
    check(Some("nodejs:18"), label, false);
    check(Some("nodejs:1"), label, false);
    check(Some("nodejs:16"), Some(""), false);
    check(Some("nodejs:16"), None, true);
    check(Some(""), label, false);
    check(Some(""), Some(""), true);
    check(None, label, true);
}

#[test]
fn oracle_default_streams_carry_no_label() {
    let feed = feed(vec![row("oracle:8", "nodejs", "ELSA-1").module("nodejs:16")]);
    let package = rpm("nodejs", "1:16.1-1", Some(1), Some(""));
    let result = matches(distro("ol", "8.9"), vec![package], &feed);
    assert_eq!(found(&result), ["ELSA-1 nodejs"]);
}

#[test]
fn rebuilds_take_unfixed_issues_from_their_upstream() {
    let feed = feed(vec![
        // Known to AlmaLinux: its own verdict counts, fixed or open.
        row("almalinux:9", "x", "ALSA-1").upstream(&["CVE-fixed"]).fixed("1.0-1.el9.alma"),
        row("rhel:9", "x", "CVE-fixed").fixed("1.0-2.el9"),
        // Known to RHEL alone.
        row("rhel:9", "x", "CVE-unfixed"),
    ]);
    let x = rpm("x", "1.0-1.el9.alma", None, None);
    let result = matches(distro("almalinux", "9.3"), vec![x.clone()], &feed);
    assert_eq!(found(&result), ["CVE-unfixed x"]);
    assert_eq!(result.findings[0].scope, scope("rhel:9"));
    let covered: Vec<&str> = result.coverage.iter().map(|c| c.scope.as_str()).collect();
    assert_eq!(covered, ["almalinux:9", "rhel:9"]);
    assert!(result.problems.is_empty());
    // CentOS has no feed of its own; Rocky without its own is matched as RHEL.
    for id in ["centos", "rocky"] {
        let result = matches(distro(id, "9"), vec![x.clone()], &feed);
        assert_eq!(found(&result), ["CVE-fixed x", "CVE-unfixed x"], "{id}");
    }
}

#[test]
fn a_rebuild_without_disclosures_says_so() {
    let feed = feed(vec![row("almalinux:9", "x", "ALSA-1").fixed("2-1")]);
    let result = matches(distro("almalinux", "9.3"), vec![rpm("x", "1-1", None, None)], &feed);
    assert_eq!(codes(&result), ["unfixed_issues_unknown"]);
    assert_eq!(result.problems[0].place, "almalinux:9");
}

#[test]
fn the_minor_release_is_preferred_over_the_major() {
    let feed = feed(vec![
        row("sles:15.5", "x", "SUSE-minor").fixed("2-1"),
        row("sles:15", "x", "SUSE-major").fixed("2-1"),
    ]);
    let x = || vec![rpm("x", "1-1", None, None)];
    assert_eq!(found(&matches(distro("sles", "15.5"), x(), &feed)), ["SUSE-minor x"]);
    assert_eq!(found(&matches(distro("sles", "15.4"), x(), &feed)), ["SUSE-major x"]);
}

#[test]
fn kernel_headers_matched_by_their_source_are_taken_back() {
    use kedge_artifact::advisory::Level;
    let feed = feed(vec![row("rhel:9", "kernel", "CVE-1").level(Level::Source)]);
    let of_kernel = |name: &str| source(rpm(name, "5.14.0-1.el9", None, None), "kernel", None);
    let packages = vec![of_kernel("kernel-core"), of_kernel("kernel-headers")];
    let result = matches(distro("rhel", "9"), packages, &feed);
    assert_eq!(found(&result), ["CVE-1 kernel-core"]);
    assert_eq!(suppressed(&result), ["kernel_headers CVE-1 kernel-headers"]);
}
