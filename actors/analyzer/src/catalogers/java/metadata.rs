//! The two text files inside an archive that say what it is: `pom.properties` and `MANIFEST.MF`.

use super::limits::NAME_BYTES_MAX;
use crate::catalogers::octets::cut;

/// The coordinates of a `pom.properties`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Coordinates {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
}

/// Reads `pom.properties` (java.util.Properties, its line format). `None` when one of the three
/// is missing or still a placeholder such as `${project.version}`.
pub(super) fn coordinates(bytes: &[u8]) -> Option<Coordinates> {
    let text = String::from_utf8_lossy(bytes);
    let (mut group, mut artifact, mut version) = (None, None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!'])) {
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let value = unescaped(value.trim());
        let usable = !value.is_empty() && !value.contains("${") && value.len() <= NAME_BYTES_MAX;
        let slot = match key.trim() {
            "groupId" => &mut group,
            "artifactId" => &mut artifact,
            "version" => &mut version,
            _ => continue,
        };
        *slot = usable.then_some(value);
    }
    Some(Coordinates { group: group?, artifact: artifact?, version: version? })
}

/// `\:` and `\=` as written by `Properties.store`; other escapes do not occur in coordinates.
fn unescaped(value: &str) -> String {
    value.replace("\\:", ":").replace("\\=", "=").replace("\\#", "#").replace("\\!", "!")
}

/// The main attributes of a manifest that are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) implementation_version: String,
    pub(super) specification_version: String,
    pub(super) bundle_version: String,
    /// `Bundle-License`, as found.
    pub(super) license: String,
    pub(super) vendor: String,
}

/// Reads the main section (JAR File Specification, "Manifest Specification"): name-value pairs,
/// lines that start with a space continue the line before, an empty line ends the section.
pub(super) fn manifest(bytes: &[u8]) -> Manifest {
    let text = String::from_utf8_lossy(bytes);
    let mut manifest = Manifest::default();
    let mut pending: Option<(String, String)> = None;
    for line in text.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')) {
        if let (Some(rest), Some((_, value))) = (line.strip_prefix(' '), &mut pending) {
            value.push_str(rest);
            continue;
        }
        if let Some((name, value)) = pending.take() {
            manifest.set(&name, value);
        }
        if line.is_empty() {
            break;
        }
        pending = line.split_once(':').map(|(name, value)| {
            (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned())
        });
    }
    if let Some((name, value)) = pending {
        manifest.set(&name, value);
    }
    manifest
}

impl Manifest {
    fn set(&mut self, name: &str, value: String) {
        let slots = [
            ("Implementation-Version", &mut self.implementation_version),
            ("Specification-Version", &mut self.specification_version),
            ("Bundle-Version", &mut self.bundle_version),
            ("Bundle-License", &mut self.license),
            ("Implementation-Vendor", &mut self.vendor),
        ];
        for (known, slot) in slots {
            if name.eq_ignore_ascii_case(known) {
                *slot = cut(value.trim().to_owned(), NAME_BYTES_MAX);
                return;
            }
        }
    }

    /// The version that the manifest gives the archive; `None` when it has none that is one.
    pub(super) fn version(&self) -> Option<&str> {
        [&self.implementation_version, &self.bundle_version, &self.specification_version]
            .into_iter()
            .map(String::as_str)
            .find(|text| is_version(text))
    }
}

/// A version has a digit and no space: `Implementation-Version` is free text in some builds.
fn is_version(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && !text.contains("${")
        && !text.contains(char::is_whitespace)
}
