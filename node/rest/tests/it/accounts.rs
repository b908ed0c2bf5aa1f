//! Accounts, users, passwords.

use crate::world::{ADMIN, ALICE, PASSWORD, World};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_an_account() {
    let world = World::start().await;
    let create = json!({"name": "team-c", "email": "c@x.example"});
    let made = world.send("POST", "/v2/accounts", ADMIN, &create).await.expect(200).json();
    assert_eq!((&made["type"], &made["state"]), (&json!("user"), &json!("enabled")));
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(!made.to_string().contains("data_key"));
    let again = world.send("POST", "/v2/accounts", ADMIN, &create).await.expect(409);
    assert_eq!(again.json()["message"], "Account already exists");
    let policies = world.call("GET", "/v2/policies").by(ADMIN).acting_in("team-c").send().await;
    assert_eq!(policies.expect(200).json()[0]["active"], true);
    let delete = || world.call("DELETE", "/v2/accounts/team-c").by(ADMIN).send();
    assert_eq!(
        delete().await.expect(400).json()["message"],
        "Invalid account state change requested. Cannot go from state enabled to state deleting"
    );
    let disable = json!({"state": "disabled"});
    let path = "/v2/accounts/team-c/state";
    assert_eq!(world.send("PUT", path, ADMIN, &disable).await.expect(200).json(), disable);
    world.send("PUT", path, ADMIN, &json!({"state": "deleting"})).await.expect(400);
    assert_eq!(delete().await.expect(204).text, "");
    let list = world.get("/v2/accounts?state=deleting", ADMIN).await.expect(200).json();
    assert_eq!(list[0]["name"], "team-c");
    let gone = world.get("/v2/accounts/no-such", ADMIN).await.expect(404).json();
    assert_eq!(gone["message"], "Account not found");
    assert_eq!(gone["detail"]["error_codes"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_addresses_that_are_refused() {
    let world = World::start().await;
    for body in [
        json!({"name": "x"}),
        json!({"name": "a/b"}),
        json!({"name": "admin"}),
        json!({"name": "system"}),
        json!({"name": "fine-name", "email": "nobody"}),
        json!({"name": "fine-name", "role": "admin"}),
        json!({"email": "a@b.example"}),
    ] {
        world.send("POST", "/v2/accounts", ADMIN, &body).await.expect(400);
    }
    let admin = json!({"state": "disabled"});
    world.send("PUT", "/v2/accounts/admin/state", ADMIN, &admin).await.expect(400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_a_user() {
    let world = World::start().await;
    let users = "/v2/accounts/team-a/users";
    let carol = json!({"username": "carol", "password": "first password"});
    let made = world.send("POST", users, ALICE, &carol).await.expect(200);
    assert!(!made.text.contains("first password") && !made.text.contains("argon2"));
    assert_eq!(made.json()["unified_roles"][0]["role_name"], "full-control");
    let taken = world.send("POST", "/v2/accounts/team-b/users", ADMIN, &carol).await.expect(400);
    assert_eq!(taken.json()["message"], "User already exists");
    let as_carol = |password: &'static str| world.call("GET", "/v2/user").login("carol", password);
    assert_eq!(as_carol("first password").send().await.expect(200).json()["username"], "carol");

    let change = json!({"type": "password", "value": "second password"});
    let own = world.call("POST", "/v2/user/credentials").login("carol", "first password");
    own.json(&change).send().await.expect(200);
    as_carol("first password").send().await.expect(401);
    as_carol("second password").send().await.expect(200);
    let credentials = world.get(&format!("{users}/carol/credentials"), ALICE).await.expect(200);
    assert_eq!(credentials.json()[0]["value"], "********");

    let path = format!("{users}/carol/credentials?credential_type=password");
    world.call("DELETE", &path).by(ALICE).send().await.expect(204);
    as_carol("second password").send().await.expect(401);
    as_carol("!").send().await.expect(401);
    let none = world.get(&format!("{users}/carol/credentials"), ALICE).await.expect(200);
    assert_eq!(none.json(), json!([]));
    let own = format!("{users}/alice/credentials?credential_type=password");
    let conflict = world.call("DELETE", &own).by(ALICE).send().await.expect(400);
    assert_eq!(
        conflict.json()["message"],
        "Conflict, cannot delete the credential used to authenticate this request"
    );
    world.call("DELETE", &format!("{users}/alice")).by(ALICE).send().await.expect(400);
    world.call("DELETE", &format!("{users}/carol")).by(ALICE).send().await.expect(204);
    world.get(&format!("{users}/carol"), ALICE).await.expect(404);
    world.get(&format!("{users}/bob"), ALICE).await.expect(404);
    let all = world.get("/v2/accounts/users", ADMIN).await.expect(200).json();
    assert_eq!(all["total_rows"], 3);
    let roles = world.get("/v2/accounts/team-a/users-with-roles", ALICE).await.expect(200).json();
    assert_eq!(roles["items"][0]["username"], "alice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_that_break_the_rules() {
    let world = World::start().await;
    for password in ["", "12345", &"x".repeat(129)] {
        let body = json!({"username": "dave", "password": password});
        let answer = world.send("POST", "/v2/accounts/team-a/users", ALICE, &body).await;
        assert!(answer.expect(400).text.contains("6 to 128"), "{password}");
    }
    let none = json!({"username": "dave"});
    world.send("POST", "/v2/accounts/team-a/users", ALICE, &none).await.expect(400);
    let long = json!({"username": "dave", "password": "ä".repeat(128)});
    world.send("POST", "/v2/accounts/team-a/users", ALICE, &long).await.expect(200);
    let login = world.call("GET", "/v2/user").login("dave", &"ä".repeat(128)).send().await;
    login.expect(200);
    let huge = world.call("GET", "/v2/user").login("alice", &"x".repeat(4_000)).send().await;
    huge.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_slowed_down_and_the_owner_is_not_locked_out() {
    let world = World::start().await;
    world.get("/v2/user", ALICE).await.expect(200);
    let mut last = world.call("GET", "/v2/user").login("alice", "guess 0").send().await;
    for number in 1..10 {
        if last.status != 401 {
            break;
        }
        let guess = format!("guess {number}");
        last = world.call("GET", "/v2/user").login("alice", &guess).send().await;
    }
    let answer = last.expect(429);
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    world.call("GET", "/v2/user").login("alice", PASSWORD).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_users_and_wrong_passwords_answer_alike() {
    let world = World::start().await;
    let wrong = world.call("GET", "/v2/user").login("alice", "wrong").send().await.expect(401);
    let unknown = world.call("GET", "/v2/user").login("nobody", "wrong").send().await.expect(401);
    assert_eq!(wrong.text, unknown.text);
    let names = |answer: &crate::world::Answer| {
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&wrong), names(&unknown));
}
