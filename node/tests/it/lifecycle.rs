use kedge::boot::Node;
use kedge_testkit::image::debian;
use kedge_testkit::node::TestNode;
use kedge_testkit::registry::FakeRegistry;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    node.sync_feeds().await;
    let reference = registry.push("a", "1", &debian());
    let image = node.analyse(&reference).await;
    let digest = image["image_digest"].as_str().unwrap();
    let path = format!("/v2/images/{digest}/vuln/all");
    let before = node.admin.get(&path).await.json();
    node.restart().await;
    let after = node.admin.get(&path).await;
    assert_eq!(after.status, StatusCode::OK, "{}", after.text);
    assert_eq!(after.json(), before);
    let registries = node.admin.get("/v2/registries").await.json();
    assert_eq!(registries[0]["registry"], registry.host());
}

#[tokio::test]
async fn a_job_that_was_running_is_finished_after_a_restart() {
    let mut node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let reference = registry.push("a", "1", &debian());
    // The configuration is a blob too and is fetched when the image is added.
    let image = debian();
    let body = json!({"source": {"tag": {"pull_string": reference}}});
    let config = &image.blobs.last().unwrap().digest;
    let added = node.admin.post("/v2/images", &body).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.text);
    assert!(registry.served(config) > 0);
    node.restart().await;
    let image = node.wait_analysed(&image.manifest.digest).await;
    assert_eq!(image["analysis_status"], "analyzed", "{image}");
    let events = node.admin.get("/v2/events?event_type=user.image.analysis.completed").await.json();
    assert_eq!(events["results"].as_array().unwrap().len(), 1, "once: {events}");
}

#[tokio::test]
async fn a_second_node_on_the_same_folder_is_refused() {
    let node = TestNode::start().await;
    let config = kedge::config::Config {
        data_dir: node.data_dir().to_owned(),
        listen: "127.0.0.1:0".into(),
        ..kedge::config::Config::default()
    };
    let Err(error) = Node::start(&config, None).await else {
        panic!("two nodes on one folder");
    };
    let text = format!("{error:#}");
    assert!(text.contains(&node.data_dir().display().to_string()), "{text}");
    assert!(text.contains("in use") || text.contains("another process"), "{text}");
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_refused_and_left_alone() {
    let mut node = TestNode::start().await;
    node.stop().await;
    let format = node.data_dir().join("FORMAT");
    let before = std::fs::read_to_string(&format).unwrap();
    let newer: String = before.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    std::fs::write(&format, &newer).unwrap();
    let config = kedge::config::Config {
        data_dir: node.data_dir().to_owned(),
        listen: "127.0.0.1:0".into(),
        ..kedge::config::Config::default()
    };
    let Err(error) = Node::start(&config, None).await else {
        panic!("a newer format was opened");
    };
    let text = format!("{error:#}");
    assert!(text.contains("format 9, this version knows up to"), "{text}");
    assert_eq!(std::fs::read_to_string(&format).unwrap(), newer);
}

#[tokio::test]
async fn health_is_open_and_metrics_tell() {
    let node = TestNode::start().await;
    let open = node.admin.anonymous();
    for path in ["/livez", "/readyz", "/health", "/version", "/v2/version", "/metrics", "/v2"] {
        let answer = open.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    let version = open.get("/version").await.json();
    assert_eq!(version["api"]["version"], "2");
    let metrics = open.get("/metrics").await.text;
    for name in ["kedge_raft_term", "kedge_jobs", "kedge_build_info", "kedge_http_requests"] {
        assert!(metrics.contains(name), "{name} is missing");
    }
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"not a folder").unwrap();
    let config = kedge::config::Config {
        data_dir: file.clone(),
        listen: "127.0.0.1:0".into(),
        ..kedge::config::Config::default()
    };
    let Err(error) = Node::start(&config, None).await else {
        panic!("a file was taken for a folder");
    };
    let text = format!("{error:#}");
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert_eq!(std::fs::read(&file).unwrap(), b"not a folder");
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_writes_by_name_and_reads_go_on() {
    let mut node = TestNode::start().await;
    node.stop().await;
    let mut config = node.config().clone();
    // No disk has that much free.
    config.store.disk_reserve_mib = 1 << 40;
    let full = Node::start(&config, None).await.unwrap();
    let client = node.client_of(&full);
    let entry = json!({"registry": "h.io"});
    let refused = client
        .until_answer(
            |client| {
                let entry = entry.clone();
                async move { client.post("/v2/registries?validate=false", &entry).await }
            },
            |answer| answer.status == StatusCode::INSUFFICIENT_STORAGE,
        )
        .await;
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(client.get("/v2/registries").await.status, StatusCode::OK);
    full.stop().await.unwrap();
}
