//! Golden bytes of version 1 of every row and of the log entry: a change here is a change of the
//! format on disk, and needs a new version with a migration instead.

use crate::world::{World, add_image, node, result, user};
use kedge_artifact::digest::Digest;
use kedge_model::command::{ActivateGeneration, Command, PutRegistry};
use kedge_model::evaluation::{Action, Evaluation};
use kedge_model::feed::{DriverStatus, Generation};
use kedge_model::job::JobKind;
use kedge_model::registry::RegistryKind;
use kedge_state::encode_entry;
use kedge_storage::keyspaces::Keyspace;
use kedge_storage::kv::View;

fn registry() -> Command {
    Command::PutRegistry(Box::new(PutRegistry {
        account: "acme".into(),
        registry: "h.io".into(),
        name: "h".into(),
        kind: RegistryKind::DockerV2,
        user: "bob".into(),
        sealed_password: Some(vec![1, 2, 3]),
        verify_tls: true,
        create: true,
    }))
}

/// A small world with a row of every kind.
fn full() -> World {
    let mut world = World::new();
    world.ok(user("ann", "acme"), registry());
    world.ok(user("ann", "acme"), Command::AddImage(Box::new(add_image("acme", "x"))));
    let job = world.lease(JobKind::Analyze);
    let done =
        Command::FinishAnalysis { job: job.id, epoch: job.epoch, result: Box::new(result()) };
    world.ok(node(), done);
    let evaluation = Evaluation {
        account: "acme".into(),
        digest: Digest::of(b"x"),
        tag: "h.io/team/app:1".into(),
        policy: "default".into(),
        document: Digest::of(b"default policy"),
        sbom: Digest::of(b"sbom"),
        generation: "g".into(),
        engine: "1".into(),
        action: Action::Warn,
        at: world.now,
        details: Digest::of(b"details"),
    };
    world.ok(node(), Command::RecordEvaluation(Box::new(evaluation)));
    let activate = ActivateGeneration {
        job: None,
        generation: Some(Generation {
            id: "g".into(),
            blob: Digest::of(b"g"),
            bytes: 7,
            built_at: world.now,
            record_count: 3,
            imported: false,
        }),
        drivers: vec![DriverStatus {
            name: "osv".into(),
            record_count: 3,
            last_success: Some(world.now),
            error: String::new(),
        }],
    };
    world.ok(node(), Command::ActivateGeneration(Box::new(activate)));
    world
}

#[test]
fn rows_keep_their_bytes() {
    let world = full();
    let mut found = String::new();
    for keyspace in Keyspace::ALL {
        let rows = world.kv.prefix(&[*keyspace as u8], 1_000).unwrap();
        if rows.is_empty() {
            continue;
        }
        let all: Vec<u8> =
            rows.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
        found.push_str(&format!("{keyspace:?} {} {}\n", rows.len(), Digest::of(&all).short()));
    }
    let entry = world.entry(user("ann", "acme"), registry());
    let bytes = encode_entry(&entry).unwrap();
    found.push_str(&format!("entry {} {}\n", bytes.len(), Digest::of(&bytes).short()));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rows-v1.txt");
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "the format on disk changed; expected {path}");
}
