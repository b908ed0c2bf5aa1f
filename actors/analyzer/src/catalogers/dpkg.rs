//! Debian packages: the dpkg database, its file lists, and `copyright` files.
//!
//! Formats: dpkg(1) "Package states", deb-control(5), debian-policy §7.1 (`Source`), DEP-5
//! (machine-readable copyright). Distroless images keep one file per package in `status.d`.

use crate::catalogers::text::{self, Stanza};
use crate::catalogers::{Captured, Cataloger, Found, OwnedFiles, OwnedLicenses, Want};
use crate::catalogers::{lists_cut, own};
use crate::limits::{
    COPYRIGHT_BYTES_MAX, FILE_LIST_BYTES_MAX, MANIFEST_BYTES_MAX, OWNED_BYTES_MAX,
    PACKAGE_DATABASE_BYTES_MAX, STANZAS_MAX,
};
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind, SourcePackage};
use kedge_artifact::problem::Problem;

/// The row of the table.
pub(crate) const CATALOGER: Cataloger = Cataloger { name: "dpkg", version: 2, wants, catalog };

/// Malformed stanzas told one by one; the rest is counted.
const STANZA_PROBLEMS_MAX: usize = 50;

enum Part {
    Status,
    StatusPiece,
    FileList,
    Checksums,
    Copyright,
}

/// Any directory named `dpkg` will do: `var/lib/dpkg` may be a link. The squash keeps only what
/// is really the image's own database.
fn part(path: &str) -> Option<Part> {
    if path.ends_with("/status") {
        return path.ends_with("dpkg/status").then_some(Part::Status);
    }
    if path.ends_with("/copyright") {
        let package = path.strip_prefix("usr/share/doc/")?.strip_suffix("/copyright")?;
        return (!package.contains('/')).then_some(Part::Copyright);
    }
    let (directory, name) = path.rsplit_once('/')?;
    if directory.ends_with("dpkg/info") {
        if name.ends_with(".list") {
            return Some(Part::FileList);
        }
        return name.ends_with(".md5sums").then_some(Part::Checksums);
    }
    if directory.ends_with("dpkg/status.d") {
        let checksums = name.ends_with(".md5sums");
        return Some(if checksums { Part::Checksums } else { Part::StatusPiece });
    }
    None
}

fn wants(path: &str, _mode: u32, size: u64) -> Want {
    match part(path) {
        None => Want::No,
        Some(Part::Status) => Want::Whole { bytes_max: PACKAGE_DATABASE_BYTES_MAX },
        Some(Part::StatusPiece) => Want::Whole { bytes_max: MANIFEST_BYTES_MAX },
        Some(Part::FileList | Part::Checksums) => Want::Whole { bytes_max: FILE_LIST_BYTES_MAX },
        Some(Part::Copyright) if size > COPYRIGHT_BYTES_MAX => Want::No,
        Some(Part::Copyright) => Want::Whole { bytes_max: COPYRIGHT_BYTES_MAX },
    }
}

fn catalog(file: Captured<'_>) -> Found {
    let content = String::from_utf8_lossy(file.bytes);
    let name = file.path.rsplit('/').next().unwrap_or(file.path);
    let mut found = Found::default();
    match part(file.path) {
        None => {}
        Some(Part::Status) => status(&content, file.path, true, &mut found),
        Some(Part::StatusPiece) => status(&content, file.path, false, &mut found),
        Some(Part::FileList) => {
            let files = content.lines().filter_map(|line| line.strip_prefix('/'));
            let files = files.filter(|file| *file != ".");
            owned(name.trim_end_matches(".list"), files, file.path, &mut found);
        }
        Some(Part::Checksums) => {
            // 32 hex digits, two blanks, path.
            let files = content.lines().filter_map(|line| line.split_once("  "));
            let files = files.map(|(_, path)| path.trim_start_matches('/'));
            owned(name.trim_end_matches(".md5sums"), files, file.path, &mut found);
        }
        Some(Part::Copyright) => found.licenses.extend(copyright(&content, file.path)),
    }
    found
}

/// Takes a list of files; `stem` is `libc6:amd64` or `bash`.
fn owned<'a>(stem: &str, names: impl Iterator<Item = &'a str>, path: &str, found: &mut Found) {
    let (mut files, mut left) = (Vec::new(), OWNED_BYTES_MAX);
    for name in names {
        if !own(&mut files, "", name, &mut left) {
            found.problems.push(lists_cut(path));
            break;
        }
    }
    if files.is_empty() || stem.is_empty() {
        return;
    }
    let (name, architecture) = stem.split_once(':').unwrap_or((stem, ""));
    let (name, architecture) = (name.to_owned(), architecture.to_owned());
    found.owned.push(OwnedFiles { kind: PackageKind::Deb, name, architecture, files });
}

fn status(content: &str, path: &str, is_database: bool, found: &mut Found) {
    let mut seen = 0;
    let mut bad = 0;
    text::stanzas(content, |stanza| {
        seen += 1;
        if seen > STANZAS_MAX {
            let what = format!("more than {STANZAS_MAX} stanzas (STANZAS_MAX)");
            found.problems.push(Problem::degraded("dpkg_status_cut", format!("/{path}"), what));
            return false;
        }
        match package(&stanza, is_database) {
            Ok(Some(package)) => found.packages.push(package),
            Ok(None) => {}
            Err(what) => {
                bad += 1;
                if bad <= STANZA_PROBLEMS_MAX {
                    let what = format!("stanza at line {}: {what}", stanza.line);
                    let place = format!("/{path}");
                    found.problems.push(Problem::degraded("dpkg_stanza_malformed", place, what));
                }
            }
        }
        true
    });
    if bad > STANZA_PROBLEMS_MAX {
        let what = format!("{} more malformed stanzas", bad - STANZA_PROBLEMS_MAX);
        found.problems.push(Problem::degraded("dpkg_stanza_malformed", format!("/{path}"), what));
    }
}

/// The package of a stanza; `None` when it is known but not installed.
fn package(stanza: &Stanza<'_>, is_database: bool) -> Result<Option<Package>, String> {
    let name = stanza.get("package").ok_or("no Package field")?;
    if !text::is_token(name) {
        return Err(format!("bad package name '{}'", text::cut(name).escape_debug()));
    }
    if is_database && !is_installed(stanza.get("status"), name)? {
        return Ok(None);
    }
    let version = stanza.get("version").ok_or_else(|| format!("package {name} has no Version"))?;
    if !text::is_token(version) {
        return Err(format!("package {name} has a bad version"));
    }
    let source = stanza.get("source").map_or_else(
        || SourcePackage { name: name.to_owned(), version: None },
        |source| source_package(source, version),
    );
    Ok(Some(Package {
        id: PackageId(String::new()),
        name: name.to_owned(),
        version: version.to_owned(),
        kind: PackageKind::Deb,
        purl: String::new(),
        architecture: stanza.get("architecture").filter(|arch| text::is_token(arch)).map(text::cut),
        source: Some(source),
        licenses: Vec::new(),
        locations: Vec::new(),
        owned_by: None,
        // In KiB.
        size: stanza
            .get("installed-size")
            .and_then(|size| size.parse::<u64>().ok())
            .and_then(|size| size.checked_mul(1024)),
        origin: stanza.get("maintainer").map(text::cut),
        details: PackageDetails::None,
    }))
}

/// `Status: want flag state`. The state alone says whether files are there: a package marked for
/// removal is still installed, and one that was removed but not purged is not.
fn is_installed(status: Option<&str>, name: &str) -> Result<bool, String> {
    let Some(status) = status else { return Err(format!("package {name} has no Status")) };
    match status.split_ascii_whitespace().nth(2) {
        Some(
            "installed" | "unpacked" | "half-configured" | "triggers-awaited" | "triggers-pending",
        ) => Ok(true),
        Some("not-installed" | "config-files") => Ok(false),
        Some("half-installed") => Err(format!("package {name} is half installed")),
        _ => Err(format!("package {name} has an unknown Status")),
    }
}

/// `name` or `name (version)`.
fn source_package(source: &str, version: &str) -> SourcePackage {
    let (name, stated) = match source.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.trim_end_matches(')').trim())),
        None => (source, None),
    };
    let differs = stated.filter(|stated| *stated != version && text::is_token(stated));
    SourcePackage { name: text::cut(name), version: differs.map(str::to_owned) }
}

/// Short names of DEP-5 `License` fields; for free-form files, the common licences they refer to.
fn copyright(content: &str, path: &str) -> Option<OwnedLicenses> {
    let name = path.strip_prefix("usr/share/doc/")?.split('/').next()?;
    let mut licenses = Vec::new();
    let start = content.lines().next().unwrap_or("");
    let structured = ["Format:", "Format-Specification:"].iter().any(|key| start.starts_with(key));
    if structured {
        for line in content.lines() {
            if let Some(license) = line.strip_prefix("License:") {
                text::push_license(&mut licenses, license);
            }
        }
    } else {
        const COMMON: &str = "/usr/share/common-licenses/";
        for (at, _) in content.match_indices(COMMON) {
            let rest = &content[at + COMMON.len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && !"-.+".contains(c))
                .unwrap_or(rest.len());
            text::push_license(&mut licenses, rest[..end].trim_end_matches(['.', '-']));
        }
    }
    let kind = PackageKind::Deb;
    (!licenses.is_empty()).then(|| OwnedLicenses { kind, name: name.to_owned(), licenses })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, bytes: &[u8]) -> Found {
        assert_ne!(wants(path, 0o644, bytes.len() as u64), Want::No, "{path}");
        catalog(Captured { path, bytes })
    }

    #[test]
    fn states_sources_and_sizes() {
        let found = read("var/lib/dpkg/status", include_bytes!("../../testdata/dpkg/status"));
        let rows: Vec<_> = found
            .packages
            .iter()
            .map(|p| {
                let source = p.source.as_ref().unwrap();
                (
                    p.name.as_str(),
                    p.version.as_str(),
                    source.name.as_str(),
                    source.version.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("libc6", "2.36-9+deb12u4", "glibc", None),
                ("libc6", "2.36-9+deb12u4", "glibc", None),
                ("gcc-12-base", "12.2.0-14", "gcc-12", None),
                ("bsdutils", "1:2.38.1-5+b1", "util-linux", Some("2.38.1-5")),
                ("leaving", "1.0", "leaving", None),
                ("tzdata", "2024a-0+deb12u1", "tzdata", None),
            ]
        );
        assert_eq!(found.packages[0].architecture.as_deref(), Some("amd64"));
        assert_eq!(found.packages[1].architecture.as_deref(), Some("i386"));
        assert_eq!(found.packages[0].size, Some(12_985 * 1024));
        let problems: Vec<_> = found.problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(
            problems,
            [
                "stanza at line 60: package broken has no Version",
                "stanza at line 64: package half is half installed",
                "stanza at line 69: no Package field",
            ]
        );
    }

    #[test]
    fn distroless_pieces_and_file_lists() {
        let piece = b"Package: base-files\nVersion: 12.4\nArchitecture: amd64\n";
        let found = read("var/lib/dpkg/status.d/base", piece);
        assert_eq!(found.packages.len(), 1);

        let found = read("var/lib/dpkg/info/libc6:amd64.list", b"/.\n/lib\n/lib/libc.so.6\n");
        assert_eq!(found.owned[0].name, "libc6");
        assert_eq!(found.owned[0].architecture, "amd64");
        assert_eq!(found.owned[0].files, ["lib", "lib/libc.so.6"]);

        let sums = b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/x\nnonsense\n";
        let found = read("var/lib/dpkg/status.d/base.md5sums", sums);
        assert_eq!(found.owned[0].files, ["usr/bin/x"]);
    }

    #[test]
    fn copyright_files() {
        let dep5 = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
            \nFiles: *\nLicense: GPL-2+\n text\n\nLicense: MIT\n\nLicense: GPL-2+\n";
        let found = read("usr/share/doc/bash/copyright", dep5);
        assert_eq!(found.licenses[0].licenses, ["GPL-2+", "MIT"]);
        let free =
            b"see /usr/share/common-licenses/GPL-3.\n or /usr/share/common-licenses/LGPL-2.1";
        let found = read("usr/share/doc/bash/copyright", free);
        assert_eq!(found.licenses[0].licenses, ["GPL-3", "LGPL-2.1"]);
        assert_eq!(wants("usr/share/doc/bash/copyright", 0, 10 << 20), Want::No);
    }

    #[test]
    fn hostile_databases_keep_their_good_stanzas() {
        let long = "x".repeat(8 << 20);
        let good = "Package: good\nStatus: install ok installed\nVersion: 1\n\n";
        let name = format!("Package: {long}\nStatus: install ok installed\nVersion: 1\n\n{good}");
        let nul = format!("Package: a\0b\nStatus: install ok installed\nVersion: 1\n\n{good}");
        let escape = format!("Package: \u{1b}[31m\nStatus: install ok installed\n\n{good}");
        for hostile in [name, nul, escape, format!("{long}\n\n{good}")] {
            let found = read("var/lib/dpkg/status", hostile.as_bytes());
            assert_eq!(found.packages.len(), 1);
            assert_eq!(found.packages[0].name, "good");
            assert_eq!(found.problems.len(), 1);
            assert!(found.problems[0].message.len() < 8000);
        }
        let many = "Package: x\n\n".repeat(50_000);
        let found = read("var/lib/dpkg/status", many.as_bytes());
        assert_eq!(found.problems.len(), STANZA_PROBLEMS_MAX + 1);
    }
}
