//! The analysis of one target: each layer read once, in parallel, then squashed.

use crate::bodies;
use crate::cache::LayerCache;
use crate::error::TargetError;
use crate::limits::{BODIES_BYTES_MAX, PROGRESS_STEP_BYTES};
use crate::pipeline::{Job, join, split};
use crate::progress::{Progress, ProgressSink};
use crate::source::{
    Cancel, CancelOnDrop, Image, ImageSource, LayerInput, LayerSource, RawDocument, Watched,
};
use crate::sources::panicked;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kedge_analyzer::catalogers;
use kedge_analyzer::image::layer::{Expected, LayerError, LayerFacts, Limits};
use kedge_analyzer::image::manifest::ImageConfig;
use kedge_analyzer::image::tree::{Analysis, ImageInfo, SquashOptions, squash_while};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::problem::Problem;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How to analyse.
#[derive(Debug, Clone)]
pub struct AnalyzeOptions {
    /// Which image of an index; `None`: `linux/amd64`, or the only one there is.
    pub platform: Option<Platform>,
    /// Most threads that read layers at once. About the number of cores; each holds the inflate
    /// window and the captured files of one layer.
    pub permits: NonZeroUsize,
    /// Bounds per layer. Each analysis has a budget of its own, of the size of `held`, and its own
    /// gate for file bodies.
    pub limits: Limits,
    /// Whether the list of files is part of the result.
    pub files: bool,
}

impl Default for AnalyzeOptions {
    fn default() -> Self {
        let permits = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { platform: None, permits, limits: Limits::default(), files: true }
    }
}

/// What an analysis gives.
#[derive(Debug)]
pub struct TargetAnalysis {
    /// SBOM and list of files.
    pub analysis: Analysis,
    /// The manifest with its digest, where there is one.
    pub manifest: Option<RawDocument>,
    /// Digest of the index that the manifest was chosen from.
    pub index: Option<Digest>,
    /// The configuration with its digest (the image id); `None` for a directory.
    pub config: Option<RawDocument>,
    /// The configuration, read.
    pub image_config: Option<ImageConfig>,
    /// Bytes of all layer blobs, equal layers counted as often as they occur.
    pub compressed_bytes: u64,
    /// Bytes of all layer tars, counted the same way.
    pub uncompressed_bytes: u64,
    /// Layers whose facts came from the cache.
    pub layers_cached: usize,
    /// What was odd about the source, for instance wrong registry headers. Not in the SBOM.
    pub notes: Vec<Problem>,
}

/// One layer to read: equal layers of an image are read once.
struct Unread {
    index: usize,
    layer: LayerSource,
}

/// What all layers of one analysis share.
struct Work {
    source: Arc<dyn ImageSource>,
    cache: Arc<dyn LayerCache>,
    limits: Limits,
    progress: ProgressSink,
    cancel: Cancel,
    catalogers: String,
    /// Threads that may run.
    permits: Arc<Semaphore>,
    /// Layers that nobody has begun.
    waiting: AtomicUsize,
}

/// Analyses a target. Dropping the future stops the threads that work for it.
///
/// # Errors
/// [`TargetError`] when the target as a whole cannot be analysed; no partial result then.
pub async fn analyze(
    source: Arc<dyn ImageSource>,
    cache: Arc<dyn LayerCache>,
    options: AnalyzeOptions,
    progress: ProgressSink,
) -> Result<TargetAnalysis, TargetError> {
    let image = source.image(options.platform.as_ref()).await?;
    let compressed_bytes = image.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
    progress(Progress::Resolved { layers: image.layers.len(), bytes: compressed_bytes });
    let cancel = Cancel::default();
    let stopped = cancel.clone();
    let _stop = CancelOnDrop(cancel.clone());
    let work = Arc::new(Work {
        source,
        cache,
        limits: Limits {
            held: options.limits.held.fresh(),
            bodies: bodies::gate(BODIES_BYTES_MAX),
            ..options.limits
        },
        progress: progress.clone(),
        cancel,
        catalogers: catalogers::version(),
        permits: Arc::new(Semaphore::new(options.permits.get())),
        waiting: AtomicUsize::new(0),
    });
    let (known, unread) = work.look_up(&image).await?;
    let layers_cached = known.len();
    let read = work.read_all(unread, options.permits.get()).await?;
    let layers = in_order(&image, known, read);
    progress(Progress::Squashing);
    let uncompressed_bytes = layers.iter().map(|layer| layer.tar_size).sum();
    let info = ImageInfo {
        kind: image.kind,
        manifest: image.manifest.as_ref().map(|document| document.digest),
        config: image.config.as_ref().map(|document| document.digest),
        platform: image.platform.clone(),
    };
    let squash_options = SquashOptions { files: options.files };
    let joined = spawn_blocking(move || {
        squash_while(&info, &layers, &squash_options, &|| !stopped.is_set())
    });
    let squashed = joined.await;
    let analysis = squashed.map_err(|error| panicked("the layers", error))??;
    Ok(TargetAnalysis {
        analysis,
        manifest: image.manifest,
        index: image.index,
        config: image.config,
        image_config: image.image_config,
        compressed_bytes,
        uncompressed_bytes,
        layers_cached,
        notes: image.notes,
    })
}

type ByIndex = HashMap<usize, LayerFacts>;

/// What makes two layers of an image one to read. All three count: a descriptor that lies about
/// any of them is read and found out.
type Identity = (Option<Digest>, Option<Digest>, u64);

const fn identity(layer: &LayerSource) -> Identity {
    (layer.diff_id, layer.blob, layer.size)
}

/// The facts of each layer, lowest first; a layer that occurs again has those of its first place.
fn in_order(
    image: &Image,
    mut known: ByIndex,
    read: Vec<(usize, LayerFacts)>,
) -> Vec<Arc<LayerFacts>> {
    known.extend(read);
    let mut shared: HashMap<Identity, Arc<LayerFacts>> = HashMap::new();
    let mut layers = Vec::with_capacity(image.layers.len());
    for (index, layer) in image.layers.iter().enumerate() {
        let facts = match known.remove(&index) {
            Some(mut facts) => {
                // A cached layer may have been another blob of the same content.
                facts.blob = layer.blob;
                if layer.diff_id.is_some() {
                    facts.blob_size = layer.size;
                }
                Arc::new(facts)
            }
            None => {
                let first = shared.get(&identity(layer));
                first.expect("every layer or its equal was read").clone()
            }
        };
        shared.entry(identity(layer)).or_insert_with(|| facts.clone());
        layers.push(facts);
    }
    layers
}

impl Work {
    /// Parts the layers into those that are known and those to read, longest first.
    async fn look_up(
        self: &Arc<Self>,
        image: &Image,
    ) -> Result<(ByIndex, Vec<Unread>), TargetError> {
        let mut distinct: Vec<Unread> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (index, layer) in image.layers.iter().enumerate() {
            // Two blobs may claim one diff id; each is read, so that neither goes unchecked.
            if layer.diff_id.is_none() || seen.insert(identity(layer)) {
                distinct.push(Unread { index, layer: layer.clone() });
            }
        }
        let work = self.clone();
        let looked = spawn_blocking(move || {
            let (mut known, mut unread) = (ByIndex::new(), Vec::new());
            for wanted in distinct {
                match work.cached(&wanted.layer) {
                    Some(facts) => {
                        let held = work.limits.held.hold_facts(&facts);
                        let place = &wanted.layer.place;
                        held.map_err(|error| TargetError::layer(wanted.index, place, error))?;
                        (work.progress)(Progress::LayerCached { index: wanted.index });
                        known.insert(wanted.index, facts);
                    }
                    None => unread.push(wanted),
                }
            }
            unread.sort_by_key(|wanted| std::cmp::Reverse(wanted.layer.size));
            Ok((known, unread))
        });
        looked.await.map_err(|error| panicked("the layer cache", error))?
    }

    fn cached(&self, layer: &LayerSource) -> Option<LayerFacts> {
        let diff_id = layer.diff_id?;
        let facts = self.cache.get(&diff_id, &self.catalogers)?;
        // A cache is somebody else's storage; what is not what was asked for is not used.
        (facts.diff_id == Some(diff_id) && facts.catalogers == self.catalogers).then_some(facts)
    }

    async fn read_all(
        self: &Arc<Self>,
        unread: Vec<Unread>,
        permits: usize,
    ) -> Result<Vec<(usize, LayerFacts)>, TargetError> {
        self.waiting.store(unread.len(), Ordering::Relaxed);
        stream::iter(unread)
            .map(|wanted| self.clone().read_one(wanted))
            .buffer_unordered(permits)
            .try_collect()
            .await
    }

    async fn read_one(
        self: Arc<Self>,
        Unread { index, layer }: Unread,
    ) -> Result<(usize, LayerFacts), TargetError> {
        let acquire = || self.permits.clone().acquire_owned();
        let _permit = acquire().await.map_err(|_| TargetError::Cancelled)?;
        // A second thread for this layer, when nobody else waits for it.
        let is_last = self.waiting.fetch_sub(1, Ordering::Relaxed) == 1;
        let second = if is_last { self.permits.clone().try_acquire_owned().ok() } else { None };
        (self.progress)(Progress::LayerStarted { index, bytes: layer.size });
        let input = self.source.open_layer(&layer).await?;
        let facts = match input {
            LayerInput::Walk(walk) => {
                let (cancel, limits) = (self.cancel.clone(), self.limits.clone());
                let walked = spawn_blocking(move || walk(&cancel, &limits)).await;
                walked.map_err(|error| panicked(&layer.place, error))??
            }
            LayerInput::Stream(stream) => {
                let job = self.job(index, &layer, stream.reader);
                let read = read_layer_on(job, second.is_some(), &layer.place);
                let pump = async {
                    if let Some(pump) = stream.pump {
                        pump.await;
                    }
                };
                let (facts, ()) = futures::join!(read, pump);
                facts?.map_err(|error| TargetError::layer(index, &layer.place, error))?
            }
        };
        let facts = self.keep(&layer, facts).await?;
        (self.progress)(Progress::LayerDone { index });
        Ok((index, facts))
    }

    fn job(&self, index: usize, layer: &LayerSource, reader: Box<dyn std::io::Read + Send>) -> Job {
        let progress = self.progress.clone();
        let (mut bytes, mut told) = (0_u64, 0_u64);
        let report = move |count: usize| {
            bytes += count as u64;
            if bytes - told >= PROGRESS_STEP_BYTES {
                told = bytes;
                progress(Progress::LayerRead { index, bytes });
            }
        };
        Job {
            reader: Box::new(Watched { inner: reader, cancel: self.cancel.clone(), report }),
            encoding: layer.encoding,
            expected: Expected {
                digest: layer.blob,
                size: Some(layer.size),
                diff_id: layer.diff_id,
            },
            limits: self.limits.clone(),
        }
    }

    async fn keep(
        self: &Arc<Self>,
        layer: &LayerSource,
        facts: LayerFacts,
    ) -> Result<LayerFacts, TargetError> {
        let Some(diff_id) = layer.diff_id else { return Ok(facts) };
        let work = self.clone();
        let kept = spawn_blocking(move || {
            work.cache.put(&diff_id, &work.catalogers, &facts);
            facts
        });
        kept.await.map_err(|error| panicked("the layer cache", error))
    }
}

/// Reads a layer on one blocking thread, or on two.
async fn read_layer_on(
    job: Job,
    two: bool,
    place: &str,
) -> Result<Result<LayerFacts, LayerError>, TargetError> {
    if !two {
        return spawn_blocking(move || job.read()).await.map_err(|error| panicked(place, error));
    }
    let (inflate, walk) = split(job);
    let first = spawn_blocking(move || inflate.run());
    let second = spawn_blocking(move || walk.run());
    let (first, second) = futures::join!(first, second);
    let inflated = first.map_err(|error| panicked(place, error))?;
    let walked = second.map_err(|error| panicked(place, error))?;
    Ok(join(inflated, walked))
}
