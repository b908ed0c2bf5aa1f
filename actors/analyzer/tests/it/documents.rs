//! SBOM documents: golden bytes, round trips, other tools' documents, comparison.

use crate::support::{DEBIAN, deb, image, module, tar};
use kedge_analyzer::image::tree::{ImageInfo, SquashOptions, squash};
use kedge_analyzer::sbom::diff::diff;
use kedge_analyzer::sbom::{DocumentInfo, Format, SbomError, detect, read, write};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::package::PackageKind;
use kedge_artifact::sbom::Sbom;

fn sample() -> Sbom {
    let (mut low, mut high) = (tar(), tar());
    low.file("etc/os-release", DEBIAN);
    let six = "Source: six (1.16)\n";
    low.file(
        "var/lib/dpkg/status",
        deb("bash", "5.2.15-2+b2") + six + &deb("python3-six", "1.16-1"),
    );
    low.file(
        "usr/share/doc/bash/copyright",
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         License: GPL-3+\n\nLicense: MIT\n",
    );
    low.file("var/lib/dpkg/info/python3-six.list", "/usr/lib/py/six.egg-info\n");
    low.file("usr/lib/py/six.egg-info", "Name: six\nVersion: 1.16.0\nLicense: MIT\nAuthor: B\n");
    high.file("app/node_modules/@s/a/package.json", module("@s/a", "1.0.0"));
    high.file("app/node_modules/b/package.json", module("b", "2.0.0").replace("MIT", "MIT OR ISC"));
    high.file("app/node_modules/c/package.json", "{");
    let layers = [low.facts(), high.facts()];
    let info = ImageInfo {
        manifest: Some(Digest::of(b"manifest")),
        config: Some(Digest::of(b"config")),
        platform: Some(Platform::default()),
        ..image()
    };
    let mut sbom = squash(&info, &layers, &SquashOptions::default()).unwrap().sbom;
    // The golden files must not change with every cataloger.
    sbom.generator.version = "golden".to_owned();
    sbom
}

fn info() -> DocumentInfo {
    DocumentInfo {
        name: "registry.example.org/app:1".to_owned(),
        created: Some("2024-01-02T03:04:05.678Z".parse().unwrap()),
    }
}

/// Compares with a file of `testdata/golden`; `KEDGE_GOLDEN=write` writes it.
#[expect(clippy::disallowed_methods, reason = "the test holds the files, not the engine")]
fn golden(name: &str, bytes: &[u8]) {
    let path = format!("{}/testdata/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap() + "\n";
    if std::env::var_os("KEDGE_GOLDEN").is_some() {
        std::fs::write(&path, &pretty).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == pretty, "{name} differs; if meant, run with KEDGE_GOLDEN=write and read it");
}

#[test]
fn golden_documents() {
    let sbom = sample();
    golden("native.json", &write(&sbom, Format::Native, &info()));
    golden("cyclonedx.json", &write(&sbom, Format::CycloneDx, &info()));
    golden("spdx.json", &write(&sbom, Format::Spdx, &info()));
}

#[test]
fn our_documents_read_back_are_the_sbom() {
    let sbom = sample();
    for format in [Format::Native, Format::CycloneDx, Format::Spdx] {
        let bytes = write(&sbom, format, &info());
        assert_eq!(bytes, write(&sbom, format, &info()), "same bytes each time");
        assert_eq!(detect(&bytes), Ok(format));
        assert_eq!(read(&bytes).unwrap(), sbom, "{format:?}");
    }
}

#[test]
fn serial_numbers_depend_on_the_content() {
    let mut sbom = sample();
    let serial = |sbom: &Sbom, info: &DocumentInfo| {
        let bytes = write(sbom, Format::CycloneDx, info);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        value["serialNumber"].as_str().unwrap().to_owned()
    };
    let first = serial(&sbom, &info());
    assert_ne!(first, serial(&sbom, &DocumentInfo::default()));
    sbom.packages.pop();
    assert_ne!(first, serial(&sbom, &info()));
}

#[test]
fn order_of_reading_does_not_matter() {
    let layers: Vec<_> = (0..6)
        .map(|index| {
            let mut layer = tar();
            layer.file(&format!("m{index}/package.json"), module("same", "1.0.0"));
            layer.file("shared/package.json", module("top", &format!("{index}.0.0")));
            layer
        })
        .collect();
    let forward: Vec<_> = layers.iter().map(|layer| layer.facts()).collect();
    let mut backward: Vec<_> = layers.iter().rev().map(|layer| layer.facts()).collect();
    backward.reverse();
    let bytes = |layers: &[_]| {
        let analysis = squash(&image(), layers, &SquashOptions::default()).unwrap();
        assert_eq!(analysis.sbom.packages.len(), 2);
        write(&analysis.sbom, Format::Native, &DocumentInfo::default())
    };
    assert_eq!(bytes(&forward), bytes(&backward));
}

#[test]
fn documents_of_other_tools() {
    let cyclonedx = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{
      "tools":{"components":[{"type":"application","name":"other","version":"1"}]}},
      "components":[
        {"type":"operating-system","name":"debian","version":"12"},
        {"type":"library","bom-ref":"x","name":"six","version":"1.16.0","purl":"pkg:pypi/six@1.16.0",
         "licenses":[{"license":{"id":"MIT"}}],
         "components":[{"type":"library","name":"in","purl":"pkg:maven/org.a/in@2"}]},
        {"type":"library","name":"n","purl":"pkg:npm/%40s/n@1.0.0"},
        {"type":"library","name":"bash","purl":"pkg:deb/debian/bash@5.2?arch=amd64&upstream=src%405.1&distro=debian-12"},
        {"type":"library","name":"k","purl":"pkg:rpm/redhat/k@5-1.el9?arch=x86_64&epoch=2&upstream=kernel-5-1.el9.src.rpm"},
        {"type":"library","name":"m","purl":"pkg:golang/github.com/a/m@v4.1.0#v4"},
        {"type":"file","name":"no purl"}]}"#;
    let sbom = read(cyclonedx.as_bytes()).unwrap();
    assert_eq!(sbom.generator.name, "other");
    assert_eq!(sbom.distro.unwrap().label(), "debian:12");
    let rows: Vec<_> =
        sbom.packages.iter().map(|p| (p.kind, p.name.as_str(), p.version.as_str())).collect();
    assert_eq!(
        rows,
        [
            (PackageKind::Deb, "bash", "5.2"),
            (PackageKind::Rpm, "k", "2:5-1.el9"),
            (PackageKind::Python, "six", "1.16.0"),
            (PackageKind::Npm, "@s/n", "1.0.0"),
            (PackageKind::Java, "org.a:in", "2"),
            (PackageKind::Go, "github.com/a/m/v4", "v4.1.0"),
        ]
    );
    let source = |index: usize| {
        let source = sbom.packages[index].source.clone().unwrap();
        (source.name, source.version.unwrap())
    };
    assert_eq!(source(0), ("src".into(), "5.1".into()));
    assert_eq!(source(1), ("kernel".into(), "5-1.el9".into()));
    assert_eq!(sbom.packages[2].licenses, ["MIT"]);

    let spdx = r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT",
      "creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Tool: other-2"]},
      "packages":[{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","licenseDeclared":"ISC",
        "externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:apk/alpine/a@1?distro=alpine-3.19.1"}]},
        {"SPDXID":"SPDXRef-b","name":"b"}],
      "relationships":[{"spdxElementId":"SPDXRef-a","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-a"},
        {"spdxElementId":"SPDXRef-gone","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-b"}]}"#;
    let sbom = read(spdx.as_bytes()).unwrap();
    assert_eq!(sbom.distro.unwrap().label(), "alpine:3.19.1");
    assert_eq!((sbom.packages.len(), sbom.packages[0].licenses.clone()), (1, vec!["ISC".into()]));
}

#[test]
fn what_is_no_sbom_is_named() {
    assert_eq!(read(b"{}"), Err(SbomError::Unknown));
    assert!(matches!(read(b"[]"), Err(SbomError::Malformed(_))));
    assert!(matches!(read(b"{"), Err(SbomError::Malformed(_))));
    let version = |text: &str| match read(text.as_bytes()) {
        Err(SbomError::Version(version)) => version,
        other => panic!("{other:?}"),
    };
    assert_eq!(version(r#"{"bomFormat":"CycloneDX","specVersion":"9.9"}"#), "9.9");
    assert_eq!(version(r#"{"spdxVersion":"SPDX-3.0"}"#), "SPDX-3.0");
    assert_eq!(version(r#"{"schema":99,"generator":{},"packages":[]}"#), "99");
    let deep = |depth: usize| {
        let open = r#"{"components":["#.repeat(depth);
        let close = "]}".repeat(depth);
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{open}{close}]}}"#)
    };
    assert!(read(deep(5).as_bytes()).is_ok());
    assert!(matches!(
        read(deep(40).as_bytes()),
        Err(SbomError::Limit { limit: "SBOM_NESTING_MAX", .. })
    ));
    assert!(matches!(read(deep(10_000).as_bytes()), Err(SbomError::Malformed(_))));
}

#[test]
fn differences() {
    let of = |files: &[(&str, &str)]| {
        let mut layer = tar();
        for (index, (name, version)) in files.iter().enumerate() {
            layer.file(&format!("{index}/package.json"), module(name, version));
        }
        squash(&image(), &[layer.facts()], &SquashOptions::default()).unwrap().sbom
    };
    let old = of(&[("same", "1"), ("gone", "1"), ("up", "1"), ("two", "1"), ("two", "2")]);
    let new = of(&[("new", "1"), ("two", "2"), ("two", "3"), ("up", "2"), ("same", "1")]);
    let found = diff(&old, &new);
    let one = |rows: &[kedge_analyzer::sbom::diff::OneSided]| {
        rows.iter().map(|row| row.package.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!((one(&found.added), one(&found.removed)), (vec!["new".into()], vec!["gone".into()]));
    let changed: Vec<_> = found
        .changed
        .iter()
        .map(|row| (row.package.name.as_str(), row.from.join(","), row.to.join(",")))
        .collect();
    assert_eq!(
        changed,
        [("two", "1".to_owned(), "3".to_owned()), ("up", "1".to_owned(), "2".to_owned())]
    );
    assert!(diff(&old, &old).is_empty());
}
