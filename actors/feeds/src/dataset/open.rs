//! Reading a generation.

use super::block::{Block, BlockEntry, ENTRY_BYTES};
use super::format::{
    self, DIRECTORY_BYTES, Directory, FORMAT_VERSION, HEADER_BYTES, Section, Span, TAIL_BYTES,
    Tail, u16_at, u32_at, u64_at,
};
use super::manifest::Manifest;
use super::table::{EPSS_BYTES, INDEX_BYTES, IdKind, Table};
use super::{Part, ReadAt, id_key, package_key};
use crate::{limits, names, text};
use kedge_artifact::advisory::{
    Advisory, AdvisorySource, Candidate, Epss, Kev, Scope, SourceError, Vulnerability,
};
use kedge_artifact::time::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// A dataset cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Reading failed, or the file ends early.
    #[error("dataset cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Not a dataset at all.
    #[error("not a kedge dataset")]
    NotADataset,
    /// A dataset of another format version.
    #[error("dataset has format version {found}, this program reads version {FORMAT_VERSION}")]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// Cut, changed or wrongly written.
    #[error("dataset is damaged: {0}")]
    Damaged(String),
}

fn damaged(what: &str) -> DatasetError {
    DatasetError::Damaged(what.into())
}

/// One generation, open for reading. Lookups may run from several threads.
pub struct Dataset {
    reader: Box<dyn ReadAt>,
    manifest: Manifest,
    tail: Tail,
    blocks: Span,
    packages: Table,
    ids: Table,
    epss: Table,
    epss_date: Timestamp,
    kev: BTreeMap<String, Kev>,
    parts: Vec<Part>,
    coverage: BTreeMap<Scope, Timestamp>,
    cache: Mutex<VecDeque<(u32, Arc<Block>)>>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataset").field("generation", &self.manifest.generation).finish()
    }
}

/// A record and its place.
type Found = (u32, u16, u16);

impl Dataset {
    /// Opens a dataset: checks header, lengths, the indexes' and the manifest's digest. Records
    /// are checked as they are read; [`Dataset::verify`] checks every byte.
    ///
    /// # Errors
    /// When it is no dataset, of another version, cut or damaged.
    pub fn open(reader: Box<dyn ReadAt>) -> Result<Self, DatasetError> {
        let length = reader.len()?;
        let mut header = [0; HEADER_BYTES as usize];
        if length < HEADER_BYTES {
            return Err(DatasetError::NotADataset);
        }
        reader.read_at(0, &mut header)?;
        match format::version_of(&header) {
            None => return Err(DatasetError::NotADataset),
            Some(FORMAT_VERSION) => {}
            Some(found) => return Err(DatasetError::Version { found }),
        }
        let tail = read_tail(&*reader, length)?;
        let manifest = read_manifest(&*reader, &tail)?;
        let directory = read_directory(&*reader, &tail)?;
        let resident = |section| read_span(&*reader, directory.span(section));
        let kev: BTreeMap<String, Kev> = decode(&resident(Section::Kev)?)?;
        let parts: Vec<Part> = decode(&resident(Section::Parts)?)?;
        let epss = directory.span(Section::Epss);
        let mut date = [0; 8];
        if epss.length < 8 {
            return Err(damaged("the EPSS section is too short"));
        }
        reader.read_at(epss.offset, &mut date)?;
        let epss = Span { offset: epss.offset + 8, length: epss.length - 8 };
        Ok(Self {
            packages: Table::open(&*reader, directory.span(Section::Packages), INDEX_BYTES)?,
            ids: Table::open(&*reader, directory.span(Section::Ids), INDEX_BYTES)?,
            epss: Table::open(&*reader, epss, EPSS_BYTES)?,
            epss_date: Timestamp(i64::from_le_bytes(date)),
            blocks: directory.span(Section::Blocks),
            coverage: coverage(&parts, &manifest),
            cache: Mutex::default(),
            reader,
            manifest,
            tail,
            kev,
            parts,
        })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the dataset consists of.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// One part.
    #[must_use]
    pub fn part(&self, driver: &str, document: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.driver == driver && part.document == document)
    }

    /// Compares every byte with the digests of content and file.
    ///
    /// # Errors
    /// When a byte is not as it was written.
    pub fn verify(&self) -> Result<(), DatasetError> {
        let length = self.reader.len()?;
        let end = length.checked_sub(32).ok_or_else(|| damaged("the file is cut"))?;
        let mut file = Sha256::new();
        digest(&*self.reader, Span { offset: 0, length: self.tail.content_length }, &mut file)?;
        let generation: [u8; 32] = file.clone().finalize().into();
        let offset = self.tail.content_length;
        let rest = end.checked_sub(offset).ok_or_else(|| damaged("the file is cut"))?;
        digest(&*self.reader, Span { offset, length: rest }, &mut file)?;
        let mut expect = [0; 32];
        self.reader.read_at(end, &mut expect)?;
        if file.finalize()[..] != expect {
            return Err(damaged("the file does not have the digest at its end"));
        }
        if generation != self.tail.generation {
            return Err(damaged("the content does not have the digest that names it"));
        }
        Ok(())
    }

    /// Reads a block; the packed form is what a copy needs.
    pub(super) fn packed_block(&self, number: u32) -> Result<(BlockEntry, Vec<u8>), DatasetError> {
        let offset = u64::from(number) * ENTRY_BYTES;
        if offset + ENTRY_BYTES > self.blocks.length {
            return Err(damaged("a block number is too high"));
        }
        let mut bytes = [0; ENTRY_BYTES as usize];
        self.reader.read_at(self.blocks.offset + offset, &mut bytes)?;
        let entry = BlockEntry::decode(&bytes);
        let span = Span { offset: entry.offset, length: u64::from(entry.packed) };
        if span.end().is_none_or(|end| end > self.blocks.offset) {
            return Err(damaged("a block lies outside the file"));
        }
        // The length is bounded by the file's own, checked above.
        let mut packed = vec![0; entry.packed as usize];
        self.reader.read_at(span.offset, &mut packed)?;
        Ok((entry, packed))
    }

    /// An unpacked block, from the cache when it is there.
    pub(super) fn block(&self, number: u32) -> Result<Arc<Block>, DatasetError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = cache.iter().position(|(cached, _)| *cached == number)
            && let Some(hit) = cache.remove(index)
        {
            let block = Arc::clone(&hit.1);
            cache.push_back(hit);
            return Ok(block);
        }
        drop(cache);
        let (entry, packed) = self.packed_block(number)?;
        let block = Arc::new(Block::unpack(&entry, &packed)?);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.push_back((number, Arc::clone(&block)));
        if cache.len() > limits::CACHED_BLOCKS {
            cache.pop_front();
        }
        Ok(block)
    }

    /// Every advisory of a part, in file order.
    pub(super) fn each_advisory(
        &self,
        part: &Part,
        visit: &mut dyn FnMut(Advisory),
    ) -> Result<(), DatasetError> {
        for number in part.first_block..part.first_block.saturating_add(part.blocks) {
            let block = self.block(number)?;
            for slot in 0..block.len() {
                visit(block.advisory(slot)?);
            }
        }
        Ok(())
    }

    /// Every EPSS entry.
    pub(super) fn each_epss(&self, visit: &mut dyn FnMut(u64, Epss)) -> Result<(), DatasetError> {
        let date = self.epss_date;
        self.epss.all(&*self.reader, &mut |entry| visit(u64_at(entry, 0), scores(entry, date)))
    }

    /// The KEV catalogue.
    #[must_use]
    pub fn kev_entries(&self) -> &BTreeMap<String, Kev> {
        &self.kev
    }

    /// Number of EPSS scores.
    #[must_use]
    pub fn epss_len(&self) -> u64 {
        self.epss.len()
    }

    /// Scopes that the dataset is complete for, and the age of the oldest document behind each.
    #[must_use]
    pub fn coverage_all(&self) -> &BTreeMap<Scope, Timestamp> {
        &self.coverage
    }

    /// Records whose id, alias or (when `upstream`) upstream id is `id`.
    pub(super) fn records(&self, id: &str, upstream: bool) -> Result<Vec<Advisory>, DatasetError> {
        let mut found: Vec<Found> = Vec::new();
        self.ids.each(&*self.reader, id_key(id), &mut |entry| {
            let kind = u16_at(entry, 14);
            if kind != IdKind::Upstream.number() || upstream {
                found.push((u32_at(entry, 8), u16_at(entry, 12), 0));
            }
        })?;
        found.sort_unstable();
        found.dedup();
        let mut records = Vec::new();
        for (block, slot, _) in found {
            let advisory = self.block(block)?.advisory(usize::from(slot))?;
            let named = &advisory.vulnerability;
            let same = |other: &String| other.eq_ignore_ascii_case(id);
            // Keys are shortened digests: the text decides.
            if same(&named.id)
                || named.aliases.iter().any(same)
                || (upstream && named.upstream.iter().any(same))
            {
                records.push(advisory);
            }
        }
        Ok(records)
    }

    /// All rows of a package.
    pub(super) fn rows(
        &self,
        scope: &Scope,
        package: &str,
    ) -> Result<Vec<Candidate>, DatasetError> {
        let package = names::normalize_package(scope, package);
        let mut found: Vec<Found> = Vec::new();
        self.packages.each(&*self.reader, package_key(scope, &package), &mut |entry| {
            found.push((u32_at(entry, 8), u16_at(entry, 12), u16_at(entry, 14)));
        })?;
        let mut candidates = Vec::new();
        for rows in found.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let advisory = self.block(rows[0].0)?.advisory(usize::from(rows[0].1))?;
            let vulnerability: Arc<Vulnerability> = Arc::new(advisory.vulnerability);
            for (_, _, row) in rows {
                let affected = advisory.affected.get(usize::from(*row));
                let affected = affected.ok_or_else(|| damaged("a row number is too high"))?;
                if affected.scope == *scope && affected.package == package {
                    candidates.push(Candidate {
                        vulnerability: Arc::clone(&vulnerability),
                        affected: affected.clone(),
                    });
                }
            }
        }
        Ok(candidates)
    }
}

impl AdvisorySource for Dataset {
    fn generation(&self) -> String {
        self.manifest.generation.clone()
    }

    fn candidates(&self, scope: &Scope, package: &str) -> Result<Vec<Candidate>, SourceError> {
        self.rows(scope, package).map_err(|error| SourceError(error.to_string()))
    }

    fn coverage(&self, scope: &Scope) -> Option<Timestamp> {
        self.coverage.get(scope).copied()
    }

    fn by_id(&self, id: &str) -> Result<Vec<Advisory>, SourceError> {
        self.records(id, false).map_err(|error| SourceError(error.to_string()))
    }

    fn epss(&self, cve: &str) -> Option<Epss> {
        let mut found = None;
        let date = self.epss_date;
        // The table was checked at open; what is left is a failing disk, and a missing score says
        // less than no result at all.
        let read = self.epss.each(&*self.reader, text::cve_key(cve)?, &mut |entry| {
            found = Some(scores(entry, date));
        });
        read.ok().and(found)
    }

    fn kev(&self, cve: &str) -> Option<Kev> {
        self.kev.get(cve).cloned()
    }
}

fn scores(entry: &[u8], date: Timestamp) -> Epss {
    Epss {
        score: f64::from_bits(u64_at(entry, 8)),
        percentile: f64::from_bits(u64_at(entry, 16)),
        date,
    }
}

/// The oldest fetch behind each covered scope: data is as old as its oldest part.
fn coverage(parts: &[Part], manifest: &Manifest) -> BTreeMap<Scope, Timestamp> {
    let mut coverage: BTreeMap<Scope, Timestamp> = BTreeMap::new();
    for part in parts {
        let Some(input) = manifest.input(&part.driver, &part.document) else { continue };
        for count in part.scopes.iter().filter(|count| count.covered) {
            let time = coverage.entry(count.scope.clone()).or_insert(input.fetched);
            *time = input.fetched.min(*time);
        }
    }
    coverage
}

fn read_tail(reader: &dyn ReadAt, length: u64) -> Result<Tail, DatasetError> {
    let least = HEADER_BYTES + DIRECTORY_BYTES + TAIL_BYTES;
    if length < least {
        return Err(damaged("the file is cut"));
    }
    if length > limits::DATASET_BYTES {
        return Err(damaged("the file is over the limit DATASET_BYTES"));
    }
    let mut bytes = [0; TAIL_BYTES as usize];
    reader.read_at(length - TAIL_BYTES, &mut bytes)?;
    let tail = Tail::decode(&bytes).ok_or_else(|| damaged("the file is cut"))?;
    let sum = tail
        .content_length
        .checked_add(tail.manifest_length)
        .and_then(|sum| sum.checked_add(TAIL_BYTES));
    if sum != Some(length) || tail.content_length < HEADER_BYTES + DIRECTORY_BYTES {
        return Err(damaged("the lengths at its end do not add up"));
    }
    Ok(tail)
}

fn read_manifest(reader: &dyn ReadAt, tail: &Tail) -> Result<Manifest, DatasetError> {
    if tail.manifest_length > limits::MANIFEST_BYTES {
        return Err(damaged("the manifest is over the limit MANIFEST_BYTES"));
    }
    let mut bytes = vec![0; tail.manifest_length as usize];
    reader.read_at(tail.content_length, &mut bytes)?;
    if Sha256::digest(&bytes)[..] != tail.manifest_digest {
        return Err(damaged("the manifest does not have its digest"));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| DatasetError::Damaged(format!("the manifest cannot be read: {error}")))?;
    if manifest.generation != hex::encode(tail.generation) {
        return Err(damaged("the manifest names another generation"));
    }
    Ok(manifest)
}

fn read_directory(reader: &dyn ReadAt, tail: &Tail) -> Result<Directory, DatasetError> {
    let end = tail.content_length - DIRECTORY_BYTES;
    let mut bytes = [0; DIRECTORY_BYTES as usize];
    reader.read_at(end, &mut bytes)?;
    let directory = Directory::decode(&bytes);
    // Sections follow each other without a gap, up to the directory.
    let first = directory.spans[0].offset;
    let mut next = first;
    for span in directory.spans {
        if span.offset != next || span.end().is_none_or(|after| after > end) {
            return Err(damaged("a section lies outside its place"));
        }
        next = span.offset + span.length;
    }
    if next != end || first < HEADER_BYTES {
        return Err(damaged("a section lies outside its place"));
    }
    let mut hasher = Sha256::new();
    digest(reader, Span { offset: first, length: end - first }, &mut hasher)?;
    if hasher.finalize()[..] != directory.digest {
        return Err(damaged("the indexes do not have their digest"));
    }
    Ok(directory)
}

fn read_span(reader: &dyn ReadAt, span: Span) -> Result<Vec<u8>, DatasetError> {
    if span.length > limits::RESIDENT_SECTION_BYTES {
        return Err(damaged("a section is over the limit RESIDENT_SECTION_BYTES"));
    }
    let mut bytes = vec![0; span.length as usize];
    reader.read_at(span.offset, &mut bytes)?;
    Ok(bytes)
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, DatasetError> {
    let config =
        bincode::config::standard().with_limit::<{ limits::RESIDENT_SECTION_BYTES as usize * 4 }>();
    let (value, _) = bincode::serde::decode_from_slice(bytes, config)
        .map_err(|error| DatasetError::Damaged(format!("a section cannot be read: {error}")))?;
    Ok(value)
}

fn digest(reader: &dyn ReadAt, span: Span, hasher: &mut Sha256) -> Result<(), DatasetError> {
    let mut buffer = vec![0; 256 << 10];
    let mut done = 0;
    while done < span.length {
        let count = (span.length - done).min(buffer.len() as u64) as usize;
        reader.read_at(span.offset + done, &mut buffer[..count])?;
        hasher.update(&buffer[..count]);
        done += count as u64;
    }
    Ok(())
}
