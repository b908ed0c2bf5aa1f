//! Redirects: where they may lead and what goes along.

use crate::fake::{Fake, MANIFEST, Reply, client, content, descriptor, open_client};

const BASIC_CHALLENGE: (&str, &str) = ("WWW-Authenticate", "Basic realm=\"x\"");

#[tokio::test]
async fn a_manifest_does_not_come_from_another_host() {
    let other = Fake::http_at("127.0.0.2", |_| Reply::ok(MANIFEST)).await;
    let to = other.url("/v2/a/manifests/latest");
    let fake = Fake::http(move |_| Reply::redirect(&to)).await;
    let error = open_client().resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
    assert_eq!(error.code(), "registry_redirect_refused");
    assert_eq!(other.seen_all(), 0);
    // On the same host it may.
    let fake = Fake::http(|seen| match seen.path.as_str() {
        "/v2/b/manifests/latest" => Reply::ok(MANIFEST),
        _ => Reply::redirect("/v2/b/manifests/latest"),
    })
    .await;
    client().resolve(&fake.access(), &fake.reference("a")).await.unwrap();
}

#[tokio::test]
async fn a_blob_may_but_without_the_login() {
    let bytes = content(100_000);
    let served = bytes.clone();
    let storage = Fake::http_at("127.0.0.2", move |_| Reply::ok(&served)).await;
    let to = storage.url("/bucket/blob?sig=abc");
    let fake = Fake::http(move |seen| match seen.authorization() {
        Some(_) => Reply::redirect(&to),
        None => Reply::new(401, &[BASIC_CHALLENGE], ""),
    })
    .await;
    let blob = descriptor(&bytes);
    let got = open_client().blob_bytes(&fake.access_as_bob(), "a", &blob, 1 << 20).await.unwrap();
    assert_eq!(got, bytes);
    let seen = storage.seen();
    assert_eq!(seen[0].path, "/bucket/blob?sig=abc");
    assert_eq!(seen[0].authorization(), None);
    assert_eq!(seen[0].header("cookie"), None);
    assert_eq!(seen[0].header("referer"), None);
}

#[tokio::test]
async fn the_login_does_not_come_back_after_a_detour() {
    let bytes = content(1000);
    let served = bytes.clone();
    let home = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let back = home.clone();
    let other = Fake::http_at("127.0.0.2", move |_| Reply::redirect(back.get().unwrap())).await;
    let to = other.url("/detour");
    let fake = Fake::http(move |seen| match (seen.path.as_str(), seen.authorization()) {
        ("/back", _) => Reply::ok(&served),
        (_, Some(_)) => Reply::redirect(&to),
        (_, None) => Reply::new(401, &[BASIC_CHALLENGE], ""),
    })
    .await;
    home.set(fake.url("/back")).unwrap();
    let blob = descriptor(&bytes);
    let got = open_client().blob_bytes(&fake.access_as_bob(), "a", &blob, 1 << 20).await.unwrap();
    assert_eq!(got, bytes);
    let last = fake.seen().pop().unwrap();
    assert_eq!((last.path.as_str(), last.authorization()), ("/back", None));
}

#[tokio::test]
async fn a_challenge_from_the_storage_is_not_answered() {
    let storage = Fake::http_at("127.0.0.2", |_| Reply::new(401, &[BASIC_CHALLENGE], "")).await;
    let to = storage.url("/blob");
    let fake = Fake::http(move |_| Reply::redirect(&to)).await;
    let blob = descriptor(b"x");
    let error = open_client().blob_bytes(&fake.access_as_bob(), "a", &blob, 10).await.unwrap_err();
    assert_eq!(error.code(), "registry_auth_failed");
    assert_eq!(storage.seen().len(), 1);
    assert_eq!(storage.seen()[0].authorization(), None);
}

#[tokio::test]
async fn a_redirect_inherits_no_allowance() {
    let inside = Fake::http(|_| Reply::ok("x")).await;
    let to = inside.url("/internal");
    let fake = Fake::http(move |_| Reply::redirect(&to)).await;
    let blob = descriptor(b"x");
    let error = client().blob_bytes(&fake.access(), "a", &blob, 10).await.unwrap_err();
    assert_eq!(error.code(), "egress_refused");
    assert_eq!(inside.seen_all(), 0);
    for to in ["http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/", "http://0/"] {
        let fake = Fake::http(move |_| Reply::redirect(to)).await;
        let error = client().blob_bytes(&fake.access(), "a", &blob, 10).await.unwrap_err();
        assert_eq!(error.code(), "egress_refused", "{to}");
    }
}

#[tokio::test]
async fn redirects_end() {
    let fake = Fake::http(|seen| Reply::redirect(&format!("{}x", seen.path))).await;
    let error = client().blob_bytes(&fake.access(), "a", &descriptor(b"x"), 10).await.unwrap_err();
    assert_eq!(error.code(), "registry_redirect_refused");
    assert!(error.to_string().contains("REDIRECTS_MAX"));
    assert_eq!(fake.seen().len(), 6);
}

#[tokio::test]
async fn odd_targets_are_refused() {
    for to in ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://u:p@127.0.0.1/x", "http://[x/"] {
        let fake = Fake::http(move |_| Reply::redirect(to)).await;
        let blob = descriptor(b"x");
        let error = open_client().blob_bytes(&fake.access(), "a", &blob, 10).await.unwrap_err();
        assert_eq!(error.code(), "registry_redirect_refused", "{to}");
        assert_eq!(fake.seen().len(), 1, "{to}");
    }
    let fake = Fake::http(|_| Reply::new(302, &[], "")).await;
    let error = client().blob_bytes(&fake.access(), "a", &descriptor(b"x"), 10).await.unwrap_err();
    assert_eq!(error.code(), "registry_redirect_refused");
}
