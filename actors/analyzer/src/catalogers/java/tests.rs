//! Archives are laid out here byte by byte, so that they can lie.

use super::*;
use flate2::{Compression, write::DeflateEncoder};
use std::io::Write as _;

fn le(value: usize, width: usize) -> Vec<u8> {
    (value as u128).to_le_bytes()[..width].to_vec()
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A zip writer: stored or deflated members, and hooks to make it lie.
#[derive(Default)]
struct Jar {
    body: Vec<u8>,
    directory: Vec<u8>,
    count: usize,
}

impl Jar {
    fn stored(self, name: &str, content: &[u8]) -> Self {
        self.member(name, name, 0, content, content.len())
    }

    fn deflated(self, name: &str, content: &[u8]) -> Self {
        let data = deflated(content);
        self.member(name, name, 8, &data, content.len())
    }

    fn member(
        mut self,
        name: &str,
        local_name: &str,
        method: usize,
        data: &[u8],
        size: usize,
    ) -> Self {
        let offset = self.body.len();
        let sizes = [le(0, 4), le(data.len(), 4), le(size, 4)].concat();
        let common = |name: &str| {
            [le(20, 2), le(0, 2), le(method, 2), le(0, 4), sizes.clone(), le(name.len(), 2)]
                .concat()
        };
        self.body.extend([b"PK\x03\x04".to_vec(), common(local_name), le(0, 2)].concat());
        self.body.extend([local_name.as_bytes(), data].concat());
        let central = [
            b"PK\x01\x02".to_vec(),
            le(20, 2),
            common(name),
            le(0, 12),
            le(offset, 4),
            name.as_bytes().to_vec(),
        ];
        self.directory.extend(central.concat());
        self.count += 1;
        self
    }

    fn pom(self, group: &str, artifact: &str, version: &str) -> Self {
        let name = format!("META-INF/maven/{group}/{artifact}/pom.properties");
        let text = format!(
            "#Generated\r\nversion={version}\r\ngroupId={group}\nartifactId = {artifact}\n"
        );
        self.deflated(&name, text.as_bytes())
    }

    fn manifest(self, lines: &str) -> Self {
        self.deflated(
            "META-INF/MANIFEST.MF",
            format!("Manifest-Version: 1.0\r\n{lines}\r\n").as_bytes(),
        )
    }

    fn end(self) -> Vec<u8> {
        let (count, length, offset) = (self.count, self.directory.len(), self.body.len());
        self.end_with(count, length, offset)
    }

    fn end_with(self, count: usize, length: usize, offset: usize) -> Vec<u8> {
        let end = [
            b"PK\x05\x06".to_vec(),
            le(0, 4),
            le(count, 2),
            le(count, 2),
            le(length, 4),
            le(offset, 4),
            le(0, 2),
        ];
        [self.body, self.directory, end.concat()].concat()
    }
}

fn read(path: &str, bytes: &[u8]) -> Found {
    catalog(Captured { path, bytes })
}

fn listed(found: &Found) -> Vec<String> {
    found.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
}

#[track_caller]
fn check(path: &str, bytes: &[u8], expected: &[&str]) -> Found {
    let found = read(path, bytes);
    assert_eq!(found.problems, [], "{path}");
    assert_eq!(listed(&found), expected, "{path}");
    found
}

#[test]
fn pom_properties_win_over_file_name_and_manifest() {
    let manifest = "Bundle-SymbolicName: org.invented.name\r\nImplementation-Version: 9.9\r\n\
                    Specification-Version: 9\r\nBundle-License: Apache-2.0;link=\"http://x\",MIT\r\n";
    let bytes = Jar::default().manifest(manifest).pom("org.acme", "tool", "1.2").end();
    let found = check("app/tool-1.2.jar", &bytes, &["org.acme:tool 1.2"]);
    let package = &found.packages[0];
    assert_eq!(package.purl, "pkg:maven/org.acme/tool@1.2");
    assert_eq!(package.licenses, ["Apache-2.0", "MIT"]);
    assert_eq!(package.locations, []);
    assert_eq!(
        package.details,
        PackageDetails::Java {
            group: Some("org.acme".to_owned()),
            artifact: "tool".to_owned(),
            implementation_version: "9.9".to_owned(),
            specification_version: "9".to_owned(),
            sha1: String::new(),
        }
    );
    // Renamed by a distribution, same version; renamed by an application, no version.
    check("app/libtool-java-1.2.jar", &bytes, &["org.acme:tool 1.2"]);
    check("app/app.jar", &bytes, &["org.acme:tool 1.2"]);
    // A classifier is not part of the version.
    check("app/tool-1.2-shaded-guava.jar", &bytes, &["org.acme:tool 1.2"]);
}

#[test]
fn shaded_archives_hold_several_packages() {
    let bytes = Jar::default()
        .manifest("Implementation-Version: 2.0\r\n")
        .pom("org.acme", "tool", "2.0")
        .pom("com.google.guava", "guava", "31.1-jre")
        .pom("com.google.guava", "guava", "31.1-jre")
        .end();
    let found = read("app/tool-2.0.jar", &bytes);
    assert_eq!(listed(&found), ["com.google.guava:guava 31.1-jre", "org.acme:tool 2.0"]);
    let version = |index: usize| {
        let details = &found.packages[index].details;
        let PackageDetails::Java { implementation_version, .. } = details else {
            panic!("{details:?}")
        };
        implementation_version.clone()
    };
    // The manifest describes the archive, not what is shaded into it.
    assert_eq!((version(0), version(1)), (String::new(), "2.0".to_owned()));
    // None agrees with the file name: the archive is one more, of unknown group.
    let found = read("app/other-3.1.jar", &bytes);
    assert_eq!(listed(&found)[0], "other 3.1");
    assert_eq!((found.packages.len(), found.packages[0].purl.as_str()), (3, "pkg:maven/other@3.1"));
}

#[test]
fn without_a_pom_the_file_name_or_the_manifest_tells_and_the_group_is_unknown() {
    let bytes = Jar::default()
        .manifest(
            "Implementation-Title: x\r\nBundle-SymbolicName: org.acme.tool;singleton:=true\r\n\
                   Bundle-Version: 4.5.6.v2020\r\nImplementation-Version: built by hand\r\n",
        )
        .end();
    check("app/tool-4.5.6.jar", &bytes, &["tool 4.5.6"]);
    check("app/tool.jar", &bytes, &["tool 4.5.6.v2020"]);
    let found = read("app/tool.jar", &Jar::default().stored("a.txt", b"x").end());
    assert_eq!(
        (found.packages.len(), found.problems[0].code.as_str()),
        (0, "java_version_unknown")
    );
}

#[test]
fn manifest_lines_continue() {
    let text = "Manifest-Version: 1.0\r\nImplementation-Ver\r\nImplementation-Version: 1.\r\n 2\r\n .3\r\n\
                \r\nName: a\r\nSpecification-Version: 7\r\n";
    let manifest = metadata::manifest(text.as_bytes());
    assert_eq!(manifest.implementation_version, "1.2.3");
    // A section of a member is not the main section.
    assert_eq!(manifest.specification_version, "");
    assert_eq!(metadata::manifest(b" \n \n:\n").version(), None);
}

#[test]
fn pom_properties_with_placeholders_are_not_used() {
    let read = |text: &str| metadata::coordinates(text.as_bytes());
    assert_eq!(read("groupId=a\nartifactId=b\nversion=${project.version}\n"), None);
    assert_eq!(read("groupId=a\nartifactId=b\n"), None);
    assert_eq!(read("groupId=a\nartifactId=b\nversion=\n"), None);
    let found = read("! c\n# d\ngroupId: a\nartifactId:b\r\nversion = 1\\:2\nother=x\n").unwrap();
    assert_eq!((found.group.as_str(), found.version.as_str()), ("a", "1:2"));
}

#[test]
fn file_names_are_taken_apart() {
    let check = |name: &str, artifact: &str, version: Option<&str>| {
        let parsed = names::parse(name);
        assert_eq!(
            (parsed.artifact.as_str(), parsed.version.as_deref()),
            (artifact, version),
            "{name}"
        );
    };
    check("/a/commons-lang3-3.12.0.jar", "commons-lang3", Some("3.12.0"));
    check("spark-core_2.12-3.5.0.jar", "spark-core_2.12", Some("3.5.0"));
    check("log4j-1.2-api-2.20.0.jar", "log4j-1.2-api", Some("2.20.0"));
    check("orc-core-1.9.2-shaded-protobuf.jar", "orc-core", Some("1.9.2"));
    check("guava-31.1-jre.jar", "guava", Some("31.1-jre"));
    check("netty-epoll-4.1.96.Final-linux-x86_64.jar", "netty-epoll", Some("4.1.96.Final"));
    check(
        "geronimo-jcache_1.0_spec-1.0-alpha-1.jar",
        "geronimo-jcache_1.0_spec",
        Some("1.0-alpha-1"),
    );
    check("stax-api-1.0-2.jar", "stax-api", Some("1.0-2"));
    check("foo-1.0-20200101.123456-7.jar", "foo", Some("1.0-20200101.123456-7"));
    check("x-2.0-SNAPSHOT.war", "x", Some("2.0-SNAPSHOT"));
    check("json-20230227.jar", "json", Some("20230227"));
    check("bcprov-jdk18on-1.78.jar", "bcprov-jdk18on", Some("1.78"));
    check("org.eclipse.osgi_3.18.0.v2022.jar", "org.eclipse.osgi", Some("3.18.0.v2022"));
    check("kafka_2.13.jar", "kafka_2.13", None);
    check("app.jar", "app", None);
    check("1.0.jar", "1.0", None);
    check("-1.jar", "", Some("1"));
    check("/a.war!WEB-INF/lib/b-1.jar", "b", Some("1"));
}

#[test]
fn nested_archives_are_read_wherever_they_are() {
    let jar = Jar::default().pom("org.acme", "inner", "1.0").end();
    let war = Jar::default()
        .pom("org.acme", "site", "3.0")
        .deflated("WEB-INF/lib/inner-1.0.jar", &jar)
        .stored("WEB-INF/lib/plain-2.0.jar", &Jar::default().end())
        .end();
    let ear = Jar::default().stored("site.war", &war).end();
    let found = read("srv/all-9.ear", &ear);
    assert_eq!(found.problems, []);
    assert_eq!(listed(&found), ["all 9", "org.acme:site 3.0", "org.acme:inner 1.0", "plain 2.0"]);
    let places: Vec<&str> = found
        .packages
        .iter()
        .flat_map(|package| package.locations.iter().map(|location| location.path.as_str()))
        .collect();
    let inner = "/srv/all-9.ear!site.war!WEB-INF/lib/inner-1.0.jar";
    let plain = "/srv/all-9.ear!site.war!WEB-INF/lib/plain-2.0.jar";
    assert_eq!(places, ["/srv/all-9.ear!site.war", inner, plain]);
}

#[test]
fn nesting_and_fan_out_are_bounded() {
    let mut bytes = Jar::default().pom("org.acme", "deep", "1").end();
    for _ in 0..60 {
        bytes = Jar::default().deflated("a.jar", &bytes).end();
    }
    let found = read("a.jar", &bytes);
    assert_eq!(found.packages, []);
    assert!(found.problems.iter().any(|problem| problem.code == "java_nested_too_deep"));
    // 40 x 40 x 40 archives from one small file.
    let mut bytes = Jar::default().pom("org.acme", "leaf", "1").end();
    for _ in 0..3 {
        let fan = (0..40)
            .fold(Jar::default(), |jar, index| jar.deflated(&format!("{index}.jar"), &bytes));
        bytes = fan.end();
    }
    let found = read("a.jar", &bytes);
    assert!(found.packages.len() <= ARCHIVES_MAX);
    assert!(found.problems.iter().any(|problem| problem.code == "java_too_many_archives"));
}

#[test]
fn bombs_are_cut_at_the_budget() {
    let zeros = vec![0u8; LIVE_BYTES_MAX + 1];
    let bytes = Jar::default().deflated("bomb.jar", &zeros).pom("org.acme", "a", "1").end();
    let found = read("a-1.jar", &bytes);
    assert_eq!(listed(&found), ["org.acme:a 1"]);
    let told = &found.problems[0];
    assert_eq!(told.code, "java_member_unreadable");
    assert!(told.message.contains("inflates to more than"), "{told:?}");
}

#[test]
fn disagreeing_directories_are_told() {
    let pom = "META-INF/maven/a/b/pom.properties";
    let text = b"groupId=a\nartifactId=b\nversion=1\n";
    let mismatch =
        Jar::default().member(pom, "META-INF/maven/a/c/pom.properties", 0, text, text.len());
    let found = read("x-1.jar", &mismatch.end());
    assert_eq!(listed(&found), ["x 1"]);
    assert!(found.problems[0].message.contains("contradicts the central directory"));

    let double =
        Jar::default().stored(pom, text).stored(pom, b"groupId=a\nartifactId=b\nversion=2\n");
    let found = read("b.jar", &double.end());
    assert_eq!(listed(&found)[..2], ["a:b 1", "a:b 2"]);
    assert_eq!(found.problems[0].code, "java_duplicate_member");
    let jar = Jar::default().stored(pom, text);
    let (length, offset) = (jar.directory.len(), jar.body.len());
    let found = read("b.jar", &jar.end_with(7, length, offset));
    assert_eq!((listed(&found).len(), found.problems[0].code.as_str()), (1, "java_member_count"));
    let jar = Jar::default().stored(pom, text);
    let found = read("b.jar", &jar.end_with(1, length, 0xffff_fff0));
    assert!(found.problems[0].message.contains("not where its end record says"));
    let encrypted = Jar::default().member(pom, pom, 99, text, text.len());
    let found = read("x-1.jar", &encrypted.end());
    assert!(found.problems[0].message.contains("method 99"), "{:?}", found.problems);
}

#[test]
fn a_start_script_in_front_is_no_obstacle() {
    let jar = Jar::default().pom("org.acme", "boot", "1").end();
    let bytes = [b"#!/bin/sh\nexec java -jar $0\n".as_slice(), &jar].concat();
    check("app/boot.jar", &bytes, &["org.acme:boot 1"]);
    let trailing = [jar.as_slice(), &[0; 100]].concat();
    check("app/boot.jar", &trailing, &["org.acme:boot 1"]);
}

#[test]
fn zip64_is_read_and_its_lies_are_not() {
    let jar = Jar::default().pom("org.acme", "wide", "1");
    let (count, length, offset) = (jar.count, jar.directory.len(), jar.body.len());
    let record_at = offset + length;
    let make = |record_offset: usize, size: usize| {
        let record = [
            b"PK\x06\x06".to_vec(),
            le(44, 8),
            le(0, 12),
            le(count, 8),
            le(count, 8),
            le(size, 8),
            le(offset, 8),
        ];
        let locator = [b"PK\x06\x07".to_vec(), le(0, 4), le(record_offset, 8), le(1, 4)].concat();
        let end = Jar::default().end_with(0xffff, 0xffff_ffff, 0xffff_ffff);
        [jar.body.clone(), jar.directory.clone(), record.concat(), locator, end].concat()
    };
    check("wide.jar", &make(record_at, length), &["org.acme:wide 1"]);
    assert_eq!(read("wide.jar", &make(record_at, usize::MAX)).packages, []);
    // A wrong place of the record is made good by looking where it has to be.
    check("wide.jar", &make(7, length), &["org.acme:wide 1"]);
}

#[test]
fn what_is_no_archive_is_told_by_its_bytes() {
    let found = read("notes.jar", b"just text");
    assert_eq!(found.problems[0].severity, ProblemSeverity::Info);
    let found = read("cut.jar", b"PK\x03\x04 and then nothing");
    assert_eq!(found.problems[0].severity, ProblemSeverity::Degraded);
    assert_eq!(found.problems[0].place, "/cut.jar");
}

#[test]
fn wants_archives_by_extension() {
    for path in ["a/b.jar", "b.WAR", "x.ear", "x.hpi", "x.lpkg"] {
        assert_ne!(wants(path, 0o644, 1), Want::No, "{path}");
    }
    for path in ["jar", "a.jar/b", "a.zip", "x.jarx"] {
        assert_eq!(wants(path, 0o644, 1), Want::No, "{path}");
    }
}

#[test]
fn archives_cut_or_damaged_anywhere_never_panic() {
    let inner = Jar::default().pom("org.acme", "inner", "1.0").end();
    let bytes = Jar::default()
        .manifest("Implementation-Version: 3\r\n")
        .pom("org.acme", "outer", "2.0")
        .deflated("lib/inner-1.0.jar", &inner)
        .end();
    assert_eq!(read("outer-2.0.jar", &bytes).packages.len(), 2);
    for length in 0..bytes.len() {
        assert!(!read("outer-2.0.jar", &bytes[..length]).problems.is_empty());
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x50, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert!(read("outer-2.0.jar", &damaged).packages.len() <= 4);
        }
    }
}
