//! Alpine's security database (`secdb`): package to fixed version to ids.
//!
//! Format: <https://secdb.alpinelinux.org> (`vX.Y/main.json`). It lists fixed issues only; the
//! version `0` says that the package was never affected.

use crate::json::{self, null_default};
use crate::parse::{Output, ParseError, ReadSeek};
use crate::{limits, text};
use kedge_artifact::advisory::{
    Advisory, Affected, Fix, FixState, Level, Link, Qualifiers, Range, RangeKind, Scope, Verdict,
    Vulnerability, VulnerabilityStatus,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Document<'a> {
    distroversion: String,
    /// `null` in repositories without fixes (community of v3.3).
    #[serde(borrow)]
    packages: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Entry {
    pkg: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default, deserialize_with = "null_default")]
    secfixes: BTreeMap<String, Option<Vec<String>>>,
}

/// What one package says about one id.
#[derive(Default)]
struct Statement {
    aliases: Vec<String>,
    fixed: Vec<String>,
    unaffected: bool,
}

/// The documents of all releases that the landing page or a folder listing names: text is searched
/// for `vX.Y/` and `edge/`. Sorted by release, `main` before `community`.
#[must_use]
pub fn release_documents(landing: &str) -> Vec<String> {
    let mut releases: Vec<(u32, u32)> = Vec::new();
    let mut edge = false;
    for word in landing.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '/')) {
        let Some(folder) = word.strip_suffix('/') else { continue };
        if folder == "edge" {
            edge = true;
        }
        let Some((major, minor)) = folder.strip_prefix('v').and_then(|v| v.split_once('.')) else {
            continue;
        };
        let number = |s: &str| (s.len() <= 3).then(|| s.parse::<u32>().ok()).flatten();
        if let (Some(major), Some(minor)) = (number(major), number(minor)) {
            releases.push((major, minor));
        }
    }
    releases.sort_unstable();
    releases.dedup();
    releases.truncate(200);
    let mut folders: Vec<String> = releases.iter().map(|(a, b)| format!("v{a}.{b}")).collect();
    folders.extend(edge.then(|| "edge".to_owned()));
    let files = |folder: String| ["main", "community"].map(|repo| format!("{folder}/{repo}.json"));
    folders.into_iter().flat_map(files).collect()
}

/// Reads one `main.json` or `community.json`.
pub(crate) fn parse(
    driver: &str,
    path: &str,
    input: &mut dyn ReadSeek,
    out: &mut Output<'_>,
) -> Result<(), ParseError> {
    let bytes = json::read_all(input, limits::SMALL_DOCUMENT_BYTES, "SMALL_DOCUMENT_BYTES")?;
    let document: Document<'_> = serde_json::from_slice(&bytes)?;
    let release = document.distroversion.trim_start_matches('v');
    let plain =
        release.len() <= 20 && release.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    if release.is_empty() || !plain {
        return Err(ParseError::Format("distroversion is not a release".into()));
    }
    let scope =
        Scope::Distro { id: "alpine".into(), version: release.into(), channel: String::new() };
    for (index, raw) in document.packages.iter().flatten().enumerate() {
        let place = format!("{path} package {index}");
        match json::part::<Entry>(raw) {
            Ok(entry) => package(driver, &scope, &place, &entry.pkg, out),
            Err(error) => out.skip("secdb_package_unusable", &place, error),
        }
    }
    Ok(())
}

fn package(driver: &str, scope: &Scope, place: &str, package: &Package, out: &mut Output<'_>) {
    if !text::is_word(&package.name, limits::NAME_CHARS) {
        out.skip("secdb_package_unusable", place, "its name is empty, too long or not printable");
        return;
    }
    let mut statements: BTreeMap<String, Statement> = BTreeMap::new();
    for (version, items) in &package.secfixes {
        let place = format!("{place} ({})", package.name);
        if !text::is_word(version, limits::VERSION_CHARS) {
            out.skip("secdb_version_unusable", &place, "a fixed version is empty or too long");
            continue;
        }
        for item in items.iter().flatten() {
            let (ids, aliases) = ids(item);
            if ids.is_empty() {
                out.skip("secdb_id_unusable", &place, format!("no id in '{item}'"));
            }
            for id in ids {
                let statement = statements.entry(id).or_default();
                if version == "0" {
                    statement.unaffected = true;
                } else {
                    statement.fixed.push(version.clone());
                }
                statement.aliases.extend(aliases.iter().cloned());
            }
        }
    }
    for (id, statement) in statements {
        out.advisory(advisory(driver, scope, &package.name, id, statement));
    }
}

/// The ids of one list item and their common aliases. An item may hold several ids
/// (`CVE-2017-7228 XSA-212`) and careless spellings (`CVE 2018-16859`). An id of another kind is
/// an alias only when the item names one CVE; next to several CVEs it groups them.
fn ids(item: &str) -> (Vec<String>, Vec<String>) {
    let mut cves: Vec<String> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    let mut words = item.split([' ', '\t', ',', ';', '\n']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let joined = if word.eq_ignore_ascii_case("CVE") {
            format!("CVE-{}", words.next().unwrap_or_default())
        } else if word.to_ascii_uppercase().starts_with("CVE-") {
            word.to_ascii_uppercase()
        } else {
            word.to_owned()
        };
        if text::is_cve(&joined) {
            if !cves.contains(&joined) {
                cves.push(joined);
            }
        } else if text::is_id(&joined) && joined.contains('-') && !others.contains(&joined) {
            others.push(joined);
        }
    }
    match cves.len() {
        0 => (others, Vec::new()),
        1 => (cves, others),
        _ => (cves, Vec::new()),
    }
}

fn advisory(driver: &str, scope: &Scope, name: &str, id: String, said: Statement) -> Advisory {
    let range = |version: &String| Range {
        kind: RangeKind::Ecosystem,
        introduced: None,
        fixed: Some(version.clone()),
        last_affected: None,
    };
    let row = |verdict, versions: &[String]| Affected {
        scope: scope.clone(),
        package: name.to_owned(),
        level: Level::Source,
        verdict,
        ranges: versions.iter().map(range).collect(),
        versions: Vec::new(),
        qualifiers: Qualifiers::default(),
        fix: match versions {
            [] => Fix::default(),
            some => Fix { state: FixState::Fixed, versions: some.to_vec(), ..Fix::default() },
        },
    };
    // Listed under a version and under 0 as well: the fix is the more careful reading.
    let affected = match (said.fixed.as_slice(), said.unaffected) {
        ([], _) => row(Verdict::Unaffected, &[]),
        (versions, _) => row(Verdict::Affected, versions),
    };
    let mut aliases = said.aliases;
    aliases.sort_unstable();
    aliases.dedup();
    aliases.truncate(limits::IDS);
    let url = format!("https://security.alpinelinux.org/vuln/{id}");
    Advisory {
        vulnerability: Vulnerability {
            references: vec![Link { url, kind: "ADVISORY".into() }],
            id,
            driver: driver.into(),
            aliases,
            upstream: Vec::new(),
            status: VulnerabilityStatus::Active,
            published: None,
            modified: None,
            withdrawn: None,
            summary: String::new(),
            details: String::new(),
            cwes: Vec::new(),
            severities: Vec::new(),
        },
        affected: vec![affected],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_ids_in_one_item() {
        let check = |item: &str, expect: &[&str], expect_aliases: &[&str]| {
            let (found, aliases) = ids(item);
            assert_eq!((found, aliases), (own(expect), own(expect_aliases)), "{item}");
        };
        check("CVE-2019-9517", &["CVE-2019-9517"], &[]);
        check("CVE 2018-16859", &["CVE-2018-16859"], &[]);
        check("CVE-2017-7228 XSA-212", &["CVE-2017-7228"], &["XSA-212"]);
        check("CVE-2017-1000, CVE-2017-1001 XSA-1", &["CVE-2017-1000", "CVE-2017-1001"], &[]);
        check("XSA-207", &["XSA-207"], &[]);
        check("(fixed upstream)", &[], &[]);
    }

    fn own(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn releases_of_a_landing_page() {
        let page = r#"<a href="../">../</a><a href="v3.10/">v3.10/</a><a href="v3.9/">v3.9/</a>
            <a href="edge/">edge/</a> <a href="v3.9/../../etc/">x</a> v9999999.1/"#;
        let expect = [
            "v3.9/main.json",
            "v3.9/community.json",
            "v3.10/main.json",
            "v3.10/community.json",
            "edge/main.json",
            "edge/community.json",
        ];
        let found = release_documents(page);
        assert_eq!(&found[..4], &expect[..4]);
        assert!(found.iter().all(|path| !path.contains("..")));
        assert_eq!(found.last().unwrap(), "edge/community.json");
    }
}
