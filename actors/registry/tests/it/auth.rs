//! Logins: what is sent, to whom, how often.

use crate::fake::{CANARY, Fake, MANIFEST, Reply, Seen, client, open_client, open_options};
use kedge_registry::{Client, Options};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `bob:CANARY`, as basic authentication sends it.
const BASIC: &str = "Basic Ym9iOmNhbmFyeS03ZjNhLXBhc3N3b3Jk";

fn unauthorized(challenge: &str) -> Reply {
    Reply::new(401, &[("WWW-Authenticate", challenge)], "")
}

#[tokio::test]
async fn basic_authentication_answers_a_challenge_once() {
    let fake = Fake::http(|seen| match seen.authorization() {
        Some(BASIC) => Reply::ok(MANIFEST),
        _ => unauthorized("Basic realm=\"x\""),
    })
    .await;
    let client = client();
    let access = fake.access_as_bob();
    client.resolve(&access, &fake.reference("a")).await.unwrap();
    client.resolve(&access, &fake.reference("a")).await.unwrap();
    let sent: Vec<bool> = fake.seen().iter().map(|seen| seen.authorization().is_some()).collect();
    // Unasked nothing is sent; the answer is remembered.
    assert_eq!(sent, [false, true, true]);
    // Somebody else with the same client does not profit.
    let error = client.resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
    assert_eq!(error.code(), "registry_auth_failed");
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let fake = Fake::http(|_| unauthorized("Basic realm=\"x\"")).await;
    let error = client().ping(&fake.access_as_bob()).await.unwrap_err();
    assert_eq!(error.code(), "registry_auth_failed");
    assert!(error.to_string().contains("bob") && !error.to_string().contains(CANARY));
    assert_eq!(fake.seen().len(), 2);
}

/// Registry and token server on one host and port.
fn with_token_server(
    token: impl Fn() -> String,
    good: impl Fn(&str) -> bool,
) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        if seen.path.starts_with("/token") {
            return Reply::ok(format!(r#"{{"token":"{}","expires_in":300}}"#, token()));
        }
        let host = seen.header("host").unwrap();
        match seen.authorization().and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if good(token) => Reply::ok(MANIFEST),
            _ => unauthorized(&format!(
                r#"Bearer realm="http://{host}/token",service="svc",scope="repository:other/secret:push,pull""#
            )),
        }
    }
}

#[tokio::test]
async fn bearer_tokens_are_fetched_for_our_scope_and_kept() {
    let handler = with_token_server(|| "t1".into(), |token| token == "t1");
    let fake = Fake::http(handler).await;
    let client = client();
    client.resolve(&fake.access_as_bob(), &fake.reference("team/app")).await.unwrap();
    client.resolve(&fake.access_as_bob(), &fake.reference("team/app")).await.unwrap();
    let asked: Vec<Seen> = fake
        .seen_with_probes()
        .into_iter()
        .filter(|seen| seen.path.starts_with("/token"))
        .collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].path,
        "/token?service=svc&scope=repository%3Ateam%2Fapp%3Apull&account=bob"
    );
    assert_eq!(asked[0].authorization(), Some(BASIC));
    // Another repository is another token.
    client.resolve(&fake.access_as_bob(), &fake.reference("team/two")).await.unwrap();
    let tokens = fake.seen_with_probes();
    assert_eq!(tokens.iter().filter(|seen| seen.path.starts_with("/token")).count(), 2);
}

#[tokio::test]
async fn an_expired_token_is_replaced_once() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static REVOKED: AtomicUsize = AtomicUsize::new(0);
    let handler = with_token_server(
        || format!("t{}", MADE.fetch_add(1, Ordering::SeqCst)),
        |token| token[1..].parse::<usize>().unwrap() >= REVOKED.load(Ordering::SeqCst),
    );
    let fake = Fake::http(handler).await;
    let client = client();
    client.resolve(&fake.access(), &fake.reference("a")).await.unwrap();
    REVOKED.store(1, Ordering::SeqCst);
    client.resolve(&fake.access(), &fake.reference("a")).await.unwrap();
    assert_eq!(MADE.load(Ordering::SeqCst), 2);
    // A registry that takes no token at all is not asked for ever.
    REVOKED.store(usize::MAX, Ordering::SeqCst);
    let error = client.resolve(&fake.access(), &fake.reference("a")).await.unwrap_err();
    assert_eq!(error.code(), "registry_auth_failed");
    assert_eq!(MADE.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_password_goes_to_no_strange_token_server() {
    let strange = Fake::http_at("127.0.0.2", |_| Reply::ok(r#"{"token":"t"}"#)).await;
    let challenge = format!("Bearer realm=\"{}\"", strange.url("/token"));
    let fake = Fake::http(move |seen| match seen.authorization() {
        Some("Bearer t") => Reply::ok(MANIFEST),
        _ => unauthorized(&challenge),
    })
    .await;
    // The address is open, so it is the rule about realms that refuses.
    let error = open_client().ping(&fake.access_as_bob()).await.unwrap_err();
    assert_eq!(error.code(), "registry_realm_refused");
    assert!(error.to_string().contains("127.0.0.1") && error.to_string().contains("127.0.0.2"));
    assert_eq!(strange.seen_all(), 0);
    // Without a password there is nothing to lose.
    open_client().resolve(&fake.access(), &fake.reference("a")).await.unwrap();
    assert_eq!(strange.seen_with_probes()[0].authorization(), None);
    // Named in the options, it is told.
    let trusted_realms = vec![("127.0.0.1".to_owned(), "127.0.0.2".to_owned())];
    let client = Client::new(Options { trusted_realms, ..open_options() }).unwrap();
    client.resolve(&fake.access_as_bob(), &fake.reference("a")).await.unwrap();
    assert_eq!(strange.seen_with_probes()[1].authorization(), Some(BASIC));
}

#[tokio::test]
async fn token_servers_are_held_to_the_address_rules() {
    let inside = Fake::http(|_| Reply::ok(r#"{"token":"t"}"#)).await;
    let challenge = format!("Bearer realm=\"{}\"", inside.url("/token"));
    let fake = Fake::http(move |_| unauthorized(&challenge)).await;
    // The allowance of the registry's own port is not the token server's.
    for access in [fake.access(), fake.access_as_bob()] {
        let error = client().ping(&access).await.unwrap_err();
        assert_eq!(error.code(), "egress_refused", "{error}");
    }
    assert_eq!(inside.seen_all(), 0);
}

#[tokio::test]
async fn odd_realms_are_refused() {
    for realm in [
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/x",
        "ftp://127.0.0.1/x",
        "https://user:pass@127.0.0.1/token",
        "/token",
        "",
        "http://",
    ] {
        let challenge = format!("Bearer realm=\"{realm}\"");
        let fake = Fake::http(move |_| unauthorized(&challenge)).await;
        let error = open_client().ping(&fake.access_as_bob()).await.unwrap_err();
        assert_eq!(error.code(), "registry_auth_failed", "{realm}: {error}");
        assert_eq!(fake.seen().len(), 1, "{realm}");
    }
}

#[tokio::test]
async fn a_token_server_does_not_redirect_a_password() {
    let elsewhere = Fake::http_at("127.0.0.2", |_| Reply::ok(r#"{"token":"t"}"#)).await;
    let to = elsewhere.url("/token");
    let fake = Fake::http(move |seen| {
        if seen.path.starts_with("/token") {
            return Reply::redirect(&to);
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        unauthorized(&format!("Bearer realm=\"{realm}\""))
    })
    .await;
    let error = open_client().ping(&fake.access_as_bob()).await.unwrap_err();
    assert_eq!(error.code(), "registry_auth_failed");
    assert_eq!(elsewhere.seen_all(), 0);
}

#[tokio::test]
async fn errors_repeat_no_secret() {
    // A registry that puts what it was sent into everything it can answer.
    let body = format!(r#"{{"errors":[{{"code":"{CANARY}","message":"{CANARY} {BASIC}"}}]}}"#);
    let answers: Vec<(u16, Vec<(&str, String)>)> = vec![
        (401, vec![("WWW-Authenticate", format!("Basic realm=\"{CANARY}\""))]),
        (403, vec![]),
        (404, vec![]),
        (418, vec![]),
        (429, vec![("Retry-After", CANARY.into())]),
        (500, vec![]),
        (200, vec![("Docker-Content-Digest", CANARY.into()), ("Content-Type", CANARY.into())]),
        (307, vec![("Location", format!("http://u:{CANARY}@127.0.0.1/?sig={CANARY}"))]),
        (307, vec![("Location", format!("http://127.0.0.9/{CANARY}?sig={CANARY}"))]),
        (307, vec![("Location", format!("gopher://{CANARY}/"))]),
    ];
    for (status, headers) in answers {
        let body = body.clone();
        let fake = Fake::http(move |seen| {
            if seen.authorization().is_none() {
                return unauthorized("Basic realm=\"x\"");
            }
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Reply::new(status, &headers, &body)
        })
        .await;
        let options = Options { retries_max: 0, ..open_options() };
        let client = Client::new(options).unwrap();
        let error = client.resolve(&fake.access_as_bob(), &fake.reference("a")).await.unwrap_err();
        let blob = crate::fake::descriptor(b"x");
        let second = client.blob_bytes(&fake.access_as_bob(), "a", &blob, 10).await.unwrap_err();
        for text in [format!("{error} {error:?}"), format!("{second} {second:?}")] {
            assert!(!text.contains(CANARY) && !text.contains(&BASIC[6..]), "{status}: {text}");
        }
    }
}
