use kedge_testkit::image::debian;
use kedge_testkit::node::TestNode;
use kedge_testkit::registry::FakeRegistry;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn credentials_are_checked_when_they_are_added() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::with_login("bob", "right").await;
    let entry = |password: &str| json!({"registry": registry.host(), "registry_user": "bob", "registry_pass": password});
    let refused = node.admin.post("/v2/registries", &entry("wrong")).await;
    assert_eq!(refused.status, StatusCode::NOT_ACCEPTABLE, "{}", refused.text);
    assert!(refused.text.contains("cannot ping supplied registry"), "{}", refused.text);
    assert_eq!(node.admin.get("/v2/registries").await.text.trim(), "[]", "nothing was stored");
    let unchecked = node.admin.post("/v2/registries?validate=false", &entry("wrong")).await;
    assert_eq!(unchecked.status, StatusCode::OK, "{}", unchecked.text);
    let twice = node.admin.post("/v2/registries", &entry("right")).await;
    assert!(twice.text.contains("registry already exists in DB"), "{}", twice.text);
    let path = format!("/v2/registries/{}", registry.host());
    let updated = node.admin.put(&path, &entry("right")).await;
    assert_eq!(updated.status, StatusCode::OK, "{}", updated.text);
    let image = node.analyse(&registry.push("private", "1", &debian())).await;
    assert_eq!(image["analysis_status"], "analyzed", "the stored password was used");
    assert_eq!(node.admin.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(node.admin.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_longest_repository_path_decides_which_credential_is_used() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::with_login("bob", "right").await;
    let add = async |place: String, password: &str| {
        let entry = json!({"registry": place, "registry_user": "bob", "registry_pass": password});
        let answer = node.admin.post("/v2/registries?validate=false", &entry).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    };
    add(registry.host(), "wrong").await;
    add(format!("{}/team/*", registry.host()), "right").await;
    let inside = registry.push("team/app", "1", &debian());
    let beside = registry.push("team-b/app", "1", &debian());
    let body = |pull: &str| json!({"source": {"tag": {"pull_string": pull}}});
    assert_eq!(node.admin.post("/v2/images", &body(&inside)).await.status, StatusCode::OK);
    let refused = node.admin.post("/v2/images", &body(&beside)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert!(refused.text.contains("REGISTRY_PERMISSION_DENIED"), "{}", refused.text);
}

#[tokio::test]
async fn malformed_registry_strings_are_refused() {
    let node = TestNode::start().await;
    for registry in ["https://h.io", "h.io/", "h.io/te*", "h.io/*/app", "", "h.io/*x"] {
        let answer =
            node.admin.post("/v2/registries?validate=false", &json!({"registry": registry})).await;
        assert!(answer.status.is_client_error(), "{registry}: {} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn loopback_is_out_of_reach_unless_the_registry_was_added() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    let reference = registry.push("a", "1", &debian());
    let body = json!({"source": {"tag": {"pull_string": reference}}});
    let refused = node.admin.post("/v2/images", &body).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert!(refused.text.contains("egress"), "{}", refused.text);
}
