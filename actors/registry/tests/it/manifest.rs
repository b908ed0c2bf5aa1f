//! Manifests, tags, the login check, retries and odd answers.

use crate::fake::{Fake, MANIFEST, Reply, client, options};
use kedge_artifact::digest::Digest;
use kedge_registry::{Client, Error, MediaType, Options};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_tag_resolves_to_the_digest_of_the_bytes() {
    let lie = Digest::of(b"something else").to_string();
    let fake = Fake::http(move |seen| match seen.path.as_str() {
        "/v2/team/app/manifests/1.0" => Reply::new(
            200,
            &[
                ("Content-Type", "application/vnd.docker.distribution.manifest.list.v2+json"),
                ("Docker-Content-Digest", &lie),
            ],
            MANIFEST,
        ),
        _ => Reply::not_found(),
    })
    .await;
    let resolved = client().resolve(&fake.access(), &fake.reference("team/app:1.0")).await.unwrap();
    assert_eq!(resolved.digest, Digest::of(MANIFEST.as_bytes()));
    assert_eq!(resolved.media_type, MediaType::OciManifest);
    assert_eq!(resolved.bytes, MANIFEST);
    assert_eq!(resolved.size, MANIFEST.len() as u64);
    let codes: Vec<&str> = resolved.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["registry_digest_header_wrong", "registry_media_type_wrong"]);
    let accept = fake.seen()[0].header("accept").unwrap().to_owned();
    for kind in [MediaType::OciManifest, MediaType::OciIndex, MediaType::DockerManifest] {
        assert!(accept.contains(kind.as_str()));
    }
}

#[tokio::test]
async fn other_bytes_than_the_digest_asked_for_are_refused() {
    let fake = Fake::http(|_| Reply::ok(MANIFEST)).await;
    let wanted = Digest::of(b"wanted");
    let error = client().manifest(&fake.access(), "team/app", wanted).await.unwrap_err();
    assert_eq!(error.code(), "digest_mismatch");
    assert!(error.to_string().contains(&wanted.to_string()));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn unknown_images_and_schema_1_are_named() {
    let fake = Fake::http(|seen| match seen.path.as_str() {
        "/v2/old/manifests/latest" => Reply::ok(r#"{"schemaVersion":1,"fsLayers":[]}"#),
        _ => Reply::not_found(),
    })
    .await;
    let client = client();
    let error = client.resolve(&fake.access(), &fake.reference("gone:v1")).await.unwrap_err();
    assert_eq!(error.code(), "image_not_found");
    assert!(error.to_string().contains("gone:v1") && error.to_string().contains(&fake.host()));
    let error = client.resolve(&fake.access(), &fake.reference("old")).await.unwrap_err();
    assert_eq!(error.code(), "manifest_unsupported");
    assert!(error.to_string().contains("schema 1"));
}

#[tokio::test]
async fn a_login_page_is_not_a_registry() {
    let html = [("Content-Type", "text/html; charset=utf-8")];
    let fake = Fake::http(move |_| Reply::new(200, &html, "<!doctype html><form>")).await;
    let client = client();
    let error = client.ping(&fake.access()).await.unwrap_err();
    assert_eq!(error.code(), "not_a_registry");
    let error = client.resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
    assert_eq!(error.code(), "not_a_registry");
    // The same page without its type.
    let fake = Fake::http(|_| Reply::ok("  <html><form>")).await;
    let error = client.resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
    assert_eq!(error.code(), "not_a_registry");
    assert_eq!(client.ping(&fake.access()).await.unwrap_err().code(), "not_a_registry");
    // A web server that knows no /v2/.
    let fake = Fake::http(|_| Reply::not_found()).await;
    assert_eq!(client.ping(&fake.access()).await.unwrap_err().code(), "not_a_registry");
}

#[tokio::test]
async fn passing_failures_are_repeated() {
    let tries = AtomicUsize::new(0);
    let fake = Fake::http(move |seen| {
        if !seen.path.contains("manifests") {
            return Reply::ok("{}");
        }
        match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::new(503, &[], ""),
            1 => Reply::new(429, &[("Retry-After", "0")], ""),
            2 => Reply::raw(""),
            3 => Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"sch"),
            4 => Reply::new(502, &[("Retry-After", "-1")], ""),
            _ => Reply::ok(MANIFEST),
        }
    })
    .await;
    let resolved = client().resolve(&fake.access(), &fake.reference("a")).await.unwrap();
    assert_eq!(resolved.bytes, MANIFEST);
    assert_eq!(fake.seen().len(), 6);
}

#[tokio::test]
async fn repetition_has_an_end() {
    let fake = Fake::http(|_| Reply::new(503, &[], "")).await;
    let error = client().resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
    assert_eq!(error.code(), "registry_unavailable");
    assert!(error.is_transient());
    assert_eq!(fake.seen().len(), 1 + options().retries_max as usize);
}

#[tokio::test]
async fn a_long_retry_after_does_not_outlast_the_deadline() {
    for value in ["1000000000", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let fake = Fake::http(move |_| Reply::new(429, &[("Retry-After", value)], "")).await;
        let deadline = Duration::from_secs(5);
        let client = Client::new(Options { operation_deadline: deadline, ..options() }).unwrap();
        // The capped wait is longer than the deadline, so there is no second request.
        let error = client.resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
        assert_eq!(error.code(), "rate_limited");
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn malformed_http_is_refused() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(8 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5000));
    let cases = [
        huge,
        many,
        "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9\r\n".to_owned(),
    ];
    for bytes in cases {
        let shown: String = bytes.chars().take(40).collect();
        let fake = Fake::http(move |_| Reply::raw(bytes.clone())).await;
        let client = Client::new(Options { retries_max: 1, ..options() }).unwrap();
        let error = client.resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
        assert_eq!(error.code(), "not_a_registry", "{shown}: {error}");
    }
}

#[tokio::test]
async fn a_large_manifest_is_refused_unread() {
    let fake = Fake::http(|seen| {
        if seen.path.ends_with("announced") {
            return Reply::new(200, &[("Content-Length", "99999999999")], "{");
        }
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n{";
        Reply { endless: seen.path.contains("manifests"), ..Reply::raw(chunked) }
    })
    .await;
    for tag in ["announced", "endless"] {
        let reference = fake.reference(&format!("a:{tag}"));
        let error = client().resolve(&fake.access(), &reference).await.unwrap_err();
        assert_eq!(error.code(), "registry_answer_too_large");
        assert!(error.to_string().contains("MANIFEST_BYTES_MAX"));
    }
}

#[tokio::test]
async fn tags_come_page_by_page() {
    let fake = Fake::http(|seen| {
        if seen.path.contains("last=b") {
            return Reply::ok(r#"{"name":"team/app","tags":["c"]}"#);
        }
        let link = ("Link", r#"</v2/team/app/tags/list?last=b&n=2>; rel="next""#);
        Reply::new(200, &[link], r#"{"name":"team/app","tags":["a","b"]}"#)
    })
    .await;
    assert_eq!(client().tags(&fake.access(), "team/app").await.unwrap(), ["a", "b", "c"]);
    let fake = Fake::http(|_| Reply::ok(r#"{"tags":null}"#)).await;
    assert!(client().tags(&fake.access(), "team/app").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tag_list_neither_loops_nor_wanders_off() {
    let fake = Fake::http(|_| {
        Reply::new(200, &[("Link", r#"</v2/a/tags/list?x>; rel="next""#)], r#"{"tags":["t"]}"#)
    })
    .await;
    let error = client().tags(&fake.access(), "a").await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { name: "TAG_PAGES_MAX", .. }), "{error}");
    let other = Fake::http(|_| Reply::ok(r#"{"tags":["stolen"]}"#)).await;
    let link = format!("<{}>; rel=\"next\"", other.url("/v2/a/tags/list"));
    let fake = Fake::http(move |_| Reply::new(200, &[("Link", &link)], r#"{"tags":[]}"#)).await;
    let error = client().tags(&fake.access(), "a").await.unwrap_err();
    assert_eq!(error.code(), "registry_redirect_refused");
    assert_eq!(other.seen_all(), 0);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let client = Client::new(Options { retries_max: 1, ..options() }).unwrap();
    let error = client.ping(&kedge_registry::Access::explicit(&host)).await.unwrap_err();
    assert_eq!(error.code(), "registry_unreachable");
    assert!(error.to_string().contains(&host), "{error}");
}
