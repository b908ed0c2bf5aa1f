//! Policies: validation, activation, and the contract's odd statuses.

use crate::world::{ALICE, World};
use serde_json::{Value, json};

const DEFAULT: &str = "/v2/policies/2c53a13c-1765-11e8-82ef-23527761d060";

async fn document(world: &World, id: &str) -> Value {
    let record = world.get(DEFAULT, ALICE).await.expect(200).json();
    let mut document = record["policy"].clone();
    document["id"] = json!(id);
    document["name"] = json!("mine");
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_a_policy() {
    let world = World::start().await;
    let list = world.get("/v2/policies", ALICE).await.expect(200).json();
    assert_eq!((&list[0]["active"], &list[0]["policy_source"]), (&json!(true), &json!("default")));
    assert!(list[0].get("policy").is_none());
    let list = world.get("/v2/policies?detail=True", ALICE).await.expect(200).json();
    assert!(list[0]["policy"]["rule_sets"].is_array());
    let short = world.get(&format!("{DEFAULT}?detail=false"), ALICE).await.expect(200).json();
    assert!(short.get("policy").is_none());

    let mine = document(&world, "mine-1").await;
    let made = world.send("POST", "/v2/policies", ALICE, &mine).await.expect(200).json();
    assert_eq!((&made["active"], &made["policy_source"]), (&json!(false), &json!("local")));
    assert_eq!(made["policy"]["id"], "mine-1");
    world.send("POST", "/v2/policies", ALICE, &mine).await.expect(409);

    let active = world.send("PUT", "/v2/policies/mine-1?active=true", ALICE, &made).await;
    assert_eq!(active.expect(200).json()["active"], true);
    let before = world.get(DEFAULT, ALICE).await.expect(200).json();
    assert_eq!(before["active"], false, "only one is active");
    let delete = world.call("DELETE", "/v2/policies/mine-1").by(ALICE).send().await.expect(500);
    assert_eq!(
        delete.json()["message"],
        "cannot delete an active policy - activate a different policy then delete this one"
    );
    let off = json!({"policy_id": "mine-1", "active": false});
    let refused = world.send("PUT", "/v2/policies/mine-1", ALICE, &off).await.expect(500);
    assert_eq!(
        refused.json()["message"],
        "cannot deactivate an active policy - can only activate an inactive policy"
    );
    world.call("DELETE", DEFAULT).by(ALICE).send().await.expect(204);
    world.get(DEFAULT, ALICE).await.expect(404);
    let events = world.get("/v2/events?event_type=user.policy", ALICE).await.expect(200).json();
    assert_eq!(events["results"][0]["event"]["type"], "user.policy.active.updated");
    assert_eq!((&events["next_page"], &events["item_count"]), (&json!(false), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_and_changes_that_are_refused() {
    let world = World::start().await;
    let mut broken = document(&world, "mine-1").await;
    broken["mappings"][0]["rule_set_ids"] = json!(["no-such"]);
    broken["rule_sets"][0]["rules"][0]["trigger"] = json!("no-such");
    let refused = world.send("POST", "/v2/policies", ALICE, &broken).await.expect(400).json();
    assert_eq!(refused["message"], "Policy failed validation");
    let details = refused["detail"]["validation_details"].as_array().unwrap();
    assert!(details.len() >= 2, "every mistake is told: {details:?}");
    let empty = world.send("POST", "/v2/policies", ALICE, &json!({})).await.expect(400).json();
    assert_eq!(empty["message"], "Policy failed validation");

    let other = json!({"policy_id": "b", "active": false});
    let mismatch = world.send("PUT", "/v2/policies/a", ALICE, &other).await.expect(500).json();
    assert_eq!(
        mismatch["message"],
        "policyId in route is different from policyId in payload: a != b"
    );
    let unknown = json!({"policy_id": "a", "active": true});
    let missing = world.send("PUT", "/v2/policies/a", ALICE, &unknown).await.expect(404).json();
    assert_eq!(missing["message"], "Existing policyId not found to update");
    let odd = json!({"policy_id": "a", "actve": true});
    world.send("PUT", "/v2/policies/a", ALICE, &odd).await.expect(400);
    world.call("DELETE", "/v2/policies/a").by(ALICE).send().await.expect(404);
}
