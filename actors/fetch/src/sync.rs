//! One synchronisation: fetch, parse, merge with the previous generation, write the new one.
//!
//! A driver whose source fails keeps its previous rows, is reported, and its data keeps the age
//! it had. Records that upstream deleted vanish only with a complete new document.

use crate::cache::RawCache;
use crate::fetcher::{self, DriverInput, Fetched, Report};
use crate::guard::{guarded, shrunk};
use crate::http::Http;
use crate::options::{Options, Progress, Stage};
use futures::StreamExt;
use kedge_artifact::problem::Problem;
use kedge_feeds::dataset::{
    BuildError, Dataset, GenerationBuilder, Manifest, NORMALIZER_VERSION, Origin, PartBuilder,
    RETIRED,
};
use kedge_feeds::source::Documents;
use kedge_feeds::{SOURCES, Source, parse};
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::PathBuf;
use std::sync::Arc;

/// A synchronisation could not be carried out at all.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A driver that does not exist.
    #[error("there is no feed driver '{name}', known are: {known}")]
    UnknownDriver {
        /// The name that was given.
        name: String,
        /// All names.
        known: String,
    },
    /// The client cannot be set up.
    #[error("http client: {0}")]
    Client(String),
    /// The raw cache cannot be used.
    #[error("raw cache {path}: {source}")]
    Cache {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new generation cannot be written.
    #[error("new generation {path}: {source}")]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new generation cannot be built.
    #[error("new generation: {0}")]
    Build(#[from] BuildError),
    /// The thread that builds went down.
    #[error("building stopped: {0}")]
    Stopped(String),
}

/// What a synchronisation came to.
#[derive(Debug)]
pub struct SyncOutcome {
    /// The new generation, at [`Options::output`]; `None` when no driver could be fetched, so that
    /// nothing new is known. A new file may hold the same content with newer times.
    pub file: Option<PathBuf>,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// Whether its content differs from the previous generation's.
    pub changed: bool,
    /// One result per driver, in table order.
    pub drivers: Vec<DriverResult>,
    /// Set when the previous generation was given but is damaged, and was not used.
    pub previous_damaged: Option<String>,
}

/// What happened to one driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverResult {
    /// Driver name.
    pub driver: &'static str,
    /// The result.
    pub state: DriverState,
    /// Each document.
    pub documents: Vec<DocumentResult>,
    /// Records that the new generation has of it.
    pub records: u64,
}

/// The result of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverState {
    /// At least one document is new, none failed.
    Updated,
    /// All documents are as they were.
    Unchanged,
    /// Some or all documents failed; what the previous generation had of them is kept.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// The mirror that was named has nothing of this driver, and no generation ever had: a mirror
    /// may be partial. Its scopes are not covered.
    Absent {
        /// Where it was looked for.
        location: String,
    },
    /// Not asked for this time; kept as it was.
    NotAsked,
    /// Switched off; left out.
    Disabled,
}

/// What happened to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentResult {
    /// Path below the base.
    pub document: String,
    /// URL without credentials, or path.
    pub location: String,
    /// The result.
    pub state: DocumentState,
    /// Records in the new generation.
    pub records: u64,
    /// What could not be used of it.
    pub problems: Vec<Problem>,
}

/// The result of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentState {
    /// Parsed anew.
    Updated,
    /// Same bytes as before.
    Unchanged,
    /// The source does not have it, and never had.
    Absent,
    /// Not usable.
    Failed {
        /// Why.
        reason: String,
        /// Whether the previous generation's rows were kept.
        kept: bool,
    },
    /// No longer told by the source (a release out of support); previous rows kept.
    Retired,
}

/// Fetches all wanted drivers and writes a new generation to [`Options::output`]. `report` is
/// called often and must be quick.
///
/// # Errors
/// When nothing could be tried or the generation cannot be written. Failing sources are no error
/// here but part of the outcome.
pub async fn sync(
    options: &Options,
    previous: Option<Arc<Dataset>>,
    report: Arc<Report>,
) -> Result<SyncOutcome, SyncError> {
    for name in options.drivers.iter().chain(&options.disabled).chain(options.bases.keys()) {
        if Source::named(name).is_none() {
            let known: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
            return Err(SyncError::UnknownDriver { name: name.clone(), known: known.join(", ") });
        }
    }
    let cache_error = |source| SyncError::Cache { path: options.cache_dir.clone(), source };
    let cache = RawCache::open(&options.cache_dir).map_err(cache_error)?;
    let http = Http::new(options).map_err(SyncError::Client)?;
    let (http, cache_ref, report_ref) = (&http, &cache, &report);
    let one = |source: &'static Source| async move {
        if !options.fetches(source) {
            return None;
        }
        Some(fetcher::fetch(options, http, cache_ref, source, report_ref.as_ref()).await)
    };
    // Collected first: a stream that holds the closure itself is not `Send` for every lifetime.
    let asked: Vec<_> = SOURCES.iter().map(one).collect();
    let inputs: Vec<Option<DriverInput>> =
        futures::stream::iter(asked).buffered(crate::limits::PARALLEL).collect().await;
    let (options, build_cache) = (options.clone(), cache.clone());
    let build = move || build(&options, &build_cache, previous.as_deref(), inputs, report.as_ref());
    let outcome = tokio::task::spawn_blocking(build).await;
    let outcome = outcome.map_err(|error| SyncError::Stopped(error.to_string()))??;
    if let Err(error) = cache.sweep() {
        tracing::warn!(%error, "old raw copies are not removed");
    }
    Ok(outcome)
}

fn build(
    options: &Options,
    cache: &RawCache,
    previous: Option<&Dataset>,
    inputs: Vec<Option<DriverInput>>,
    report: &Report,
) -> Result<SyncOutcome, SyncError> {
    // A damaged previous generation must not stop updates for ever, nor be copied from.
    let damage = previous.and_then(|dataset| dataset.verify().err());
    let previous_damaged = damage.map(|error| error.to_string());
    let previous = previous.filter(|_| previous_damaged.is_none());
    let output = |source| SyncError::Output { path: options.output.clone(), source };
    let file = File::create(&options.output).map_err(output)?;
    let mut run = Run {
        options,
        cache,
        previous,
        report,
        builder: GenerationBuilder::new(BufWriter::new(file))?,
    };
    let mut drivers = Vec::new();
    for (source, input) in SOURCES.iter().zip(inputs) {
        drivers.push(run.driver(source, input)?);
    }
    let fresh = drivers
        .iter()
        .flat_map(|driver| &driver.documents)
        .any(|d| matches!(d.state, DocumentState::Updated | DocumentState::Unchanged));
    let dropped = previous.is_some_and(|dataset| {
        dataset.parts().iter().any(|part| options.disabled.contains(&part.driver))
    });
    if !fresh && !dropped {
        std::fs::remove_file(&options.output).map_err(output)?;
        let (file, manifest, changed) = (None, None, false);
        return Ok(SyncOutcome { file, manifest, changed, drivers, previous_damaged });
    }
    let (out, manifest) = run.builder.finish(options.now)?;
    let file = out.into_inner().map_err(|error| output(error.into_error()))?;
    file.sync_all().map_err(output)?;
    let changed =
        previous.is_none_or(|dataset| dataset.manifest().generation != manifest.generation);
    Ok(SyncOutcome {
        file: Some(options.output.clone()),
        manifest: Some(manifest),
        changed,
        drivers,
        previous_damaged,
    })
}

struct Run<'a> {
    options: &'a Options,
    cache: &'a RawCache,
    previous: Option<&'a Dataset>,
    report: &'a Report,
    builder: GenerationBuilder<BufWriter<File>>,
}

impl Run<'_> {
    fn driver(
        &mut self,
        source: &'static Source,
        input: Option<DriverInput>,
    ) -> Result<DriverResult, SyncError> {
        let first_part = self.builder.parts().len();
        let mut documents = Vec::new();
        let state = match input {
            None if self.options.disabled.contains(source.name) => DriverState::Disabled,
            None => {
                self.keep_all(source)?;
                DriverState::NotAsked
            }
            Some(Err(reason)) => {
                self.keep_all(source)?;
                DriverState::Failed { reason }
            }
            Some(Ok(fetched)) => {
                for one in fetched {
                    documents.push(self.document(source, one)?);
                }
                self.retired(source, &mut documents)?;
                self.summary(source, &documents)
            }
        };
        let records = self.builder.parts()[first_part..].iter().map(|part| part.records).sum();
        let stage = match &state {
            DriverState::Failed { .. } => Stage::Failed,
            DriverState::Updated
            | DriverState::Unchanged
            | DriverState::Absent { .. }
            | DriverState::NotAsked
            | DriverState::Disabled => Stage::Done { records },
        };
        self.say(source, "", stage);
        Ok(DriverResult { driver: source.name, state, documents, records })
    }

    fn say(&self, source: &'static Source, document: &str, stage: Stage) {
        (self.report)(Progress { driver: source.name, document: document.into(), stage });
    }

    /// Copies everything that the previous generation has of a driver.
    fn keep_all(&mut self, source: &Source) -> Result<(), SyncError> {
        let Some(previous) = self.previous else { return Ok(()) };
        for part in previous.parts().iter().filter(|part| part.driver == source.name) {
            self.builder.copy_part(previous, source.name, &part.document, None)?;
        }
        Ok(())
    }

    /// Brings one document into the generation.
    fn document(
        &mut self,
        source: &'static Source,
        fetched: Fetched,
    ) -> Result<DocumentResult, SyncError> {
        let Fetched { document, location, result } = fetched;
        let old = self.previous.and_then(|previous| previous.part(source.name, &document));
        let note = match result {
            Ok(Some(note)) => note,
            Ok(None) if old.is_none() => {
                let state = DocumentState::Absent;
                return Ok(DocumentResult {
                    document,
                    location,
                    state,
                    records: 0,
                    problems: vec![],
                });
            }
            Ok(None) => {
                let reason = format!("{location}: document is gone");
                return self.kept(source, document, location, reason);
            }
            Err(reason) => return self.kept(source, document, location, reason),
        };
        self.say(source, &document, Stage::Reading);
        let origin = Origin {
            driver: source.name.into(),
            document: document.clone(),
            location: location.clone(),
            fetched: self.options.now,
            bytes: note.bytes,
            digest: note.digest,
        };
        if let (Some(previous), Some(part)) = (self.previous, old)
            && part.input_digest == origin.digest
            && part.normalizer == NORMALIZER_VERSION
        {
            let part = self.builder.copy_part(previous, source.name, &document, Some(origin))?;
            let (state, records) = (DocumentState::Unchanged, part.records);
            return Ok(DocumentResult { document, location, state, records, problems: vec![] });
        }
        match self.parse(source, origin, old.map_or(0, |part| part.records)) {
            Ok((records, problems)) => {
                self.say(source, &document, Stage::Done { records });
                let state = DocumentState::Updated;
                Ok(DocumentResult { document, location, state, records, problems })
            }
            Err(Unusable::Document(reason)) => {
                let reason = format!("{location}: {reason}");
                self.kept(source, document, location, reason)
            }
            Err(Unusable::Build(error)) => Err(error.into()),
        }
    }

    fn parse(
        &mut self,
        source: &'static Source,
        origin: Origin,
        old_records: u64,
    ) -> Result<(u64, Vec<Problem>), Unusable> {
        let document = origin.document.clone();
        let body = self.cache.open_body(&origin.digest).map_err(|error| error.to_string())?;
        let mut part = PartBuilder::new(origin);
        let mut sink = |item| part.add(item);
        let parsed = guarded(|| parse(source, &document, &mut BufReader::new(body), &mut sink))?;
        let report = parsed.map_err(|error| error.to_string())?;
        if let Some(reason) = shrunk(old_records, report.items as u64, self.options.force_shrink) {
            return Err(reason.into());
        }
        match self.builder.commit(part, report.skipped as u64) {
            Ok(part) => Ok((part.records, report.problems)),
            Err(error @ (BuildError::Record { .. } | BuildError::Encode(_))) => {
                Err(error.to_string().into())
            }
            Err(
                error @ (BuildError::Io(_)
                | BuildError::Previous(_)
                | BuildError::NoSuchPart { .. }),
            ) => Err(Unusable::Build(error)),
        }
    }

    /// A document that failed: its previous rows, when there are any.
    fn kept(
        &mut self,
        source: &'static Source,
        document: String,
        location: String,
        reason: String,
    ) -> Result<DocumentResult, SyncError> {
        self.say(source, &document, Stage::Failed);
        let mut records = 0;
        let mut kept = false;
        if let Some(previous) = self.previous
            && previous.part(source.name, &document).is_some()
        {
            records = self.builder.copy_part(previous, source.name, &document, None)?.records;
            kept = true;
        }
        let state = DocumentState::Failed { reason, kept };
        Ok(DocumentResult { document, location, state, records, problems: Vec::new() })
    }

    /// Keeps releases that upstream has dropped: whole documents (Alpine) or rows of a document
    /// (Debian).
    fn retired(
        &mut self,
        source: &'static Source,
        documents: &mut Vec<DocumentResult>,
    ) -> Result<(), SyncError> {
        let Some(previous) = self.previous.filter(|_| source.keeps_retired) else { return Ok(()) };
        if let Documents::Listed(list) = source.documents {
            for document in list {
                self.builder.keep_retired(previous, source.name, document.path)?;
            }
            return Ok(());
        }
        let named = |name: &str| documents.iter().any(|result| result.document == name);
        let gone: Vec<String> = previous
            .parts()
            .iter()
            .filter(|part| part.driver == source.name && !named(&part.document))
            .map(|part| part.document.clone())
            .collect();
        for document in gone {
            let part = self.builder.copy_part(previous, source.name, &document, None)?;
            let records = part.records;
            documents.push(DocumentResult {
                location: document.trim_end_matches(RETIRED).to_owned(),
                document,
                state: DocumentState::Retired,
                records,
                problems: Vec::new(),
            });
        }
        Ok(())
    }

    /// The state of a driver from those of its documents.
    fn summary(&self, source: &Source, documents: &[DocumentResult]) -> DriverState {
        let reasons: Vec<&str> = documents
            .iter()
            .filter_map(|document| match &document.state {
                DocumentState::Failed { reason, .. } => Some(reason.as_str()),
                DocumentState::Updated
                | DocumentState::Unchanged
                | DocumentState::Absent
                | DocumentState::Retired => None,
            })
            .collect();
        if !reasons.is_empty() {
            return DriverState::Failed { reason: reasons.join("; ") };
        }
        let any = |state: &DocumentState| documents.iter().any(|document| document.state == *state);
        if any(&DocumentState::Updated) {
            return DriverState::Updated;
        }
        if any(&DocumentState::Unchanged) {
            return DriverState::Unchanged;
        }
        let location = self.options.base(source).to_string();
        let known = self
            .previous
            .is_some_and(|previous| previous.parts().iter().any(|p| p.driver == source.name));
        if self.options.is_mirrored(source) && !known {
            return DriverState::Absent { location };
        }
        DriverState::Failed { reason: format!("{location}: none of its documents is there") }
    }
}

/// Why a document is not in the generation.
enum Unusable {
    /// The document's own fault: its old rows are kept.
    Document(String),
    /// The generation cannot be written.
    Build(BuildError),
}

impl From<String> for Unusable {
    fn from(reason: String) -> Self {
        Self::Document(reason)
    }
}
