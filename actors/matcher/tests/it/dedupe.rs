//! Clusters of aliases, who speaks for them, severity, EPSS and KEV.

use kedge_artifact::advisory::{FixState, Link, SeverityRank, SeverityScheme};
use kedge_artifact::package::PackageKind::{Deb, Npm, Python};
use kedge_matcher::{MatchOptions, find_matches};

use crate::fixture::*;

#[test]
fn one_finding_per_alias_cluster_spoken_for_by_the_ecosystem_database() {
    let feed = feed(vec![
        row("pypi", "x", "GHSA-1").aliases(&["CVE-1"]).fixed("2.0"),
        row("pypi", "x", "CVE-1").fixed("2.0"),
        row("pypi", "x", "PYSEC-1").aliases(&["CVE-1"]).edit(|record, _| record.summary.clear()),
        row("pypi", "x", "GHSA-2").aliases(&["CVE-2"]),
    ]);
    let result = matches(None, vec![package(Python, "x", "1.0")], &feed);
    assert_eq!(found(&result), ["GHSA-2 x", "PYSEC-1 x"]);
    let finding = &result.findings[1];
    assert_eq!(finding.aliases, ["CVE-1", "GHSA-1"]);
    assert_eq!(finding.cves, ["CVE-1"]);
    assert_eq!(finding.why.related, ["CVE-1", "GHSA-1"]);
    // What the speaker leaves out, the related records lend.
    assert_eq!(finding.summary, "summary of GHSA-1");
    assert_eq!(finding.fix.state, FixState::Fixed);
    assert_eq!(finding.fix.versions, ["2.0"]);
}

#[test]
fn the_same_record_in_several_rows_is_one_finding() {
    let feed = feed(vec![
        row("npm", "x", "GHSA-1").range(Some("1.0.0"), Some("1.5.0"), None),
        row("npm", "x", "GHSA-1").range(None, Some("3.0.0"), None),
    ]);
    let result = matches(None, vec![package(Npm, "x", "1.0.0")], &feed);
    assert_eq!(found(&result), ["GHSA-1 x"]);
    assert!(result.findings[0].why.related.is_empty());
}

#[test]
fn records_that_group_several_cves_do_not_glue_them_together() {
    let feed = feed(vec![
        row("debian:12", "x", "DSA-1").upstream(&["CVE-1", "CVE-2"]),
        row("debian:12", "x", "CVE-1"),
        row("debian:12", "x", "CVE-2"),
        row("debian:12", "x", "CVE-1").unaffected(),
    ]);
    let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed);
    assert_eq!(found(&result), ["CVE-2 x", "DSA-1 x"]);
    assert_eq!(suppressed(&result), ["not_affected CVE-1 x"]);
    // By CVE, the group is taken apart and the taken-back one stays back.
    let sbom = sbom(distro("debian", "12"), vec![package(Deb, "x", "1-1")]);
    let options = MatchOptions { by_cve: true, ..MatchOptions::default() };
    let result = find_matches(&sbom, &feed, &options);
    assert_eq!(found(&result), ["CVE-2 x"]);
    assert_eq!(suppressed(&result), ["not_affected CVE-1 x"]);
}

#[test]
fn severity_prefers_the_vendor_word_then_newer_cvss_then_others_before_nvd() {
    use SeverityRank::*;
    use SeverityScheme::*;
    let check = |statements: &[(SeverityScheme, SeverityRank, &str)], expect: SeverityRank| {
        let mut row = row("debian:12", "x", "CVE-1");
        for (scheme, rank, source) in statements {
            row = row.severity(*scheme, *rank, source);
        }
        let feed = feed(vec![row]);
        let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed);
        assert_eq!(result.findings[0].severity, expect, "{statements:?}");
    };
    check(&[], Unknown);
    check(&[(Cvss31, Critical, "nvd"), (Word, Low, "debian")], Low);
    check(&[(Cvss2, Low, "nvd"), (Cvss31, High, "nvd"), (Cvss40, Medium, "nvd")], Medium);
    check(&[(Cvss30, Low, "x"), (Cvss31, High, "x")], High);
    check(&[(Cvss31, Critical, "nvd"), (Cvss31, High, "debian")], High);
    // A word that rates nothing is no rating.
    check(&[(Word, Unknown, "debian"), (Cvss31, High, "nvd")], High);
    check(&[(Word, Negligible, "debian"), (Cvss31, High, "nvd")], Negligible);
}

#[test]
fn unrated_vulnerabilities_take_the_rating_of_an_ecosystem_database() {
    use SeverityRank::*;
    use SeverityScheme::*;
    let check = |others: Vec<Row>, expect: SeverityRank, source: Option<&str>| {
        let mut rows = vec![row("debian:12", "x", "CVE-1"), row("debian:12", "x", "CVE-2")];
        rows.extend(others);
        let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed(rows));
        let finding = result.findings.iter().find(|f| f.vulnerability == "CVE-1").unwrap();
        assert_eq!(finding.severity, expect);
        assert_eq!(finding.severities.first().map(|s| s.source.as_str()), source);
        // Nobody rates the other one.
        assert!(result.findings.iter().any(|f| f.severity == Unknown) || expect == Unknown);
        assert!(result.problems.is_empty());
    };
    let ghsa = || row("pypi", "x", "GHSA-1").aliases(&["CVE-1"]);
    check(vec![], Unknown, None);
    check(vec![ghsa()], Unknown, None);
    check(vec![ghsa().severity(Word, High, "ghsa")], High, Some("ghsa"));
    let low = row("npm", "x", "GHSA-2").aliases(&["CVE-1"]).severity(Word, Low, "ghsa");
    check(vec![low, ghsa().severity(Word, High, "ghsa")], High, Some("ghsa"));
    check(vec![ghsa().severity(Word, High, "ghsa").withdrawn()], Unknown, None);
    // A group is not one of its CVEs, and a distribution speaks for its own builds only.
    let group = row("npm", "x", "GHSA-1").upstream(&["CVE-1", "CVE-3"]);
    check(vec![group.severity(Word, Critical, "ghsa")], Unknown, None);
    let ubuntu = row("ubuntu:22.04", "x", "CVE-1").severity(Word, Negligible, "ubuntu");
    check(vec![ubuntu], Unknown, None);
}

#[test]
fn a_rating_of_its_own_is_not_replaced() {
    let rows = vec![
        row("debian:12", "x", "CVE-1").severity(
            SeverityScheme::Word,
            SeverityRank::Negligible,
            "debian",
        ),
        row("pypi", "x", "GHSA-1").aliases(&["CVE-1"]).severity(
            SeverityScheme::Word,
            SeverityRank::Critical,
            "ghsa",
        ),
    ];
    let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed(rows));
    assert_eq!(result.findings[0].severity, SeverityRank::Negligible);
    assert_eq!(result.findings[0].severities.len(), 1);
}

#[test]
fn a_score_without_rank_counts() {
    let row = row("debian:12", "x", "CVE-1")
        .severity(SeverityScheme::Cvss31, SeverityRank::Unknown, "nvd")
        .edit(|record, _| record.severities[0].score = Some(9.8));
    let result = matches(distro("debian", "12"), vec![package(Deb, "x", "1-1")], &feed(vec![row]));
    assert_eq!(result.findings[0].severity, SeverityRank::Critical);
}

#[test]
fn epss_and_kev_are_joined_by_cve() {
    let mut feed = feed(vec![
        row("npm", "x", "GHSA-1").aliases(&["CVE-1"]),
        row("npm", "x", "GHSA-2").upstream(&["CVE-2", "CVE-3"]),
        row("npm", "x", "GHSA-3"),
    ]);
    feed.epss = [("CVE-1", 0.1), ("CVE-2", 0.2), ("CVE-3", 0.9)]
        .map(|(cve, score)| (cve.to_owned(), score))
        .into();
    feed.kev = ["CVE-3".to_owned()].into();
    let result = matches(None, vec![package(Npm, "x", "1.0.0")], &feed);
    let joined: Vec<(Option<f64>, bool)> =
        result.findings.iter().map(|f| (f.epss.map(|e| e.score), f.kev.is_some())).collect();
    assert_eq!(joined, [(Some(0.1), false), (Some(0.9), true), (None, false)]);
}

#[test]
fn findings_are_ordered_and_do_not_depend_on_the_order_of_rows() {
    let rated = |package: &str, id: &str, rank| {
        row("npm", package, id).severity(SeverityScheme::Word, rank, "ghsa")
    };
    let rows = vec![
        rated("b", "GHSA-2", SeverityRank::Low),
        rated("a", "GHSA-2", SeverityRank::Low),
        rated("a", "GHSA-1", SeverityRank::Low),
        rated("b", "GHSA-9", SeverityRank::Critical),
        rated("a", "CVE-7", SeverityRank::Low).aliases(&["GHSA-1"]),
    ];
    let packages = vec![package(Npm, "a", "1.0.0"), package(Npm, "b", "1.0.0")];
    let forward = matches(None, packages.clone(), &feed(rows.clone()));
    assert_eq!(found(&forward), ["GHSA-9 b", "GHSA-1 a", "GHSA-2 a", "GHSA-2 b"]);
    let backward = matches(
        None,
        packages.into_iter().rev().collect(),
        &feed(rows.into_iter().rev().collect()),
    );
    assert_eq!(forward, backward);
}

#[test]
fn the_advisory_link_comes_first_and_links_do_not_repeat() {
    let link = |url: &str, kind: &str| Link { url: url.into(), kind: kind.into() };
    let feed = feed(vec![
        row("npm", "x", "GHSA-1").aliases(&["CVE-1"]).edit(|record, _| {
            record.references = vec![link("a", "WEB"), link("b", "ADVISORY")];
        }),
        row("npm", "x", "CVE-1").edit(|record, _| {
            record.references = vec![link("a", "WEB"), link("c", "FIX")];
        }),
    ]);
    let result = matches(None, vec![package(Npm, "x", "1.0.0")], &feed);
    let urls: Vec<&str> = result.findings[0].references.iter().map(|l| l.url.as_str()).collect();
    assert_eq!(urls, ["b", "a", "c"]);
}
