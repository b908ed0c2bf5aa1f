//! The form of requests and answers: ids, media types, sizes, mistakes, routing, overload.

use crate::world::{ADMIN, ALICE, BOB, World};
use axum::body::Body;
use kedge_rest::Options;
use kedge_rest::limits::{ACCOUNT_SHARE, JSON_BODY_BYTES_MAX, POLICY_BODY_BYTES_MAX};
use serde_json::{Value, json};
use std::sync::Arc;
use std::task::Poll;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_no_login() {
    let world = World::start().await;
    let open = |path: &'static str| world.call("GET", path).send();
    for path in ["/version", "/v2/version", "//version", "///version"] {
        let version = open(path).await.expect(200).json();
        assert_eq!(version["api"]["version"], "2", "{path}");
        assert_eq!(version["service"]["version"], "5.21.0");
    }
    for path in ["/", "/v2"] {
        assert_eq!(open(path).await.expect(200).json(), json!("v2"));
    }
    for path in ["/health", "/v2/health"] {
        assert_eq!(open(path).await.expect(200).text, "");
    }
    for path in ["/swagger.json", "/v2/openapi.json", "/openapi.json"] {
        assert_eq!(open(path).await.expect(200).json()["openapi"], "3.1.0");
    }
    assert_eq!(open("/livez").await.expect(200).text, "ok");
    open("/healthz").await.expect(200);
    let verbose = open("/readyz?verbose").await.expect(200).text;
    assert!(verbose.contains("[+] store") && verbose.contains("[+] leader"), "{verbose}");
    world.app.drain();
    let draining = open("/readyz?verbose").await.expect(503).text;
    assert!(draining.contains("[-] draining"), "{draining}");
    open("/livez").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_routes_not_paths() {
    let world = World::start().await;
    world.get("/v2/images", ALICE).await.expect(200);
    world.get(&world.image_path(""), ALICE).await.expect(200);
    world.call("GET", "/no/such/secret-path").send().await.expect(404);
    let answer = world.call("GET", "/metrics").send().await.expect(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = answer.text;
    for line in [
        r#"kedge_http_requests_total{route="/v2/images",method="GET",status="200"} 1"#,
        r#"kedge_http_requests_total{route="/v2/images/{image_digest}",method="GET",status="200"} 1"#,
        r#"kedge_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
        r#"kedge_images{status="analyzed"} 1"#,
        "kedge_raft_is_leader 1",
        "kedge_build_info{version=",
        r#"kedge_jobs{kind="analyze",state="done"} 1"#,
        "kedge_http_request_duration_seconds_bucket",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for secret in ["secret-path", "team-a", "sha256:"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routing_errors_have_a_string_detail_and_handlers_errors_an_object() {
    let world = World::start().await;
    let unknown = world.call("GET", "/v2/no-such").send().await.expect(404);
    assert_eq!(unknown.header("content-type"), "application/problem+json");
    assert!(unknown.json()["detail"].as_str().unwrap().starts_with("The requested URL was not"));
    let method = world.call("PATCH", "/v2/images").send().await.expect(405);
    let document = method.json();
    assert_eq!(
        (&document["title"], &document["detail"]),
        (&json!("Method Not Allowed"), &json!("Method Not Allowed"))
    );
    assert!(method.header("allow").contains("GET"), "{:?}", method.headers);
    let handler = world.get("/v2/registries/none.example.com", ALICE).await.expect(404).json();
    assert_eq!(handler["message"], "registry not found in DB");
    assert_eq!((&handler["httpcode"], &handler["code"]), (&json!(404), &json!(404)));
    assert_eq!(handler["error_type"], "NotFound");
    assert_eq!(handler["detail"]["error_codes"], json!([]));
    let ours = world.get("/kedge/v1/jobs/1", ALICE).await.expect(404);
    assert_eq!(ours.header("content-type"), "application/problem+json");
    assert_eq!(ours.json()["code"], "job_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_ids_are_echoed_or_made() {
    let world = World::start().await;
    let call = || world.call("GET", "/v2/registries/none.example.com").by(ALICE);
    let given = call().header("anchore-request-id", "my-id-1").send().await;
    assert_eq!(given.header("anchore-request-id"), "my-id-1");
    assert_eq!(given.json()["anchore_request_id"], "my-id-1");
    for bad in ["UPPER", "a b", &"x".repeat(65), ""] {
        let made = call().header("anchore-request-id", bad).send().await;
        assert_eq!(made.header("anchore-request-id").len(), 32, "{bad}");
    }
    let (one, two) = (call().send().await, call().send().await);
    assert_ne!(one.header("anchore-request-id"), two.header("anchore-request-id"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(one.header(name), value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_not_what_the_route_takes() {
    let world = World::start().await;
    let post = |body: &str| {
        world.call("POST", "/v2/images").by(ALICE).text("application/json", body).send()
    };
    for (body, part) in [
        ("{", "EOF"),
        ("", "EOF"),
        ("not json", "expected"),
        ("[]", "expected an object"),
        (r#"{"source":{"tag":["q.io/a:1"]}}"#, "'source.tag'"),
        (r#"{"sourec":{}}"#, "unknown field `sourec`"),
        (r#"{"source":{"tag":{}}}"#, "'pull_string' is a required property - 'source.tag'"),
        (r#"{"source":{"tag":{"pull_string":7}}}"#, "'source.tag.pull_string'"),
        (
            r#"{"source":{"tag":{"pull_string":"a"},"digest":{"pull_string":"a","tag":"b"}}}"#,
            "only one",
        ),
        (r#"{"source":{}}"#, "one of tag, digest"),
        (r#"{"source":{"archive":{"digest":"x"}}}"#, "not supported"),
        (r#"{"image_type":"source"}"#, "image_type"),
        ("{}", "'source' is a required property"),
    ] {
        let answer = post(body).await.expect(400);
        let document = answer.json();
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{body}: {detail}");
        assert_eq!(document["message"], document["detail"]);
    }
    for (body, part) in [
        (r#"{"source":{"tag":{"pull_string":"https://q.io/a"}}}"#, "scheme"),
        (r#"{"source":{"tag":{"pull_string":"UPPER CASE"}}}"#, "pull_string"),
        (r#"{"source":{"tag":{"pull_string":"q.io/a:1","dockerfile":"%%"}}}"#, "base64"),
        (r#"{"source":{"digest":{"pull_string":"q.io/a:1","tag":"q.io/a:1"}}}"#, "digest"),
    ] {
        let document = post(body).await.expect(400).json();
        assert!(document["message"].as_str().unwrap().contains(part), "{body}: {document}");
        assert_eq!(document["code"], 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_media_types_are_refused() {
    let world = World::start().await;
    let post = || world.call("POST", "/v2/images").by(ALICE);
    for media in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let answer = post().text(media, "{}").send().await.expect(415);
        assert_eq!(answer.json()["detail"], "Content-Type must be application/json");
    }
    post().body(Body::from("{}")).send().await.expect(415);
    post().text("application/json; charset=utf-8", "{}").send().await.expect(400);
    let get = world.call("GET", "/v2/images").by(ALICE).header("content-type", "application/json");
    get.send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_bodies_are_refused_announced_or_not() {
    let world = World::start().await;
    let announced = world
        .call("POST", "/v2/images")
        .by(ALICE)
        .header("content-type", "application/json")
        .header("content-length", "99999999999")
        .send()
        .await
        .expect(413);
    assert!(announced.json()["detail"].as_str().unwrap().contains("JSON_BODY_BYTES_MAX"));
    for (path, limit) in
        [("/v2/images", JSON_BODY_BYTES_MAX), ("/v2/policies", POLICY_BODY_BYTES_MAX)]
    {
        let pieces = (0..=limit / 65_536).map(|_| Ok::<_, std::io::Error>(vec![b' '; 65_536]));
        let body = Body::from_stream(futures::stream::iter(pieces));
        let call = world.call("POST", path).by(ALICE).header("content-type", "application/json");
        call.body(body).send().await.expect(413);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_and_paths_that_cannot_be_read() {
    let world = World::start().await;
    let digest = &world.image;
    for (path, part) in [
        ("/v2/images?history=perhaps".to_owned(), "history"),
        ("/v2/images?image_status=gone".to_owned(), "image_status"),
        ("/v2/events?page=first".to_owned(), "page"),
        ("/v2/events?level=WARN".to_owned(), "level"),
        ("/v2/events?since=yesterday".to_owned(), "since"),
        ("/kedge/v1/jobs?stat=done".to_owned(), "stat"),
        (format!("/v2/images/{digest}/check"), "Missing query parameter 'tag'"),
        (format!("/v2/images/{digest}/vuln/some"), "vulnerability type"),
        (format!("/v2/images/{digest}/content/dust"), "content type"),
        (format!("/v2/images/{digest}/metadata/dust"), "metadata type"),
        ("/v2/images/latest".to_owned(), "image_digest"),
        ("/v2/images/sha512:00".to_owned(), "sha512"),
        ("/v2/images/%ff".to_owned(), "path"),
    ] {
        let document = world.get(&path, ALICE).await.expect(400).json();
        let said = document["message"].as_str().unwrap();
        assert!(said.contains(part), "{path}: {said}");
    }
    let missing = world.call("DELETE", "/v2/images").by(ALICE).send().await.expect(400);
    assert!(missing.text.contains("Missing query parameter 'image_digests'"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_are_turned_away_and_health_is_not() {
    let options = Options { requests_max: 0, ..Options::default() };
    let world = World::start_with(&options).await;
    let answer = world.get("/v2/images", ALICE).await.expect(503);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.json()["code"], "overloaded");
    for path in ["/health", "/version", "/livez", "/readyz", "/metrics"] {
        world.call("GET", path).send().await.expect(200);
    }
}

/// A body whose end never comes; tells when it is waited for.
fn endless() -> (Body, tokio::sync::oneshot::Receiver<()>) {
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let pieces = futures::stream::poll_fn(move |_| {
        if let Some(tell) = tell.take() {
            tell.send(()).unwrap();
        }
        Poll::<Option<Result<Vec<u8>, std::io::Error>>>::Pending
    });
    (Body::from_stream(pieces), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_requests_of_one_account_leave_room_for_others() {
    let share = 2;
    let options = Options { requests_max: share * ACCOUNT_SHARE, ..Options::default() };
    let world = World::start_with(&options).await;
    let mut slow = Vec::new();
    for _ in 0..share {
        let (body, told) = endless();
        let call = world.call("POST", "/v2/images").by(ALICE);
        let call = call.header("content-type", "application/json").body(body);
        slow.push(tokio::spawn(call.send()));
        told.await.unwrap();
    }
    let turned_away = world.get("/v2/images", ALICE).await.expect(503);
    assert_eq!(turned_away.json()["code"], "overloaded");
    world.get("/v2/images", BOB).await.expect(200);
    for task in slow {
        task.abort();
        assert!(task.await.err().unwrap().is_cancelled());
    }
    world.get("/v2/images", ALICE).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_is_counted_by_one_for_all() {
    let world = World::start().await;
    let all = futures::future::join_all((0..8).map(|_| world.app.statistics())).await;
    let first = all[0].as_ref().unwrap();
    assert!(all.iter().all(|counted| Arc::ptr_eq(counted.as_ref().unwrap(), first)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_takes_too_long_is_ended() {
    let options = Options { request_timeout_s: 0, ..Options::default() };
    let world = World::start_with(&options).await;
    let answer = world.get("/v2/images", ALICE).await.expect(503);
    assert_eq!(answer.json()["code"], "timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_tells_about_itself() {
    let world = World::start().await;
    let services = world.get("/v2/system", ALICE).await.expect(200).json();
    let states = services["service_states"].as_array().unwrap();
    for name in ["apiext", "catalog", "policy_engine", "simplequeue", "analyzer"] {
        let found = states.iter().find(|state| state["service_name"] == name).unwrap();
        assert_eq!(found["status"], true, "{name}");
        assert_eq!(found["status_message"], "available");
    }
    let list = world.get("/v2/system/services/catalog/node-1", ALICE).await.expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    let spec = world.get("/v2/system/policy-spec", ALICE).await.expect(200).json();
    let gates: Vec<&Value> = spec.as_array().unwrap().iter().map(|gate| &gate["name"]).collect();
    assert!(gates.contains(&&json!("vulnerabilities")), "{gates:?}");
    let codes = world.get("/v2/system/error-codes", ALICE).await.expect(200).json();
    assert_eq!(codes[0]["name"], "REGISTRY_PERMISSION_DENIED");
    assert_eq!(world.get("/v2/status", ALICE).await.expect(200).json()["up"], true);
    let alive = world.call("DELETE", "/v2/system/services/catalog/node-1").by(ADMIN).send().await;
    assert!(alive.expect(409).text.contains("cannot delete an active service"));
    let feeds = world.get("/v2/system/feeds", ALICE).await.expect(200).json();
    assert_eq!(feeds[0]["name"], "vulnerabilities");
    assert!(feeds[0]["groups"].is_array() && feeds[0].get("last_full_sync").is_none());
    world.get("/kedge/v1/feeds/generation", ALICE).await.expect(404);
    let drivers = world.get("/kedge/v1/feeds/drivers", ALICE).await.expect(200).json();
    assert!(!drivers["drivers"].as_array().unwrap().is_empty());
    let types = world.get("/v2/event-types", ALICE).await.expect(200).json();
    assert_eq!(types[1]["name"], "user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_generation_is_refused_and_leaves_nothing_behind() {
    let world = World::start().await;
    let import = |path| {
        let call = world.call("POST", path).by(ADMIN);
        call.text("application/octet-stream", "this is no generation").send()
    };
    let misspelt = import("/kedge/v1/feeds/bundle?froce=true").await.expect(400).json();
    assert!(misspelt["detail"].as_str().unwrap().contains("froce"), "{misspelt}");
    let refused = import("/kedge/v1/feeds/bundle?force=True").await.expect(400);
    assert_eq!(refused.json()["code"], "feed_generation_refused");
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nbytes\r\n--x--\r\n";
    let upload = world
        .call(
            "POST",
            "/v2/system/feeds/vulnerability_db?version=1&built=2024-05-01T10:00:00Z&checksum=00",
        )
        .by(ADMIN)
        .text("multipart/form-data; boundary=x", form);
    assert!(upload.send().await.expect(400).text.contains("checksum does not fit"));
    let uploads = world.app.system().handle().data_dir().root().join("uploads");
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0);
}
