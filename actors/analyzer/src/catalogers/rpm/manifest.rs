//! `container-manifest-2`: images without an rpm database (CBL-Mariner distroless, Azure Linux)
//! carry the output of one `rpm -qa` query instead, one package a line, ten fields between tabs:
//! name, version-release, install time, build time, vendor, epoch, size, architecture, epoch
//! number, source rpm. An absent value is `(none)`.

use super::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use super::package::{Facts, package};
use crate::catalogers::octets::{FileProblems, cut};
use kedge_artifact::package::Package;

const FIELDS: usize = 10;

/// Reads every line that is one; the others become problems.
pub(super) fn read(bytes: &[u8], problems: &mut FileProblems, each: &mut dyn FnMut(Package)) {
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() {
            continue;
        }
        match facts(line) {
            Some(facts) if facts.name == "gpg-pubkey" => {}
            Some(facts) => each(package(facts)),
            None => {
                let message = format!("line {} is not a package line of 10 fields", index + 1);
                problems.degraded("rpm_manifest_line", message);
            }
        }
    }
}

fn facts(line: &str) -> Option<Facts> {
    let fields: Vec<&str> = line.splitn(FIELDS + 1, '\t').collect();
    if fields.len() < FIELDS {
        return None;
    }
    let present = |index: usize| Some(fields[index]).filter(|text| *text != "(none)");
    let text = |index: usize| cut(present(index).unwrap_or_default().to_owned(), TEXT_BYTES_MAX);
    let (version, release) = fields[1].rsplit_once('-')?;
    let good = |text: &str| !text.is_empty() && text.len() <= NAME_BYTES_MAX;
    if ![fields[0], version, release].into_iter().all(good) {
        return None;
    }
    Some(Facts {
        name: fields[0].to_owned(),
        version: version.to_owned(),
        release: release.to_owned(),
        epoch: present(5).and_then(|epoch| epoch.parse().ok()),
        architecture: text(7),
        source_rpm: text(9),
        license: String::new(),
        vendor: text(4),
        size: present(6).and_then(|size| size.parse().ok()),
        // The query does not ask for it.
        module: None,
    })
}
