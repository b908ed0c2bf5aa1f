//! A cluster of one in a temporary folder, with an administrator and a way to make jobs.

use kedge_actors::cache::Cache;
use kedge_actors::metrics::Metrics;
use kedge_actors::options::Options;
use kedge_actors::shared::Shared;
use kedge_actors::vault::Vault;
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::time::Timestamp;
use kedge_cluster::Engine;
use kedge_model::command::{AddImage, Bootstrap, Command, PolicySeed};
use kedge_model::job::Job;
use kedge_model::tokens::Caller;
use kedge_state::query;
use kedge_storage::secrets::NodeKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) shared: Arc<Shared>,
    clock: Arc<AtomicI64>,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let mut options = kedge_cluster::Options::new(dir.path().join("data"));
        options.engine = Engine::Memory;
        options.disk_reserve_bytes = 0;
        let ticks = Arc::clone(&clock);
        options.clock = Arc::new(move || ticks.load(Ordering::SeqCst));
        let handle = kedge_cluster::start(options).await.unwrap();
        let key = NodeKey::create(&dir.path().join("node.key")).unwrap();
        let vault = Vault::new(key);
        let ticks = Arc::clone(&clock);
        let shared = Arc::new(Shared {
            node: handle.identity().node,
            clock: Arc::new(move || Timestamp(ticks.load(Ordering::SeqCst))),
            vault,
            registry: kedge_registry::Client::new(kedge_registry::Options::default()).unwrap(),
            cache: Cache::open(dir.path().join("cache")).unwrap(),
            options: Options::default(),
            metrics: Metrics::default(),
            handle,
        });
        let world = Self { shared, clock, _dir: dir };
        let bootstrap = Bootstrap {
            user: "admin".into(),
            password_hash: "x".into(),
            data_key: Vec::new(),
            policy: PolicySeed {
                id: "p".into(),
                name: "p".into(),
                description: String::new(),
                document: Digest::of(b"p"),
            },
        };
        world.shared.propose(Command::Bootstrap(Box::new(bootstrap))).await.unwrap();
        world
    }

    /// Makes a job by adding an image of that content.
    pub(crate) async fn add(&self, content: &str) {
        let digest = Digest::of(content.as_bytes());
        let add = AddImage {
            account: "admin".into(),
            digest,
            parent_digest: digest,
            image_id: None,
            registry: "h.io".into(),
            repository: "a".into(),
            tag: content.into(),
            platform: Platform::default(),
            annotations: Vec::new(),
            dockerfile: None,
            force: false,
            created_at: None,
        };
        let caller = Caller::Node(self.shared.node);
        self.shared.handle.propose(caller, Command::AddImage(Box::new(add))).await.unwrap();
    }

    pub(crate) fn forward(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.shared.handle.read(query::job::list).unwrap()
    }

    /// Waits until the jobs meet a condition.
    pub(crate) async fn until(&self, met: impl Fn(&[Job]) -> bool) -> Vec<Job> {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(5));
        let wait = async {
            loop {
                tick.tick().await;
                let jobs = self.jobs();
                if met(&jobs) {
                    return jobs;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), wait)
            .await
            .unwrap_or_else(|_| panic!("the jobs stayed {:?}", self.jobs()))
    }
}
