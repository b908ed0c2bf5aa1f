//! Node modules: every `package.json` that has a name and a version.
//!
//! Format: docs.npmjs.com "package.json". Files without both are not packages but entry points
//! (`rxjs/ajax`), workspaces or test fixtures, and are left out silently.

use crate::catalogers::text;
use crate::catalogers::{Captured, Cataloger, Found, Want};
use crate::limits::MANIFEST_BYTES_MAX;
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind};
use kedge_artifact::problem::Problem;
use kedge_artifact::purl::{PurlParts, build};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The row of the table.
pub(crate) const CATALOGER: Cataloger = Cataloger { name: "node", version: 1, wants, catalog };

/// npm's own bound.
const NAME_BYTES_MAX: usize = 214;

fn wants(path: &str, _mode: u32, _size: u64) -> Want {
    let is_manifest = path.ends_with("/package.json") || path == "package.json";
    if is_manifest { Want::Whole { bytes_max: MANIFEST_BYTES_MAX } } else { Want::No }
}

fn catalog(file: Captured<'_>) -> Found {
    let content = String::from_utf8_lossy(file.bytes);
    let content = content.trim_start_matches('\u{feff}');
    // Keys map to unparsed text: most of the document is never looked at, and a key that occurs
    // twice is taken as JavaScript does, the last one.
    match serde_json::from_str::<HashMap<String, &RawValue>>(content) {
        Ok(fields) => {
            let packages = package(&Manifest(fields)).into_iter().collect();
            Found { packages, ..Found::default() }
        }
        Err(error) if is_installed_module(file.path) => {
            let place = format!("/{}", file.path);
            let what = format!("package.json is not a JSON object: {error}");
            let problem = Problem::degraded("node_manifest_malformed", place, what);
            Found { problems: vec![problem], ..Found::default() }
        }
        // Broken manifests are popular test fixtures; they are no installed module.
        Err(_) => Found::default(),
    }
}

/// `…/node_modules/name/package.json` or `…/node_modules/@scope/name/package.json`.
fn is_installed_module(path: &str) -> bool {
    let mut parts = path.rsplit('/').skip(2);
    match parts.next() {
        Some("node_modules") => true,
        Some(scope) if scope.starts_with('@') => parts.next() == Some("node_modules"),
        _ => false,
    }
}

struct Manifest<'a>(HashMap<String, &'a RawValue>);

impl Manifest<'_> {
    fn value(&self, key: &str) -> Option<Value> {
        serde_json::from_str(self.0.get(key)?.get()).ok()
    }

    fn text(&self, key: &str) -> Option<String> {
        self.value(key)?.as_str().map(str::to_owned)
    }
}

fn package(manifest: &Manifest<'_>) -> Option<Package> {
    let name = manifest.text("name").filter(|name| is_name(name))?;
    let version = manifest.text("version").map(|version| version.trim().to_owned())?;
    if !text::is_token(&version) {
        return None;
    }
    let (scope, bare) = match name.split_once('/') {
        Some((scope, bare)) => (scope, bare),
        None => ("", name.as_str()),
    };
    let parts = PurlParts {
        kind: "npm",
        namespace: scope,
        name: bare,
        version: &version,
        ..PurlParts::default()
    };
    let homepage = manifest.text("homepage").or_else(|| url(&manifest.value("repository")?));
    Some(Package {
        purl: build(&parts)?,
        id: PackageId(String::new()),
        kind: PackageKind::Npm,
        architecture: None,
        source: None,
        licenses: licenses(manifest),
        locations: Vec::new(),
        owned_by: None,
        size: None,
        origin: manifest.value("author").and_then(|author| person(&author)),
        details: PackageDetails::Npm { homepage: text::cut(&homepage.unwrap_or_default()) },
        name,
        version,
    })
}

/// `name` or `@scope/name`; old modules have upper case.
fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-~!'()*".contains(&b))
    };
    if name.len() > NAME_BYTES_MAX {
        return false;
    }
    match name.strip_prefix('@') {
        Some(rest) => rest.split_once('/').is_some_and(|(scope, bare)| plain(scope) && plain(bare)),
        None => plain(name),
    }
}

fn url(repository: &Value) -> Option<String> {
    repository.as_str().or_else(|| repository.get("url")?.as_str()).map(str::to_owned)
}

fn person(author: &Value) -> Option<String> {
    let text = match (author.as_str(), author.get("name").and_then(Value::as_str)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(name)) => match author.get("email").and_then(Value::as_str) {
            Some(email) => format!("{name} <{email}>"),
            None => name.to_owned(),
        },
        (None, None) => return None,
    };
    (!text.is_empty()).then(|| text::cut(&text))
}

/// `"license": "MIT"`, `{"type": "MIT"}`, and the older `"licenses": [{"type": "MIT"}, …]`.
fn licenses(manifest: &Manifest<'_>) -> Vec<String> {
    let mut licenses = Vec::new();
    for key in ["license", "licenses"] {
        match manifest.value(key) {
            Some(Value::Array(items)) => {
                items.iter().filter_map(license).for_each(|l| text::push_license(&mut licenses, l));
            }
            Some(value) => {
                license(&value).into_iter().for_each(|l| text::push_license(&mut licenses, l));
            }
            None => {}
        }
    }
    licenses
}

fn license(value: &Value) -> Option<&str> {
    let named = || value.get("type").or_else(|| value.get("name"))?.as_str();
    value.as_str().or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Found {
        assert_ne!(wants(path, 0o644, text.len() as u64), Want::No, "{path}");
        catalog(Captured { path, bytes: text.as_bytes() })
    }

    #[test]
    fn a_scoped_module() {
        let found = read(
            "app/node_modules/@types/node/package.json",
            include_str!("../../testdata/node/package.json"),
        );
        let package = &found.packages[0];
        assert_eq!(package.name, "@types/node");
        assert_eq!(package.purl, "pkg:npm/%40types/node@20.11.5");
        assert_eq!(package.licenses, ["MIT"]);
        assert_eq!(package.origin.as_deref(), Some("A <a@example.org>"));
        let homepage = "https://example.org/types.git".to_owned();
        assert_eq!(package.details, PackageDetails::Npm { homepage });
    }

    #[test]
    fn what_is_no_package() {
        for text in [
            r#"{"name":"rxjs/ajax","main":"x.js"}"#,
            r#"{"name":"a"}"#,
            r#"{"version":"1"}"#,
            r#"{"name":"a","version":""}"#,
            r#"{"name":5,"version":"1"}"#,
            r#"{"name":"../x","version":"1"}"#,
            r#"{"name":"a","version":null}"#,
        ] {
            assert_eq!(read("app/node_modules/a/package.json", text), Found::default(), "{text}");
        }
        assert_eq!(read("a/test/fixtures/package.json", "{"), Found::default());
    }

    #[test]
    fn broken_modules_are_told() {
        let deep = "[".repeat(100_000);
        for text in ["{", "[]", "", "\u{0}", deep.as_str(), r#"{"name":"a","version":"1"} x"#] {
            let found = read("app/node_modules/@s/a/package.json", text);
            assert_eq!(found.problems[0].code, "node_manifest_malformed");
        }
        let nested = format!(r#"{{"name":"a","version":"1","license":{}}}"#, "[".repeat(300));
        assert_eq!(read("node_modules/a/package.json", &nested).problems.len(), 1);
    }

    #[test]
    fn licence_forms_and_repeated_keys() {
        let check = |text: &str, licenses: &[&str]| {
            let text = format!(r#"{{"name":"a","name":"b","version":"1",{text}}}"#);
            let found = read("package.json", &text);
            assert_eq!(found.packages[0].name, "b");
            assert_eq!(found.packages[0].licenses, licenses);
        };
        check(r#""license":"(MIT OR Apache-2.0)""#, &["(MIT OR Apache-2.0)"]);
        check(r#""license":{"type":"BSD-3-Clause","url":"x"}"#, &["BSD-3-Clause"]);
        check(r#""licenses":[{"type":"MIT"},"ISC",{"type":"MIT"},5]"#, &["MIT", "ISC"]);
        check(r#""license":7"#, &[]);
    }
}
