//! Damaged and malicious documents: typed errors or problems, never a panic, never a flood.

use crate::support::{ALMA, KEV, advisories, gzip, osv_zip, read, tar, testdata, zip};
use kedge_feeds::{ParseError, limits};
use proptest::prelude::*;

#[test]
fn cut_archives_are_errors() {
    let whole = osv_zip(&["PYSEC-2030-1", "PYSEC-2030-2"]);
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 5] {
        let error = read("osv", "PyPI/all.zip", &whole[..length]).unwrap_err();
        assert!(matches!(error, ParseError::Archive(_)), "{length}: {error}");
    }
    let record = testdata("osv/ALSA-2030_100.json");
    let tarball = tar(&[("a.json", &record)]);
    let cut = &tarball[..900];
    assert!(matches!(read("alma", ALMA, cut), Err(ParseError::Archive(_))));
    let packed = gzip(&tarball);
    let error = read("alma", ALMA, &packed[..packed.len() - 6]).unwrap_err();
    assert!(matches!(error, ParseError::Io(_)), "{error}");
}

#[test]
fn a_bomb_is_skipped_at_the_record_limit() {
    let zeros = vec![b' '; limits::RECORD_BYTES as usize + 1];
    let good = testdata("osv/PYSEC-2030-1.json");
    let mut members = vec![("bomb.json", zeros.as_slice())];
    let names: Vec<String> = (0..9).map(|index| format!("{index}.json")).collect();
    members.extend(names.iter().map(|name| (name.as_str(), good.as_slice())));
    for bytes in [zip(&members), gzip(&tar(&members))] {
        let (all, report) = advisories("osv", "PyPI/all.zip", &bytes);
        assert_eq!((all.len(), report.skipped), (9, 1));
        assert!(report.problems.iter().any(|p| p.code == "record_too_large"));
    }
}

#[test]
fn names_that_climb_out_are_only_names() {
    let good = testdata("osv/PYSEC-2030-1.json");
    let bytes = zip(&[("../../../etc/cron.d/x.json", &good), ("/abs/y.json", &good)]);
    assert_eq!(advisories("osv", "PyPI/all.zip", &bytes).0.len(), 2);
}

#[test]
fn wrong_types_and_duplicate_keys_cost_one_record() {
    let good = testdata("osv/PYSEC-2030-1.json");
    let bad: [&[u8]; 8] = [
        br#"{"id":7}"#,
        br#"[]"#,
        br#"{"id":"X-1","id":"X-2"}"#,
        br#"{"id":"../x y","affected":[]}"#,
        br#"{"id":"X-1","withdrawn":"yesterday"}"#,
        br#"{"id":"X-1","affected":[{"package":{"ecosystem":"PyPI","name":""},"versions":["1"]}]}"#,
        br#"{"id":"X-1","affected":[{"package":{"ecosystem":"PyPI","name":"a"},"versions":["\u0007"]}]}"#,
        br#"{"id":"X-1","affected":"all of them"}"#,
    ];
    for record in bad {
        let names: Vec<String> = (0..9).map(|index| format!("{index}.json")).collect();
        let mut members: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), good.as_slice())).collect();
        members.push(("bad.json", record));
        let (all, report) = advisories("osv", "PyPI/all.zip", &zip(&members));
        assert_eq!((all.len(), report.skipped), (9, 1), "{}", String::from_utf8_lossy(record));
        assert!(report.problems.iter().any(|p| p.place == "bad.json"));
    }
}

#[test]
fn a_changed_format_is_not_an_empty_feed() {
    let records = zip(&[("a.json", br#"{"name":"x"}"#), ("b.json", br#"{"name":"y"}"#)]);
    let error = read("osv", "PyPI/all.zip", &records).unwrap_err();
    assert!(matches!(error, ParseError::TooManyBad { skipped: 2, total: 2, .. }), "{error}");
    let debian = br#"{"p":{"CVE-2030-1000":{"releases":{"bookworm":{"status":"new word"}}}}}"#;
    assert!(matches!(read("debian", "d", debian), Err(ParseError::TooManyBad { .. })));
    for text in ["[]", "{\"a\":", "<html>", "{} trailing"] {
        assert!(read("debian", "tracker/data/json", text.as_bytes()).is_err(), "{text}");
        assert!(read("alpine", "v3.1/main.json", text.as_bytes()).is_err(), "{text}");
        assert!(read("kev", KEV, text.as_bytes()).is_err(), "{text}");
        assert!(read("epss", "e", text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn an_endless_line_is_over_the_limit() {
    let mut csv = testdata("epss.csv");
    csv.extend(vec![b'7'; 8 << 20]);
    for bytes in [gzip(&csv), csv] {
        let error = read("epss", "e", &bytes).unwrap_err();
        assert!(matches!(error, ParseError::Limit { name: "LINE_BYTES", .. }), "{error}");
    }
}

#[test]
fn a_long_text_is_cut() {
    let long = "x".repeat(8 << 20);
    let text = format!(
        r#"{{"p":{{"CVE-2030-1000":{{"description":"{long}","releases":{{"bookworm":{{"status":"open"}}}}}}}}}}"#
    );
    let (all, _) = advisories("debian", "tracker/data/json", text.as_bytes());
    assert_eq!(all[0].vulnerability.details.chars().count(), limits::DETAILS_CHARS);
}

#[test]
fn scores_outside_their_range_are_skipped() {
    let mut csv = testdata("epss.csv");
    for _ in 0..6 {
        csv.extend(b"CVE-2030-1234,0.5,0.5\n");
    }
    csv.extend(b"CVE-2030-1235,1.5,0.5\nCVE-2030-1235,NaN,0.5\n");
    let (items, report) = read("epss", "e", &csv).unwrap();
    assert_eq!((items.len(), report.skipped), (8, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for driver in ["osv", "alpine", "debian", "kev", "epss"] {
            let _ = read(driver, "d", &bytes);
        }
    }

    #[test]
    fn flipped_bits_in_an_archive_never_panic(place in 0usize..2000, bit in 0u8..8) {
        let mut bytes = osv_zip(&["PYSEC-2030-1", "PYSEC-2030-2"]);
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        let _ = read("osv", "PyPI/all.zip", &bytes);
    }
}
