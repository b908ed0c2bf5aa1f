use crate::world::{World, add_image, node, seed, user};
use kedge_model::account::AccountState;
use kedge_model::command::{Command, CreateAccount};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;
use kedge_state::query;

fn create(name: &str) -> Command {
    Command::CreateAccount(Box::new(CreateAccount {
        name: name.into(),
        email: String::new(),
        data_key: vec![9],
        policy: seed(),
    }))
}

fn set(name: &str, state: AccountState) -> Command {
    Command::SetAccountState { account: name.into(), state }
}

#[test]
fn names_are_unique_reserved_and_never_reused() {
    let mut world = World::new();
    assert_eq!(world.code(user("admin", "admin"), create("acme")), RejectionCode::AccountExists);
    assert_eq!(world.code(user("admin", "admin"), create("system")), RejectionCode::Invalid);
    world.ok(user("admin", "admin"), set("acme", AccountState::Disabled));
    world.ok(user("admin", "admin"), set("acme", AccountState::Deleting));
    world.ok(node(), Command::Prune);
    assert_eq!(query::account::user(&world.kv, "ann").unwrap(), None, "its users are gone");
    assert_eq!(world.code(user("admin", "admin"), create("acme")), RejectionCode::AccountExists);
}

#[test]
fn states_move_only_as_the_contract_says() {
    let mut world = World::new();
    let admin = || user("admin", "admin");
    let refused = world.refused(admin(), set("acme", AccountState::Deleting));
    assert_eq!(refused.code, RejectionCode::AccountState);
    assert!(refused.message.contains("from state enabled to state deleting"), "{refused}");
    assert_eq!(
        world.code(admin(), set("admin", AccountState::Disabled)),
        RejectionCode::AccountState
    );
    assert_eq!(
        world.code(admin(), set("nobody", AccountState::Disabled)),
        RejectionCode::AccountNotFound
    );
    world.ok(admin(), set("acme", AccountState::Disabled));
    let add = Command::AddImage(Box::new(add_image("acme", "x")));
    assert_eq!(world.code(user("ann", "acme"), add), RejectionCode::AccountNotEnabled);
    world.ok(admin(), set("acme", AccountState::Enabled));
    world.ok(user("ann", "acme"), Command::AddImage(Box::new(add_image("acme", "x"))));
}

#[test]
fn tenants_cannot_reach_each_other_or_the_system() {
    let mut world = World::new();
    world.ok(user("admin", "admin"), create("other"));
    let ann = || user("ann", "acme");
    assert_eq!(world.code(ann(), create("third")), RejectionCode::Forbidden);
    let add = Command::AddImage(Box::new(add_image("other", "x")));
    let refused = world.refused(ann(), add);
    assert_eq!(refused.code, RejectionCode::Forbidden);
    assert!(
        refused
            .message
            .starts_with("Not authorized. Requires permissions: domain=other action=createImage"),
        "{refused}"
    );
    assert_eq!(world.code(ann(), Command::SyncFeeds { force: false }), RejectionCode::Forbidden);
    assert_eq!(world.code(ann(), Command::ExpireLeases), RejectionCode::Forbidden);
    world.ok(user("admin", "admin"), Command::AddImage(Box::new(add_image("other", "x"))));
}

#[test]
fn users_are_unique_and_do_not_delete_themselves() {
    let mut world = World::new();
    world.ok(user("admin", "admin"), create("other"));
    let make = |account: &str| Command::CreateUser {
        account: account.into(),
        name: "ann".into(),
        password_hash: "h".into(),
    };
    assert_eq!(world.code(user("admin", "admin"), make("other")), RejectionCode::UserExists);
    assert_eq!(world.code(user("admin", "admin"), make("nobody")), RejectionCode::AccountNotFound);
    let delete =
        |account: &str| Command::DeleteUser { account: account.into(), name: "ann".into() };
    assert_eq!(world.code(user("ann", "acme"), delete("acme")), RejectionCode::UserSelf);
    assert_eq!(world.code(user("admin", "admin"), delete("other")), RejectionCode::UserNotFound);
    world.ok(
        user("ann", "acme"),
        Command::SetPassword { name: "ann".into(), password_hash: "n".into() },
    );
    assert_eq!(query::account::user(&world.kv, "ann").unwrap().unwrap().password_hash, "n");
    assert_eq!(
        world.code(
            user("ann", "acme"),
            Command::SetPassword { name: "admin".into(), password_hash: "n".into() }
        ),
        RejectionCode::Forbidden
    );
    world.ok(user("admin", "admin"), delete("acme"));
    let users = query::account::users(&world.kv, &AccountName::from("acme")).unwrap();
    assert!(users.is_empty());
}

#[test]
fn a_cluster_is_initialised_once() {
    let mut world = World::new();
    let again = kedge_model::command::Bootstrap {
        user: "mallory".into(),
        password_hash: "h".into(),
        data_key: vec![],
        policy: seed(),
    };
    let command = Command::Bootstrap(Box::new(again));
    assert_eq!(world.code(node(), command), RejectionCode::Initialised);
    assert_eq!(query::account::user(&world.kv, "mallory").unwrap(), None);
}
