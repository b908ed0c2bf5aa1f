//! Commands against a node, played by a stub with the contract's answers.

use crate::run::Home;
use crate::stub::{Answer, Stub};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn image(status: &str) -> Value {
    json!({
        "image_digest": DIGEST, "parent_digest": DIGEST, "account_name": "admin",
        "image_status": "active", "analysis_status": status, "annotations": {"team": "a"},
        "image_content": {"metadata": {"arch": "amd64", "distro": "debian", "distro_version": "12"}},
        "image_detail": [{
            "full_tag": "q.io/app:1", "full_digest": format!("q.io/app@{DIGEST}"),
            "account_name": "admin", "image_id": "22", "registry": "q.io", "repo": "app", "tag": "1",
            "image_digest": DIGEST, "tag_detected_at": "2026-01-01T00:00:00Z",
            "created_at": "2026-01-01T00:00:00Z", "last_updated": "2026-01-01T00:00:00Z"}],
        "created_at": "2026-01-01T00:00:00Z", "last_updated": "2026-01-01T00:00:00Z"
    })
}

fn user() -> Answer {
    let user = json!({"username": "admin", "account_name": "admin", "type": "native",
        "created_at": "2026-01-01T00:00:00Z", "last_updated": "2026-01-01T00:00:00Z"});
    ("GET /v2/user", 200, user.to_string())
}

fn refusal(status: u16, message: &str, code: &str) -> String {
    json!({"message": message, "httpcode": status, "code": status, "error_type": "X",
        "detail": {"error_codes": [code]}})
    .to_string()
}

/// A home whose variables name the stub.
fn home(stub: &Stub) -> Home {
    let mut home = Home::new();
    home.set("KEDGE_URL", &stub.url);
    home.set("KEDGE_USERNAME", "admin");
    home.set("KEDGE_PASSWORD", "canary-1");
    home
}

#[test]
fn login_keeps_the_password_private_and_logout_forgets_it() {
    let stub = Stub::new(vec![user(), ("GET /v2/images", 200, json!({"items": []}).to_string())]);
    let home = Home::new();
    let arguments =
        ["login", &stub.url, "--username", "admin", "--password-stdin", "--name", "lab"];
    let run = home.run_with(&arguments, b"canary-2\n");
    assert_eq!(run.code, 0, "{run:?}");
    let file = home.path(".config/kedge/config.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // base64 of admin:canary-2
    assert!(stub.requests()[0].headers.contains("Basic YWRtaW46Y2FuYXJ5LTI="));
    home.ok(&["image", "list"]);
    assert!(stub.requests()[1].headers.contains("Basic YWRtaW46Y2FuYXJ5LTI="));
    let list = home.ok(&["context", "list", "-o", "json"]);
    for text in [&run.stdout, &run.stderr, &list.stdout, &list.stderr] {
        assert!(!text.contains("canary"), "{text}");
    }
    home.ok(&["logout"]);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("canary"));
    assert_eq!(home.run(&["context", "use", "other"]).code, 3);
    home.ok(&["context", "rm", "lab"]);
    assert_eq!(home.ok(&["context", "list", "-o", "name"]).stdout, "");
}

#[test]
fn a_wrong_password_is_not_saved() {
    let stub = Stub::new(vec![("GET /v2/user", 401, refusal(401, "unauthorized", "UNAUTHORIZED"))]);
    let home = Home::new();
    let arguments = ["login", &stub.url, "--username", "admin", "--password-stdin"];
    let run = home.run_with(&arguments, b"canary-3");
    assert_eq!(run.code, 4, "{run:?}");
    assert!(!home.path(".config/kedge/config.toml").exists());
    assert!(!run.stderr.contains("canary"), "{run:?}");
    assert_eq!(home.run(&["login", &stub.url, "--username", "admin"]).code, 64);
}

#[test]
fn anchorectl_variables_and_accounts_are_understood() {
    let stub = Stub::new(vec![("GET /v2/images", 200, json!({"items": []}).to_string())]);
    let mut home = Home::new();
    home.set("ANCHORECTL_URL", &format!("{}/v2/", stub.url));
    home.set("ANCHORECTL_USERNAME", "admin");
    home.set("ANCHORECTL_PASSWORD", "canary");
    home.set("ANCHORECTL_ACCOUNT", "team-a");
    home.ok(&["image", "list"]);
    let request = &stub.requests()[0];
    assert_eq!(request.line, "GET /v2/images");
    assert!(request.headers.contains("x-anchore-account: team-a"), "{}", request.headers);
}

#[test]
fn an_image_is_submitted_and_waited_for() {
    let analysed = image("analyzed").to_string();
    let stub = Stub::new(vec![
        ("POST /v2/images", 200, image("not_analyzed").to_string()),
        ("GET /v2/images/", 200, analysed),
    ]);
    let home = home(&stub);
    std::fs::write(home.path("Dockerfile"), "FROM x").unwrap();
    let run = home.ok(&[
        "image",
        "add",
        "q.io/app:1",
        "--wait",
        "--force",
        "--dockerfile",
        "Dockerfile",
        "--annotation",
        "team=a",
        "-o",
        "json",
    ]);
    assert_eq!(run.json()["analysis_status"], "analyzed");
    assert_eq!(run.json()["kind"], "Image");
    let request = &stub.requests()[0];
    assert_eq!(request.line, "POST /v2/images?force=true");
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        body["source"]["tag"],
        json!({"pull_string": "q.io/app:1", "dockerfile": "RlJPTSB4"})
    );
    assert_eq!(body["annotations"], json!({"team": "a"}));
    let by_digest = format!("q.io/app@{DIGEST}");
    assert_eq!(home.run(&["image", "add", &by_digest]).code, 64);
    home.ok(&["image", "add", &by_digest, "--tag", "7"]);
    let last: Value = serde_json::from_str(&stub.requests().last().unwrap().body).unwrap();
    assert_eq!(last["source"]["digest"]["tag"], "q.io/app:7");
}

#[test]
fn a_wait_ends_by_time_or_with_the_reason() {
    let stub = Stub::new(vec![("GET /v2/images/", 200, image("analyzing").to_string())]);
    let run = home(&stub).run(&["image", "wait", DIGEST, "--timeout", "0s"]);
    assert_eq!(run.code, 5, "{run:?}");
    let job = json!({"jobs": [{
        "id": "j-1", "kind": "analyze", "account_name": "admin", "subject": DIGEST, "state": "parked",
        "attempts": 3, "attempts_max": 3, "last_error": "layer 2 is truncated", "problems": [],
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}]});
    let stub = Stub::new(vec![
        ("GET /v2/images/", 200, image("analysis_failed").to_string()),
        ("GET /kedge/v1/jobs", 200, job.to_string()),
    ]);
    let run = home(&stub).run(&["image", "wait", DIGEST]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("layer 2 is truncated") && run.stderr.contains("job retry j-1"));
}

#[test]
fn lists_come_in_every_format() {
    let stub =
        Stub::new(vec![("GET /v2/images", 200, json!({"items": [image("analyzed")]}).to_string())]);
    let home = home(&stub);
    assert_eq!(home.ok(&["image", "list", "-o", "name"]).stdout, "q.io/app:1\n");
    let table = home.ok(&["image", "list", "--status", "analyzed"]).stdout;
    assert!(table.starts_with("TAG") && table.contains("debian 12"), "{table}");
    assert!(stub.requests().last().unwrap().line.ends_with("?analysis_status=analyzed"));
    let json = home.ok(&["image", "list", "-o", "json"]).json();
    assert_eq!((&json["apiVersion"], &json["kind"]), (&json!("kedge/v1"), &json!("ImageList")));
    assert_eq!(json["items"][0]["image_digest"], DIGEST);
    assert_eq!(home.ok(&["image", "list", "-o", "jsonl"]).stdout.lines().count(), 1);
    assert!(
        home.ok(&["image", "list", "-o", "csv"])
            .stdout
            .contains("q.io/app:1,111111111111,analyzed")
    );
    assert!(home.ok(&["image", "list", "-o", "markdown"]).stdout.starts_with("| TAG |"));
    home.ok(&["image", "list", "-o", "csv=images.csv", "-o", "json=images.json"]);
    assert!(home.path("images.csv").is_file() && home.path("images.json").is_file());
}

#[test]
fn vulnerabilities_by_tag_with_gate_and_gaps() {
    let row = json!({
        "vuln": "CVE-2030-0001", "fix": "3.0.11-1", "severity": "High", "package": "libssl3-3.0.9-1",
        "url": "None", "feed": "vulnerabilities", "feed_group": "debian:12", "package_name": "libssl3",
        "package_version": "3.0.9-1", "package_type": "dpkg", "package_cpe": "None",
        "package_path": "None", "purl": "pkg:deb/debian/libssl3@3.0.9-1", "will_not_fix": false,
        "nvd_data": [], "vendor_data": [], "detected_at": "2026-01-01T00:00:00Z", "is_kev": true,
        "epss": [{"epss": 0.5, "percentile": 0.9}], "inherited_from_base": false});
    let answer =
        json!({"image_digest": DIGEST, "vulnerability_type": "all", "vulnerabilities": [row]});
    let gaps = json!({"image_digest": DIGEST, "generation": "g", "engine": "1", "findings": [],
        "suppressed": [], "coverage": [], "problems": [{"code": "advisory_data_missing",
        "severity": "error", "place": "npm", "message": "no advisory data for npm"}]});
    let stub = Stub::new(vec![
        (
            "GET /v2/images?full_tag=q.io%2Fapp%3A1",
            200,
            json!({"items": [image("analyzed")]}).to_string(),
        ),
        ("GET /v2/images?", 200, json!({"items": []}).to_string()),
        ("GET /v2/images/", 200, answer.to_string()),
        ("GET /kedge/v1/images/", 200, gaps.to_string()),
    ]);
    let home = home(&stub);
    let run = home.run(&["image", "vuln", "q.io/app:1", "--fail-on", "high"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.contains("50.0%") && run.stdout.contains("KEV"), "{run:?}");
    assert!(run.stderr.contains("NOT CHECKED: no advisory data for npm"), "{run:?}");
    let lower = home.run(&["image", "vuln", DIGEST, "--fail-on", "critical"]);
    assert_eq!(lower.code, 1, "{lower:?}");
    let accepted = ["image", "vuln", DIGEST, "--fail-on", "critical", "--allow-incomplete"];
    assert_eq!(home.run(&accepted).code, 0);
    let missing = home.run(&["image", "vuln", "q.io/other:1"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.stderr.contains("kedgectl image add q.io/other:1"), "{missing:?}");
}

#[test]
fn a_check_gates_only_when_asked() {
    let check = json!({"policy_id": "p", "image_digest": DIGEST, "evaluated_tag": "q.io/app:1",
        "evaluations": [{
            "details": null, "comparison_image_digest": null,
            "evaluation_time": "2026-01-01T00:00:00Z",
            "evaluation_problems": [{"severity": "error", "problem_type": "MatchingIncompleteError", "details": "npm"}],
            "status": "fail", "final_action": "stop", "final_action_reason": "policy_evaluation",
            "image_allowlisted": false, "matched_allowlisted_images_rule": null,
            "image_denylisted": false, "matched_denylisted_images_rule": null,
            "image_mapped_to_rule": true, "matched_mapping_rule": null, "number_of_findings": 3}]});
    let stub = Stub::new(vec![
        ("GET /v2/images?", 200, json!({"items": [image("analyzed")]}).to_string()),
        (
            "GET /v2/images/sha256:1111111111111111111111111111111111111111111111111111111111111111/check",
            200,
            check.to_string(),
        ),
    ]);
    let home = home(&stub);
    let run = home.ok(&["image", "check", "q.io/app:1"]);
    assert!(
        run.stdout.contains("fail") && run.stderr.contains("MatchingIncompleteError"),
        "{run:?}"
    );
    assert!(stub.requests()[1].line.contains("tag=q.io%2Fapp%3A1"));
    assert_eq!(home.run(&["image", "check", "q.io/app:1", "--gate"]).code, 2);
    assert_eq!(home.run(&["image", "check", "q.io/app:1", "--fail-based-on-results"]).code, 2);
}

#[test]
fn registry_passwords_come_from_standard_input_and_are_never_shown() {
    let stored = json!([{"registry": "q.io:5000/team", "registry_name": "q", "registry_user": "bot",
        "registry_type": "docker_v2", "registry_verify": false, "account_name": "admin",
        "created_at": "2026-01-01T00:00:00Z", "last_updated": "2026-01-01T00:00:00Z"}]);
    let stub = Stub::new(vec![("POST /v2/registries", 200, stored.to_string())]);
    let home = home(&stub);
    let arguments = [
        "registry",
        "add",
        "q.io:5000/team",
        "--username",
        "bot",
        "--password-stdin",
        "--secure-connection=false",
        "--validate=false",
    ];
    let run = home.run_with(&arguments, b"canary-4\n");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(!run.stdout.contains("canary") && !run.stderr.contains("canary"), "{run:?}");
    let request = &stub.requests()[0];
    assert_eq!(request.line, "POST /v2/registries?validate=false");
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["registry_pass"], "canary-4");
    assert_eq!(body["registry_verify"], false);
    assert_eq!(home.run(&["registry", "add", "q.io", "--username", "bot"]).code, 64);
    assert_eq!(
        home.run(&["registry", "delete", "q.io"]).code,
        64,
        "needs --yes without a terminal"
    );
    assert_eq!(home.run(&["registry", "delete", "q.io:5000/team", "--yes"]).code, 3);
    assert_eq!(stub.requests().last().unwrap().line, "DELETE /v2/registries/q.io:5000/team");
}

#[test]
fn refusals_become_exit_codes_with_code_hint_and_request_id() {
    let stub = Stub::new(vec![
        ("GET /v2/policies", 401, refusal(401, "not authenticated", "UNAUTHORIZED")),
        ("GET /v2/accounts", 403, refusal(403, "not permitted", "FORBIDDEN")),
        ("GET /v2/events/", 404, refusal(404, "no such event", "EVENT_NOT_FOUND")),
        ("GET /v2/registries", 503, refusal(503, "starting", "NOT_READY")),
        ("GET /v2/system/feeds", 500, refusal(500, "broken", "INTERNAL")),
        ("GET /kedge/v1/jobs", 400,
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"kind is wrong","code":"invalid"}"#.to_owned()),
        ("GET /v2/event-types", 200, "<html>hello</html>".to_owned()),
    ]);
    let home = home(&stub);
    let check = |arguments: &[&str], code: i32, text: &str| {
        let run = home.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(text), "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "");
    };
    check(&["policy", "list"], 4, "check user name and password");
    check(&["account", "list"], 4, "[FORBIDDEN]");
    check(&["event", "get", "e"], 3, "no such event [EVENT_NOT_FOUND]");
    check(&["registry", "list"], 6, "starting");
    check(&["feed", "list"], 1, "broken");
    check(&["feed", "list", "-v"], 1, "request: req-77");
    check(&["job", "list", "--kind", "x"], 1, "kind is wrong [invalid]");
    check(&["event", "types"], 1, "not understood");
}

#[test]
fn nothing_listening_is_6_and_a_wait_for_it_is_5() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let home = Home::new();
    let run = home.run(&["--url", &url, "image", "list"]);
    assert_eq!(run.code, 6, "{run:?}");
    assert!(run.stderr.contains("cannot be reached") && run.stderr.contains("hint:"), "{run:?}");
    assert_eq!(home.run(&["--url", &url, "system", "wait", "--timeout", "0s"]).code, 5);
}

#[test]
fn an_export_that_is_no_dataset_leaves_nothing_behind() {
    let stub = Stub::new(vec![("GET /kedge/v1/feeds/bundle", 200, "not a dataset".to_owned())]);
    let home = home(&stub);
    let run = home.run(&["feed", "export", "f.kdb"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(!home.path("f.kdb").exists() && !home.path("f.kdb.part").exists());
}
