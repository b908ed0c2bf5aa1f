//! Hostile input: no panic, bounded output, the same answer every time.

use kedge_artifact::advisory::{
    Advisory, AdvisorySource, Candidate, Epss, Kev, Scope, SourceError,
};
use kedge_artifact::package::{PackageDetails, PackageKind};
use kedge_artifact::time::Timestamp;
use kedge_matcher::limits::{PROBLEMS_MAX, ROWS_PER_NAME_MAX};
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

/// A source that answers every question with too many rows.
struct Flood(Candidate);

impl AdvisorySource for Flood {
    fn generation(&self) -> String {
        String::new()
    }
    fn candidates(&self, _: &Scope, _: &str) -> Result<Vec<Candidate>, SourceError> {
        Ok(vec![self.0.clone(); ROWS_PER_NAME_MAX + 1])
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

#[test]
fn rows_of_one_name_are_cut_at_the_limit_and_say_so() {
    let row = row("npm", "x", "A").fixed("0.1.0");
    let flood = Flood(Candidate { vulnerability: row.record.into(), affected: row.row });
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
