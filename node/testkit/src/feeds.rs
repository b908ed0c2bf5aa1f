//! A mirror of feeds in a folder, with a handful of records made for tests.

use serde_json::json;
use std::fs;
use std::path::Path;

/// Writes the mirror: Debian's tracker with one fixed and one unfixed openssl issue, one PyPI
/// record, KEV and EPSS.
pub fn write(mirror: &Path) {
    let debian = json!({
        "openssl": {
            "CVE-2030-0001": {
                "description": "an issue fixed in bookworm",
                "scope": "remote",
                "releases": {"bookworm": {
                    "status": "resolved", "fixed_version": "3.0.11-1", "urgency": "high",
                    "repositories": {"bookworm": "3.0.11-1"}}}
            },
            "CVE-2030-0002": {
                "description": "an issue without a fix",
                "releases": {"bookworm": {
                    "status": "open", "urgency": "medium",
                    "repositories": {"bookworm": "3.0.11-1"}}}
            },
            "CVE-2030-0003": {
                "description": "fixed long ago",
                "releases": {"bookworm": {
                    "status": "resolved", "fixed_version": "1.1.0-1", "urgency": "low",
                    "repositories": {"bookworm": "3.0.11-1"}}}
            }
        }
    });
    put(mirror, "security-tracker.debian.org/tracker/data/json", &debian.to_string());
    let record = json!({
        "schema_version": "1.6.0",
        "id": "PYSEC-2030-1",
        "modified": "2030-01-02T00:00:00Z",
        "published": "2030-01-01T00:00:00Z",
        "aliases": ["CVE-2030-0100"],
        "summary": "a django issue",
        "details": "made for tests",
        "affected": [{
            "package": {"ecosystem": "PyPI", "name": "django"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "3.0"}, {"fixed": "3.2.5"}]}]
        }],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    });
    let folder = "osv-vulnerabilities.storage.googleapis.com/PyPI";
    put(mirror, &format!("{folder}/PYSEC-2030-1.json"), &record.to_string());
    let kev = json!({
        "title": "catalogue", "catalogVersion": "2030.01.01", "dateReleased": "2030-01-01T00:00:00Z",
        "count": 1,
        "vulnerabilities": [{
            "cveID": "CVE-2030-0001", "vendorProject": "openssl", "product": "openssl",
            "vulnerabilityName": "x", "dateAdded": "2030-01-01", "shortDescription": "x",
            "requiredAction": "update", "dueDate": "2030-02-01", "knownRansomwareCampaignUse": "Known",
            "notes": "", "cwes": []
        }]
    });
    let path = "www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json";
    put(mirror, path, &kev.to_string());
}

fn put(mirror: &Path, path: &str, content: &str) {
    let path = mirror.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
