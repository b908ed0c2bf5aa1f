//! Writing a generation.
//!
//! Parts are parsed into memory in packed form and written when they are complete, so a document
//! that turns out to be broken leaves no trace. A part that did not change is copied, block by
//! block, from the previous dataset.

use super::block::{BlockEntry, Packed};
use super::format::{self, Directory, SECTIONS, Section, Span, Tail};
use super::manifest::{DriverManifest, InputManifest, Manifest};
use super::part::{Origin, PartBuilder};
use super::table::{IdEntry, IdKind, PackageEntry, encode_index};
use super::{Dataset, DatasetError, NORMALIZER_VERSION, Part, RETIRED};
use super::{id_key, package_key};
use crate::parse::Item;
use crate::source::SOURCES;
use kedge_artifact::advisory::{Advisory, Epss, Kev, Scope};
use kedge_artifact::time::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// A generation cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Writing failed.
    #[error("dataset cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// The previous dataset cannot be copied from.
    #[error("previous dataset: {0}")]
    Previous(#[from] DatasetError),
    /// A record does not fit.
    #[error("record '{id}' is over the limit {limit}")]
    Record {
        /// Its id.
        id: String,
        /// Name of the limit.
        limit: &'static str,
    },
    /// Encoding failed.
    #[error("record cannot be encoded: {0}")]
    Encode(String),
    /// The part is not in the previous dataset.
    #[error("the previous dataset has no part '{driver}/{document}'")]
    NoSuchPart {
        /// Driver.
        driver: String,
        /// Document.
        document: String,
    },
}

/// Writes one generation. Parts appear in the order in which they are committed: for equal bytes
/// commit in the order of [`SOURCES`] and of the documents.
pub struct GenerationBuilder<W: Write> {
    out: W,
    content: Sha256,
    length: u64,
    blocks: Vec<BlockEntry>,
    packages: Vec<PackageEntry>,
    ids: Vec<IdEntry>,
    epss: BTreeMap<u64, Epss>,
    kev: BTreeMap<String, Kev>,
    parts: Vec<Part>,
    origins: Vec<Origin>,
}

impl<W: Write> GenerationBuilder<W> {
    /// Begins a generation.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(out: W) -> Result<Self, BuildError> {
        let mut builder = Self {
            out,
            content: Sha256::new(),
            length: 0,
            blocks: Vec::new(),
            packages: Vec::new(),
            ids: Vec::new(),
            epss: BTreeMap::new(),
            kev: BTreeMap::new(),
            parts: Vec::new(),
            origins: Vec::new(),
        };
        builder.write(&format::header())?;
        Ok(builder)
    }

    /// Writes a complete part. `skipped` is what the parser could not use.
    ///
    /// # Errors
    /// When one of its records did not fit, or writing fails.
    pub fn commit(&mut self, mut part: PartBuilder, skipped: u64) -> Result<&Part, BuildError> {
        if let Some(error) = part.failed.take() {
            return Err(error);
        }
        part.flush()?;
        let entry = Part {
            driver: part.origin.driver.clone(),
            document: part.origin.document.clone(),
            input_digest: part.origin.digest.clone(),
            normalizer: NORMALIZER_VERSION,
            first_block: self.block_number()?,
            blocks: 0,
            records: part.records(),
            rows: part.rows,
            skipped,
            scopes: part.scope_counts(),
        };
        let base = entry.first_block;
        let moved = |(key, block, slot, last): &(u64, u32, u16, u16)| {
            (*key, base.saturating_add(*block), *slot, *last)
        };
        self.packages.extend(part.packages.iter().map(moved));
        self.ids.extend(part.ids.iter().map(moved));
        self.epss.extend(part.epss);
        self.kev.append(&mut part.kev);
        for packed in part.blocks.finish()? {
            self.block(packed)?;
        }
        self.finish_part(entry, part.origin)
    }

    /// Copies a part of `previous` as it is: its source did not change, or could not be read.
    /// `origin` tells when it was known to be so; without one, what `previous` says holds.
    ///
    /// # Errors
    /// When `previous` does not have the part or is damaged, or writing fails.
    pub fn copy_part(
        &mut self,
        previous: &Dataset,
        driver: &str,
        document: &str,
        origin: Option<Origin>,
    ) -> Result<&Part, BuildError> {
        let missing =
            || BuildError::NoSuchPart { driver: driver.into(), document: document.into() };
        let part = previous.part(driver, document).ok_or_else(missing)?.clone();
        let origin = match origin {
            Some(origin) => origin,
            None => origin_of(previous.manifest(), driver, document).ok_or_else(missing)?,
        };
        let first_block = self.block_number()?;
        for number in part.first_block..part.first_block.saturating_add(part.blocks) {
            let (entry, packed) = previous.packed_block(number)?;
            let block = previous.block(number)?;
            let target = self.block_number()?;
            for slot in 0..block.len() {
                let advisory = block.advisory(slot)?;
                self.index(&advisory, target, slot)?;
            }
            let (unpacked, records) = (entry.unpacked, entry.records);
            self.block(Packed { bytes: packed, unpacked, records })?;
        }
        match driver {
            "epss" => previous.each_epss(&mut |key, entry| {
                self.epss.insert(key, entry);
            })?,
            "kev" => self.kev.extend(previous.kev_entries().clone()),
            _ => {}
        }
        self.finish_part(Part { first_block, ..part }, origin)
    }

    /// Keeps the rows of releases that `driver` no longer tells about (upstream drops them when
    /// they go out of support), as a part of their own. Call it after the driver's `document` has
    /// been committed. Returns the number of rows that were kept.
    ///
    /// # Errors
    /// As [`GenerationBuilder::copy_part`].
    pub fn keep_retired(
        &mut self,
        previous: &Dataset,
        driver: &str,
        document: &str,
    ) -> Result<u64, BuildError> {
        let now: BTreeSet<Scope> = self
            .parts
            .iter()
            .filter(|part| part.driver == driver)
            .flat_map(|part| part.scopes.iter().map(|count| count.scope.clone()))
            .collect();
        let retired = format!("{document}{RETIRED}");
        let mut kept: Option<PartBuilder> = None;
        for old in [document, retired.as_str()] {
            let Some(part) = previous.part(driver, old) else { continue };
            if part.scopes.iter().all(|count| now.contains(&count.scope)) {
                continue;
            }
            let Some(origin) = origin_of(previous.manifest(), driver, old) else { continue };
            let document = retired.clone();
            let kept = kept.get_or_insert_with(|| PartBuilder::new(Origin { document, ..origin }));
            previous.each_advisory(part, &mut |mut advisory| {
                advisory.affected.retain(|row| !now.contains(&row.scope));
                if !advisory.affected.is_empty() {
                    kept.add(Item::Advisory(Box::new(advisory)));
                }
            })?;
        }
        let Some(kept) = kept else { return Ok(0) };
        Ok(self.commit(kept, 0)?.rows)
    }

    /// The parts so far.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Writes indexes, manifest and digests.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self, built: Timestamp) -> Result<(W, Manifest), BuildError> {
        let directory = self.sections()?;
        self.write(&directory.encode())?;
        let content_length = self.length;
        let generation: [u8; 32] = self.content.clone().finalize().into();
        let manifest = self.manifest(built, hex::encode(generation));
        let json = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| BuildError::Encode(error.to_string()))?;
        self.write(&json)?;
        let tail = Tail {
            content_length,
            manifest_length: json.len() as u64,
            generation,
            manifest_digest: Sha256::digest(&json).into(),
        };
        self.write(&tail.encode())?;
        let whole: [u8; 32] = self.content.clone().finalize().into();
        self.out.write_all(&whole)?;
        self.out.flush()?;
        Ok((self.out, manifest))
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.out.write_all(bytes)?;
        self.content.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn block_number(&self) -> Result<u32, BuildError> {
        u32::try_from(self.blocks.len()).map_err(|error| BuildError::Encode(error.to_string()))
    }

    fn block(&mut self, packed: Packed) -> Result<(), BuildError> {
        let length = u32::try_from(packed.bytes.len()).map_err(std::io::Error::other)?;
        self.blocks.push(BlockEntry {
            offset: self.length,
            packed: length,
            unpacked: packed.unpacked,
            records: packed.records,
            check: format::check(&packed.bytes),
        });
        Ok(self.write(&packed.bytes)?)
    }

    fn index(&mut self, advisory: &Advisory, block: u32, slot: usize) -> Result<(), BuildError> {
        let slot = u16::try_from(slot).map_err(std::io::Error::other)?;
        for (row, affected) in (0u16..).zip(&advisory.affected) {
            let key = package_key(&affected.scope, &affected.package);
            self.packages.push((key, block, slot, row));
        }
        let vulnerability = &advisory.vulnerability;
        self.ids.push((id_key(&vulnerability.id), block, slot, IdKind::Own.number()));
        let mut names = |ids: &[String], kind: IdKind| {
            self.ids.extend(ids.iter().map(|id| (id_key(id), block, slot, kind.number())));
        };
        names(&vulnerability.aliases, IdKind::Alias);
        names(&vulnerability.upstream, IdKind::Upstream);
        Ok(())
    }

    fn finish_part(&mut self, mut part: Part, origin: Origin) -> Result<&Part, BuildError> {
        part.blocks = self.block_number()? - part.first_block;
        self.origins.push(origin);
        self.parts.push(part);
        Ok(&self.parts[self.parts.len() - 1])
    }

    /// Writes all sections and tells where they are.
    fn sections(&mut self) -> Result<Directory, BuildError> {
        self.packages.sort_unstable();
        self.ids.sort_unstable();
        self.ids.dedup();
        let encode = |value: Result<Vec<u8>, bincode::error::EncodeError>| {
            value.map_err(|error| BuildError::Encode(error.to_string()))
        };
        let standard = bincode::config::standard();
        let date = self.epss.values().map(|entry| entry.date.0).max().unwrap_or_default();
        let mut epss = date.to_le_bytes().to_vec();
        for (key, entry) in &self.epss {
            epss.extend(key.to_le_bytes());
            epss.extend(entry.score.to_bits().to_le_bytes());
            epss.extend(entry.percentile.to_bits().to_le_bytes());
        }
        let sections: [Vec<u8>; SECTIONS] = [
            self.blocks.iter().flat_map(BlockEntry::encode).collect(),
            self.packages.iter().flat_map(encode_index).collect(),
            self.ids.iter().flat_map(encode_index).collect(),
            epss,
            encode(bincode::serde::encode_to_vec(&self.kev, standard))?,
            encode(bincode::serde::encode_to_vec(&self.parts, standard))?,
        ];
        debug_assert_eq!(Section::Parts.index(), sections.len() - 1);
        let mut digest = Sha256::new();
        let mut spans = [Span::default(); SECTIONS];
        for (span, bytes) in spans.iter_mut().zip(&sections) {
            *span = Span { offset: self.length, length: bytes.len() as u64 };
            digest.update(bytes);
            self.write(bytes)?;
        }
        Ok(Directory { spans, digest: digest.finalize().into() })
    }

    fn manifest(&self, built: Timestamp, generation: String) -> Manifest {
        let mut drivers: Vec<DriverManifest> = Vec::new();
        for (part, origin) in self.parts.iter().zip(&self.origins) {
            let input = InputManifest {
                document: part.document.clone(),
                location: origin.location.clone(),
                fetched: origin.fetched,
                bytes: origin.bytes,
                digest: part.input_digest.clone(),
                normalizer: part.normalizer,
                records: part.records,
                rows: part.rows,
                skipped: part.skipped,
            };
            if drivers.last().is_none_or(|driver| driver.name != part.driver) {
                let source = SOURCES.iter().find(|source| source.name == part.driver);
                drivers.push(DriverManifest {
                    name: part.driver.clone(),
                    licence: source.map(|s| s.licence).unwrap_or_default().into(),
                    attribution: source.map(|s| s.attribution).unwrap_or_default().into(),
                    records: 0,
                    inputs: Vec::new(),
                });
            }
            if let Some(driver) = drivers.last_mut() {
                driver.records += part.records;
                driver.inputs.push(input);
            }
        }
        let (format, normalizer) = (format::FORMAT_VERSION, NORMALIZER_VERSION);
        Manifest { format, generation, built, normalizer, drivers }
    }
}

/// Where a part of an older generation came from.
fn origin_of(manifest: &Manifest, driver: &str, document: &str) -> Option<Origin> {
    let input = manifest.input(driver, document)?;
    Some(Origin {
        driver: driver.into(),
        document: document.into(),
        location: input.location.clone(),
        fetched: input.fetched,
        bytes: input.bytes,
        digest: input.digest.clone(),
    })
}
