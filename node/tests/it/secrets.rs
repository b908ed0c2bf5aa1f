//! A stored password is nowhere: not in an answer, an event, or any byte the node wrote.

use kedge_testkit::image::debian;
use kedge_testkit::node::{PASSWORD, TestNode};
use kedge_testkit::registry::FakeRegistry;
use reqwest::StatusCode;
use serde_json::json;
use std::path::{Path, PathBuf};

const CANARY: &str = "canary-7f3a9c-not-a-real-password";

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The canary, and what a careless program would make of it.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    use std::fmt::Write as _;
    let hex = secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let mut forms = vec![secret.as_bytes().to_vec(), hex.into_bytes()];
    // Base64 at each of the three alignments it can have inside a longer text.
    for shift in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(b'x', shift).chain(secret.bytes()).collect();
        let text = kedge_testkit::image::base64(&padded);
        forms.push(text.as_bytes()[4..text.len() - 4].to_vec());
    }
    forms
}

fn assert_absent(place: &str, bytes: &[u8], secret: &str) {
    for form in forms(secret) {
        let found = bytes.windows(form.len()).any(|window| window == form);
        assert!(!found, "{place} holds a secret as {:?}", String::from_utf8_lossy(&form));
    }
}

#[tokio::test]
async fn a_stored_password_is_in_no_answer_and_no_file() {
    let mut node = TestNode::start().await;
    let registry = FakeRegistry::with_login("bob", CANARY).await;
    let entry =
        json!({"registry": registry.host(), "registry_user": "bob", "registry_pass": CANARY});
    let mut answers = Vec::new();
    answers.push(node.admin.post("/v2/registries", &entry).await);
    assert_eq!(answers[0].status, StatusCode::OK, "{}", answers[0].text);
    answers.push(node.admin.post("/v2/registries", &entry).await);
    let mut typo = entry.clone();
    typo["registry_passs"] = json!(CANARY);
    answers.push(node.admin.post("/v2/registries", &typo).await);
    typo["registry_verify"] = json!(CANARY);
    answers.push(node.admin.post("/v2/registries", &typo).await);
    let path = format!("/v2/registries/{}", registry.host());
    answers.push(node.admin.put(&path, &entry).await);
    let image = node.analyse(&registry.push("a", "1", &debian())).await;
    assert_eq!(image["analysis_status"], "analyzed", "the password is in use");
    for path in [
        "/v2/registries",
        &path,
        "/v2/events",
        "/kedge/v1/jobs",
        "/v2/system",
        "/v2/status",
        "/metrics",
        "/v2/accounts",
        "/v2/accounts/admin/users",
    ] {
        answers.push(node.admin.get(path).await);
    }
    for answer in &answers {
        assert_absent("an answer", answer.text.as_bytes(), CANARY);
        assert_absent("an answer", answer.text.as_bytes(), PASSWORD);
    }
    // The running node's files, then those of a clean stop with its snapshot.
    for round in ["running", "stopped"] {
        if round == "stopped" {
            node.node().handle().snapshot_now().await.unwrap();
            node.stop().await;
        }
        let files = files(node.data_dir());
        assert!(files.len() > 8, "{files:?}");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            assert_absent(&format!("{round}: {}", file.display()), &bytes, CANARY);
            assert_absent(&format!("{round}: {}", file.display()), &bytes, PASSWORD);
        }
    }
}

#[test]
fn the_search_finds_what_it_should() {
    let careless = [
        format!("password={CANARY}"),
        kedge_testkit::image::base64(format!("bob:{CANARY}").as_bytes()),
        kedge_testkit::image::base64(format!("x{CANARY}y").as_bytes()),
    ];
    for text in careless {
        let found = std::panic::catch_unwind(|| assert_absent("x", text.as_bytes(), CANARY));
        assert!(found.is_err(), "{text}");
    }
}
