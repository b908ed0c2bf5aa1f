use kedge_testkit::image::debian;
use kedge_testkit::node::TestNode;
use kedge_testkit::registry::FakeRegistry;
use reqwest::StatusCode;
use serde_json::{Value, json};

fn policy(id: &str, action: &str) -> Value {
    json!({
        "id": id, "name": id, "version": "2",
        "rule_sets": [{"id": "rs", "name": "rs", "version": "2", "artifact_type": "image", "rules": [
            {"id": "r", "gate": "always", "trigger": "always", "action": action, "params": []}]}],
        "allowlists": [],
        "mappings": [{"id": "m", "name": "m", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "rule_set_ids": ["rs"], "allowlist_ids": []}],
        "allowlisted_images": [], "denylisted_images": []
    })
}

#[tokio::test]
async fn another_policy_gives_another_verdict() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let reference = registry.push("a", "1", &debian());
    let image = node.analyse(&reference).await;
    let digest = image["image_digest"].as_str().unwrap();
    let added = node.admin.post("/v2/policies", &policy("lenient", "WARN")).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.text);
    assert_eq!(added.json()["active"], false, "a new policy is not active");
    let check = async |query: &str| {
        let path = format!("/v2/images/{digest}/check?tag={reference}{query}");
        let answer = node.admin.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["evaluations"][0]["final_action"].as_str().unwrap().to_owned()
    };
    assert_eq!(check("&policy_id=lenient").await, "warn");
    let mut record = added.json();
    record["policy"] = policy("lenient", "STOP");
    let activated = node.admin.put("/v2/policies/lenient?active=true", &record).await;
    assert_eq!(activated.status, StatusCode::OK, "{}", activated.text);
    assert_eq!(check("").await, "stop", "the changed document counts at once");
    let refused = node.admin.delete("/v2/policies/lenient").await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(refused.text.contains("cannot delete an active policy"), "{}", refused.text);
}

#[tokio::test]
async fn a_bad_policy_is_refused_with_every_reason() {
    let node = TestNode::start().await;
    let mut bad = policy("bad", "STOP");
    bad["rule_sets"][0]["rules"][0]["gate"] = json!("vulnerabilites");
    bad["mappings"][0]["rule_set_ids"] = json!(["absent"]);
    let answer = node.admin.post("/v2/policies", &bad).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    let details = answer.json()["detail"]["validation_details"].to_string();
    assert!(details.contains("vulnerabilites") && details.contains("absent"), "{details}");
}
