//! Python distributions: `*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, and `*.egg-info` files.
//!
//! Formats: packaging.python.org "Core metadata specifications" (all versions), PEP 503 (names),
//! PEP 639 (`License-Expression`).

use crate::catalogers::text::{self, Stanza};
use crate::catalogers::{Captured, Cataloger, Found, Want};
use crate::limits::MANIFEST_BYTES_MAX;
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind};
use kedge_artifact::problem::Problem;
use kedge_artifact::purl::{PurlParts, build};

/// The row of the table.
pub(crate) const CATALOGER: Cataloger = Cataloger { name: "python", version: 1, wants, catalog };

/// A `License` field longer than this is the licence's text and not its name.
const LICENSE_NAME_BYTES_MAX: usize = 120;

fn wants(path: &str, _mode: u32, _size: u64) -> Want {
    let ends = |suffix: &str| {
        let at = path.len().wrapping_sub(suffix.len());
        path.as_bytes().get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
    };
    let is_metadata = match path.as_bytes().last() {
        Some(b'A') => ends(".dist-info/METADATA"),
        Some(b'O' | b'o') => {
            ends(".egg-info/PKG-INFO") || ends("/EGG-INFO/PKG-INFO") || ends(".egg-info")
        }
        _ => false,
    };
    if is_metadata { Want::Whole { bytes_max: MANIFEST_BYTES_MAX } } else { Want::No }
}

fn catalog(file: Captured<'_>) -> Found {
    let content = String::from_utf8_lossy(file.bytes);
    let stanza = text::header(&content);
    match package(&stanza) {
        Ok(package) => Found { packages: vec![package], ..Found::default() },
        Err(what) => {
            let place = format!("/{}", file.path);
            let problem = Problem::degraded("python_metadata_malformed", place, what);
            Found { problems: vec![problem], ..Found::default() }
        }
    }
}

fn package(stanza: &Stanza<'_>) -> Result<Package, &'static str> {
    let name = stanza.get("name").filter(|name| is_name(name)).ok_or("no usable Name field")?;
    let version =
        stanza.get("version").filter(|v| text::is_token(v)).ok_or("no usable Version field")?;
    let name = normalized(name);
    let parts = PurlParts { kind: "pypi", name: &name, version, ..PurlParts::default() };
    Ok(Package {
        purl: build(&parts).ok_or("name and version make no package URL")?,
        id: PackageId(String::new()),
        name,
        version: version.to_owned(),
        kind: PackageKind::Python,
        architecture: None,
        source: None,
        licenses: licenses(stanza),
        locations: Vec::new(),
        owned_by: None,
        size: None,
        origin: origin(stanza),
        details: PackageDetails::Python { top_level: Vec::new() },
    })
}

/// Core metadata, "Name": ASCII letters and digits, with `.`, `-` and `_` inside.
fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    name.len() <= 256
        && name.bytes().all(inner)
        && ends(name.as_bytes().first())
        && ends(name.as_bytes().last())
}

/// PEP 503: lower case, runs of `.`, `-` and `_` become one dash.
fn normalized(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !matches!(c, '.' | '-' | '_') {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out
}

fn known(value: &&str) -> bool {
    !value.is_empty() && !value.eq_ignore_ascii_case("unknown")
}

fn licenses(stanza: &Stanza<'_>) -> Vec<String> {
    let mut licenses = Vec::new();
    if let Some(expression) = stanza.get("license-expression").filter(known) {
        text::push_license(&mut licenses, expression);
        return licenses;
    }
    let name = stanza.get("license").filter(known);
    if let Some(name) = name.filter(|name| name.len() <= LICENSE_NAME_BYTES_MAX) {
        text::push_license(&mut licenses, name);
        return licenses;
    }
    for classifier in stanza.all("classifier") {
        let Some(rest) = classifier.strip_prefix("License ::") else { continue };
        let last = rest.rsplit("::").next().unwrap_or("").trim();
        if last != "OSI Approved" {
            text::push_license(&mut licenses, last);
        }
    }
    licenses
}

fn origin(stanza: &Stanza<'_>) -> Option<String> {
    ["author", "author-email", "maintainer", "maintainer-email"]
        .iter()
        .find_map(|key| stanza.get(key).filter(known))
        .map(text::cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, bytes: &[u8]) -> Found {
        assert_ne!(wants(path, 0o644, bytes.len() as u64), Want::No, "{path}");
        catalog(Captured { path, bytes })
    }

    #[test]
    fn metadata_of_a_wheel() {
        let bytes = include_bytes!("../../testdata/python/METADATA");
        let path = "usr/lib/python3/site-packages/Zope.Interface-6.2.dist-info/METADATA";
        let found = read(path, bytes);
        let package = &found.packages[0];
        assert_eq!(package.name, "zope-interface");
        assert_eq!(package.version, "6.2");
        assert_eq!(package.purl, "pkg:pypi/zope-interface@6.2");
        assert_eq!(package.licenses, ["ZPL-2.1"]);
        assert_eq!(package.origin.as_deref(), Some("Zope Foundation and Contributors"));
    }

    #[test]
    fn eggs_and_where_licences_are() {
        let check = |path: &str, text: &str, licenses: &[&str]| {
            assert_eq!(read(path, text.as_bytes()).packages[0].licenses, licenses);
        };
        let egg = "usr/lib/python3/dist-packages/x-1.egg-info";
        check(egg, "Name: x\nVersion: 1\nLicense: UNKNOWN\n", &[]);
        check(
            "a/x.egg-info/PKG-INFO",
            "Name: x\nVersion: 1\nLicense-Expression: MIT OR Apache-2.0\nLicense: MIT\n",
            &["MIT OR Apache-2.0"],
        );
        check(
            "a/x.egg/EGG-INFO/PKG-INFO",
            "Name: x\nVersion: 1\nClassifier: License :: OSI Approved :: BSD License\n\
             Classifier: License :: OSI Approved\n",
            &["BSD License"],
        );
        check(egg, "Name: x\nVersion: 1\n\nLicense: in the body\n", &[]);
        assert_eq!(wants("a/METADATA", 0, 1), Want::No);
        assert_eq!(wants("a/x.dist-info/RECORD", 0, 1), Want::No);
    }

    #[test]
    fn hostile_metadata_is_a_problem() {
        for text in [
            "Name: ../../x\nVersion: 1\n",
            "Name: x\n",
            "Version: 1\n",
            "Name: x\nVersion: 1 2\n",
            "\u{0}\u{1}",
            "",
        ] {
            let found = read("x.dist-info/METADATA", text.as_bytes());
            assert!(found.packages.is_empty());
            assert_eq!(found.problems[0].code, "python_metadata_malformed");
        }
        let long = format!("Name: x\nVersion: 1\nLicense: {}\n", "y".repeat(8 << 20));
        assert!(read("x.dist-info/METADATA", long.as_bytes()).packages[0].licenses.is_empty());
    }
}
