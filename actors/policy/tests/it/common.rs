//! An image to judge and the means to write policies briefly.

use kedge_artifact::advisory::{
    Fix, FixState, Kev, Link, Scope, Severity, SeverityRank, SeverityScheme,
};
use kedge_artifact::digest::Digest;
use kedge_artifact::distro::Distro;
use kedge_artifact::finding::{Coverage, Finding, MatchRule, Matches, Why};
use kedge_artifact::image::{FileEntry, FileKind};
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind};
use kedge_artifact::sbom::{Generator, SBOM_SCHEMA, Sbom, Target, TargetKind};
use kedge_artifact::time::Timestamp;
use kedge_policy::facts::FirstSeen;
use kedge_policy::{
    Dockerfile, DockerfileMode, Evaluation, ImageFacts, PolicyDocument, evaluate, parse,
};
use serde_json::{Value, json};

pub(crate) const NOW: &str = "2026-06-15T12:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an RFC 3339 time")
}

/// Everything that [`ImageFacts`] borrows.
pub(crate) struct Image {
    pub(crate) digest: Digest,
    pub(crate) id: Digest,
    pub(crate) sbom: Sbom,
    pub(crate) files: Option<Vec<FileEntry>>,
    pub(crate) matches: Option<Matches>,
    pub(crate) first_seen: Option<FirstSeen>,
    pub(crate) dockerfile: Option<(String, DockerfileMode)>,
    pub(crate) size: Option<u64>,
    pub(crate) tag: &'static str,
}

fn package(kind: PackageKind, name: &str, version: &str, path: &str) -> Package {
    Package {
        id: PackageId::derive(kind, name, version, "", path),
        name: name.into(),
        version: version.into(),
        kind,
        purl: format!("pkg:generic/{name}@{version}"),
        architecture: None,
        source: None,
        licenses: vec![],
        locations: vec![],
        owned_by: None,
        size: None,
        origin: None,
        details: PackageDetails::None,
    }
}

pub(crate) fn finding(
    id: &str,
    kind: PackageKind,
    name: &str,
    path: &str,
    rank: SeverityRank,
) -> Finding {
    let package = package(kind, name, "1.0", path);
    Finding {
        vulnerability: id.into(),
        aliases: vec![],
        cves: vec![id.into()],
        package: package.id,
        package_kind: kind,
        package_name: name.into(),
        package_version: "1.0".into(),
        purl: package.purl,
        path: path.into(),
        severity: rank,
        severities: vec![],
        fix: Fix::default(),
        scope: Scope::Ecosystem { name: "npm".into() },
        driver: "osv".into(),
        summary: String::new(),
        details: String::new(),
        references: vec![Link { url: format!("https://v.example/{id}"), kind: String::new() }],
        published: None,
        epss: None,
        kev: None,
        why: Why {
            rule: MatchRule::Ecosystem,
            searched_name: name.into(),
            compared_version: "1.0".into(),
            scheme: "semver".into(),
            range: "< 2".into(),
            record: id.into(),
            related: vec![],
        },
    }
}

pub(crate) fn file(path: &str, mode: u32, content: Option<&[u8]>) -> FileEntry {
    FileEntry {
        path: path.into(),
        kind: FileKind::File,
        mode,
        uid: 0,
        gid: 0,
        size: 1,
        link: String::new(),
        sha256: content.map(Digest::of),
    }
}

fn findings() -> Vec<Finding> {
    let mut openssl = finding(
        "CVE-2026-1",
        PackageKind::Deb,
        "openssl",
        "/var/lib/dpkg/status",
        SeverityRank::High,
    );
    openssl.fix = Fix {
        state: FixState::Fixed,
        versions: vec!["1.1".into()],
        advisory: String::new(),
        available: Some(at("2026-06-01T00:00:00Z")),
    };
    openssl.severities = vec![Severity {
        scheme: SeverityScheme::Cvss31,
        value: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into(),
        source: "nvd".into(),
        score: Some(9.8),
        rank: SeverityRank::Critical,
    }];
    openssl.kev =
        Some(Kev { added: at(NOW), due: None, ransomware: false, action: "update".into() });
    let mut zlib = finding(
        "CVE-2026-2",
        PackageKind::Deb,
        "zlib1g",
        "/var/lib/dpkg/status",
        SeverityRank::Critical,
    );
    zlib.fix.state = FixState::WontFix;
    let lodash = finding(
        "GHSA-aaaa",
        PackageKind::Npm,
        "lodash",
        "/app/node_modules/lodash/package.json",
        SeverityRank::Medium,
    );
    let jar = finding(
        "CVE-2026-4",
        PackageKind::Java,
        "org.a:b",
        "/app/lib/b-1.0.jar",
        SeverityRank::Low,
    );
    let wheel = finding(
        "CVE-2026-5",
        PackageKind::Python,
        "jinja2",
        "/usr/lib/j/METADATA",
        SeverityRank::Low,
    );
    vec![zlib, openssl, lodash, jar, wheel]
}

/// A Debian image with five vulnerabilities, one of which the vendor will not fix.
pub(crate) fn image() -> Image {
    let findings = findings();
    let seen = ("CVE-2026-1".to_owned(), findings[1].package.clone());
    Image {
        digest: Digest::of(b"manifest"),
        id: Digest::of(b"config"),
        sbom: Sbom {
            schema: SBOM_SCHEMA,
            generator: Generator { name: "kedge".into(), version: "1".into() },
            target: Target {
                kind: TargetKind::Image,
                manifest: None,
                config: None,
                platform: None,
                layers: vec![],
            },
            distro: Some(Distro {
                id: "debian".into(),
                version_id: "12".into(),
                codename: "bookworm".into(),
                id_like: vec!["gnu".into(), "linux".into()],
                pretty_name: String::new(),
            }),
            packages: vec![
                package(PackageKind::Deb, "openssl", "3.0.11-1~deb12u2", ""),
                package(PackageKind::Npm, "lodash", "1.0", ""),
            ],
            problems: vec![],
        },
        files: Some(vec![
            file("/etc/passwd", 0o644, Some(b"root")),
            file("/usr/bin/sudo", 0o4755, None),
        ]),
        matches: Some(Matches {
            generation: "g".into(),
            engine: "1".into(),
            findings,
            suppressed: vec![],
            coverage: vec![Coverage {
                scope: "debian:12".into(),
                package_count: 1,
                fetched: Some(at("2026-06-12T00:00:00Z")),
            }],
            problems: vec![],
        }),
        first_seen: Some(FirstSeen::from([(seen, at("2026-05-01T00:00:00Z"))])),
        dockerfile: Some((
            "FROM debian:12\n# note\nRUN apt-get update \\\n    && true\nEXPOSE 22/tcp 80\nUSER app\n"
                .into(),
            DockerfileMode::Actual,
        )),
        size: Some(3 << 20),
        tag: "1.0",
    }
}

impl Image {
    pub(crate) fn facts(&self) -> ImageFacts<'_> {
        ImageFacts {
            registry: "q.io",
            repository: "team/app",
            tag: self.tag,
            digest: &self.digest,
            image_id: Some(&self.id),
            sbom: &self.sbom,
            files: self.files.as_deref(),
            matches: self.matches.as_ref(),
            first_seen: self.first_seen.as_ref(),
            dockerfile: self
                .dockerfile
                .as_ref()
                .map(|(text, mode)| Dockerfile { text, mode: *mode }),
            size: self.size,
            layer_count: Some(5),
            architecture: "amd64",
            os: "linux",
        }
    }

    pub(crate) fn judge(&self, document: &Value) -> Evaluation {
        evaluate(&read(document), &self.facts(), at(NOW))
    }
}

/// Reads a document that must be good.
pub(crate) fn read(document: &Value) -> PolicyDocument {
    parse(document.to_string().as_bytes()).expect("a good document").0
}

/// `a=1;b=2` as parameters.
pub(crate) fn params(text: &str) -> Value {
    let pairs = text.split(';').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').expect("name=value"))
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

pub(crate) fn rule(id: &str, gate: &str, trigger: &str, action: &str, text: &str) -> Value {
    json!({"id": id, "gate": gate, "trigger": trigger, "action": action, "params": params(text)})
}

/// A document with these rules, mapped to every image.
pub(crate) fn policy(rules: &[Value]) -> Value {
    json!({
        "id": "p", "name": "test", "version": "2",
        "rule_sets": [{"id": "rs", "name": "rules", "version": "2", "rules": rules}],
        "allowlists": [{"id": "al", "name": "list", "version": "2", "items": []}],
        "mappings": [{
            "id": "m", "name": "all", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "rule_set_ids": ["rs"], "allowlist_ids": ["al"]
        }]
    })
}
