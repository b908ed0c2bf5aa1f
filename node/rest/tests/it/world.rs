//! A node in a temporary folder with the in-memory engine: the administrators, two tenants, and
//! one analysed image of the first tenant.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kedge_actors::options::{FeedOptions, Options as Work};
use kedge_actors::system::{Parts, System};
use kedge_actors::vault::Vault;
use kedge_app::{App, bootstrap};
use kedge_artifact::digest::Digest;
use kedge_artifact::distro::Distro;
use kedge_artifact::image::{FileEntry, FileKind, Platform};
use kedge_artifact::package::{
    Location, Package, PackageDetails, PackageId, PackageKind, SourcePackage,
};
use kedge_artifact::sbom::{Generator, SBOM_SCHEMA, Sbom, Target, TargetKind};
use kedge_artifact::time::Timestamp;
use kedge_cluster::{Engine, Handle};
use kedge_model::command::{AddImage, Command, CreateAccount, PolicySeed, Response};
use kedge_model::image::AnalysisResult;
use kedge_model::job::Job;
use kedge_model::tokens::{Caller, NodeId};
use kedge_storage::codec::{self, Stored};
use kedge_storage::secrets::NodeKey;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const PASSWORD: &str = "correct horse 7";
pub(crate) const TAG: &str = "q.io/team/app:1";
const NODE: Caller = Caller::Node(NodeId(1));

/// A login.
#[derive(Clone, Copy)]
pub(crate) struct User(pub(crate) &'static str);

/// Of the account `admin`.
pub(crate) const ADMIN: User = User("admin");
/// Controls the account `team-a`.
pub(crate) const ALICE: User = User("alice");
/// Controls the account `team-b`.
pub(crate) const BOB: User = User("bob");

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) app: App,
    /// The analysed image of `team-a`.
    pub(crate) image: Digest,
    _dir: TempDir,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails with the body when the status is another one.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

/// A request being made.
pub(crate) struct Call {
    router: Router,
    request: axum::http::request::Builder,
    body: Body,
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn login(self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.header("authorization", &format!("Basic {pair}"))
    }

    pub(crate) fn by(self, user: User) -> Self {
        self.login(user.0, PASSWORD)
    }

    pub(crate) fn acting_in(self, account: &str) -> Self {
        self.header("x-anchore-account", account)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text("application/json", &body.to_string())
    }

    pub(crate) fn text(mut self, media: &str, body: &str) -> Self {
        self.body = Body::from(body.to_owned());
        self.header("content-type", media)
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let request: Request<Body> = self.request.body(self.body).unwrap();
        let response = self.router.oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }
}

async fn start_cluster(dir: &Path) -> Handle {
    let options = kedge_cluster::Options {
        engine: Engine::Memory,
        // The machine that runs the tests may have a small disk.
        disk_reserve_bytes: 0,
        ..kedge_cluster::Options::new(dir)
    };
    let handle = kedge_cluster::start(options).await.unwrap();
    handle.wait_for(|metrics| metrics.is_leader).await.unwrap();
    handle
}

fn put(handle: &Handle, bytes: &[u8]) -> Digest {
    Digest::from_bytes(*handle.blobs().put(bytes).unwrap().as_bytes())
}

fn put_packed(handle: &Handle, bytes: &[u8]) -> Digest {
    put(handle, &zstd::encode_all(bytes, 3).unwrap())
}

async fn create_tenant(handle: &Handle, vault: &Vault, name: &str) {
    let document = kedge_policy::default::default_policy();
    let create = CreateAccount {
        name: name.into(),
        email: String::new(),
        data_key: vault.new_account_key(&name.into()).unwrap(),
        policy: PolicySeed {
            document: put(handle, &serde_json::to_vec(&document).unwrap()),
            id: document.id,
            name: document.name,
            description: String::new(),
        },
    };
    handle.propose(NODE, Command::CreateAccount(Box::new(create))).await.unwrap();
}

async fn create_user(handle: &Handle, account: &str, name: &str, password_hash: &str) {
    let command = Command::CreateUser {
        account: account.into(),
        name: name.into(),
        password_hash: password_hash.into(),
    };
    handle.propose(NODE, command).await.unwrap();
}

fn package(kind: PackageKind, name: &str, version: &str, details: PackageDetails) -> Package {
    let path = format!("/somewhere/{name}");
    Package {
        id: PackageId::derive(kind, name, version, "", &path),
        name: name.into(),
        version: version.into(),
        kind,
        purl: format!("pkg:{kind}/{name}@{version}"),
        architecture: None,
        source: Some(SourcePackage { name: name.into(), version: None }),
        licenses: vec!["MIT".into()],
        locations: vec![Location { path, layer: None }],
        owned_by: None,
        size: Some(17),
        origin: None,
        details,
    }
}

fn sbom() -> Sbom {
    let java = PackageDetails::Java {
        group: Some("org.x".into()),
        artifact: "lib".into(),
        implementation_version: String::new(),
        specification_version: "3".into(),
        sha1: String::new(),
    };
    Sbom {
        schema: SBOM_SCHEMA,
        generator: Generator { name: "kedge".into(), version: "1".into() },
        target: Target {
            kind: TargetKind::Image,
            manifest: None,
            config: None,
            platform: None,
            layers: Vec::new(),
        },
        distro: Some(Distro { id: "debian".into(), version_id: "12".into(), ..Distro::default() }),
        packages: vec![
            package(PackageKind::Deb, "zlib1g", "1.2", PackageDetails::None),
            package(PackageKind::Java, "org.x:lib", "4", java),
            package(PackageKind::Npm, "left-pad", "1.0.0", PackageDetails::None),
        ],
        problems: Vec::new(),
    }
}

/// The stored form of a file list.
#[derive(Serialize, Deserialize)]
struct Files(Vec<FileEntry>);

impl Stored for Files {
    const VERSION: u8 = 1;
    const NAME: &'static str = "file list";
}

fn result(handle: &Handle) -> AnalysisResult {
    let native = serde_json::to_vec(&sbom()).unwrap();
    let config = br#"{"created":"2024-05-01T10:00:00Z","history":[{"created_by":"RUN make"}]}"#;
    let link = FileEntry {
        path: "/bin".into(),
        kind: FileKind::Symlink,
        mode: 0o777,
        uid: 0,
        gid: 0,
        size: 0,
        link: "usr/bin".into(),
        sha256: None,
    };
    AnalysisResult {
        sbom: put_packed(handle, &native),
        sbom_content: Digest::of(&native),
        files: put_packed(handle, &codec::encode(&Files(vec![link])).unwrap()),
        manifest: put(handle, br#"{"schemaVersion":2}"#),
        config: put(handle, config),
        image_id: Digest::of(config),
        catalogers: "1".into(),
        size_bytes: 10,
        layer_count: 1,
        distro: "debian".into(),
        distro_version: "12".into(),
        package_counts: vec![(PackageKind::Deb, 1), (PackageKind::Npm, 1), (PackageKind::Java, 1)],
        file_count: 1,
        problem_count: 0,
    }
}

/// Before the actors run, so that none of them takes the job.
async fn analyse_image(handle: &Handle) -> Digest {
    let digest = Digest::of(b"manifest of the image");
    let add = AddImage {
        account: "team-a".into(),
        digest,
        parent_digest: digest,
        image_id: None,
        registry: "q.io".into(),
        repository: "team/app".into(),
        tag: "1".into(),
        platform: Platform::default(),
        annotations: vec![("k".into(), "v".into())],
        dockerfile: None,
        force: false,
        created_at: None,
    };
    handle.propose(NODE, Command::AddImage(Box::new(add))).await.unwrap();
    let jobs: Vec<Job> = handle.read(kedge_state::query::job::list).unwrap();
    let until = Timestamp(kedge_cluster::options::system_clock()() + 30_000);
    let lease = Command::LeaseJob { job: jobs[0].id, node: NodeId(1), until };
    let Response::Job(job) = handle.propose(NODE, lease).await.unwrap() else { panic!("no job") };
    let result = Box::new(result(handle));
    let finish = Command::FinishAnalysis { job: job.id, epoch: job.epoch, result };
    handle.propose(NODE, finish).await.unwrap();
    digest
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(&kedge_rest::Options::default()).await
    }

    pub(crate) async fn start_with(options: &kedge_rest::Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let handle = start_cluster(&dir.path().join("data")).await;
        let vault = Vault::new(NodeKey::create(&dir.path().join("node.key")).unwrap());
        bootstrap::bootstrap(&handle, &vault, Some(PASSWORD.to_owned())).await.unwrap();
        let hash = kedge_app::passwords::hash_password(PASSWORD).unwrap();
        for (account, user) in [("team-a", "alice"), ("team-b", "bob")] {
            create_tenant(&handle, &vault, account).await;
            create_user(&handle, account, user, &hash).await;
        }
        let image = analyse_image(&handle).await;
        let mirror = dir.path().join("mirror");
        std::fs::create_dir(&mirror).unwrap();
        let feeds = FeedOptions {
            interval_hours: 0,
            mirror: mirror.display().to_string(),
            ..FeedOptions::default()
        };
        let system = System::start(Parts {
            handle,
            clock: kedge_cluster::options::system_clock(),
            vault,
            options: Work { feeds, ..Work::default() },
            cache_dir: dir.path().join("cache"),
        });
        let app_options = kedge_app::options::Options { feed_sync_wait_s: 0, ..Default::default() };
        let system = system.await.unwrap();
        let mut registry = Registry::with_prefix("kedge");
        system.register_metrics(&mut registry);
        let app = App::new(system, app_options).unwrap();
        let router = kedge_rest::router(app.clone(), registry, options);
        Self { router, app, image, _dir: dir }
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let request = Request::builder().method(method).uri(path);
        Call { router: self.router.clone(), request, body: Body::empty() }
    }

    pub(crate) async fn get(&self, path: &str, user: User) -> Answer {
        self.call("GET", path).by(user).send().await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, user: User, body: &Value) -> Answer {
        self.call(method, path).by(user).json(body).send().await
    }

    /// A path below the image of `team-a`.
    pub(crate) fn image_path(&self, rest: &str) -> String {
        format!("/v2/images/{}{rest}", self.image)
    }
}
