//! What the tests share: small nodes, commands, and ways to look at the state.

use std::fs;
use std::path::Path;

use kedge_cluster::{Engine, Handle, Options, ProposeError};
use kedge_model::command::{Bootstrap, Command, CreateAccount, PolicySeed, Response};
use kedge_model::tokens::{AccountName, Caller, NodeId};

pub(crate) const SLED: Engine = Engine::Sled { cache_bytes: 4 * 1024 * 1024 };
pub(crate) const NODE: Caller = Caller::Node(NodeId(1));

pub(crate) fn options(dir: &Path, engine: Engine) -> Options {
    Options {
        engine,
        // The machine that runs the tests may have a small disk.
        disk_reserve_bytes: 0,
        // Only where a test asks for them.
        snapshot_every_entries: u64::MAX,
        snapshot_every_bytes: 1 << 40,
        log_segment_bytes: 64 * 1024,
        ..Options::new(dir)
    }
}

pub(crate) async fn start(options: Options) -> Handle {
    kedge_cluster::start(options).await.unwrap()
}

pub(crate) async fn stop(node: Handle) {
    node.shutdown().await.unwrap();
}

fn seed() -> PolicySeed {
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    PolicySeed {
        id: "default".to_owned(),
        name: "default".to_owned(),
        description: String::new(),
        document: empty.parse().unwrap(),
    }
}

pub(crate) fn bootstrap() -> Command {
    Command::Bootstrap(Box::new(Bootstrap {
        user: "admin".to_owned(),
        password_hash: "hash".to_owned(),
        data_key: vec![1; 60],
        policy: seed(),
    }))
}

pub(crate) fn name(number: usize) -> String {
    format!("account-{number:06}")
}

pub(crate) fn create(number: usize) -> Command {
    Command::CreateAccount(Box::new(CreateAccount {
        name: AccountName(name(number)),
        email: String::new(),
        data_key: vec![2; 60],
        policy: seed(),
    }))
}

/// Changes one account again and again: the log grows, the state does not.
pub(crate) fn change(round: usize) -> Command {
    Command::UpdateAccount {
        account: AccountName(name(0)),
        email: format!("{round}@{}.example", "x".repeat(200)),
    }
}

pub(crate) async fn propose(node: &Handle, command: Command) -> Result<Response, ProposeError> {
    node.propose(NODE, command).await
}

pub(crate) async fn create_all(node: &Handle, range: std::ops::Range<usize>) {
    for number in range {
        propose(node, create(number)).await.unwrap();
    }
}

/// Proposes many commands, some at a time.
pub(crate) async fn propose_many(node: &Handle, commands: Vec<Command>) {
    use futures::stream::{StreamExt, iter};
    let proposals = commands.into_iter().map(|command| propose(node, command));
    let mut answers = iter(proposals).buffer_unordered(64);
    while let Some(answer) = answers.next().await {
        answer.unwrap();
    }
}

pub(crate) fn names(node: &Handle) -> Vec<String> {
    let accounts = node.read(|view| kedge_state::query::account::list(view).unwrap());
    accounts.into_iter().map(|account| account.name.0).collect()
}

/// All accounts that [`create`] made with these numbers, and the administrators'.
pub(crate) fn expected(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(name).chain(["admin".to_owned()]).collect()
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn folder_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => folder_bytes(&entry.path()),
            false => entry.metadata().unwrap().len(),
        })
        .sum()
}

/// Flips a bit in the middle of a file.
pub(crate) fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}
