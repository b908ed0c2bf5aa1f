//! A state with one store, a log index and a clock that only moves when told.

use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::package::PackageKind;
use kedge_artifact::time::Timestamp;
use kedge_model::command::{
    AddImage, Bootstrap, Command, CreateAccount, Entry, Outcome, PolicySeed, Response,
};
use kedge_model::event::Event;
use kedge_model::image::AnalysisResult;
use kedge_model::job::{Job, JobKind};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_model::tokens::{AccountName, Caller, NodeId, RequestId};
use kedge_state::{Applied, apply, query, schedule};
use kedge_storage::kv::{Kv, Txn};
use kedge_storage::memory::MemoryKv;

pub(crate) struct World {
    pub(crate) kv: MemoryKv,
    pub(crate) index: u64,
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn node() -> Caller {
    Caller::Node(NodeId(1))
}

pub(crate) fn user(name: &str, account: &str) -> Caller {
    Caller::User { user: name.into(), account: account.into() }
}

pub(crate) fn seed() -> PolicySeed {
    PolicySeed {
        id: "default".into(),
        name: "Default".into(),
        description: String::new(),
        document: Digest::of(b"default policy"),
    }
}

pub(crate) fn add_image(account: &str, content: &str) -> AddImage {
    AddImage {
        account: account.into(),
        digest: Digest::of(content.as_bytes()),
        parent_digest: Digest::of(content.as_bytes()),
        image_id: None,
        registry: "h.io".into(),
        repository: "team/app".into(),
        tag: "1".into(),
        platform: Platform::default(),
        annotations: Vec::new(),
        dockerfile: None,
        force: false,
        created_at: None,
    }
}

pub(crate) fn result() -> AnalysisResult {
    AnalysisResult {
        sbom: Digest::of(b"sbom"),
        sbom_content: Digest::of(b"sbom content"),
        files: Digest::of(b"files"),
        manifest: Digest::of(b"manifest"),
        config: Digest::of(b"config"),
        image_id: Digest::of(b"config"),
        catalogers: "1".into(),
        size_bytes: 10,
        layer_count: 1,
        distro: "debian".into(),
        distro_version: "12".into(),
        package_counts: vec![(PackageKind::Deb, 3)],
        file_count: 5,
        problem_count: 0,
    }
}

impl World {
    /// A cluster with the administrators' account, and the tenant `acme` with the user `ann`.
    pub(crate) fn new() -> Self {
        let mut world =
            Self { kv: MemoryKv::new(), index: 0, now: Timestamp(1_000_000), events: Vec::new() };
        let bootstrap = Bootstrap {
            user: "admin".into(),
            password_hash: "hash".into(),
            data_key: vec![1],
            policy: seed(),
        };
        world.ok(node(), Command::Bootstrap(Box::new(bootstrap)));
        let create = CreateAccount {
            name: "acme".into(),
            email: String::new(),
            data_key: vec![2],
            policy: seed(),
        };
        world.ok(user("admin", "admin"), Command::CreateAccount(Box::new(create)));
        let create = Command::CreateUser {
            account: "acme".into(),
            name: "ann".into(),
            password_hash: "hash".into(),
        };
        world.ok(user("admin", "admin"), create);
        world
    }

    pub(crate) fn entry(&self, caller: Caller, command: Command) -> Entry {
        let mut request = [0; 16];
        request[..8].copy_from_slice(&(self.index + 1).to_be_bytes());
        Entry {
            at: self.now,
            proposer: NodeId(1),
            request: RequestId(request),
            random: [0; 16],
            caller,
            command,
        }
    }

    pub(crate) fn apply(&mut self, entry: &Entry) -> Applied {
        self.index += 1;
        let mut txn = Txn::new(&self.kv);
        let applied = apply(&mut txn, entry, self.index).expect("the store works");
        let batch = txn.into_batch();
        self.kv.apply(batch).expect("the store works");
        self.events.extend(applied.events.clone());
        applied
    }

    pub(crate) fn run(&mut self, caller: Caller, command: Command) -> Outcome {
        let entry = self.entry(caller, command);
        self.apply(&entry).response
    }

    pub(crate) fn ok(&mut self, caller: Caller, command: Command) -> Response {
        self.run(caller, command).expect("the command is accepted")
    }

    pub(crate) fn refused(&mut self, caller: Caller, command: Command) -> Rejection {
        self.run(caller, command).expect_err("the command is refused")
    }

    pub(crate) fn code(&mut self, caller: Caller, command: Command) -> RejectionCode {
        self.refused(caller, command).code
    }

    pub(crate) fn next(&self, kind: JobKind) -> Option<Job> {
        schedule::next(&self.kv, kind, self.now, 1).expect("the store works").into_iter().next()
    }

    /// Leases the most urgent job of a kind for 15 s.
    pub(crate) fn lease(&mut self, kind: JobKind) -> Job {
        let job = self.next(kind).expect("a job waits");
        let until = self.now.plus_ms(15_000);
        match self.ok(node(), Command::LeaseJob { job: job.id, node: NodeId(1), until }) {
            Response::Job(job) => *job,
            other => panic!("a lease answers the job, not {other:?}"),
        }
    }

    pub(crate) fn image(&self, account: &str, content: &str) -> kedge_model::image::Image {
        let digest = Digest::of(content.as_bytes());
        query::image::get(&self.kv, &AccountName::from(account), &digest)
            .expect("the store works")
            .expect("the image exists")
    }
}
