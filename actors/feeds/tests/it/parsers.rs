//! Each driver's normalisation.

use crate::support::{ALMA, KEV, advisories, gzip, osv_zip, read, tar, testdata};
use kedge_artifact::advisory::{
    Advisory, FixState, Level, RangeKind, SeverityRank, SeverityScheme, Verdict,
};
use kedge_feeds::Item;

fn row<'a>(all: &'a [Advisory], id: &str, scope: &str) -> &'a kedge_artifact::advisory::Affected {
    let record = all.iter().find(|a| a.vulnerability.id == id).unwrap();
    record.affected.iter().find(|row| row.scope.label() == scope).unwrap()
}

#[test]
fn osv_ranges_versions_aliases_and_names() {
    let (all, report) =
        advisories("osv", "PyPI/all.zip", &osv_zip(&["PYSEC-2030-1", "PYSEC-2030-2"]));
    assert_eq!(all.len(), 2);
    let first = &all[0].vulnerability;
    assert_eq!(first.aliases, ["CVE-2030-1111", "GHSA-aaaa-bbbb-cccc"]);
    assert!(first.upstream.is_empty());
    assert_eq!(first.summary, "Header injection in Test.Pkg");
    assert_eq!(first.cwes, ["CWE-93"]);
    assert_eq!(first.references.len(), 1, "a script link is not a link");
    assert_eq!(first.severities.len(), 1, "a vector that cannot be read is no statement");
    assert_eq!(first.severities[0].score, Some(9.8));
    assert_eq!(first.severities[0].scheme, SeverityScheme::Cvss31);
    assert_eq!(first.severities[0].source, "pysec");
    let row = row(&all, "PYSEC-2030-1", "pypi");
    assert_eq!((row.package.as_str(), row.level), ("test-pkg", Level::Module));
    assert_eq!(row.ranges.len(), 2, "git ranges are left out");
    assert_eq!(row.ranges[1].last_affected.as_deref(), Some("2.1"));
    assert_eq!(row.versions, ["1.0", "1.1"]);
    assert_eq!(
        (row.fix.state, row.fix.versions.as_slice()),
        (FixState::Fixed, &["1.4".into()][..])
    );
    assert!(all[1].vulnerability.withdrawn.is_some());
    assert!(report.problems.iter().any(|p| p.code == "osv_ecosystem_unsupported"));
}

#[test]
fn go_symbols_and_semver_ranges() {
    let (all, _) = advisories("govulndb", "vulndb.zip", &osv_zip(&["GO-2030-0001"]));
    let row = row(&all, "GO-2030-0001", "go");
    assert_eq!(row.package, "stdlib");
    assert_eq!(row.ranges.len(), 2);
    assert!(row.ranges.iter().all(|range| range.kind == RangeKind::Semver));
    assert_eq!(row.qualifiers.imports[0].path, "net/url");
    assert_eq!(row.qualifiers.imports[0].symbols, ["Parse", "URL.Parse"]);
}

#[test]
fn errata_name_cves_as_upstream_and_the_module_of_modular_builds() {
    let record = testdata("osv/ALSA-2030_100.json");
    let archive = gzip(&tar(&[("r/advisories/almalinux8/A.json", &record)]));
    let (all, _) = advisories("alma", ALMA, &archive);
    let erratum = &all[0].vulnerability;
    assert_eq!(erratum.upstream, ["CVE-2030-3331", "CVE-2030-3332"]);
    assert!(erratum.aliases.is_empty());
    assert_eq!(erratum.severities[0].rank, SeverityRank::High);
    let modular = row(&all, "ALSA-2030:100", "almalinux:8");
    assert_eq!(modular.qualifiers.module.as_deref(), Some("nodejs:16"));
    assert_eq!(modular.level, Level::Binary);
    let plain = row(&all, "ALSA-2030:100", "almalinux:9");
    assert_eq!(plain.qualifiers.module.as_deref(), Some(""));
}

#[test]
fn unmaintained_crates_are_negligible() {
    let (all, _) = advisories("osv", "crates.io/all.zip", &osv_zip(&["RUSTSEC-2030-0001"]));
    assert_eq!(all[0].vulnerability.severities[0].rank, SeverityRank::Negligible);
    assert_eq!(all[0].affected[0].fix.state, FixState::NotFixed);
}

#[test]
fn alpine_items_with_several_ids_and_not_affected_rows() {
    let (all, report) = advisories("alpine", "v3.19/main.json", &testdata("secdb-main.json"));
    assert_eq!(report.skipped, 0);
    let twice = row(&all, "CVE-2030-4001", "alpine:3.19");
    assert_eq!((twice.package.as_str(), twice.level), ("openssl", Level::Source));
    assert_eq!(twice.fix.versions, ["3.1.4-r1", "3.1.4-r6"]);
    let record = all.iter().find(|a| a.vulnerability.id == "CVE-2030-4001").unwrap();
    assert_eq!(record.vulnerability.aliases, ["XSA-77"]);
    assert_eq!(row(&all, "CVE-2030-4002", "alpine:3.19").verdict, Verdict::Affected);
    let never = row(&all, "CVE-2030-4003", "alpine:3.19");
    assert_eq!(never.verdict, Verdict::Unaffected);
    assert!(never.ranges.is_empty() && never.fix.versions.is_empty());
}

#[test]
fn an_alpine_repository_without_fixes_is_empty() {
    let text = br#"{"distroversion":"v3.3","reponame":"community","packages":null}"#;
    let (all, report) = advisories("alpine", "v3.3/community.json", text);
    assert_eq!((all.len(), report.problems.len()), (0, 0));
}

#[test]
fn debian_states_and_urgencies() {
    let (all, report) = advisories("debian", "tracker/data/json", &testdata("debian.json"));
    let check = |id: &str, scope: &str, verdict: Verdict, state: FixState| {
        let row = row(&all, id, scope);
        assert_eq!((row.verdict, row.fix.state), (verdict, state), "{id} {scope}");
    };
    check("CVE-2030-5001", "debian:12", Verdict::Affected, FixState::Fixed);
    check("CVE-2030-5001", "debian:11", Verdict::Unaffected, FixState::Unknown);
    check("CVE-2030-5001", "debian:13", Verdict::Affected, FixState::NotFixed);
    check("CVE-2030-5002", "debian:12", Verdict::Affected, FixState::NotFixed);
    check("CVE-2030-5002", "debian:13", Verdict::Affected, FixState::Deferred);
    check("CVE-2030-5002", "debian:11", Verdict::Affected, FixState::WontFix);
    check("CVE-2030-5002", "debian:10", Verdict::Affected, FixState::WontFix);
    check("TEMP-0000000-ABCDEF", "debian:12", Verdict::Affected, FixState::NotFixed);
    let first = all.iter().find(|a| a.vulnerability.id == "CVE-2030-5001").unwrap();
    assert_eq!(first.affected.len(), 3, "an undetermined release has no row");
    assert_eq!(first.vulnerability.severities[0].rank, SeverityRank::High);
    assert_eq!(first.affected[0].level, Level::Source);
    assert!(report.problems.iter().any(|p| p.place == "nosuchrelease"));
}

#[test]
fn unimportant_everywhere_is_negligible() {
    let text = br#"{"p":{"CVE-2030-1":{"releases":{}},
        "CVE-2030-7777":{"releases":{"bookworm":{"status":"open","urgency":"unimportant"}}}}}"#;
    let (all, _) = advisories("debian", "tracker/data/json", text);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].vulnerability.severities[0].rank, SeverityRank::Negligible);
}

#[test]
fn kev_and_epss() {
    let (items, _) = read("kev", KEV, &testdata("kev.json")).unwrap();
    let Item::Kev { cve, entry } = &items[0] else { panic!("{items:?}") };
    assert_eq!((cve.as_str(), entry.ransomware), ("CVE-2030-1111", true));
    assert_eq!(entry.added, "2030-01-05".parse().unwrap());
    for bytes in [testdata("epss.csv"), gzip(&testdata("epss.csv"))] {
        let (items, _) = read("epss", "epss_scores-current.csv.gz", &bytes).unwrap();
        let Item::Epss { cve, entry } = &items[0] else { panic!("{items:?}") };
        assert_eq!(
            (cve.as_str(), entry.score, entry.percentile),
            ("CVE-2030-1111", 0.9753, 0.9999)
        );
        assert_eq!(entry.date, "2030-01-07".parse().unwrap());
    }
}
