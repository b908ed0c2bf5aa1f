use crate::world::{World, add_image, node, user};
use kedge_artifact::digest::Digest;
use kedge_model::command::{ActivateGeneration, Command, PolicySeed, PutPolicy, Response};
use kedge_model::evaluation::{Action, Evaluation};
use kedge_model::feed::Generation;
use kedge_model::limits::EVALUATIONS_KEPT_MAX;
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;
use kedge_state::query;

fn put(id: &str, create: bool, active: Option<bool>) -> Command {
    Command::PutPolicy(Box::new(PutPolicy {
        account: "acme".into(),
        policy: PolicySeed {
            id: id.into(),
            name: id.into(),
            description: String::new(),
            document: Digest::of(id.as_bytes()),
        },
        create,
        active,
    }))
}

#[test]
fn exactly_one_policy_is_active() {
    let mut world = World::new();
    let ann = || user("ann", "acme");
    let account = AccountName::from("acme");
    world.ok(ann(), put("strict", true, None));
    let active = |world: &World| query::policy::active(&world.kv, &account).unwrap().unwrap().id;
    assert_eq!(active(&world), "default");
    world.ok(ann(), put("strict", false, Some(true)));
    assert_eq!(active(&world), "strict");
    let count =
        query::policy::list(&world.kv, &account).unwrap().iter().filter(|p| p.active).count();
    assert_eq!(count, 1);
    assert_eq!(world.code(ann(), put("strict", false, Some(false))), RejectionCode::PolicyActive);
    assert_eq!(world.code(ann(), put("strict", true, None)), RejectionCode::PolicyExists);
    assert_eq!(world.code(ann(), put("absent", false, None)), RejectionCode::PolicyNotFound);
    let delete = |id: &str| Command::DeletePolicy { account: "acme".into(), id: id.into() };
    assert_eq!(world.code(ann(), delete("strict")), RejectionCode::PolicyActive);
    world.ok(ann(), delete("default"));
    assert_eq!(world.code(ann(), delete("default")), RejectionCode::PolicyNotFound);
}

fn evaluation(world: &World, action: Action) -> Evaluation {
    Evaluation {
        account: "acme".into(),
        digest: Digest::of(b"x"),
        tag: "h.io/team/app:1".into(),
        policy: "default".into(),
        document: Digest::of(b"default policy"),
        sbom: Digest::of(b"sbom"),
        generation: "g".into(),
        engine: "1".into(),
        action,
        at: world.now,
        details: Digest::of(b"details"),
    }
}

#[test]
fn evaluations_are_newest_first_bounded_and_changes_are_told() {
    let mut world = World::new();
    let early = evaluation(&world, Action::Go);
    assert_eq!(
        world.code(node(), Command::RecordEvaluation(Box::new(early))),
        RejectionCode::ImageNotFound
    );
    world.ok(user("ann", "acme"), Command::AddImage(Box::new(add_image("acme", "x"))));
    let account = AccountName::from("acme");
    for round in 0..(EVALUATIONS_KEPT_MAX + 5) {
        world.now = world.now.plus_ms(1);
        let action = if round < 3 { Action::Warn } else { Action::Stop };
        let next = evaluation(&world, action);
        world.ok(node(), Command::RecordEvaluation(Box::new(next)));
    }
    let digest = Digest::of(b"x");
    let history =
        query::evaluation::history(&world.kv, &account, &digest, "h.io/team/app:1", "default")
            .unwrap();
    assert_eq!(history.len(), EVALUATIONS_KEPT_MAX);
    assert_eq!(history[0].at, world.now);
    let told = query::event::list(&world.kv, &account)
        .unwrap()
        .into_iter()
        .filter(|event| event.kind == "user.checks.tag.policy_evaluation.update")
        .count();
    assert_eq!(told, 1, "only the change from pass to fail is an event");
}

#[test]
fn a_generation_is_put_to_use_and_the_last_one_kept() {
    let mut world = World::new();
    let generation = |id: &str| Generation {
        id: id.into(),
        blob: Digest::of(id.as_bytes()),
        bytes: 1,
        built_at: world.now,
        record_count: 1,
        imported: true,
    };
    let activate = |generation| {
        Command::ActivateGeneration(Box::new(ActivateGeneration {
            job: None,
            generation: Some(generation),
            drivers: Vec::new(),
        }))
    };
    let (one, two) = (generation("one"), generation("two"));
    assert_eq!(world.code(user("ann", "acme"), activate(one.clone())), RejectionCode::Forbidden);
    world.ok(user("admin", "admin"), activate(one.clone()));
    let Response::Feeds(feeds) = world.ok(user("admin", "admin"), activate(two.clone())) else {
        panic!("feeds are answered");
    };
    assert_eq!(feeds.active, Some(two.clone()));
    assert_eq!(feeds.previous, Some(one.clone()));
    let Response::Feeds(feeds) = world.ok(user("admin", "admin"), activate(two)) else {
        panic!("feeds are answered");
    };
    assert_eq!(feeds.previous, Some(one), "the same one again does not push the previous out");
}
