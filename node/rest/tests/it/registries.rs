//! Registries: names, texts, and a password that never comes back.

use crate::world::{ALICE, World};
use serde_json::json;

const CANARY: &str = "canary-password-5b7d";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_a_registry() {
    let world = World::start().await;
    let body = json!({"registry": "q.example.com:5000/team/*", "registry_user": "bob",
        "registry_pass": CANARY, "registry_type": "docker_v2", "registry_verify": false});
    let add = || world.send("POST", "/v2/registries?validate=false", ALICE, &body);
    let made = add().await.expect(200);
    assert!(!made.text.contains(CANARY) && !made.text.contains("pass"), "{}", made.text);
    let entry = &made.json()[0];
    assert_eq!(entry["registry_name"], "q.example.com:5000/team/*");
    assert_eq!(entry["registry_verify"], false);
    assert_eq!(entry["account_name"], "team-a");
    let twice = add().await.expect(409).json();
    assert_eq!(twice["message"], "registry already exists in DB");

    let encoded = "/v2/registries/q.example.com%3A5000%2Fteam%2F%2A";
    let raw = "/v2/registries/q.example.com:5000/team/*";
    for path in ["/v2/registries", encoded, raw] {
        let found = world.get(path, ALICE).await.expect(200);
        assert_eq!(found.json()[0]["registry_user"], "bob", "{path}");
        assert!(!found.text.contains(CANARY));
    }
    let change = json!({"registry": "q.example.com:5000/team/*", "registry_user": "eve"});
    let path = format!("{raw}?validate=False");
    let changed = world.send("PUT", &path, ALICE, &change).await.expect(200).json();
    assert_eq!(changed[0]["registry_user"], "eve");
    assert_eq!(changed[0]["registry_verify"], false, "what is absent stays");
    let other = json!({"registry": "other.example.com"});
    let refused = world.send("PUT", &path, ALICE, &other).await.expect(409).json();
    assert_eq!(refused["message"], "registry name in path does not equal registry name in body");

    world.call("DELETE", encoded).by(ALICE).send().await.expect(204);
    let gone = world.get(raw, ALICE).await.expect(404).json();
    assert_eq!(gone["message"], "registry not found in DB");
    let missing = world.send("PUT", &path, ALICE, &change).await.expect(404).json();
    assert_eq!(missing["message"], "could not find existing registry to update");
    world.call("DELETE", raw).by(ALICE).send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_refused_and_their_texts() {
    let world = World::start().await;
    for (name, status, text) in [
        ("q.io/", 409, "input registry name cannot end with trailing '/' characters"),
        (
            "https://q.io",
            409,
            "input registry name must start with a hostname/ip, without URI schema (http://, https://)",
        ),
        ("q.io/ente*", 400, "wildcard"),
        ("q io", 400, "host"),
        ("", 400, "'registry' is a required property"),
    ] {
        let body = json!({"registry": name, "registry_pass": CANARY});
        let answer = world.send("POST", "/v2/registries?validate=false", ALICE, &body).await;
        let answer = answer.expect(status);
        assert!(answer.json()["message"].as_str().unwrap().contains(text), "{}", answer.text);
        assert!(!answer.text.contains(CANARY));
    }
    let ecr = json!({"registry": "q.io", "registry_type": "awsecr"});
    let answer = world.send("POST", "/v2/registries?validate=false", ALICE, &ecr).await.expect(400);
    assert_eq!(answer.json()["detail"]["error_codes"], json!(["REGISTRY_NOT_SUPPORTED"]));
    let odd = json!({"registry": "q.io", "registry_pasword": CANARY});
    let answer = world.send("POST", "/v2/registries", ALICE, &odd).await.expect(400);
    assert!(answer.text.contains("registry_pasword") && !answer.text.contains(CANARY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_tried_by_default_and_nothing_is_stored_when_they_fail() {
    let world = World::start().await;
    // Bound and dropped: nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let name = free.to_string();
    let body = json!({"registry": name, "registry_user": "bob", "registry_pass": CANARY});
    let answer = world.send("POST", "/v2/registries", ALICE, &body).await.expect(406);
    let document = answer.json();
    let said = document["message"].as_str().unwrap();
    let start = "cannot ping supplied registry with supplied credentials - exception: ";
    assert!(said.starts_with(start), "{said}");
    assert_eq!(document["detail"]["error_codes"], json!(["REGISTRY_NOT_ACCESSIBLE"]));
    assert!(!answer.text.contains(CANARY));
    assert_eq!(world.get("/v2/registries", ALICE).await.expect(200).json(), json!([]));
    world.send("POST", "/v2/registries?validate=false", ALICE, &body).await.expect(200);
    // An update without a password tries the stored one.
    let update = json!({"registry": name, "registry_user": "eve"});
    let path = format!("/v2/registries/{name}");
    world.send("PUT", &path, ALICE, &update).await.expect(406);
    let kept = world.get(&path, ALICE).await.expect(200).json();
    assert_eq!(kept[0]["registry_user"], "bob", "the old entry stays");
}
