//! Archives and parts made in memory.

use kedge_artifact::advisory::{Advisory, Scope};
use kedge_artifact::time::Timestamp;
use kedge_feeds::dataset::{Dataset, GenerationBuilder, Origin, PartBuilder};
use kedge_feeds::{Item, ParseError, Report, Source, parse};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Write};

#[expect(clippy::disallowed_methods, reason = "the test holds the files, not the engine")]
pub(crate) fn testdata(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in members {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(header);
        out.extend(*bytes);
        out.resize(out.len().div_ceil(512) * 512, 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn osv_zip(names: &[&str]) -> Vec<u8> {
    let files: Vec<(String, Vec<u8>)> = names
        .iter()
        .map(|name| (format!("{name}.json"), testdata(&format!("osv/{name}.json"))))
        .collect();
    let members: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    zip(&members)
}

pub(crate) fn read(
    driver: &str,
    document: &str,
    bytes: &[u8],
) -> Result<(Vec<Item>, Report), ParseError> {
    let mut items = Vec::new();
    let source = Source::named(driver).unwrap();
    let report = parse(source, document, &mut Cursor::new(bytes), &mut |item| items.push(item))?;
    assert_eq!(report.items, items.len());
    Ok((items, report))
}

pub(crate) fn advisories(driver: &str, document: &str, bytes: &[u8]) -> (Vec<Advisory>, Report) {
    let (items, report) = read(driver, document, bytes).unwrap();
    let advisory = |item| match item {
        Item::Advisory(advisory) => *advisory,
        other => panic!("not an advisory: {other:?}"),
    };
    (items.into_iter().map(advisory).collect(), report)
}

pub(crate) fn origin(driver: &str, document: &str, bytes: &[u8], fetched: i64) -> Origin {
    Origin {
        driver: driver.into(),
        document: document.into(),
        location: format!("test:{document}"),
        fetched: Timestamp(fetched),
        bytes: bytes.len() as u64,
        digest: hex::encode(Sha256::digest(bytes)),
    }
}

pub(crate) type Builder = GenerationBuilder<Vec<u8>>;

pub(crate) fn add(builder: &mut Builder, driver: &str, document: &str, bytes: &[u8], fetched: i64) {
    let (items, report) = read(driver, document, bytes).unwrap();
    let mut part = PartBuilder::new(origin(driver, document, bytes, fetched));
    items.into_iter().for_each(|item| part.add(item));
    builder.commit(part, report.skipped as u64).unwrap();
}

pub(crate) const ALMA: &str = "archive/refs/heads/master.tar.gz";
pub(crate) const KEV: &str = "sites/default/files/feeds/known_exploited_vulnerabilities.json";

/// A generation with every driver in it.
pub(crate) fn everything(fetched: i64) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new()).unwrap();
    let pypi = osv_zip(&["PYSEC-2030-1", "PYSEC-2030-2"]);
    add(&mut builder, "osv", "PyPI/all.zip", &pypi, fetched);
    add(&mut builder, "osv", "crates.io/all.zip", &osv_zip(&["RUSTSEC-2030-0001"]), fetched);
    add(&mut builder, "govulndb", "vulndb.zip", &osv_zip(&["GO-2030-0001"]), fetched);
    add(&mut builder, "alpine", "v3.19/main.json", &testdata("secdb-main.json"), fetched);
    add(&mut builder, "debian", "tracker/data/json", &testdata("debian.json"), fetched);
    let alma = testdata("osv/ALSA-2030_100.json");
    let alma = gzip(&tar(&[("top/advisories/almalinux8/ALSA-2030:100.json", &alma)]));
    add(&mut builder, "alma", ALMA, &alma, fetched);
    add(&mut builder, "kev", KEV, &testdata("kev.json"), fetched);
    let epss = gzip(&testdata("epss.csv"));
    add(&mut builder, "epss", "epss_scores-current.csv.gz", &epss, fetched);
    builder.finish(Timestamp(fetched + 1)).unwrap().0
}

pub(crate) fn open(bytes: Vec<u8>) -> Dataset {
    Dataset::open(Box::new(bytes)).unwrap()
}

pub(crate) fn distro(id: &str, version: &str) -> Scope {
    Scope::Distro { id: id.into(), version: version.into(), channel: String::new() }
}

pub(crate) fn ecosystem(name: &str) -> Scope {
    Scope::Ecosystem { name: name.into() }
}
