use kedge_testkit::image::{DEBIAN_12, ImageBuilder, debian, dpkg_status};
use kedge_testkit::node::TestNode;
use kedge_testkit::registry::FakeRegistry;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn ids(report: &Value) -> Vec<&str> {
    let items = report["vulnerabilities"].as_array().unwrap();
    let mut ids: Vec<&str> = items.iter().map(|item| item["vuln"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn an_image_is_pulled_inventoried_matched_and_judged() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    let host = json!({"registry": registry.host(), "registry_type": "docker_v2"});
    assert_eq!(node.admin.post("/v2/registries", &host).await.status, StatusCode::OK);
    node.sync_feeds().await;
    let reference = registry.push("team/app", "1", &debian());
    let image = node.analyse(&reference).await;
    assert_eq!(image["analysis_status"], "analyzed", "{image}");
    let digest = image["image_digest"].as_str().unwrap();
    assert_eq!(image["image_content"]["metadata"]["distro"], "debian");

    let packages = node.admin.get(&format!("/v2/images/{digest}/content/os")).await.json();
    assert_eq!(packages["content"].as_array().unwrap().len(), 2, "{packages}");
    let python = node.admin.get(&format!("/v2/images/{digest}/content/python")).await.json();
    assert_eq!(python["content"][0]["version"], "3.2.0", "{python}");

    let all = node.admin.get(&format!("/v2/images/{digest}/vuln/all")).await.json();
    assert_eq!(ids(&all), ["CVE-2030-0001", "CVE-2030-0002", "PYSEC-2030-1"], "{all}");
    let os = node.admin.get(&format!("/v2/images/{digest}/vuln/os")).await.json();
    assert_eq!(ids(&os), ["CVE-2030-0001", "CVE-2030-0002"]);
    let fixed = &os["vulnerabilities"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["vuln"] == "CVE-2030-0001")
        .unwrap();
    assert_eq!(fixed["fix"], "3.0.11-1");
    assert_eq!(fixed["package"], "libssl3-3.0.9-1");

    let path = format!("/v2/images/{digest}/check?tag={reference}");
    let check = node.admin.get(&path).await;
    assert_eq!(check.status, StatusCode::OK, "{}", check.text);
    let check = check.json();
    let verdict = &check["evaluations"][0];
    assert_eq!(verdict["final_action"], "stop", "{check}");
    assert_eq!(verdict["status"], "fail");
    let findings = verdict["details"]["findings"].as_array().unwrap();
    let told =
        |id: &str| findings.iter().any(|f| f["trigger_id"].as_str().unwrap().starts_with(id));
    assert!(told("CVE-2030-0001+"), "{findings:?}");
}

#[tokio::test]
async fn sboms_come_in_three_formats() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    let host = json!({"registry": registry.host()});
    node.admin.post("/v2/registries", &host).await;
    let image = node.analyse(&registry.push("a", "1", &debian())).await;
    let digest = image["image_digest"].as_str().unwrap();
    let get = async |format: &str| {
        let answer = node.admin.get(&format!("/v2/images/{digest}/sboms/{format}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{format}: {}", answer.text);
        answer.json()
    };
    assert_eq!(get("native-json").await["packages"].as_array().unwrap().len(), 3);
    assert_eq!(get("cyclonedx-json").await["specVersion"], "1.6");
    assert_eq!(get("spdx-json").await["spdxVersion"], "SPDX-2.3");
}

#[tokio::test]
async fn one_layer_is_read_once_for_two_images_that_share_it() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let status = dpkg_status(&[("a", "1", "")]);
    let base = || {
        ImageBuilder::new().layer(&[
            ("etc/os-release", DEBIAN_12.as_bytes()),
            ("var/lib/dpkg/status", status.as_bytes()),
        ])
    };
    let (one, two) = (base().build(), base().layer(&[("x", b"y")]).build());
    let layer = one.blobs[0].digest.clone();
    node.analyse(&registry.push("one", "1", &one)).await;
    node.analyse(&registry.push("two", "1", &two)).await;
    assert_eq!(registry.served(&layer), 1);
}

#[tokio::test]
async fn a_corrupt_file_gives_a_partial_sbom_and_a_lying_layer_a_failed_image() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let status = dpkg_status(&[("good", "1", "")]);
    let partial = ImageBuilder::new()
        .layer(&[
            ("etc/os-release", DEBIAN_12.as_bytes()),
            ("var/lib/dpkg/status", status.as_bytes()),
            ("app/node_modules/broken/package.json", b"{ not json"),
        ])
        .build();
    let image = node.analyse(&registry.push("partial", "1", &partial)).await;
    assert_eq!(image["analysis_status"], "analyzed");
    let digest = image["image_digest"].as_str().unwrap();
    let sbom = node.admin.get(&format!("/v2/images/{digest}/sboms/native-json")).await.json();
    let problems = sbom["problems"].to_string();
    assert!(problems.contains("broken/package.json"), "{problems}");

    let lying = debian();
    let reference = registry.push("lying", "1", &lying);
    registry.corrupt("lying", &lying.blobs[0].digest, b"other bytes".to_vec());
    let image = node.analyse(&reference).await;
    assert_eq!(image["analysis_status"], "analysis_failed");
    let digest = image["image_digest"].as_str().unwrap();
    let answer = node.admin.get(&format!("/v2/images/{digest}/vuln/all")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text.contains("analysis_status: analysis_failed"), "{}", answer.text);
    let events = node.admin.get("/v2/events?level=ERROR").await.json();
    let event = &events["results"][0]["event"];
    assert_eq!(event["type"], "user.image.analysis.failed", "{events}");
}

#[tokio::test]
async fn without_data_nothing_is_called_clean() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let reference = registry.push("a", "1", &debian());
    let image = node.analyse(&reference).await;
    let digest = image["image_digest"].as_str().unwrap();
    let check = node.admin.get(&format!("/v2/images/{digest}/check?tag={reference}")).await.json();
    let findings = check["evaluations"][0]["details"]["findings"].to_string();
    assert!(findings.contains("vulnerability_data_unavailable"), "{findings}");
    let native = node.admin.get(&format!("/kedge/v1/images/{digest}/findings")).await.json();
    let coverage = native["coverage"].as_array().unwrap();
    assert!(!coverage.is_empty(), "{native}");
    assert!(coverage.iter().all(|row| row.get("fetched").is_none_or(Value::is_null)), "{native}");
}

#[tokio::test]
async fn deleting_an_image_frees_its_tag() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let reference = registry.push("a", "1", &debian());
    let image = node.analyse(&reference).await;
    let digest = image["image_digest"].as_str().unwrap();
    let found = node.admin.get(&format!("/v2/images?full_tag={reference}")).await;
    assert_eq!(found.json()["items"].as_array().unwrap().len(), 1);
    let deleted = node.admin.call(Method::DELETE, &format!("/v2/images/{digest}"), None).await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text);
    assert_eq!(deleted.json()["status"], "deleting");
    let gone = node.admin.get(&format!("/v2/images/{digest}")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let gone = node.admin.get(&format!("/v2/images?full_tag={reference}")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "an unknown tag is 404, not an empty list");
}
