//! Every row of the table of routes: nobody without credentials, no tenant in the system, no
//! tenant in another's account, nothing of another tenant by its id.

use crate::world::{ADMIN, ALICE, Answer, BOB, User, World};
use kedge_api::routes::{Access, Auth, Route, all};
use serde_json::{Value, json};

/// The path of a row with `value` for every parameter that is not the account.
fn path(route: &Route, account: &str, value: &str) -> String {
    let mut path = route.path.replace("{account_name}", account);
    for name in route.path_params() {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    path
}

async fn call(world: &World, route: &Route, path: &str, user: User) -> Answer {
    world.call(route.method.as_str(), path).by(user).send().await
}

fn place(route: &Route) -> String {
    format!("{} {}", route.method.as_str(), route.path)
}

fn assert_forbidden(answer: &Answer, domain: &str, route: &Route) {
    assert_eq!(answer.status, 403, "{}: {}", place(route), answer.text);
    let action = route.action().unwrap();
    let text =
        format!("Not authorized. Requires permissions: domain={domain} action={action} target=*");
    let said = if route.path.starts_with("/kedge/") { "detail" } else { "message" };
    assert_eq!(answer.json()[said], text, "{}", place(route));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credentials_every_row_but_the_open_ones_is_401() {
    let world = World::start().await;
    for route in all() {
        let answer = world.call(route.method.as_str(), &path(route, "team-a", "x")).send().await;
        if route.auth() == Auth::None {
            assert_ne!(answer.status, 401, "{}", place(route));
            continue;
        }
        assert_eq!(answer.status, 401, "{}", place(route));
        assert_eq!(answer.text, "Unauthorized", "{}", place(route));
        assert_eq!(
            answer.header("www-authenticate"),
            "basic realm=\"Authentication required\"",
            "{}",
            place(route)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_may_nothing_in_the_system() {
    let world = World::start().await;
    let rows: Vec<_> = all().filter(|r| matches!(r.access, Access::InSystem(_))).collect();
    assert!(rows.len() > 8, "the table has system rows");
    for route in rows {
        let answer = call(&world, route, &path(route, "team-a", "x"), ALICE).await;
        assert_forbidden(&answer, "system", route);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_may_nothing_in_another_account() {
    let world = World::start().await;
    for route in all() {
        match route.access {
            Access::InPathAccount(_) => {
                let other = call(&world, route, &path(route, "team-b", "x"), ALICE).await;
                assert_forbidden(&other, "team-b", route);
                let none = call(&world, route, &path(route, "no-such", "x"), ALICE).await;
                assert_forbidden(&none, "no-such", route);
            }
            Access::InAccount(_) | Access::AnyUser => {
                let call = world.call(route.method.as_str(), &path(route, "", "x"));
                let other = call.by(ALICE).acting_in("team-b").send().await;
                assert_eq!(other.status, 403, "{}: {}", place(route), other.text);
                let call = world.call(route.method.as_str(), &path(route, "", "x"));
                let none = call.by(ALICE).acting_in("no-such").send().await;
                let shown = |text: &str| text.replace("team-b", "no-such").len();
                assert_eq!(none.status, 403, "existing and absent accounts answer alike");
                assert_eq!(shown(&other.text), shown(&none.text), "{}", place(route));
            }
            Access::Open | Access::InSystem(_) => {}
        }
    }
}

/// Things of `team-a`, by the name of the path parameter that would name them.
async fn things(world: &World) -> Vec<(&'static str, String)> {
    let add = json!({"registry": "a.example.com", "registry_user": "u", "registry_pass": "p"});
    world.send("POST", "/v2/registries?validate=false", ALICE, &add).await.expect(200);
    let events = world.get("/v2/events", ALICE).await.expect(200).json();
    let jobs = world.get("/kedge/v1/jobs", ALICE).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    vec![
        ("image_digest", world.image.to_string()),
        ("registry", "a.example.com".to_owned()),
        ("event_id", text(&events["results"][0]["event_id"])),
        ("job_id", text(&jobs["jobs"][0]["id"])),
    ]
}

/// An id of the same form that nothing has.
fn absent(parameter: &str) -> String {
    match parameter {
        "image_digest" => kedge_artifact::digest::Digest::of(b"none").to_string(),
        "registry" => "b.example.com".to_owned(),
        "event_id" => "00000000000fffff".to_owned(),
        "job_id" => "999999999".to_owned(),
        other => panic!("{other}"),
    }
}

/// What follows an id and must itself be right.
fn completed(path: String) -> String {
    path.replace("{content_type}", "os")
        .replace("{metadata_type}", "manifest")
        .replace("{vuln_type}", "all")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_things_answer_like_absent_ones() {
    let world = World::start().await;
    let things = things(&world).await;
    let mut compared = 0;
    for route in all() {
        let Some((name, id)) =
            things.iter().find(|(name, _)| route.path_params().any(|p| p == *name))
        else {
            continue;
        };
        let with = |id: &str| {
            let path = completed(route.path.replace(&format!("{{{name}}}"), id));
            let query = if route.path.ends_with("/check") { "?tag=q.io/team/app:1" } else { "" };
            world.call(route.method.as_str(), &format!("{path}{query}")).by(BOB).json(&json!({}))
        };
        let (theirs, none) = (with(id).send().await, with(&absent(name)).send().await);
        assert_eq!(theirs.status, none.status, "{}", place(route));
        // A deletion of images answers 200 and says that there was none.
        let found_nothing = theirs.status == 404 || theirs.text.contains("not_found");
        assert!(found_nothing, "{}: {} {}", place(route), theirs.status, theirs.text);
        let anonymous = |answer: &Answer, id: &str| {
            let request = answer.header("anchore-request-id").to_owned();
            answer.text.replace(&request, "").replace(id, "")
        };
        assert_eq!(anonymous(&theirs, id), anonymous(&none, &absent(name)), "{}", place(route));
        compared += 1;
    }
    assert!(compared > 25, "{compared} rows were compared");
    world.get(&world.image_path(""), ALICE).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_hold_nothing_of_other_tenants() {
    let world = World::start().await;
    things(&world).await;
    for (path, pointer) in [
        ("/v2/images", "/items"),
        ("/v2/registries", ""),
        ("/v2/events", "/results"),
        ("/kedge/v1/jobs", "/jobs"),
    ] {
        let mine = world.get(path, ALICE).await.expect(200).json();
        assert!(!mine.pointer(pointer).unwrap().as_array().unwrap().is_empty(), "{path}");
        let theirs = world.get(path, BOB).await.expect(200).json();
        assert_eq!(theirs.pointer(pointer).unwrap(), &json!([]), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_pass_every_check_and_act_in_any_account() {
    let world = World::start().await;
    for route in all().filter(|route| route.auth() == Auth::Basic) {
        let answer = call(&world, route, &path(route, "team-a", "x"), ADMIN).await;
        assert!(answer.status != 401 && answer.status != 403, "{}", place(route));
    }
    let images = world.call("GET", "/v2/images").by(ADMIN).acting_in("team-a").send().await;
    assert_eq!(images.expect(200).json()["items"].as_array().unwrap().len(), 1);
    let none = world.call("GET", "/v2/images").by(ADMIN).acting_in("no-such").send().await;
    assert!(none.expect(404).text.contains("User account not found"));
    let ours = world.call("GET", "/v2/account").by(ADMIN).header("x-kedge-account", "team-a");
    assert_eq!(ours.send().await.expect(200).json()["name"], "team-a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_disabled_account_are_told_so_after_their_password() {
    let world = World::start().await;
    let state = json!({"state": "disabled"});
    world.send("PUT", "/v2/accounts/team-a/state", ADMIN, &state).await.expect(200);
    let answer = world.get("/v2/images", ALICE).await.expect(403);
    assert_eq!(answer.json()["message"], "Not authorized. Account team-a not enabled.");
    let wrong = world.call("GET", "/v2/images").login("alice", "wrong password").send().await;
    wrong.expect(401);
    let admin = world.call("GET", "/v2/images").by(ADMIN).acting_in("team-a").send().await;
    admin.expect(200);
    world.get("/v2/images", BOB).await.expect(200);
}
