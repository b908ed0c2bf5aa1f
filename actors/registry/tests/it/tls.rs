//! TLS: verification, and when plain HTTP is spoken.

use crate::fake::{Fake, MANIFEST, Reply, client, descriptor, open_options, options};
use kedge_registry::{Access, Client, Options, PlainHttp};

#[tokio::test]
async fn an_unknown_certificate_is_refused_and_not_circumvented() {
    let (fake, der) = Fake::https(|_| Reply::ok(MANIFEST)).await;
    let error = client().ping(&fake.access()).await.unwrap_err();
    assert_eq!(error.code(), "registry_tls_failed");
    assert!(error.to_string().contains(&fake.host()), "{error}");
    assert_eq!(fake.seen_all(), 0);
    // Verification off, for the registry that was added so.
    let unverified = Access { tls_verify: false, ..fake.access_as_bob() };
    client().ping(&unverified).await.unwrap();
    // Or the certificate known.
    let client = Client::new(Options { extra_roots: vec![der], ..options() }).unwrap();
    client.ping(&fake.access()).await.unwrap();
}

#[tokio::test]
async fn switched_off_verification_is_not_inherited() {
    let (storage, _) = Fake::https(|_| Reply::ok("x")).await;
    let to = format!("https://{}/blob", storage.host());
    let (fake, _) = Fake::https(move |_| Reply::redirect(&to)).await;
    let access = Access { tls_verify: false, ..fake.access() };
    let client = Client::new(Options { retries_max: 0, ..open_options() }).unwrap();
    let error = client.blob_bytes(&access, "a", &descriptor(b"x"), 10).await.unwrap_err();
    assert_eq!(error.code(), "registry_tls_failed");
    assert_eq!(storage.seen_all(), 0);
}

#[tokio::test]
async fn https_does_not_lead_to_http() {
    let plain = Fake::http(|_| Reply::ok("x")).await;
    let to = plain.url("/blob");
    let (fake, der) = Fake::https(move |_| Reply::redirect(&to)).await;
    let client = Client::new(Options { extra_roots: vec![der], ..open_options() }).unwrap();
    let blob = descriptor(b"x");
    let error = client.blob_bytes(&fake.access(), "a", &blob, 10).await.unwrap_err();
    assert_eq!(error.code(), "registry_redirect_refused");
    assert_eq!(plain.seen_all(), 0);
}

#[tokio::test]
async fn a_token_server_of_an_https_registry_speaks_https() {
    let realm = Fake::http(|_| Reply::ok(r#"{"token":"t"}"#)).await;
    let challenge = format!("Bearer realm=\"{}\"", realm.url("/token"));
    let (fake, der) =
        Fake::https(move |_| Reply::new(401, &[("WWW-Authenticate", &challenge)], "")).await;
    let client = Client::new(Options { extra_roots: vec![der], ..open_options() }).unwrap();
    let error = client.ping(&fake.access_as_bob()).await.unwrap_err();
    assert_eq!(error.code(), "registry_auth_failed");
    assert_eq!(realm.seen_all(), 0);
}

#[tokio::test]
async fn plain_http_is_for_loopback_and_can_be_forbidden() {
    let fake = Fake::http(|_| Reply::ok(MANIFEST)).await;
    client().ping(&fake.access()).await.unwrap();
    let never = Access { plain_http: PlainHttp::Never, ..fake.access() };
    let client = Client::new(Options { retries_max: 0, ..options() }).unwrap();
    let error = client.ping(&never).await.unwrap_err();
    assert!(["registry_tls_failed", "registry_unreachable"].contains(&error.code()), "{error}");
    assert_eq!(fake.seen().len(), 1);
}
