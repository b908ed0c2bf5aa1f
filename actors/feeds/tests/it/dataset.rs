//! Generations: writing, reading, merging, damage.

use crate::support::{
    ALMA, Builder, KEV, add, distro, ecosystem, everything, open, osv_zip, testdata,
};
use kedge_artifact::advisory::{AdvisorySource, Verdict};
use kedge_artifact::time::Timestamp;
use kedge_feeds::dataset::{BuildError, Dataset, DatasetError, FORMAT_VERSION};

const PYPI: &str = "PyPI/all.zip";
const TRACKER: &str = "tracker/data/json";

#[test]
fn what_was_written_is_found() {
    let data = open(everything(1000));
    data.verify().unwrap();
    let rows = data.candidates(&ecosystem("pypi"), "Test.Pkg").unwrap();
    assert_eq!(rows.len(), 2, "withdrawn ones are kept");
    assert_eq!(data.candidates(&distro("debian", "12"), "openssl").unwrap().len(), 3);
    assert_eq!(data.candidates(&distro("debian", "99"), "openssl").unwrap(), []);
    let alpine = data.candidates(&distro("alpine", "3.19"), "openssl").unwrap();
    assert!(alpine.iter().any(|row| row.affected.verdict == Verdict::Unaffected));
    assert_eq!(data.by_id("cve-2030-1111").unwrap()[0].vulnerability.id, "PYSEC-2030-1");
    assert_eq!(data.by_id("CVE-2030-3331").unwrap(), [], "an erratum is no alias of a CVE");
    assert_eq!(data.search("CVE-2030-3331").unwrap()[0].vulnerability.id, "ALSA-2030:100");
    assert_eq!(data.epss("CVE-2030-5001").unwrap().score, 0.00042);
    assert!(data.epss("CVE-2030-5000").is_none() && data.epss("GHSA-x").is_none());
    assert!(data.kev("CVE-2030-1111").unwrap().ransomware);
    let hits = data.search_package("openssl").unwrap();
    assert!(hits.iter().any(|hit| hit.affected.scope == distro("alpine", "3.19")));
    assert!(hits.iter().any(|hit| hit.affected.scope == distro("debian", "12")));
    let labels: Vec<String> = data.groups().iter().map(|group| group.label()).collect();
    for label in ["pypi", "go", "debian:12", "alpine:3.19", "almalinux:8", "kev", "epss"] {
        assert!(labels.contains(&label.to_owned()), "{label} in {labels:?}");
    }
}

#[test]
fn coverage_is_only_claimed_for_complete_documents() {
    let mut builder = Builder::new(Vec::new()).unwrap();
    // A PyPI record inside the npm archive.
    add(&mut builder, "osv", "npm/all.zip", &osv_zip(&["PYSEC-2030-1"]), 5);
    add(&mut builder, "debian", TRACKER, &testdata("debian.json"), 7);
    let data = open(builder.finish(Timestamp(9)).unwrap().0);
    assert_eq!(data.coverage(&ecosystem("npm")), Some(Timestamp(5)));
    assert_eq!(data.coverage(&ecosystem("pypi")), None);
    assert_eq!(data.candidates(&ecosystem("pypi"), "test-pkg").unwrap().len(), 1);
    assert_eq!(data.coverage(&distro("debian", "12")), Some(Timestamp(7)));
    assert_eq!(data.coverage(&distro("debian", "7")), None);
}

#[test]
fn an_empty_document_is_no_group() {
    let mut builder = Builder::new(Vec::new()).unwrap();
    add(&mut builder, "alpine", "v3.19/main.json", &testdata("secdb-main.json"), 5);
    let empty = br#"{"distroversion":"v3.19","packages":[]}"#;
    add(&mut builder, "alpine", "v3.19/community.json", empty, 5);
    add(&mut builder, "kev", KEV, &testdata("kev.json"), 5);
    let data = open(builder.finish(Timestamp(9)).unwrap().0);
    let labels: Vec<String> = data.groups().iter().map(|group| group.label()).collect();
    assert_eq!(labels, ["alpine:3.19", "kev"]);
}

#[test]
fn equal_inputs_give_equal_content_at_any_time() {
    let (first, second) = (everything(1000), everything(1000));
    assert_eq!(first, second);
    let later = open(everything(900_000));
    assert_eq!(later.generation(), open(first).generation());
    assert_eq!(later.coverage(&ecosystem("pypi")), Some(Timestamp(900_000)));
}

#[test]
fn copied_parts_are_the_same_as_parsed_ones() {
    let previous = open(everything(1000));
    let mut builder = Builder::new(Vec::new()).unwrap();
    for part in previous.parts() {
        builder.copy_part(&previous, &part.driver, &part.document, None).unwrap();
    }
    let (bytes, _) = builder.finish(Timestamp(1001)).unwrap();
    assert_eq!(bytes, everything(1000));
    let mut builder = Builder::new(Vec::new()).unwrap();
    let error = builder.copy_part(&previous, "osv", "Hex/all.zip", None).unwrap_err();
    assert!(matches!(error, BuildError::NoSuchPart { .. }));
}

#[test]
fn deleted_records_vanish_and_retired_releases_stay() {
    let previous = open(everything(1000));
    let mut builder = Builder::new(Vec::new()).unwrap();
    add(&mut builder, "osv", PYPI, &osv_zip(&["PYSEC-2030-2"]), 2000);
    let tracker = br#"{"openssl":{"CVE-2030-5009":{"releases":{
        "bookworm":{"status":"open","urgency":"low"}}}}}"#;
    add(&mut builder, "debian", TRACKER, tracker, 2000);
    assert_eq!(builder.keep_retired(&previous, "debian", TRACKER).unwrap(), 6);
    let data = open(builder.finish(Timestamp(2001)).unwrap().0);
    assert_eq!(data.by_id("PYSEC-2030-1").unwrap(), []);
    assert_eq!(data.candidates(&distro("debian", "12"), "openssl").unwrap().len(), 1);
    assert_eq!(data.candidates(&distro("debian", "8"), "zlib").unwrap().len(), 1);
    assert_eq!(data.coverage(&distro("debian", "12")), Some(Timestamp(2000)));
    assert_eq!(data.coverage(&distro("debian", "8")), Some(Timestamp(1000)), "old data says so");
    // The next generation keeps them again.
    let mut builder = Builder::new(Vec::new()).unwrap();
    add(&mut builder, "debian", TRACKER, tracker, 3000);
    assert_eq!(builder.keep_retired(&data, "debian", TRACKER).unwrap(), 6);
    let data = open(builder.finish(Timestamp(3001)).unwrap().0);
    assert_eq!(data.coverage(&distro("debian", "8")), Some(Timestamp(1000)));
}

#[test]
fn the_manifest_names_sources_licences_and_digests() {
    let data = open(everything(1000));
    let manifest = data.manifest();
    assert_eq!((manifest.format, manifest.built), (FORMAT_VERSION, Timestamp(1001)));
    let alma = manifest.drivers.iter().find(|driver| driver.name == "alma").unwrap();
    assert_eq!(alma.licence, "MIT");
    assert_eq!(manifest.input("alma", ALMA).unwrap().records, 1);
    assert_eq!(manifest.input("kev", KEV).unwrap().digest.len(), 64);
    assert_eq!(manifest.input("debian", TRACKER).unwrap().rows, 9);
}

#[test]
fn cut_files_are_refused() {
    let whole = everything(1000);
    for length in [0, 7, 16, 200, whole.len() / 2, whole.len() - 33, whole.len() - 1] {
        let error = Dataset::open(Box::new(whole[..length].to_vec())).unwrap_err();
        let expected = matches!(error, DatasetError::Damaged(_) | DatasetError::NotADataset);
        assert!(expected, "{length}: {error}");
    }
    let mut longer = whole;
    longer.push(0);
    assert!(Dataset::open(Box::new(longer)).is_err());
}

#[test]
fn another_format_version_is_named() {
    let mut bytes = everything(1000);
    bytes[8] = 77;
    let error = Dataset::open(Box::new(bytes)).unwrap_err();
    assert!(matches!(error, DatasetError::Version { found: 77 }), "{error}");
}

/// Every byte matters: flipping any bit is found when the file is opened, when the damaged record
/// is read, or by `verify`; no lookup gives a changed answer.
#[test]
fn flipped_bits_are_found() {
    let whole = everything(1000);
    let expect = open(whole.clone()).candidates(&distro("debian", "12"), "openssl").unwrap();
    for place in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        let Ok(data) = Dataset::open(Box::new(bytes)) else { continue };
        if let Ok(rows) = data.candidates(&distro("debian", "12"), "openssl") {
            assert_eq!(rows, expect, "bit at {place} changed an answer");
        }
        assert!(data.verify().is_err(), "bit at {place} is not found");
    }
}

#[test]
fn many_records_span_blocks_and_are_all_found() {
    let record = |index: usize| {
        format!(
            r#"{{"id":"PYSEC-2031-{index}","details":"{}","affected":[{{"package":
            {{"ecosystem":"PyPI","name":"p{}"}},"versions":["1.{index}"]}}]}}"#,
            "text ".repeat(40),
            index % 700
        )
    };
    let records: Vec<(String, String)> =
        (0..2100).map(|index| (format!("{index}.json"), record(index))).collect();
    let members: Vec<(&str, &[u8])> =
        records.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let mut builder = Builder::new(Vec::new()).unwrap();
    add(&mut builder, "osv", PYPI, &crate::support::zip(&members), 1);
    assert!(builder.parts()[0].blocks > 3);
    let data = open(builder.finish(Timestamp(2)).unwrap().0);
    for index in 0..700 {
        let rows = data.candidates(&ecosystem("pypi"), &format!("P{index}")).unwrap();
        assert_eq!(rows.len(), 3, "p{index}");
    }
    for index in 0..2100 {
        assert_eq!(data.by_id(&format!("PYSEC-2031-{index}")).unwrap().len(), 1);
    }
}
