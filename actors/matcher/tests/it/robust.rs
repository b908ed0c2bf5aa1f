//! Hostile input: no panic, bounded output, the same answer every time.

use kedge_artifact::advisory::{
    Advisory, AdvisorySource, Candidate, Epss, Kev, Level, Scope, SourceError,
};
use kedge_artifact::package::{PackageDetails, PackageKind};
use kedge_artifact::problem::ProblemSeverity;
use kedge_artifact::time::Timestamp;
use kedge_matcher::limits::{
    DETAILS_BYTES, FINDINGS_MAX, PROBLEMS_MAX, ROWS_MAX, ROWS_PER_NAME_MAX,
};
use kedge_matcher::{MatchOptions, find_matches};
use proptest::prelude::*;

use crate::fixture::*;

#[test]
fn problems_are_cut_at_the_limit_and_say_so() {
    let packages = (0..PROBLEMS_MAX + 5)
        .map(|index| package(PackageKind::Java, &format!("jar{index:06}"), "1.0"))
        .collect();
    let result = matches(None, packages, &feed(vec![]));
    assert_eq!(result.problems.len(), PROBLEMS_MAX + 1);
    let last = &result.problems[PROBLEMS_MAX];
    assert_eq!(last.code, "problems_truncated");
    assert!(last.message.contains("PROBLEMS_MAX"), "{}", last.message);
    // The missing data, which weighs more, is not what was cut.
    assert!(codes(&result).contains(&"advisory_data_missing"));
}

/// A source that has many rows about one name, that of the first.
struct Flood(Vec<Candidate>);

impl AdvisorySource for Flood {
    fn generation(&self) -> String {
        String::new()
    }
    fn candidates(&self, _: &Scope, name: &str) -> Result<Vec<Candidate>, SourceError> {
        Ok(if self.0[0].affected.package == name { self.0.clone() } else { Vec::new() })
    }
    fn coverage(&self, _: &Scope) -> Option<Timestamp> {
        Some(Timestamp(0))
    }
    fn by_id(&self, _: &str) -> Result<Vec<Advisory>, SourceError> {
        Ok(Vec::new())
    }
    fn epss(&self, _: &str) -> Option<Epss> {
        None
    }
    fn kev(&self, _: &str) -> Option<Kev> {
        None
    }
}

fn candidate(row: Row) -> Candidate {
    Candidate { vulnerability: row.record.into(), affected: row.row }
}

/// Many binaries of one busy source, as a hostile package database can claim.
#[test]
fn findings_are_cut_at_the_limit_and_say_so() {
    let rows = 1_000;
    let id = |n: usize| format!("CVE-2030-{}", 10_000 + n);
    let flood = Flood((0..rows).map(|n| candidate(row("debian:12", "linux", &id(n)))).collect());
    let count = FINDINGS_MAX / rows;
    let packages = (0..count + 3)
        .map(|n| source(package(PackageKind::Deb, &format!("linux-{n}"), "6.1"), "linux", None))
        .collect();
    let sbom = sbom(distro("debian", "12"), packages);
    let result = find_matches(&sbom, &flood, &MatchOptions::default());
    assert_eq!(result.findings.len() + result.suppressed.len(), FINDINGS_MAX);
    assert_eq!(codes(&result), ["findings_truncated"]);
    let problem = &result.problems[0];
    assert_eq!(problem.severity, ProblemSeverity::Error);
    assert!(problem.message.contains("FINDINGS_MAX") && problem.message.contains("3 packages"));
    // What was not matched is still counted.
    assert_eq!(result.coverage[0].package_count as usize, count + 3);
}

#[test]
fn compared_rows_are_cut_at_the_limit_and_say_so() {
    // Rows that are about other packages cost least and are never found.
    let other = row("debian:12", "linux", "CVE-1").level(Level::Module);
    let flood = Flood(vec![candidate(other); ROWS_PER_NAME_MAX]);
    let count = ROWS_MAX / ROWS_PER_NAME_MAX;
    let packages = |count: usize| {
        (0..count)
            .map(|n| source(package(PackageKind::Deb, &format!("p{n}"), "6.1"), "linux", None))
            .collect()
    };
    let run = |count: usize| {
        let sbom = sbom(distro("debian", "12"), packages(count));
        find_matches(&sbom, &flood, &MatchOptions::default())
    };
    let result = run(count + 1);
    assert_eq!(codes(&result), ["advisory_rows_truncated"]);
    assert!(result.problems[0].message.contains("ROWS_MAX"));
}

#[test]
fn long_texts_are_cut_between_characters() {
    let text = "é".repeat(DETAILS_BYTES);
    let row = row("npm", "x", "A").edit(|record, _| record.details = text);
    let result = matches(None, vec![package(PackageKind::Npm, "x", "1.0.0")], &feed(vec![row]));
    let details = &result.findings[0].details;
    assert!(details.len() <= DETAILS_BYTES && details.len() > DETAILS_BYTES - 8);
    assert!(details.starts_with("éé") && details.ends_with("é…"));
}

#[test]
fn rows_of_one_name_are_cut_at_the_limit_and_say_so() {
    let row = row("npm", "x", "A").fixed("0.1.0");
    let flood = Flood(vec![candidate(row); ROWS_PER_NAME_MAX + 1]);
    let sbom = sbom(None, vec![package(PackageKind::Npm, "x", "1.0.0")]);
    let result = find_matches(&sbom, &flood, &MatchOptions::default());
    assert_eq!(codes(&result), ["advisory_rows_truncated"]);
    assert!(result.problems[0].message.contains("ROWS_PER_NAME_MAX"));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9.:~^+-]{0,8}", "[a-c@/:]{0,4}", "\\PC{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered_and_answered_alike(
        name in text(), version in text(), fixed in text(), introduced in text(), id in text(),
        distro_id in prop_oneof![Just("debian".to_owned()), Just("almalinux".to_owned()), text()],
        release in prop_oneof![Just("9".to_owned()), text()],
        kind in 0..PackageKind::ALL.len(), owner in text(), epoch in any::<u32>(),
    ) {
        let kind = PackageKind::ALL[kind];
        let mut package = owned_by(source(package(kind, &name, &version), &name, Some(&version)), &owner);
        package.purl = format!("pkg:{name}?epoch={version}");
        package.details = PackageDetails::Rpm { epoch: Some(epoch), module: None, vendor: String::new() };
        let scopes = ["debian:9", "almalinux:9", "npm", "pypi", "go", "maven", "rubygems"];
        let rows = scopes.map(|scope| {
            row(scope, &name, &id).range(Some(&introduced), Some(&fixed), None)
        });
        let feed = feed(rows.into());
        let sbom = sbom(distro(&distro_id, &release), vec![package]);
        let first = find_matches(&sbom, &feed, &MatchOptions::default());
        prop_assert_eq!(&first, &find_matches(&sbom, &feed, &MatchOptions::default()));
        // One package cannot be found more often than it was asked for, and its coverage is told.
        prop_assert!(first.findings.len() + first.suppressed.len() <= 1);
        prop_assert_eq!(first.coverage.iter().map(|c| c.package_count).max(), Some(1));
    }
}
