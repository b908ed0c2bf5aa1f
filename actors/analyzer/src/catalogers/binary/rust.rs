//! The dependency list that cargo-auditable puts into Rust programs: a zlib stream of JSON in a
//! section of its own, `.dep-v0`.
//!
//! Source: rust-secure-code/cargo-auditable, PARSING.md and cargo-auditable.schema.json.

use super::limits::{AUDIT_CRATES_MAX, AUDIT_JSON_BYTES_MAX, NAME_BYTES_MAX};
use crate::catalogers::octets::FileProblems;
use flate2::{Decompress, FlushDecompress, Status};
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind};
use kedge_artifact::purl::{self, PurlParts};
use serde::Deserialize;

/// How every dependency list begins; serde writes the fields in this order and without spaces.
const JSON_START: &[u8; 13] = b"{\"packages\":[";

/// Output is taken in steps of this size, so memory follows what really comes out.
const INFLATE_STEP_BYTES: usize = 32 << 10;

#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    /// `runtime` when absent.
    #[serde(default)]
    kind: Kind,
    /// `crates.io`, `git`, `local`, `registry`, or what later versions of the format add.
    #[serde(default)]
    source: String,
}

/// Where a crate came from, when not from crates.io: advisories for a crate of crates.io say
/// nothing about another of the same name. The list names no address, only this word.
fn foreign_source(source: &str) -> Option<&'static str> {
    match source {
        // A list without sources is older than other registries.
        "" | "crates.io" => None,
        "git" => Some("git"),
        "local" => Some("local"),
        // Unknown words are protocols of other registries, for instance `sparse`.
        _ => Some("registry"),
    }
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Build,
    #[default]
    Runtime,
}

/// Bytes of the zlib header and of the longest first block header that [`may_start`] reads.
const START_BYTES: usize = 2 + 16;

/// Whether a dependency list may start here: zlib with a 32 KiB window, a valid header check, no
/// dictionary, and a first deflate block that can be one (RFC 1951, section 3.2). Chance passes
/// this a few times per hundred million bytes, so the costlier trial is rare.
pub(super) fn may_start(bytes: &[u8]) -> bool {
    let Some([0x78, flags, block @ ..]) = bytes.get(..START_BYTES) else { return false };
    let checked = (0x7800 + u16::from(*flags)) % 31 == 0;
    if !checked || flags & 0x20 != 0 {
        return false;
    }
    let mut raw = [0u8; 16];
    raw.copy_from_slice(block);
    let bits = u128::from_le_bytes(raw);
    match bits >> 1 & 3 {
        // Fixed codes: the first literal is `{`, whose code is known.
        1 => bits >> 3 & 0xff == 0xd5,
        2 => has_complete_code(bits >> 3),
        _ => false,
    }
}

/// The header of a block with dynamic codes: its counts are in range and its code length code is
/// complete, as inflate demands.
fn has_complete_code(bits: u128) -> bool {
    let (literals, distances, lengths) = (bits & 31, bits >> 5 & 31, (bits >> 10 & 15) + 4);
    let used: u32 = (0..lengths)
        .map(|index| (bits >> (14 + 3 * index) & 7) as u32)
        .map(|length| if length == 0 { 0 } else { 128 >> length })
        .sum();
    literals <= 29 && distances <= 29 && used == 128
}

/// A zlib stream that is inflated piece by piece, bounded.
pub(super) struct Inflater {
    engine: Decompress,
    json: Vec<u8>,
}

/// How an [`Inflater`] stands after a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    /// It wants more input.
    More,
    /// The stream is damaged, or over its limit.
    Bad(&'static str),
    /// The stream ended; so many compressed bytes belonged to it.
    Done(u64),
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { engine: Decompress::new(true), json: Vec::new() }
    }

    /// Makes ready for another stream whose first bytes are `start`, if it looks like a
    /// dependency list. Only as much is inflated as that takes.
    pub(super) fn begins(&mut self, start: &[u8]) -> bool {
        let mut first = [0u8; JSON_START.len()];
        self.engine.reset(true);
        let status = self.engine.decompress(start, &mut first, FlushDecompress::None);
        if status.is_err() || first != *JSON_START {
            return false;
        }
        self.engine.reset(true);
        self.json.clear();
        true
    }

    pub(super) fn take_json(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.json)
    }

    /// Inflates `input` until it is used up, the stream ends, or `output_max` bytes are out.
    pub(super) fn feed(&mut self, input: &[u8], output_max: usize) -> Inflated {
        let mut rest = input;
        loop {
            if self.json.len() >= output_max {
                return Inflated::Bad("the dependency list is over AUDIT_JSON_BYTES_MAX");
            }
            self.json.reserve(INFLATE_STEP_BYTES.min(output_max - self.json.len()));
            let before = (self.engine.total_in(), self.json.len());
            let status = self.engine.decompress_vec(rest, &mut self.json, FlushDecompress::None);
            let taken = self.engine.total_in() - before.0;
            rest = &rest[(taken as usize).min(rest.len())..];
            match status {
                Ok(Status::StreamEnd) => return Inflated::Done(self.engine.total_in()),
                Ok(Status::Ok | Status::BufError) => {
                    let stands_still = taken == 0 && self.json.len() == before.1;
                    // A full output buffer may hide more output, so the input being used up is
                    // not enough.
                    let has_room = self.json.len() < self.json.capacity();
                    if stands_still || (rest.is_empty() && has_room) {
                        return Inflated::More;
                    }
                }
                Err(_) => return Inflated::Bad("the dependency list does not inflate"),
            }
        }
    }
}

/// Inflates a whole section at once.
pub(super) fn inflate(section: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut inflater = Inflater::new();
    match inflater.feed(section, AUDIT_JSON_BYTES_MAX) {
        Inflated::Done(_) => Ok(inflater.take_json()),
        Inflated::More => Err("the dependency list is cut"),
        Inflated::Bad(reason) => Err(reason),
    }
}

/// The crates that were compiled into the program, the root crate included. Crates that only ran
/// at build time are not in it.
pub(super) fn packages(json: &[u8], problems: &mut FileProblems) -> Vec<Package> {
    let list: List = match serde_json::from_slice(json) {
        Ok(list) => list,
        Err(error) => {
            let message = format!("the dependency list is not as expected: {error}");
            problems.degraded("rust_audit_malformed", message);
            return Vec::new();
        }
    };
    if list.packages.len() > AUDIT_CRATES_MAX {
        problems.degraded("rust_too_many_crates", "AUDIT_CRATES_MAX is reached");
    }
    let crates = list.packages.into_iter().take(AUDIT_CRATES_MAX);
    crates
        .filter(|item| item.kind == Kind::Runtime)
        .filter_map(|item| package(item, problems))
        .collect()
}

fn package(item: Crate, problems: &mut FileProblems) -> Option<Package> {
    let Crate { name, version, kind: _, source } = item;
    let origin = foreign_source(&source);
    let too_long = name.len() > NAME_BYTES_MAX || version.len() > NAME_BYTES_MAX;
    if name.is_empty() || too_long {
        problems.degraded("rust_crate_malformed", "a crate has no usable name");
        return None;
    }
    let purl = purl::build(&PurlParts {
        kind: "cargo",
        name: &name,
        version: &version,
        qualifiers: &[("repository_url", origin.unwrap_or_default())],
        ..PurlParts::default()
    });
    Some(Package {
        id: PackageId(String::new()),
        purl: purl.unwrap_or_default(),
        name,
        version,
        kind: PackageKind::Rust,
        architecture: None,
        source: None,
        licenses: Vec::new(),
        locations: Vec::new(),
        owned_by: None,
        size: None,
        origin: origin.map(str::to_owned),
        details: PackageDetails::None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_from_elsewhere_are_told_from_those_of_crates_io() {
        let sources = ["crates.io", "git", "local", "registry", "sparse", ""];
        let crates = sources
            .map(|source| format!(r#"{{"name":"same","version":"1.0.0","source":"{source}"}}"#));
        let json = format!(r#"{{"packages":[{}]}}"#, crates.join(","));
        let mut problems = FileProblems::of("usr/bin/x");
        let found = packages(json.as_bytes(), &mut problems);
        let origins: Vec<_> = found.iter().map(|package| package.origin.as_deref()).collect();
        let registry = Some("registry");
        assert_eq!(origins, [None, Some("git"), Some("local"), registry, registry, None]);
        assert_eq!(found[0].purl, "pkg:cargo/same@1.0.0");
        assert_eq!(found[1].purl, "pkg:cargo/same@1.0.0?repository_url=git");
    }
}
