use crate::world::{World, add_image, node, result, user};
use kedge_artifact::digest::Digest;
use kedge_model::command::Command;
use kedge_model::image::AnalysisState;
use kedge_model::job::JobKind;
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;
use kedge_state::query;

fn add(content: &str) -> Command {
    Command::AddImage(Box::new(add_image("acme", content)))
}

fn ann() -> kedge_model::tokens::Caller {
    user("ann", "acme")
}

#[test]
fn adding_queues_one_analysis() {
    let mut world = World::new();
    world.ok(ann(), add("x"));
    world.ok(ann(), add("x"));
    let jobs = query::job::list(&world.kv).unwrap();
    assert_eq!(jobs.len(), 1, "the same image twice is analysed once");
    assert_eq!(world.image("acme", "x").analysis, AnalysisState::NotAnalyzed);
}

#[test]
fn analysis_is_stored_once_and_queues_the_evaluation() {
    let mut world = World::new();
    world.ok(ann(), add("x"));
    let job = world.lease(JobKind::Analyze);
    assert_eq!(world.image("acme", "x").analysis, AnalysisState::Analyzing);
    let finish =
        || Command::FinishAnalysis { job: job.id, epoch: job.epoch, result: Box::new(result()) };
    world.ok(node(), finish());
    let image = world.image("acme", "x");
    assert_eq!(image.analysis, AnalysisState::Analyzed);
    assert_eq!(image.image_id, Some(result().image_id));
    assert_eq!(world.code(node(), finish()), RejectionCode::LeaseLost, "a second result is late");
    assert!(world.next(JobKind::Evaluate).is_some());
    let account = AccountName::from("acme");
    let by_id = query::image::by_id(&world.kv, &account, &result().image_id).unwrap();
    assert_eq!(by_id.len(), 1);
    let events = query::event::list(&world.kv, &account).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, "user.image.analysis.completed");
    assert_eq!(
        query::event::get(&world.kv, &account, &events[0].id).unwrap(),
        Some(events[0].clone())
    );
}

#[test]
fn an_analysed_image_is_analysed_again_only_by_force() {
    let mut world = World::new();
    world.ok(ann(), add("x"));
    let job = world.lease(JobKind::Analyze);
    world.ok(
        node(),
        Command::FinishAnalysis { job: job.id, epoch: job.epoch, result: Box::new(result()) },
    );
    world.ok(ann(), add("x"));
    assert!(world.next(JobKind::Analyze).is_none());
    let mut forced = add_image("acme", "x");
    forced.force = true;
    world.ok(ann(), Command::AddImage(Box::new(forced)));
    assert!(world.next(JobKind::Analyze).is_some());
}

#[test]
fn a_tag_that_moves_keeps_its_history() {
    let mut world = World::new();
    world.ok(ann(), add("old"));
    world.now = world.now.plus_ms(1_000);
    world.ok(ann(), add("new"));
    let account = AccountName::from("acme");
    let tag = query::image::tag(&world.kv, &account, "h.io", "team/app", "1").unwrap().unwrap();
    let digests: Vec<Digest> = tag.history.iter().map(|(digest, _)| *digest).collect();
    assert_eq!(digests, [Digest::of(b"new"), Digest::of(b"old")]);
}

#[test]
fn deleting_removes_every_row() {
    let mut world = World::new();
    let before = world_keys(&world);
    world.ok(ann(), add("x"));
    let delete =
        |force| Command::DeleteImage { account: "acme".into(), digest: Digest::of(b"x"), force };
    assert_eq!(world.code(ann(), delete(false)), RejectionCode::ImageBusy);
    let job = world.lease(JobKind::Analyze);
    world.ok(ann(), delete(true));
    let late =
        Command::FinishAnalysis { job: job.id, epoch: job.epoch, result: Box::new(result()) };
    assert_eq!(world.code(node(), late), RejectionCode::LeaseLost);
    assert_eq!(world.code(ann(), delete(true)), RejectionCode::ImageNotFound);
    let left: Vec<u8> =
        world_keys(&world).into_iter().filter(|key| !before.contains(key)).collect();
    // Images, Tags and ImagesById are 0x30 to 0x32.
    assert!(!left.iter().any(|keyspace| (0x30..=0x32).contains(keyspace)), "{left:x?}");
}

fn world_keys(world: &World) -> Vec<u8> {
    use kedge_storage::kv::View;
    world.kv.range(&[0], None, false, 10_000).unwrap().into_iter().map(|(key, _)| key[0]).collect()
}

#[test]
fn annotations_merge_and_null_removes() {
    let mut world = World::new();
    let mut with = add_image("acme", "x");
    with.annotations = vec![("b".into(), "2".into()), ("a".into(), "1".into())];
    world.ok(ann(), Command::AddImage(Box::new(with)));
    let mut without = add_image("acme", "x");
    without.annotations = vec![("a".into(), "null".into())];
    world.ok(ann(), Command::AddImage(Box::new(without)));
    assert_eq!(world.image("acme", "x").annotations, [("b".to_owned(), "2".to_owned())]);
    let mut long = add_image("acme", "x");
    long.annotations = vec![("k".into(), "v".repeat(300))];
    assert_eq!(world.code(ann(), Command::AddImage(Box::new(long))), RejectionCode::Limit);
}

#[test]
fn a_dockerfile_for_a_known_image_needs_force() {
    let mut world = World::new();
    world.ok(ann(), add("x"));
    let mut with = add_image("acme", "x");
    with.dockerfile = Some(Digest::of(b"FROM scratch"));
    let refused = world.refused(ann(), Command::AddImage(Box::new(with)));
    assert_eq!(refused.code, RejectionCode::ImageExists);
    assert!(refused.message.contains("force=True"));
}

#[test]
fn every_blob_a_row_names_is_referenced() {
    let mut world = World::new();
    let mut with = add_image("acme", "x");
    with.dockerfile = Some(Digest::of(b"FROM scratch"));
    world.ok(ann(), Command::AddImage(Box::new(with)));
    let job = world.lease(JobKind::Analyze);
    world.ok(
        node(),
        Command::FinishAnalysis { job: job.id, epoch: job.epoch, result: Box::new(result()) },
    );
    let blobs = query::blobs::referenced(&world.kv).unwrap();
    for content in ["FROM scratch", "sbom", "files", "manifest", "config", "default policy"] {
        assert!(blobs.contains(&Digest::of(content.as_bytes())), "{content}");
    }
    assert_eq!(blobs.len(), 6);
}

#[test]
fn the_largest_image_fits_its_row_and_more_is_refused() {
    let mut world = World::new();
    let label = "a".repeat(63);
    let long = |n: usize| {
        let mut add = add_image("acme", "x");
        add.registry = format!("{}.{}.{}.{n:03}", label, label, label);
        add.repository = "r".repeat(250);
        add.tag = "t".repeat(128);
        add.annotations = (0..16).map(|n| (format!("k{n}"), "v".repeat(256))).collect();
        Command::AddImage(Box::new(add))
    };
    for n in 0..40 {
        world.ok(ann(), long(n));
    }
    let mut over = add_image("acme", "x");
    over.annotations = (0..64).map(|n| (format!("k{n}"), "v".repeat(200))).collect();
    let refused = world.refused(ann(), Command::AddImage(Box::new(over)));
    assert_eq!(refused.code, RejectionCode::Limit);
    assert!(refused.message.contains("ANNOTATIONS_BYTES_MAX"), "{refused}");
    // What no limit of an entity catches is caught by the row's own: refused, not a dead node.
    let mut key = add_image("acme", "y");
    key.repository = "r".repeat(5_000);
    let refused = world.refused(ann(), Command::AddImage(Box::new(key)));
    assert_eq!(refused.code, RejectionCode::Limit);
}
