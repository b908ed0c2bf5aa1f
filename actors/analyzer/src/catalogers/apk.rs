//! Alpine packages: the installed database of apk-tools.
//!
//! Format: apk-tools manual, `apk-installed`/"APKINDEX" keys: one letter, colon, value; stanzas
//! parted by empty lines. `F:` opens a directory, `R:` is a file in it. Newer images keep the
//! database under `usr/lib`.

use crate::catalogers::{Captured, Cataloger, Found, OwnedFiles, Want};
use crate::catalogers::{lists_cut, own, text};
use crate::limits::{OWNED_BYTES_MAX, PACKAGE_DATABASE_BYTES_MAX, STANZAS_MAX};
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind, SourcePackage};
use kedge_artifact::problem::Problem;

/// The row of the table.
pub(crate) const CATALOGER: Cataloger = Cataloger { name: "apk", version: 2, wants, catalog };

/// Malformed stanzas told one by one; the rest is counted.
const STANZA_PROBLEMS_MAX: usize = 50;

fn wants(path: &str, _mode: u32, _size: u64) -> Want {
    if path.ends_with("apk/db/installed") {
        return Want::Whole { bytes_max: PACKAGE_DATABASE_BYTES_MAX };
    }
    Want::No
}

#[derive(Default)]
struct Stanza<'a> {
    line: usize,
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    license: &'a str,
    origin: &'a str,
    maintainer: &'a str,
    installed_size: Option<u64>,
    directory: &'a str,
    files: Vec<String>,
    stray_line: Option<usize>,
    seen: bool,
}

impl<'a> Stanza<'a> {
    /// Takes a line; `left` is the room for file names, and the answer whether there was any.
    fn line(&mut self, number: usize, line: &'a str, left: &mut usize) -> bool {
        if !self.seen {
            self.seen = true;
            self.line = number;
        }
        let mut chars = line.chars();
        let (Some(key), Some(':')) = (chars.next(), chars.next()) else {
            self.stray_line.get_or_insert(number);
            return true;
        };
        let value = chars.as_str().trim();
        match key {
            'P' => self.name = value,
            'V' => self.version = value,
            'A' => self.architecture = value,
            'L' => self.license = value,
            'o' => self.origin = value,
            'm' => self.maintainer = value,
            'I' => self.installed_size = value.parse().ok(),
            'F' => self.directory = value,
            'R' => return own(&mut self.files, self.directory, value, left),
            // Checksums, dependencies, triggers, ownership and what later versions add.
            _ => {}
        }
        true
    }

    fn finish(self, found: &mut Found) -> Result<(), String> {
        if !text::is_token(self.name) {
            return Err(format!("stanza at line {} has no usable P: (name)", self.line));
        }
        if !text::is_token(self.version) {
            return Err(format!("package {} has no usable V: (version)", self.name));
        }
        let mut licenses = Vec::new();
        text::push_license(&mut licenses, self.license);
        let origin = if text::is_token(self.origin) { self.origin } else { self.name };
        found.packages.push(Package {
            id: PackageId(String::new()),
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            kind: PackageKind::Apk,
            purl: String::new(),
            architecture: text::is_token(self.architecture).then(|| self.architecture.to_owned()),
            source: Some(SourcePackage { name: origin.to_owned(), version: None }),
            licenses,
            locations: Vec::new(),
            owned_by: None,
            size: self.installed_size,
            origin: (!self.maintainer.is_empty()).then(|| text::cut(self.maintainer)),
            details: PackageDetails::None,
        });
        if !self.files.is_empty() {
            found.owned.push(OwnedFiles {
                kind: PackageKind::Apk,
                name: self.name.to_owned(),
                architecture: self.architecture.to_owned(),
                files: self.files,
            });
        }
        match self.stray_line {
            Some(line) => Err(format!("line {line} in package {} has no key", self.name)),
            None => Ok(()),
        }
    }
}

fn catalog(file: Captured<'_>) -> Found {
    let content = String::from_utf8_lossy(file.bytes);
    let mut found = Found::default();
    let mut stanza = Stanza::default();
    let mut bad = 0;
    let mut seen = 0;
    let (mut left, mut has_room) = (OWNED_BYTES_MAX, true);
    let place = format!("/{}", file.path);
    let mut end = |stanza: &mut Stanza<'_>, found: &mut Found| {
        let stanza = std::mem::take(stanza);
        if !stanza.seen {
            return;
        }
        if let Err(what) = stanza.finish(found) {
            bad += 1;
            if bad <= STANZA_PROBLEMS_MAX {
                found.problems.push(Problem::degraded("apk_stanza_malformed", place.clone(), what));
            }
        }
    };
    for (index, line) in content.lines().enumerate() {
        if !line.trim().is_empty() {
            has_room &= stanza.line(index + 1, line, &mut left);
            continue;
        }
        end(&mut stanza, &mut found);
        seen += 1;
        if seen > STANZAS_MAX {
            let what = format!("more than {STANZAS_MAX} stanzas (STANZAS_MAX)");
            found.problems.push(Problem::degraded("apk_database_cut", place.clone(), what));
            return found;
        }
    }
    end(&mut stanza, &mut found);
    if !has_room {
        found.problems.push(lists_cut(file.path));
    }
    if bad > STANZA_PROBLEMS_MAX {
        let what = format!("{} more malformed stanzas", bad - STANZA_PROBLEMS_MAX);
        found.problems.push(Problem::degraded("apk_stanza_malformed", place, what));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_origins_and_files() {
        let path = "lib/apk/db/installed";
        assert_ne!(wants(path, 0o644, 1), Want::No);
        assert_ne!(wants("usr/lib/apk/db/installed", 0o644, 1), Want::No);
        let bytes = include_bytes!("../../testdata/apk/installed");
        let found = catalog(Captured { path, bytes });
        let rows: Vec<_> = found
            .packages
            .iter()
            .map(|p| {
                (p.name.as_str(), p.version.as_str(), p.source.as_ref().unwrap().name.as_str())
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("musl", "1.2.4_git20230717-r4", "musl"),
                ("libcrypto3", "3.1.4-r5", "openssl"),
                ("plain", "1-r0", "plain"),
            ]
        );
        assert_eq!(found.packages[1].licenses, ["Apache-2.0"]);
        assert_eq!(found.packages[0].size, Some(659_456));
        assert_eq!(found.owned[0].files, ["lib/ld-musl-x86_64.so.1", "lib/libc.musl-x86_64.so.1"]);
        assert!(found.problems.is_empty());
    }

    #[test]
    fn short_lines_degrade_and_keep_the_rest() {
        let bytes = b"P:a\nV:1\nX\n\nP:b\n\nQ\n\nP:c\nV:2\n\xff:\n:\n\n";
        let found = catalog(Captured { path: "lib/apk/db/installed", bytes });
        let names: Vec<_> = found.packages.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        let problems: Vec<_> = found.problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(
            problems,
            [
                "line 3 in package a has no key",
                "package b has no usable V: (version)",
                "stanza at line 7 has no usable P: (name)",
                "line 12 in package c has no key",
            ]
        );
    }

    #[test]
    fn a_directory_that_is_named_again_and_again_does_not_fill_the_memory() {
        let files = OWNED_BYTES_MAX / 4000 + 1;
        let text = format!("P:a\nV:1\nF:{}\n{}\n", "d".repeat(4000), "R:f\n".repeat(files));
        let found = catalog(Captured { path: "lib/apk/db/installed", bytes: text.as_bytes() });
        assert_eq!(found.packages.len(), 1);
        assert!((1..files).contains(&found.owned[0].files.len()));
        assert_eq!(found.problems[0].code, "file_list_cut");
        assert!(found.problems[0].message.contains("OWNED_BYTES_MAX"));
    }
}
