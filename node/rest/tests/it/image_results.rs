//! What is answered about an analysed image, in the shapes that clients index into.

use crate::world::{ALICE, TAG, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_are_listed_and_found() {
    let world = World::start().await;
    let list = world.get("/v2/images", ALICE).await.expect(200).json();
    let image = &list["items"][0];
    assert_eq!(image["image_digest"], world.image.to_string());
    assert_eq!(image["analysis_status"], "analyzed");
    assert_eq!(image["image_status"], "active");
    assert_eq!(image["annotations"], json!({"k": "v"}));
    let facts = &image["image_content"]["metadata"];
    assert_eq!((&facts["distro"], &facts["layer_count"]), (&json!("debian"), &json!(1)));
    assert_eq!(facts["dockerfile_mode"], "Guessed");
    let detail = &image["image_detail"][0];
    assert_eq!(detail["full_tag"], TAG);
    assert_eq!(detail["full_digest"], format!("q.io/team/app@{}", world.image));
    for key in ["registry", "repo", "tag", "image_id", "created_at", "tag_detected_at"] {
        assert!(!detail[key].as_str().unwrap().is_empty(), "{key}");
    }
    let id = detail["image_id"].as_str().unwrap();
    for filter in [
        format!("full_tag={TAG}"),
        format!("image_id={id}"),
        format!("image_id=sha256:{id}&history=1"),
        "analysis_status=analyzed".to_owned(),
        "image_status=all".to_owned(),
        "analyzed_since=2020-01-01T00:00:00Z".to_owned(),
    ] {
        let found = world.get(&format!("/v2/images?{filter}"), ALICE).await.expect(200).json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{filter}");
    }
    for filter in ["analysis_status=analyzing", "image_status=deleting"] {
        let found = world.get(&format!("/v2/images?{filter}"), ALICE).await.expect(200).json();
        assert_eq!(found["items"], json!([]), "{filter}");
    }
    for filter in ["full_tag=q.io/none:1", &format!("image_id={}", "0".repeat(64))] {
        let none = world.get(&format!("/v2/images?{filter}"), ALICE).await.expect(404).json();
        assert_eq!(none["message"], "image data not found in DB");
    }
    let one = world.get(&world.image_path(""), ALICE).await.expect(200).json();
    assert_eq!(one["image_digest"], image["image_digest"]);
    let ancestors = world.get(&world.image_path("/ancestors"), ALICE).await.expect(200);
    assert_eq!(ancestors.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_and_metadata() {
    let world = World::start().await;
    let get = async |rest: &str| world.get(&world.image_path(rest), ALICE).await.expect(200).json();
    let types = get("/content").await;
    assert_eq!(types[0], "os");
    let os = get("/content/os").await;
    let package = &os["content"][0];
    assert_eq!((&package["package"], &package["type"]), (&json!("zlib1g"), &json!("dpkg")));
    assert_eq!((&package["size"], &package["origin"]), (&json!("17"), &json!("N/A")));
    let java = get("/content/java").await;
    let archive = &java["content"][0];
    assert_eq!(archive["maven-version"], "4");
    assert_eq!(archive["specification-version"], "3");
    assert_eq!(archive["implementation-version"], "N/A");
    assert_eq!(archive["origin"], "org.x");
    assert_eq!(get("/content/npm").await["content"][0]["package"], "left-pad");
    assert_eq!(get("/content/gem").await["content"], json!([]));
    let files = get("/content/files").await;
    let file = &files["content"][0];
    assert_eq!((&file["mode"], &file["type"]), (&json!("0o777"), &json!("slink")));
    assert_eq!((&file["linkdest"], &file["sha256"]), (&json!("usr/bin"), &Value::Null));
    assert_eq!(get("/content/malware").await["content"], json!([]));
    let licenses = get("/content/licenses").await;
    assert_eq!(licenses["items"][0]["licenses"][0]["license_id"], "MIT");
    let summary = get("/content-summary").await;
    let count = |name: &str| {
        let items = summary["items"].as_array().unwrap();
        items.iter().find(|item| item["content_type"] == name).map(|item| item["count"].clone())
    };
    assert_eq!((count("os"), count("files"), count("gem")), (Some(json!(1)), Some(json!(1)), None));
    assert_eq!(get("/metadata").await, json!(["manifest", "docker_history", "dockerfile"]));
    for (kind, part) in [
        ("manifest", "schemaVersion"),
        ("docker_history", "RUN make"),
        ("dockerfile", "FROM scratch"),
    ] {
        let metadata = get(&format!("/metadata/{kind}")).await;
        let bytes = STANDARD.decode(metadata["metadata"].as_str().unwrap()).unwrap();
        assert!(String::from_utf8(bytes).unwrap().contains(part), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sbom_documents() {
    let world = World::start().await;
    let get = async |rest: &str| world.get(&world.image_path(rest), ALICE).await.expect(200);
    let native = get("/sboms/native-json").await;
    assert_eq!(native.header("content-type"), "application/json");
    assert_eq!(native.json()["packages"].as_array().unwrap().len(), 3);
    let cyclonedx = get("/sboms/cyclonedx-json").await;
    assert_eq!(cyclonedx.json()["bomFormat"], "CycloneDX");
    assert!(cyclonedx.text.contains("2024-05-01T10:00:00Z"), "the image's time, not the clock's");
    let spdx = get("/sboms/spdx-json").await;
    assert_eq!(spdx.json()["spdxVersion"], "SPDX-2.3");
    assert_eq!(spdx.text, get("/sboms/spdx-json").await.text, "the same content, the same bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_advisory_data_nothing_is_called_clean() {
    let world = World::start().await;
    let get = async |rest: &str| world.get(&world.image_path(rest), ALICE).await.expect(200).json();
    assert_eq!(get("/vuln").await, json!(["os", "non-os", "all"]));
    let report = get("/vuln/all").await;
    assert_eq!(report["vulnerability_type"], "all");
    assert_eq!(report["vulnerabilities"], json!([]));
    let base = format!("/vuln/os?base_digest={}", world.image);
    assert!(get(&base).await.get("base_image_problems").is_none());
    let bad = get("/vuln/os?base_digest=sha256:00").await;
    assert_eq!(bad["base_image_problems"].as_array().unwrap().len(), 1);

    let findings =
        world.get(&format!("/kedge/v1/images/{}/findings", world.image), ALICE).await.expect(200);
    let coverage = findings.json()["coverage"].clone();
    let unchecked = coverage.as_array().unwrap().iter().all(|row| row.get("fetched").is_none());
    assert!(unchecked && !coverage.as_array().unwrap().is_empty(), "{coverage}");

    let check = get(&format!("/check?tag={TAG}")).await;
    assert_eq!(check["evaluated_tag"], TAG);
    let result = &check["evaluations"][0];
    let findings = result["details"]["findings"].as_array().unwrap();
    let said = findings.iter().any(|finding| {
        finding["trigger"] == "vulnerability_data_unavailable"
            || finding["trigger"] == "stale_feed_data"
    });
    assert!(said, "the missing data is a finding: {findings:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_in_the_contracts_shape() {
    let world = World::start().await;
    let path = |query: &str| world.image_path(&format!("/check?tag={TAG}{query}"));
    let check = world.get(&path(""), ALICE).await.expect(200).json();
    let result = &check["evaluations"][0];
    for key in [
        "comparison_image_digest",
        "matched_allowlisted_images_rule",
        "matched_denylisted_images_rule",
        "matched_mapping_rule",
    ] {
        assert!(result.as_object().unwrap().contains_key(key), "{key}");
    }
    assert_eq!(result["final_action_reason"], "policy_evaluation");
    assert_eq!(result["image_mapped_to_rule"], true);
    let passes = result["final_action"] != "stop";
    assert_eq!(result["status"], if passes { "pass" } else { "fail" });
    for finding in result["details"]["findings"].as_array().unwrap() {
        for key in ["trigger_id", "gate", "message", "rule_id", "allowlisted", "allowlist_match"] {
            assert!(finding.as_object().unwrap().contains_key(key), "{key}");
        }
    }
    assert_eq!(result["details"]["policy"]["version"], "2");
    let short = world.get(&path("&detail=false"), ALICE).await.expect(200).json();
    assert!(short["evaluations"][0].get("details").is_none());
    let history = world.get(&path("&history=true"), ALICE).await.expect(200).json();
    assert!(!history["evaluations"].as_array().unwrap().is_empty());

    let other = world.image_path("/check?tag=q.io/other:9");
    let none = world.get(&other, ALICE).await.expect(404).json();
    assert_eq!(none["message"], "could not find any evaluations for input images");
    world.get(&format!("{other}&interactive=true"), ALICE).await.expect(200);
    world.get(&path("&policy_id=no-such"), ALICE).await.expect(404);
    world.get(&world.image_path("/check?tag=NOT%20A%20TAG"), ALICE).await.expect(400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_image_is_gone_and_deleting_it_again_says_so() {
    let world = World::start().await;
    let digest = world.image.to_string();
    let path = format!("/v2/images?image_digests={digest},sha256:{}&force=True", "0".repeat(64));
    let answer = world.call("DELETE", &path).by(ALICE).send().await.expect(200).json();
    assert_eq!(answer[0]["status"], "deleting");
    assert_eq!(answer[1]["status"], "not_found");
    world.get(&world.image_path(""), ALICE).await.expect(404);
    let again = world.call("DELETE", &world.image_path("")).by(ALICE).send().await.expect(200);
    assert_eq!(again.json(), json!({"image_digest": digest, "status": "not_found"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_jobs_of_the_analysis() {
    let world = World::start().await;
    let events = world.get("/v2/events?event_type=user.image.*", ALICE).await.expect(200).json();
    let event = &events["results"][0];
    assert_eq!(event["event"]["type"], "user.image.analysis.completed");
    assert_eq!(event["event"]["category"], "user");
    assert!(event["event"]["details"].is_object());
    let path = format!("/v2/events/{}", event["event_id"].as_str().unwrap());
    world.get(&path, ALICE).await.expect(200);
    world.call("DELETE", &path).by(ALICE).send().await.expect(200);
    world.get(&path, ALICE).await.expect(404);
    let jobs = world.get("/kedge/v1/jobs?kind=analyze", ALICE).await.expect(200).json();
    let job = &jobs["jobs"][0];
    assert_eq!((&job["state"], &job["kind"]), (&json!("done"), &json!("analyze")));
    assert_eq!(job["subject"], world.image.to_string());
    let path = format!("/kedge/v1/jobs/{}", job["id"].as_str().unwrap());
    world.get(&path, ALICE).await.expect(200);
    for verb in ["retry", "cancel"] {
        let ended = world.call("POST", &format!("{path}/{verb}")).by(ALICE).send().await;
        assert_eq!(ended.expect(409).json()["code"], "job_state", "{verb}");
    }
    let removed = world.call("DELETE", "/v2/events").by(ALICE).send().await.expect(200).json();
    assert!(removed.is_array());
}
