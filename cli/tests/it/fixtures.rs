//! Images and feeds made for these tests.

use kedge_artifact::digest::Digest;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Files of a Debian with a vulnerable libssl3 and a vulnerable Django.
const FILES: [(&str, &str); 3] = [
    (
        "etc/os-release",
        "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n",
    ),
    (
        "var/lib/dpkg/status",
        "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\n\
         Version: 3.0.9-1\nMaintainer: T <t@example.com>\nDescription: x\n",
    ),
    (
        "usr/lib/python3/site-packages/Django-3.2.0.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: Django\nVersion: 3.2.0\nLicense: BSD-3-Clause\n",
    ),
];

fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, path, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn layer() -> Vec<u8> {
    tar(&FILES.map(|(path, content)| (path, content.as_bytes())))
}

fn config(layer: &[u8]) -> Vec<u8> {
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(layer)]},
        "history": [{"created_by": "/bin/sh -c #(nop) ADD file in /"}],
    });
    serde_json::to_vec(&config).unwrap()
}

/// The image as `docker save` writes it.
pub(crate) fn docker_archive(path: &Path) {
    let layer = layer();
    let config = config(&layer);
    let name = format!("{}.json", Digest::of(&config).hex());
    let manifest =
        json!([{"Config": name, "RepoTags": ["app:1"], "Layers": ["layer/layer.tar"]}]).to_string();
    let archive = tar(&[
        (&name, &config),
        ("layer/layer.tar", &layer),
        ("manifest.json", manifest.as_bytes()),
    ]);
    fs::write(path, archive).unwrap();
}

/// The image as an OCI layout.
pub(crate) fn oci_layout(root: &Path) {
    let layer = layer();
    let config = config(&layer);
    let blob = |bytes: &[u8]| {
        put(root, &format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes);
    };
    let descriptor = |bytes: &[u8], kind: &str| -> Value {
        json!({"mediaType": format!("application/vnd.oci.image.{kind}"),
               "digest": Digest::of(bytes), "size": bytes.len()})
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(&config, "config.v1+json"),
        "layers": [descriptor(&layer, "layer.v1.tar")],
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    for bytes in [&layer, &config, &manifest] {
        blob(bytes);
    }
    put(root, "oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index =
        json!({"schemaVersion": 2, "manifests": [descriptor(&manifest, "manifest.v1+json")]});
    put(root, "index.json", index.to_string());
}

/// The same content as a directory, with an npm module that no feed of the mirror covers.
pub(crate) fn directory(root: &Path) {
    for (path, content) in FILES {
        put(root, path, content);
    }
    put(root, "app/node_modules/left/package.json", r#"{"name":"left","version":"1.0.0"}"#);
}

/// A mirror of two feeds and KEV: one fixed and one open openssl issue, one Django issue.
pub(crate) fn mirror(root: &Path) {
    let release = |status: &str, fixed: &str, urgency: &str| {
        let mut entry = json!({"status": status, "urgency": urgency,
            "repositories": {"bookworm": "3.0.11-1"}});
        if !fixed.is_empty() {
            entry["fixed_version"] = json!(fixed);
        }
        json!({"bookworm": entry})
    };
    let debian = json!({"openssl": {
        "CVE-2030-0001": {"description": "fixed in bookworm", "scope": "remote",
            "releases": release("resolved", "3.0.11-1", "high")},
        "CVE-2030-0002": {"description": "without a fix", "releases": release("open", "", "medium")},
        "CVE-2030-0003": {"description": "long ago", "releases": release("resolved", "1.1.0-1", "low")},
    }});
    put(root, "security-tracker.debian.org/tracker/data/json", debian.to_string());
    advisory(root, "PYSEC-2030-1", "django");
    let kev = json!({
        "title": "catalogue", "catalogVersion": "1", "dateReleased": "2030-01-01T00:00:00Z", "count": 1,
        "vulnerabilities": [{
            "cveID": "CVE-2030-0001", "vendorProject": "openssl", "product": "openssl",
            "vulnerabilityName": "x", "dateAdded": "2030-01-01", "shortDescription": "x",
            "requiredAction": "update", "dueDate": "2030-02-01",
            "knownRansomwareCampaignUse": "Unknown", "notes": "", "cwes": []}]
    });
    let path = "www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json";
    put(root, path, kev.to_string());
}

/// Adds a PyPI advisory to a mirror.
pub(crate) fn advisory(root: &Path, id: &str, package: &str) {
    let record = json!({
        "schema_version": "1.6.0", "id": id, "modified": "2030-01-02T00:00:00Z",
        "published": "2030-01-01T00:00:00Z", "aliases": ["CVE-2030-0100"],
        "summary": "a django issue", "details": "made for tests",
        "affected": [{"package": {"ecosystem": "PyPI", "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "3.0"}, {"fixed": "3.2.5"}]}]}],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    });
    let path = format!("osv-vulnerabilities.storage.googleapis.com/PyPI/{id}.json");
    put(root, &path, record.to_string());
}
