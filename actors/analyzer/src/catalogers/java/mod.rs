//! The Java cataloger: jar, war, ear and their kin, read from memory with everything inside them.
//!
//! What an archive is called: `pom.properties` states group, artifact and version and wins; an
//! archive with several of them is shaded, each is a package, and the one that agrees with the
//! file name is the archive itself. Without one, artifact and version come from the file name or
//! the version from the manifest, and the group stays unknown: `Bundle-SymbolicName`,
//! `Automatic-Module-Name` and the like are no Maven groups, and guessing from them invents
//! packages. The sha1 of the archive is not computed here.
//!
//! Locations of nested archives are absolute and joined with `!`
//! (`/app/a.war!WEB-INF/lib/b.jar`); those of the captured file itself are left empty.

mod limits;
mod metadata;
mod names;
#[cfg(test)]
mod tests;
mod zip;

use self::limits::{
    ARCHIVE_BYTES_MAX, ARCHIVES_MAX, INFLATED_BYTES_MAX, LIVE_BYTES_MAX, LOCATION_BYTES_MAX,
    MANIFEST_BYTES_MAX, MEMBERS_MAX, NAME_BYTES_MAX, NESTING_MAX, PACKAGES_MAX,
    PROPERTIES_BYTES_MAX, PROPERTIES_FILES_MAX,
};
use self::metadata::{Coordinates, Manifest};
use self::names::FileName;
use self::zip::{Archive, Member, ZipError};
use super::octets::{FileProblems, cut};
use super::{Captured, Cataloger, Found, Want};
use kedge_artifact::package::{Location, Package, PackageDetails, PackageId, PackageKind};
use kedge_artifact::problem::{Problem, ProblemSeverity};
use kedge_artifact::purl::{self, PurlParts};
use std::borrow::Cow;
use std::collections::HashSet;

/// The row of the table of catalogers.
pub(super) const CATALOGER: Cataloger = Cataloger { name: "java", version: 1, wants, catalog };

fn wants(path: &str, _mode: u32, _size: u64) -> Want {
    match names::is_archive(path.as_bytes()) {
        true => Want::Whole { bytes_max: ARCHIVE_BYTES_MAX },
        false => Want::No,
    }
}

fn catalog(file: Captured<'_>) -> Found {
    let mut walk = Walk {
        problems: FileProblems::of(file.path),
        packages: Vec::new(),
        members_left: MEMBERS_MAX,
        archives_left: ARCHIVES_MAX,
        inflated_left: INFLATED_BYTES_MAX,
        live_left: LIVE_BYTES_MAX,
    };
    walk.archive(file.bytes, &format!("/{}", file.path), 0);
    Found { packages: walk.packages, problems: walk.problems.finish(), ..Found::default() }
}

/// The walk through one captured archive and everything nested in it, with what is left of each
/// budget.
struct Walk {
    problems: FileProblems,
    packages: Vec<Package>,
    members_left: usize,
    archives_left: usize,
    inflated_left: usize,
    live_left: usize,
}

/// The members of one archive that matter.
#[derive(Default)]
struct Interesting<'a> {
    manifest: Option<Member<'a>>,
    properties: Vec<Member<'a>>,
    nested: Vec<Member<'a>>,
}

impl Walk {
    fn degraded(&mut self, code: &str, place: &str, message: impl Into<String>) {
        self.problems.push(Problem::degraded(code, place, message));
    }

    fn archive(&mut self, bytes: &[u8], place: &str, depth: usize) {
        if self.archives_left == 0 {
            return;
        }
        self.archives_left -= 1;
        if self.archives_left == 0 {
            self.degraded("java_too_many_archives", place, "ARCHIVES_MAX is reached");
        }
        let archive = match Archive::open(bytes) {
            Ok(archive) => archive,
            Err(error) => return self.not_an_archive(bytes, place, error),
        };
        let interesting = self.members(&archive, place);
        let manifest = interesting.manifest.as_ref().map(|member| {
            let content = self.content(&archive, member, place, MANIFEST_BYTES_MAX, true);
            content.map(|content| metadata::manifest(&content)).unwrap_or_default()
        });
        let mut coordinates = Vec::new();
        for member in &interesting.properties {
            let content = self.content(&archive, member, place, PROPERTIES_BYTES_MAX, false);
            coordinates.extend(content.and_then(|content| metadata::coordinates(&content)));
        }
        coordinates.sort();
        coordinates.dedup();
        self.identify(place, depth, coordinates, &manifest.unwrap_or_default());
        if !interesting.nested.is_empty() && depth == NESTING_MAX {
            self.degraded("java_nested_too_deep", place, "archives below NESTING_MAX are not read");
            return;
        }
        for member in &interesting.nested {
            self.nested(&archive, member, place, depth);
        }
    }

    fn not_an_archive(&mut self, bytes: &[u8], place: &str, error: ZipError) {
        let severity = match bytes.starts_with(b"PK") {
            true => ProblemSeverity::Degraded,
            // A text file with this extension: nothing is lost.
            false => ProblemSeverity::Info,
        };
        let (code, place) = ("java_not_an_archive".to_owned(), place.to_owned());
        self.problems.push(Problem { code, severity, place, message: error.to_string() });
    }

    /// Goes through the central directory once.
    fn members<'a>(&mut self, archive: &Archive<'a>, place: &str) -> Interesting<'a> {
        let mut found = Interesting::default();
        let mut seen = HashSet::new();
        let mut count = 0u64;
        for member in archive.members() {
            let member = match member {
                Ok(member) => member,
                Err(error) => {
                    self.degraded("java_archive_damaged", place, error.to_string());
                    return found;
                }
            };
            count += 1;
            if self.members_left == 0 {
                self.degraded("java_too_many_members", place, "MEMBERS_MAX is reached");
                return found;
            }
            self.members_left -= 1;
            if found.take(member) && !seen.insert(member.name) {
                let name = String::from_utf8_lossy(member.name);
                let message = format!("it has two members named {name:?}");
                self.degraded("java_duplicate_member", place, message);
            }
        }
        // Old writers count modulo 65,536.
        if count != archive.promised && count & 0xffff != archive.promised {
            let message = format!("it promises {} members and lists {count}", archive.promised);
            self.degraded("java_member_count", place, message);
        }
        if found.properties.len() > PROPERTIES_FILES_MAX {
            found.properties.truncate(PROPERTIES_FILES_MAX);
            self.degraded("java_too_many_poms", place, "PROPERTIES_FILES_MAX is reached");
        }
        found
    }

    /// Reads one member within the budgets; what cannot be read becomes a problem.
    fn content<'a>(
        &mut self,
        archive: &Archive<'a>,
        member: &Member<'a>,
        place: &str,
        bytes_max: usize,
        cut_ok: bool,
    ) -> Option<Cow<'a, [u8]>> {
        let bytes_max = bytes_max.min(self.inflated_left);
        let error = match archive.read(member, bytes_max, cut_ok) {
            Ok(content) => {
                if matches!(content, Cow::Owned(_)) {
                    self.inflated_left -= content.len().min(self.inflated_left);
                }
                return Some(content);
            }
            Err(error) => error,
        };
        // What was inflated before it failed counts as well.
        if matches!(error, ZipError::TooLarge(_) | ZipError::Data) {
            self.inflated_left -= bytes_max;
        }
        let name = String::from_utf8_lossy(member.name);
        self.degraded("java_member_unreadable", place, format!("{name:?}: {error}"));
        None
    }

    fn nested(&mut self, archive: &Archive<'_>, member: &Member<'_>, place: &str, depth: usize) {
        if self.archives_left == 0 {
            return;
        }
        let Some(content) = self.content(archive, member, place, self.live_left, false) else {
            return;
        };
        let name = String::from_utf8_lossy(member.name);
        let below = cut(format!("{place}!{name}"), LOCATION_BYTES_MAX);
        let alive = match &content {
            Cow::Owned(content) => content.len().min(self.live_left),
            Cow::Borrowed(_) => 0,
        };
        self.live_left -= alive;
        self.archive(&content, &below, depth + 1);
        self.live_left += alive;
    }

    /// The packages of one archive: itself and what is shaded into it.
    fn identify(
        &mut self,
        place: &str,
        depth: usize,
        coordinates: Vec<Coordinates>,
        manifest: &Manifest,
    ) {
        let file = names::parse(place);
        let own = itself(&file, &coordinates, manifest);
        let locations = match depth {
            0 => Vec::new(),
            _ => vec![Location { path: place.to_owned(), layer: None }],
        };
        let mut packages = Vec::new();
        for (index, stated) in coordinates.iter().enumerate() {
            let Coordinates { group, artifact, version } = stated;
            let name = (Some(group.as_str()), artifact.as_str(), version.as_str());
            let described = own == Itself::Stated(index);
            packages.push(package(name, described.then_some(manifest), &locations));
        }
        match own {
            Itself::Stated(_) => {}
            Itself::Named(version) => {
                let name = (None, file.artifact.as_str(), version.as_str());
                packages.insert(0, package(name, Some(manifest), &locations));
            }
            Itself::Unknown if packages.is_empty() => self.problems.push(Problem::info(
                "java_version_unknown",
                place,
                "neither pom.properties nor the file name nor the manifest tells a version",
            )),
            Itself::Unknown => {}
        }
        let left = PACKAGES_MAX - self.packages.len();
        if packages.len() > left {
            self.degraded("java_too_many_packages", place, "PACKAGES_MAX is reached");
            packages.truncate(left);
        }
        self.packages.append(&mut packages);
    }
}

impl<'a> Interesting<'a> {
    /// Keeps a member that matters; tells whether it does.
    fn take(&mut self, member: Member<'a>) -> bool {
        let name = member.name;
        if name.eq_ignore_ascii_case(b"META-INF/MANIFEST.MF") {
            self.manifest.get_or_insert(member);
        } else if name.ends_with(b"/pom.properties")
            && memchr::memmem::find(name, b"META-INF/maven/").is_some()
        {
            self.properties.push(member);
        } else if names::is_archive(name) {
            self.nested.push(member);
        } else {
            return false;
        }
        true
    }
}

/// Which package an archive itself is.
#[derive(Debug, PartialEq, Eq)]
enum Itself {
    /// The one with this index among its `pom.properties`.
    Stated(usize),
    /// Known by its file name, with this version.
    Named(String),
    /// Nothing tells.
    Unknown,
}

fn itself(file: &FileName, coordinates: &[Coordinates], manifest: &Manifest) -> Itself {
    let version = file.version.as_deref();
    let same_name = |stated: &Coordinates| stated.artifact == file.artifact;
    let same_version = |stated: &Coordinates| Some(stated.version.as_str()) == version;
    let by = |test: &dyn Fn(&Coordinates) -> bool| coordinates.iter().position(test);
    if let Some(index) = by(&|stated| same_name(stated) && same_version(stated)) {
        return Itself::Stated(index);
    }
    if let Some(index) = by(&same_name) {
        return Itself::Stated(index);
    }
    // Renamed by a distribution or an application: one statement and no other version.
    if let [only] = coordinates
        && (version.is_none() || same_version(only))
    {
        return Itself::Stated(0);
    }
    match version.or_else(|| manifest.version()) {
        Some(version) => Itself::Named(cut(version.to_owned(), NAME_BYTES_MAX)),
        None => Itself::Unknown,
    }
}

/// A package of (group, artifact, version); `manifest` only when it describes this package.
fn package(
    (group, artifact, version): (Option<&str>, &str, &str),
    manifest: Option<&Manifest>,
    locations: &[Location],
) -> Package {
    let artifact = cut(artifact.to_owned(), NAME_BYTES_MAX);
    let purl = purl::build(&PurlParts {
        kind: "maven",
        namespace: group.unwrap_or_default(),
        name: &artifact,
        version,
        ..PurlParts::default()
    });
    let text = |field: fn(&Manifest) -> &String| manifest.map(field).cloned().unwrap_or_default();
    Package {
        id: PackageId(String::new()),
        name: group.map_or_else(|| artifact.clone(), |group| format!("{group}:{artifact}")),
        version: version.to_owned(),
        kind: PackageKind::Java,
        purl: purl.unwrap_or_default(),
        architecture: None,
        source: None,
        licenses: licenses(&text(|manifest| &manifest.license)),
        locations: locations.to_vec(),
        owned_by: None,
        size: None,
        origin: Some(text(|manifest| &manifest.vendor)).filter(|vendor| !vendor.is_empty()),
        details: PackageDetails::Java {
            group: group.map(str::to_owned),
            artifact,
            implementation_version: text(|manifest| &manifest.implementation_version),
            specification_version: text(|manifest| &manifest.specification_version),
            sha1: String::new(),
        },
    }
}

/// `Bundle-License` is a list of names or URLs with attributes: `Apache-2.0;link="..",MIT`.
fn licenses(text: &str) -> Vec<String> {
    let mut licenses = Vec::new();
    for part in text.split(',') {
        let name = part.split(';').next().unwrap_or_default().trim().trim_matches('"').to_owned();
        if !name.is_empty() && !licenses.contains(&name) {
            licenses.push(name);
        }
    }
    licenses
}
