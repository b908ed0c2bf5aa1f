//! The whole: brings the tree of actors up and is what the rest of the node holds of it.

use crate::access::Candidate;
use crate::analyzer::Analyzer;
use crate::cache::Cache;
use crate::evaluator::{EvaluateImage, Evaluator, Judged};
use crate::fault::Fault;
use crate::feeds::{FeedDriver, FeedGroup, Feeds, SyncFeeds, Timer};
use crate::janitor::Janitor;
use crate::limits::ANALYSIS_BYTES;
use crate::lookup::{self, ResolvedImage};
use crate::matcher::Matcher;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::pool::{self, Pool, Work};
use crate::results::{Dockerfile, Results};
use crate::shared::{Clock, Shared};
use crate::supervisor::{self, ChildSpec, Supervisor};
use crate::vault::Vault;
use crate::watcher::{Board, Watcher};
use kedge_artifact::advisory::Advisory;
use kedge_artifact::digest::Digest;
use kedge_artifact::finding::Matches;
use kedge_artifact::image::{FileEntry, Platform};
use kedge_artifact::reference::Reference;
use kedge_artifact::sbom::Sbom;
use kedge_artifact::time::Timestamp;
use kedge_cluster::Handle;
use kedge_model::command::Command;
use kedge_model::evaluation::Evaluation;
use kedge_model::feed::FeedState;
use kedge_model::image::{Failure, Image};
use kedge_model::registry::Registry;
use kedge_model::tokens::{AccountName, Caller, NodeId};
use kedge_registry::{Client, Network};
use kedge_state::row::StateError;
use kedge_state::{query, schedule};
use ractor::{Actor, ActorRef};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Why the actors did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cache folder cannot be made.
    #[error("cache folder {path}: {source}")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The registry client cannot be set up.
    #[error("registry client: {0}")]
    Registry(#[from] kedge_registry::Error),
    /// The feeds cannot be set up.
    #[error("feeds: {0}")]
    Feeds(String),
    /// A network of the settings is malformed.
    #[error("allowed_networks: {0}")]
    Network(String),
    /// The supervisor did not start.
    #[error("supervisor: {0}")]
    Supervisor(#[from] ractor::SpawnErr),
}

type Pools = Arc<Mutex<Vec<(&'static str, ActorRef<pool::Message>)>>>;

struct Inner {
    shared: Arc<Shared>,
    results: Arc<Results>,
    matcher: Arc<Matcher>,
    evaluator: Arc<Evaluator>,
    feeds: Arc<Feeds>,
    board: Board,
    supervisor: ActorRef<supervisor::Message>,
    pools: Pools,
    fatal: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
}

/// A node's actors and services. Cheap to clone.
#[derive(Clone)]
pub struct System {
    inner: Arc<Inner>,
}

/// What [`System::start`] needs.
pub struct Parts {
    /// The cluster.
    pub handle: Handle,
    /// Milliseconds since 1970.
    pub clock: kedge_cluster::options::Clock,
    /// Opens secrets.
    pub vault: Vault,
    /// Settings.
    pub options: Options,
    /// Folder of derived results.
    pub cache_dir: PathBuf,
}

impl System {
    /// Brings the tree up.
    ///
    /// # Errors
    /// When a part cannot be set up; nothing runs then.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts { handle, clock, vault, options, cache_dir } = parts;
        let cache = Cache::open(&cache_dir)
            .map_err(|source| StartError::Cache { path: cache_dir.clone(), source })?;
        let networks: Result<Vec<Network>, _> =
            options.allowed_networks.iter().map(|text| text.parse()).collect();
        let allowed_networks =
            networks.map_err(|error: kedge_registry::egress::NetworkError| {
                StartError::Network(error.to_string())
            })?;
        let registry_options = kedge_registry::Options { allowed_networks, ..Default::default() };
        let clock: Clock = Arc::new(move || Timestamp(clock()));
        let shared = Arc::new(Shared {
            node: handle.identity().node,
            registry: Client::new(registry_options)?,
            metrics: Metrics::default(),
            handle,
            clock,
            vault,
            cache,
            options,
        });
        take_back(&shared).await;
        let results = Arc::new(Results::new(Arc::clone(&shared)));
        let matcher = Arc::new(Matcher::new(Arc::clone(&shared)));
        let (r, m) = (Arc::clone(&results), Arc::clone(&matcher));
        let evaluator = Arc::new(Evaluator::new(Arc::clone(&shared), r, m));
        let feeds =
            Feeds::new(Arc::clone(&shared), Arc::clone(&matcher)).map_err(StartError::Feeds)?;
        let feeds = Arc::new(feeds);
        let (board, pools) = (Board::default(), Pools::default());
        let (failed, fatal) = mpsc::unbounded_channel();
        let children = children(&shared, &evaluator, &feeds, &board, &pools);
        let metrics = shared.metrics.clone();
        let arguments = supervisor::Arguments { children, metrics, fatal: failed };
        let (supervisor, _) = Supervisor::spawn(None, Supervisor, arguments).await?;
        let fatal = tokio::sync::Mutex::new(fatal);
        let inner =
            Inner { shared, results, matcher, evaluator, feeds, board, supervisor, pools, fatal };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits until an actor is beyond restarting, and says why. The process must end then.
    pub async fn fatal(&self) -> String {
        match self.inner.fatal.lock().await.recv().await {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Stops the tree: no new work, running jobs get a grace period and are then given back.
    pub async fn stop(&self) {
        // Both may be gone already: then there is nothing to stop.
        let _ = self.inner.supervisor.send_message(supervisor::Message::Stopping);
        let pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let patience = crate::limits::DRAIN_GRACE + Duration::from_secs(5);
        let drained = pools.iter().map(|(_, pool)| pool.call(pool::Message::Drain, Some(patience)));
        futures::future::join_all(drained).await;
        let tree = self.inner.supervisor.get_cell();
        tree.stop_children_and_wait(None, Some(patience)).await;
        let _ = tree.stop_and_wait(None, Some(patience)).await;
    }
}

/// Jobs that this node held when it died: nobody works on them any more, so they need not wait for
/// their leases to run out. It counts as an attempt, since the job may be what killed the node.
async fn take_back(shared: &Shared) {
    let held = shared.handle.read(|view| {
        let mut held = Vec::new();
        for id in schedule::expired(view, Timestamp(i64::MAX), usize::MAX)? {
            held.extend(query::job::get(view, id)?);
        }
        Ok::<_, StateError>(held)
    });
    let held = match held {
        Ok(held) => held,
        Err(error) => {
            tracing::error!(%error, "cannot read the leases; they will run out by themselves");
            return;
        }
    };
    let ours = held
        .into_iter()
        .filter(|job| job.lease.as_ref().is_some_and(|lease| lease.node == shared.node));
    for job in ours {
        let failure = Failure {
            code: "node_restarted".into(),
            message: "the node stopped without warning while it held the job".into(),
        };
        let taken = Command::FailJob { job: job.id, epoch: job.epoch, failure, transient: true };
        match shared.propose(taken).await {
            Ok(_) => tracing::info!(job = job.id.0, "took back a job of the last run"),
            Err(error) => tracing::warn!(job = job.id.0, %error, "cannot take back a job"),
        }
    }
}

fn child<A, F>(name: &'static str, make: F) -> ChildSpec
where
    A: Actor,
    F: Fn() -> (A, A::Arguments, Box<dyn Fn(&ActorRef<A::Msg>) + Send>) + Send + Sync + 'static,
{
    let start: supervisor::Start = Arc::new(move |parent| {
        let (actor, arguments, started) = make();
        Box::pin(async move {
            let (actor, _) = A::spawn_linked(None, actor, arguments, parent).await?;
            started(&actor);
            Ok(actor.get_cell())
        })
    });
    ChildSpec { name, start }
}

fn pool_child<W: Work>(
    name: &'static str,
    shared: &Arc<Shared>,
    work: Arc<W>,
    permits: usize,
    pools: &Pools,
) -> ChildSpec {
    let (shared, pools) = (Arc::clone(shared), Arc::clone(pools));
    child(name, move || {
        let arguments =
            pool::Arguments { shared: Arc::clone(&shared), work: Arc::clone(&work), permits };
        let pools = Arc::clone(&pools);
        let started = move |actor: &ActorRef<pool::Message>| {
            let mut pools = pools.lock().unwrap_or_else(PoisonError::into_inner);
            pools.retain(|(known, _)| *known != name);
            pools.push((name, actor.clone()));
        };
        (Pool::<W>::new(), arguments, Box::new(started))
    })
}

fn children(
    shared: &Arc<Shared>,
    evaluator: &Arc<Evaluator>,
    feeds: &Arc<Feeds>,
    board: &Board,
    pools: &Pools,
) -> Vec<ChildSpec> {
    let analyzers = analyzer_permits(&shared.options);
    let analyzer = Arc::new(Analyzer::new(Arc::clone(shared)));
    let evaluate = Arc::new(EvaluateImage(Arc::clone(evaluator)));
    let sync = Arc::new(SyncFeeds(Arc::clone(feeds)));
    let (for_janitor, for_watcher, for_timer) =
        (Arc::clone(shared), Arc::clone(shared), Arc::clone(shared));
    let board = board.clone();
    vec![
        child("janitor", move || (Janitor, Arc::clone(&for_janitor), Box::new(|_| ()))),
        pool_child("evaluator", shared, evaluate, 2, pools),
        pool_child("analyzer", shared, analyzer, analyzers, pools),
        pool_child("feeds", shared, sync, 1, pools),
        child("feed_timer", move || (Timer, Arc::clone(&for_timer), Box::new(|_| ()))),
        child("watcher", move || {
            (Watcher, (Arc::clone(&for_watcher), board.clone()), Box::new(|_| ()))
        }),
    ]
}

/// How many analyses run at a time: what was asked for, within the memory for them.
fn analyzer_permits(options: &Options) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let asked = match options.analyzer_count {
        0 => cpus.min(4),
        count => count as usize,
    };
    let affordable = (options.analyzer_memory_mib << 20) / ANALYSIS_BYTES;
    asked.min(usize::try_from(affordable).unwrap_or(usize::MAX)).max(1)
}

/// What the use cases ask of the system.
impl System {
    /// The cluster.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.inner.shared.handle
    }

    /// Seals and opens secrets.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.inner.shared.vault
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.shared.now()
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.inner.shared.node
    }

    /// How the registries fared last.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.inner.board
    }

    /// Makes the counters visible.
    pub fn register_metrics(&self, registry: &mut prometheus_client::registry::Registry) {
        self.inner.shared.metrics.register(registry);
    }

    /// Asks a registry whether a credential works.
    ///
    /// # Errors
    /// What the registry or the network says.
    pub async fn check_registry(&self, candidate: &Candidate<'_>) -> Result<(), Fault> {
        lookup::check(&self.inner.shared, candidate).await
    }

    /// The same for a stored entry.
    ///
    /// # Errors
    /// What the registry or the network says.
    pub async fn check_stored_registry(&self, entry: &Registry) -> Result<(), Fault> {
        lookup::check_stored(&self.inner.shared, entry).await
    }

    /// Finds the image that a reference names, for a platform.
    ///
    /// # Errors
    /// What the registry says, or that it is no image for that platform.
    pub async fn resolve_image(
        &self,
        account: &AccountName,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<ResolvedImage, Fault> {
        lookup::resolve(&self.inner.shared, account, reference, platform).await
    }

    /// Stores bytes; durable when it returns.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub async fn put_blob(&self, bytes: Vec<u8>) -> Result<Digest, Fault> {
        Ok(self.inner.shared.put_blob(bytes).await?)
    }

    /// Reads a blob, verified.
    ///
    /// # Errors
    /// When it is missing, corrupt or too large.
    pub async fn get_blob(&self, digest: Digest) -> Result<Vec<u8>, Fault> {
        Ok(self.inner.shared.get_blob(digest).await?)
    }

    /// An analysed image's SBOM. See [`Results::sbom`].
    ///
    /// # Errors
    /// When the image is not analysed or the document cannot be read.
    pub async fn sbom(&self, image: &Image) -> Result<Arc<Sbom>, Fault> {
        self.inner.results.sbom(image).await
    }

    /// The bytes of an analysed image's SBOM.
    ///
    /// # Errors
    /// When the image is not analysed or the document cannot be read.
    pub async fn sbom_bytes(&self, image: &Image) -> Result<Vec<u8>, Fault> {
        self.inner.results.sbom_bytes(image).await
    }

    /// An analysed image's files.
    ///
    /// # Errors
    /// When the image is not analysed or the document cannot be read.
    pub async fn files(&self, image: &Image) -> Result<Vec<FileEntry>, Fault> {
        self.inner.results.files(image).await
    }

    /// An analysed image's manifest.
    ///
    /// # Errors
    /// When the image is not analysed or the blob cannot be read.
    pub async fn manifest_bytes(&self, image: &Image) -> Result<Vec<u8>, Fault> {
        self.inner.results.manifest_bytes(image).await
    }

    /// An analysed image's configuration.
    ///
    /// # Errors
    /// When the image is not analysed or the blob cannot be read.
    pub async fn config_bytes(&self, image: &Image) -> Result<Vec<u8>, Fault> {
        self.inner.results.config_bytes(image).await
    }

    /// An analysed image's Dockerfile.
    ///
    /// # Errors
    /// When the image is not analysed or the blob cannot be read.
    pub async fn dockerfile(&self, image: &Image) -> Result<Dockerfile, Fault> {
        self.inner.results.dockerfile(image).await
    }

    /// An analysed image's vulnerabilities against the generation in use.
    ///
    /// # Errors
    /// When the image is not analysed or the data cannot be read.
    pub async fn matches(&self, image: &Image) -> Result<Arc<Matches>, Fault> {
        let content = crate::results::result(image)?.sbom_content;
        let sbom = self.sbom(image).await?;
        self.inner.matcher.matches(content, sbom).await
    }

    /// Judges an image. See [`Evaluator::evaluate`].
    ///
    /// # Errors
    /// When the image is not analysed, the policy does not exist, or a document cannot be read.
    pub async fn evaluate(
        &self,
        image: &Image,
        tag: &str,
        policy: Option<&str>,
        store: bool,
    ) -> Result<Judged, Fault> {
        self.inner.evaluator.evaluate(image, tag, policy, store).await
    }

    /// A stored verdict with its reasons.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub async fn judged(&self, stored: &Evaluation) -> Result<Judged, Fault> {
        self.inner.evaluator.judged(stored).await
    }

    /// Whether a stored verdict was made of what is true now.
    ///
    /// # Errors
    /// When the generation in use cannot be opened.
    pub async fn is_current(&self, image: &Image, stored: &Evaluation) -> Result<bool, Fault> {
        self.inner.evaluator.is_current(image, stored).await
    }

    /// All records of the generation in use with this id or alias.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub async fn advisories(&self, id: &str) -> Result<Vec<Advisory>, Fault> {
        self.inner.feeds.advisories(id).await
    }

    /// What the generation in use covers; empty when there is none.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub async fn feed_groups(&self) -> Result<Vec<FeedGroup>, Fault> {
        self.inner.feeds.groups().await
    }

    /// The drivers there are, and where each gets its data.
    #[must_use]
    pub fn feed_drivers(&self) -> Vec<FeedDriver> {
        self.inner.feeds.drivers()
    }

    /// Puts a generation file to use, verified, in the caller's name.
    ///
    /// # Errors
    /// When it is damaged, older than the one in use (without `force`), or the caller may not.
    pub async fn import_generation(
        &self,
        caller: Caller,
        file: PathBuf,
        force: bool,
    ) -> Result<FeedState, Fault> {
        self.inner.feeds.import(caller, file, force).await
    }

    /// The file of the generation in use.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn generation_file(&self) -> Result<Option<PathBuf>, Fault> {
        self.inner.feeds.file()
    }
}
