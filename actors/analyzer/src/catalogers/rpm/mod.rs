//! The rpm cataloger: the package database of RHEL and its kin, SUSE, Fedora, Amazon, Azure Linux.
//!
//! Three database formats are read without any library of theirs: SQLite ([`sqlite`]), ndb
//! ([`ndb`]) and the Berkeley DB hash ([`bdb`]); the format is told by the bytes, not by the file
//! name. All three hold the same rpm header blobs ([`header`]). Images without a database may
//! carry a query result instead ([`manifest`]).
//!
//! **What the squash completes.** One layer does not know the distribution, so the purl that this
//! cataloger builds has no namespace and no `distro` qualifier
//! (`pkg:rpm/name@version-release?arch=..&epoch=..&rpmmod=..&upstream=..`): the squash builds it
//! again with both, from the fields of the package (`image/purls.rs`). `Package.version` is
//! `[epoch:]version-release`; the epoch is written when the header has the tag, even when it
//! is 0. `source.version` never has an epoch, because source rpm file names have none.

mod bdb;
mod header;
mod limits;
mod manifest;
mod ndb;
mod package;
mod sqlite;
#[cfg(test)]
mod tests;

use self::header::HeaderError;
use self::limits::{DAMAGE_MAX, DATABASE_BYTES_MAX, PACKAGES_MAX, PATH_BYTES_TOTAL_MAX};
use super::octets::FileProblems;
use super::{Captured, Cataloger, Found, Want};

/// The row of the table of catalogers.
pub(super) const CATALOGER: Cataloger = Cataloger { name: "rpm", version: 2, wants, catalog };

const DATABASE_DIRECTORIES: [&str; 3] = ["var/lib/rpm", "usr/share/rpm", "usr/lib/sysimage/rpm"];
const DATABASE_FILES: [&str; 3] = ["Packages", "Packages.db", "rpmdb.sqlite"];
const MANIFEST_PATH: &str = "var/lib/rpmmanifest/container-manifest-2";
const WAL_FILE: &str = "rpmdb.sqlite-wal";

/// Databases and the manifest at their fixed paths; also a write-ahead log that is not empty,
/// only to say that the database beside it is not the whole truth.
fn wants(path: &str, _mode: u32, size: u64) -> Want {
    let wanted = path == MANIFEST_PATH
        || path.rsplit_once('/').is_some_and(|(directory, file)| {
            DATABASE_DIRECTORIES.contains(&directory)
                && (DATABASE_FILES.contains(&file) || (file == WAL_FILE && size > 0))
        });
    if wanted { Want::Whole { bytes_max: DATABASE_BYTES_MAX } } else { Want::No }
}

/// Reads one database or manifest.
fn catalog(file: Captured<'_>) -> Found {
    let mut problems = FileProblems::of(file.path);
    let mut found = Found::default();
    if file.path.ends_with(WAL_FILE) {
        problems.degraded(
            "rpm_wal_present",
            "the rpm database has a write-ahead log; changes that only the log holds are missing",
        );
    } else if file.path.ends_with(MANIFEST_PATH) {
        manifest::read(file.bytes, &mut problems, &mut |package| {
            if found.packages.len() < PACKAGES_MAX {
                found.packages.push(package);
            }
        });
    } else {
        database(file.bytes, &mut problems, &mut found);
    }
    if found.packages.len() >= PACKAGES_MAX {
        problems.error("rpm_too_many_packages", "PACKAGES_MAX is reached, the rest is left out");
    }
    found.problems = problems.finish();
    found
}

fn database(bytes: &[u8], problems: &mut FileProblems, found: &mut Found) {
    let read = if bytes.starts_with(sqlite::MAGIC) {
        sqlite::read
    } else if bytes.starts_with(ndb::MAGIC) {
        ndb::read
    } else if bdb::order(bytes).is_some() {
        bdb::read
    } else if bytes.is_empty() {
        return problems.degraded("rpm_database_empty", "the rpm database has no bytes");
    } else {
        let message = "the rpm database is neither sqlite nor ndb nor a berkeley db hash";
        return problems.error("rpm_database_unknown", message);
    };
    let mut path_bytes_left = PATH_BYTES_TOTAL_MAX;
    // Collected apart, because the reader holds `problems` while it runs.
    let mut damage = Vec::new();
    read(bytes, problems, &mut |blob| {
        if found.packages.len() >= PACKAGES_MAX {
            return;
        }
        match package::from_header(blob, &mut path_bytes_left) {
            Ok(None) => {}
            Ok(Some(installed)) => {
                found.packages.push(installed.package);
                found.owned.extend(installed.owned);
                note(&mut damage, "rpm_file_list", installed.files_error);
            }
            Err(error) => note(&mut damage, "rpm_header_damaged", Some(error)),
        }
    });
    for (code, error) in damage {
        problems.degraded(code, error.to_string());
    }
}

fn note(
    damage: &mut Vec<(&'static str, HeaderError)>,
    code: &'static str,
    error: Option<HeaderError>,
) {
    // A few more than the report keeps; the rest would only cost memory.
    if damage.len() < DAMAGE_MAX {
        damage.extend(error.map(|error| (code, error)));
    }
}
