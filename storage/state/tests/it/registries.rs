use crate::world::{World, user};
use kedge_model::command::{Command, PutRegistry, Response};
use kedge_model::registry::{Registry, RegistryKind};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;
use kedge_state::query;

fn put(create: bool, sealed: Option<&[u8]>) -> Command {
    Command::PutRegistry(Box::new(PutRegistry {
        account: "acme".into(),
        registry: "h.io/team/*".into(),
        name: "team".into(),
        kind: RegistryKind::DockerV2,
        user: "bob".into(),
        sealed_password: sealed.map(<[u8]>::to_vec),
        verify_tls: true,
        create,
    }))
}

fn stored(response: Response) -> Registry {
    match response {
        Response::Registry(registry) => *registry,
        other => panic!("a registry was expected, not {other:?}"),
    }
}

#[test]
fn create_update_delete() {
    let mut world = World::new();
    let ann = || user("ann", "acme");
    assert_eq!(world.code(ann(), put(false, None)), RejectionCode::RegistryNotFound);
    let first = stored(world.ok(ann(), put(true, Some(b"sealed"))));
    let refused = world.refused(ann(), put(true, None));
    assert_eq!(refused.code, RejectionCode::RegistryExists);
    assert_eq!(refused.message, "registry already exists in DB");
    world.now = world.now.plus_ms(5);
    let second = stored(world.ok(ann(), put(false, None)));
    assert_eq!(second.sealed_password, b"sealed", "no new password keeps the old one");
    assert_eq!(second.created_at, first.created_at);
    assert_eq!(second.last_updated, world.now);
    let account = AccountName::from("acme");
    let fit = query::registry::fitting(&world.kv, &account, "h.io", "team/app").unwrap();
    assert_eq!(fit, Some(second));
    assert_eq!(query::registry::fitting(&world.kv, &account, "h.io", "x").unwrap(), None);
    let delete =
        || Command::DeleteRegistry { account: "acme".into(), registry: "h.io/team/*".into() };
    world.ok(ann(), delete());
    assert_eq!(world.code(ann(), delete()), RejectionCode::RegistryNotFound);
}

#[test]
fn limits_are_named() {
    let mut world = World::new();
    let refused = world.refused(user("ann", "acme"), put(true, Some(&[0; 30_000])));
    assert_eq!(refused.code, RejectionCode::Limit);
    assert!(refused.message.contains("SEALED_BYTES_MAX"), "{refused}");
}
