use kedge_testkit::node::TestNode;
use kedge_testkit::registry::FakeRegistry;
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn requests_without_a_login_get_a_challenge_on_every_method() {
    let node = TestNode::start().await;
    let open = node.admin.anonymous();
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        let path = if method == Method::PUT { "/v2/registries/h.io" } else { "/v2/images" };
        let answer = open.call(method.clone(), path, None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method}");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.to_lowercase().starts_with("basic realm="), "{challenge}");
    }
    let wrong = node.client("admin", "wrong").get("/v2/images").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn malformed_bodies_name_the_place() {
    let node = TestNode::start().await;
    let unknown = json!({"registry": "h.io", "registri_user": "x"});
    let answer = node.admin.post("/v2/registries", &unknown).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert!(answer.text.contains("registri_user"), "{}", answer.text);
    let wrong_type = json!({"registry": "h.io", "registry_verify": "perhaps"});
    let answer = node.admin.post("/v2/registries", &wrong_type).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("registry_verify"), "{}", answer.text);
    let huge =
        json!({"source": {"tag": {"pull_string": "h.io/a:1", "dockerfile": "A".repeat(8 << 20)}}});
    let answer = node.admin.post("/v2/images", &huge).await;
    assert_eq!(
        answer.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        &answer.text[..answer.text.len().min(300)]
    );
}

#[tokio::test]
async fn unknown_things_are_404_of_the_right_shape() {
    let node = TestNode::start().await;
    let route = node.admin.get("/v2/nonsense").await;
    assert_eq!(route.status, StatusCode::NOT_FOUND);
    assert!(route.json()["detail"].is_string(), "a router error: {}", route.text);
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = node.admin.get(&format!("/v2/images/{digest}")).await;
    assert_eq!(image.status, StatusCode::NOT_FOUND);
    assert!(image.json()["detail"].is_object(), "a handler error: {}", image.text);
    let method = node.admin.call(Method::DELETE, "/v2/version", None).await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    let account = node.admin.acting_in("nobody").get("/v2/images").await;
    assert_eq!(account.status, StatusCode::NOT_FOUND);
    assert!(account.text.contains("User account not found"), "{}", account.text);
}

#[tokio::test]
async fn images_that_cannot_be_had_say_why() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let add = async |pull: String| {
        node.admin.post("/v2/images", &json!({"source": {"tag": {"pull_string": pull}}})).await
    };
    let absent = add(format!("{}/no/such:1", registry.host())).await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND, "{}", absent.text);
    assert!(absent.text.contains("REGISTRY_IMAGE_NOT_FOUND"), "{}", absent.text);
    let malformed = add("h.io/UPPER CASE".into()).await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST, "{}", malformed.text);
    // Nothing listens on port 9 of this machine, and the entry allows to try.
    let entry = json!({"registry": "127.0.0.1:9"});
    node.admin.post("/v2/registries?validate=false", &entry).await;
    let down = add("127.0.0.1:9/a:1".into()).await;
    assert!(down.status.is_server_error() || down.status.is_client_error());
    assert!(down.text.contains("REGISTRY_NOT_ACCESSIBLE"), "{}", down.text);
}
