//! What is scanned: opening a target of any kind and getting its SBOM.

use crate::client::certificates;
use crate::credentials;
use crate::environment;
use crate::exit::Failure;
use crate::input;
use crate::text;
use crate::ui::{Stage, Ui};
use clap::Args;
use kedge_analyzer::sbom::{self, DocumentInfo};
use kedge_artifact::image::Platform;
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::Sbom;
use kedge_registry::{Client, Options};
use kedge_target::{
    AnalyzeOptions, DirectorySource, DockerArchiveSource, ImageSource, NoCache, OciArchiveSource,
    OciLayoutSource, Progress, ProgressSink, RegistrySource, TargetAnalysis, TargetSpec,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Flags about the target.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetFlags {
    /// Image of a multi-platform index: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// PEM file with certificates to trust for the registry
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_cacert: Option<PathBuf>,
    /// Do not verify the registry's certificate, and allow plain HTTP
    #[arg(long)]
    pub(crate) registry_insecure: bool,
}

/// A target whose content is known.
pub(crate) struct Content {
    /// The target as it is called in results.
    pub(crate) name: String,
    /// Kind word for results: `image`, `directory`, `sbom`.
    pub(crate) kind: &'static str,
    /// What is inside.
    pub(crate) sbom: Sbom,
    /// For public SBOM formats.
    pub(crate) info: DocumentInfo,
    /// The analysis, when there was one (not for an SBOM).
    pub(crate) analysis: Option<TargetAnalysis>,
    /// What was odd about the source.
    pub(crate) notes: Vec<Problem>,
}

/// A target that was found, but not read yet.
pub(crate) enum Located {
    /// An SBOM document, and the name it goes by.
    Sbom(PathBuf, String),
    /// Content to analyse.
    Content(TargetSpec),
}

/// Finds out what a text means, so that a wrong one is told before anything else is done.
pub(crate) fn locate(text: &str) -> Result<Located, Failure> {
    if text == "-" {
        return Ok(Located::Sbom(PathBuf::from("-"), "-".to_owned()));
    }
    if let Some(name) = text.strip_prefix("sbom:") {
        let path = Path::new(name);
        if name != "-" && !path.is_file() {
            return Err(Failure::not_found(format!("{} does not exist", path.display())));
        }
        return Ok(Located::Sbom(path.to_owned(), name.to_owned()));
    }
    let path = Path::new(text);
    if path.is_file() && is_sbom(path) {
        return Ok(Located::Sbom(path.to_owned(), text.to_owned()));
    }
    Ok(Located::Content(TargetSpec::parse(text)?))
}

/// Reads a target and analyses it.
pub(crate) async fn open(
    ui: Ui,
    located: Located,
    flags: &TargetFlags,
) -> Result<Content, Failure> {
    let spec = match located {
        Located::Sbom(path, name) => return document(&path, &name),
        Located::Content(spec) => spec,
    };
    let analysis = analyze(ui, &spec, flags).await?;
    let name = match &spec {
        TargetSpec::Registry(reference) => reference.to_string(),
        TargetSpec::OciDir { .. }
        | TargetSpec::OciArchive { .. }
        | TargetSpec::DockerArchive { .. }
        | TargetSpec::Directory(_)
        | TargetSpec::File(_) => spec.to_string(),
    };
    let created = analysis.image_config.as_ref().and_then(|config| config.created);
    let kind = if analysis.config.is_some() { "image" } else { "directory" };
    Ok(Content {
        info: DocumentInfo { name: name.clone(), created },
        name,
        kind,
        sbom: analysis.analysis.sbom.clone(),
        notes: analysis.notes.clone(),
        analysis: Some(analysis),
    })
}

/// A JSON file that begins like an SBOM is taken for one; archives are never JSON.
fn is_sbom(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 64];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head));
    read.is_ok_and(|count| head[..count].trim_ascii_start().first() == Some(&b'{'))
}

fn document(path: &Path, name: &str) -> Result<Content, Failure> {
    let sbom = read_sbom(path)?;
    let info = DocumentInfo { name: name.to_owned(), created: None };
    let (name, notes) = (name.to_owned(), Vec::new());
    Ok(Content { name, kind: "sbom", sbom, info, analysis: None, notes })
}

/// Reads an SBOM of any known format.
pub(crate) fn read_sbom(path: &Path) -> Result<Sbom, Failure> {
    let bytes = input::document(path)?;
    sbom::read(&bytes).map_err(|error| {
        let place = if path == Path::new("-") {
            "standard input".into()
        } else {
            path.display().to_string()
        };
        Failure::error(format!("{place}: {error}")).code("sbom_unreadable")
    })
}

async fn analyze(
    ui: Ui,
    spec: &TargetSpec,
    flags: &TargetFlags,
) -> Result<TargetAnalysis, Failure> {
    let source: Arc<dyn ImageSource> = match spec.clone() {
        TargetSpec::Registry(reference) => {
            let access = credentials::access(&reference, !flags.registry_insecure)?;
            let extra_roots =
                flags.registry_cacert.as_deref().map(certificates).transpose()?.unwrap_or_default();
            let client = Client::new(Options { extra_roots, ..Options::default() })
                .map_err(kedge_target::TargetError::from)?;
            Arc::new(RegistrySource::new(client, access, reference))
        }
        TargetSpec::OciDir { path, name } => Arc::new(OciLayoutSource::new(path, name)),
        TargetSpec::OciArchive { path, name } => {
            Arc::new(OciArchiveSource::open(path, name).await?)
        }
        TargetSpec::DockerArchive { path, name } => {
            Arc::new(DockerArchiveSource::open(path, name).await?)
        }
        TargetSpec::Directory(path) | TargetSpec::File(path) => {
            Arc::new(DirectorySource::new(path))
        }
    };
    let stage = Arc::new(ui.stage(&format!("Reading {spec}")));
    let options = AnalyzeOptions { platform: flags.platform.clone(), ..AnalyzeOptions::default() };
    let result = kedge_target::analyze(source, Arc::new(NoCache), options, sink(&stage)).await;
    let analysis = result?;
    // The sink's copies are gone with the analysis; whoever is last drops the bar quietly.
    if let Ok(stage) = Arc::try_unwrap(stage) {
        stage.done("Read target", &layers(&analysis));
    } else {
        ui.note(&format!("Read target: {}", layers(&analysis)));
    }
    let sbom = &analysis.analysis.sbom;
    ui.finished("Catalogued packages", &packages(sbom));
    Ok(analysis)
}

fn layers(analysis: &TargetAnalysis) -> String {
    if analysis.analysis.sbom.target.layers.is_empty() {
        return format!("{} files and folders", analysis.analysis.files.len());
    }
    let layers = text::count(analysis.analysis.sbom.target.layers.len(), "layer");
    let mut line = format!("{layers}, {}", text::bytes(analysis.compressed_bytes));
    if let Some(manifest) = &analysis.manifest {
        line.push_str(&format!(", {}", manifest.digest));
    }
    if let Some(platform) = &analysis.analysis.sbom.target.platform {
        line.push_str(&format!(" ({platform})"));
    }
    line
}

/// `412 packages [deb 96, npm 301]`.
pub(crate) fn packages(sbom: &Sbom) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for package in &sbom.packages {
        *kinds.entry(package.kind.as_str()).or_default() += 1;
    }
    let total = text::count(sbom.packages.len(), "package");
    if kinds.is_empty() {
        return total;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    format!("{total} [{}]", kinds.join(", "))
}

/// Adds up the bytes of all layers.
fn sink(stage: &Arc<Stage>) -> ProgressSink {
    let stage = Arc::downgrade(stage);
    let total = AtomicU64::new(0);
    let per_layer = std::sync::Mutex::new(BTreeMap::<usize, u64>::new());
    Arc::new(move |progress| {
        let Some(stage) = stage.upgrade() else { return };
        match progress {
            Progress::Resolved { bytes, .. } => stage.total(bytes),
            Progress::LayerRead { index, bytes } => {
                let Ok(mut layers) = per_layer.lock() else { return };
                let before = layers.insert(index, bytes).unwrap_or(0);
                let more = bytes.saturating_sub(before);
                stage.position(total.fetch_add(more, Ordering::Relaxed) + more);
            }
            Progress::Squashing => stage.detail("joining layers"),
            Progress::LayerCached { .. }
            | Progress::LayerStarted { .. }
            | Progress::LayerDone { .. } => {}
        }
    })
}

/// Whether connections other than to the target's registry are forbidden.
pub(crate) fn is_offline(flag: bool) -> bool {
    flag || environment::get("KEDGE_OFFLINE")
        .is_some_and(|text| kedge_api::query::parse_flag(&text).unwrap_or(true))
}
