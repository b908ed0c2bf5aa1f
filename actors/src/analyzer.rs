//! The analyzer's work: pull an image, make its SBOM, store it.

use crate::access;
use crate::cache::Cache;
use crate::fault::Fault;
use crate::limits::ANALYZE_DEADLINE;
use crate::metrics::Metrics;
use crate::pool::{JobError, Work};
use crate::shared::{Shared, blocking};
use kedge_analyzer::catalogers;
use kedge_analyzer::image::layer::LayerFacts;
use kedge_analyzer::image::tree::Analysis;
use kedge_artifact::digest::Digest;
use kedge_artifact::image::FileEntry;
use kedge_artifact::package::PackageKind;
use kedge_artifact::reference::Reference;
use kedge_artifact::sbom::Sbom;
use kedge_model::command::Command;
use kedge_model::image::{AnalysisResult, Image};
use kedge_model::job::{Job, JobKind, Task};
use kedge_model::tokens::AccountName;
use kedge_state::query;
use kedge_storage::codec::{self, Stored};
use kedge_target::{AnalyzeOptions, LayerCache, RegistrySource, TargetAnalysis};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// Analyses images.
pub struct Analyzer {
    shared: Arc<Shared>,
}

impl Analyzer {
    /// An analyzer over the node's parts.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Work for Analyzer {
    const KIND: JobKind = JobKind::Analyze;
    const DEADLINE: Duration = ANALYZE_DEADLINE;

    async fn run(&self, job: Job) -> Result<Command, JobError> {
        Ok(self.analyze(&job).await?)
    }
}

impl Analyzer {
    async fn analyze(&self, job: &Job) -> Result<Command, Fault> {
        let Task::Analyze { digest, source } = &job.task else {
            return Err(Fault::lasting("internal", 500, "the job is not an analysis"));
        };
        let known =
            self.shared.handle.read(|view| query::image::get(view, &job.account, digest))?;
        let Some(image) = known else {
            return Err(Fault::lasting("image_not_found", 404, "the image was deleted meanwhile"));
        };
        let reference: Reference = format!("{source}@{digest}")
            .parse()
            .map_err(|error| Fault::lasting("invalid", 400, format!("{source}: {error}")))?;
        let analysed = self.pull(&job.account, &image, reference).await?;
        let result = self.store(analysed).await?;
        Ok(Command::FinishAnalysis { job: job.id, epoch: job.epoch, result: Box::new(result) })
    }

    async fn pull(
        &self,
        account: &AccountName,
        image: &Image,
        reference: Reference,
    ) -> Result<TargetAnalysis, Fault> {
        let shared = &self.shared;
        let (host, repository) = (&reference.registry, &reference.repository);
        let access = access::to_repository(shared, account, host, repository)?;
        let source = Arc::new(RegistrySource::new(shared.registry.clone(), access, reference));
        let cache = Arc::new(Layers {
            cache: shared.cache.clone(),
            metrics: shared.metrics.clone(),
            account: account.clone(),
        });
        let options = AnalyzeOptions {
            platform: Some(image.platform.clone()),
            permits: NonZeroUsize::new(shared.options.layers_at_a_time as usize)
                .unwrap_or(NonZeroUsize::MIN),
            ..AnalyzeOptions::default()
        };
        Ok(kedge_target::analyze(source, cache, options, kedge_target::quiet()).await?)
    }

    /// Stores every document, then says where: all of them are durable before the command that
    /// names them is proposed.
    async fn store(&self, analysed: TargetAnalysis) -> Result<AnalysisResult, Fault> {
        let TargetAnalysis { analysis, manifest, config, .. } = analysed;
        let incomplete = || Fault::lasting("not_an_image", 400, "the target is not an image");
        let (manifest, config) = (manifest.ok_or_else(incomplete)?, config.ok_or_else(incomplete)?);
        let Analysis { sbom, files } = analysis;
        let facts = Facts::of(&sbom, files.len());
        let (sbom_bytes, file_bytes) = blocking(move || {
            let sbom_bytes = kedge_analyzer::sbom::native::to_bytes(&sbom);
            Ok((sbom_bytes, encode_files(files)))
        })
        .await?;
        let sbom_content = Digest::of(&sbom_bytes);
        let shared = &self.shared;
        Ok(AnalysisResult {
            sbom_content,
            sbom: shared.put_document(sbom_bytes).await?,
            files: shared.put_document(file_bytes?).await?,
            manifest: shared.put_blob(manifest.bytes.to_vec()).await?,
            config: shared.put_blob(config.bytes.to_vec()).await?,
            image_id: config.digest,
            catalogers: catalogers::version(),
            size_bytes: facts.size_bytes,
            layer_count: facts.layer_count,
            distro: facts.distro,
            distro_version: facts.distro_version,
            package_counts: facts.package_counts,
            file_count: facts.file_count,
            problem_count: facts.problem_count,
        })
    }
}

/// What lists show of an SBOM.
struct Facts {
    size_bytes: u64,
    layer_count: u32,
    distro: String,
    distro_version: String,
    package_counts: Vec<(PackageKind, u32)>,
    file_count: u64,
    problem_count: u32,
}

impl Facts {
    fn of(sbom: &Sbom, files: usize) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let of_kind = |kind: PackageKind| {
            let found = sbom.packages.iter().filter(|package| package.kind == kind).count();
            (found > 0).then(|| (kind, count(found)))
        };
        Self {
            size_bytes: sbom.target.layers.iter().map(|layer| layer.size).sum(),
            layer_count: count(sbom.target.layers.len()),
            distro: sbom.distro.as_ref().map(|distro| distro.id.clone()).unwrap_or_default(),
            distro_version: sbom
                .distro
                .as_ref()
                .map(|distro| distro.version_id.clone())
                .unwrap_or_default(),
            package_counts: PackageKind::ALL.into_iter().filter_map(of_kind).collect(),
            file_count: files as u64,
            problem_count: count(sbom.problems.len()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredFiles(Vec<FileEntry>);

impl Stored for StoredFiles {
    const VERSION: u8 = 1;
    const NAME: &'static str = "file list";
}

fn encode_files(files: Vec<FileEntry>) -> Result<Vec<u8>, Fault> {
    codec::encode(&StoredFiles(files))
        .map_err(|error| Fault::lasting("limit", 400, format!("file list: {error}")))
}

/// Reads a stored file list.
///
/// # Errors
/// When the bytes are not a file list this version can read.
pub fn decode_files(bytes: &[u8]) -> Result<Vec<FileEntry>, Fault> {
    codec::decode::<StoredFiles>(bytes)
        .map(|stored| stored.0)
        .map_err(|error| Fault::lasting("document_unreadable", 500, error.to_string()))
}

#[derive(Serialize, Deserialize)]
struct StoredLayer(LayerFacts);

impl Stored for StoredLayer {
    const VERSION: u8 = 1;
    const NAME: &'static str = "layer facts";
}

/// Layer results by account: knowing the diff id of somebody else's layer must not be enough to
/// read what is in it.
struct Layers {
    cache: Cache,
    metrics: Metrics,
    account: AccountName,
}

impl Layers {
    fn key(&self, diff_id: &Digest, catalogers: &str) -> String {
        format!("layer\0{}\0{diff_id}\0{catalogers}", self.account)
    }
}

impl LayerCache for Layers {
    fn get(&self, diff_id: &Digest, catalogers: &str) -> Option<LayerFacts> {
        let bytes = self.cache.get(&self.key(diff_id, catalogers))?;
        let facts = codec::decode::<StoredLayer>(&bytes).ok()?.0;
        self.metrics.layer_cached();
        Some(facts)
    }

    fn put(&self, diff_id: &Digest, catalogers: &str, facts: &LayerFacts) {
        match codec::encode(&StoredLayer(facts.clone())) {
            Ok(bytes) => self.cache.put(&self.key(diff_id, catalogers), &bytes),
            Err(error) => tracing::warn!(%error, %diff_id, "layer result is not cached"),
        }
    }
}
