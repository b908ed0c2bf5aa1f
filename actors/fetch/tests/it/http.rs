//! Downloads: validators, resuming, retries, limits, redirects.

use crate::support::{KEV, Place, opened, reason, run, state, testdata};
use kedge_artifact::advisory::AdvisorySource;
use kedge_fetch::{DriverState, Options};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Options that fetch KEV alone from a server.
fn kev_from(place: &Place, server: &str, now: i64) -> Options {
    let mut options = place.options(now);
    options.mirror = Some(server.parse().unwrap());
    options.drivers.insert("kev".into());
    options
}

fn kev_path() -> String {
    format!("/{KEV}")
}

#[tokio::test]
async fn unchanged_documents_are_not_sent_again() {
    let server = MockServer::start().await;
    let body = ResponseTemplate::new(200)
        .set_body_bytes(testdata("kev.json"))
        .insert_header("etag", "\"one\"");
    let matching = Mock::given(method("GET")).and(path(kev_path()));
    matching
        .and(header("if-none-match", "\"one\""))
        .respond_with(ResponseTemplate::new(304))
        .expect(1)
        .with_priority(1)
        .mount(&server)
        .await;
    let matching = Mock::given(method("GET")).and(path(kev_path()));
    matching.respond_with(body).expect(1).mount(&server).await;
    let place = Place::new();
    let first = run(&kev_from(&place, &server.uri(), 1000), None).await;
    assert_eq!(*state(&first, "kev"), DriverState::Updated);
    let second = run(&kev_from(&place, &server.uri(), 2000), first.file.as_deref()).await;
    assert_eq!(*state(&second, "kev"), DriverState::Unchanged);
    assert!(opened(&second).kev("CVE-2030-1111").is_some());
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let server = MockServer::start().await;
    let matching = Mock::given(method("GET")).and(path(kev_path()));
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "0");
    matching.respond_with(busy).up_to_n_times(2).with_priority(1).mount(&server).await;
    let body = ResponseTemplate::new(200).set_body_bytes(testdata("kev.json"));
    Mock::given(method("GET")).respond_with(body).expect(1).mount(&server).await;
    let place = Place::new();
    let outcome = run(&kev_from(&place, &server.uri(), 1000), None).await;
    assert_eq!(*state(&outcome, "kev"), DriverState::Updated);
}

#[tokio::test]
async fn refusals_are_final_and_named_without_secrets() {
    let server = MockServer::start().await;
    let refusal = ResponseTemplate::new(403);
    Mock::given(method("GET")).respond_with(refusal).expect(1).mount(&server).await;
    let place = Place::new();
    let secret = server.uri().replace("http://", "http://user:hunter2@") + "/?token=hunter2";
    let outcome = run(&kev_from(&place, &secret, 1000), None).await;
    let reason = reason(&outcome, "kev");
    assert!(reason.contains("403") && !reason.contains("hunter2"), "{reason}");
}

#[tokio::test]
async fn endless_redirects_end() {
    let server = MockServer::start().await;
    let round = ResponseTemplate::new(302).insert_header("location", kev_path().as_str());
    Mock::given(method("GET")).respond_with(round).mount(&server).await;
    let place = Place::new();
    let outcome = run(&kev_from(&place, &server.uri(), 1000), None).await;
    assert!(reason(&outcome, "kev").contains("redirect"), "{}", reason(&outcome, "kev"));
}

#[tokio::test]
async fn releases_come_from_the_landing_page() {
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_string("<a href=\"v3.19/\">v3.19/</a>");
    Mock::given(path("/secdb.alpinelinux.org/")).respond_with(page).expect(1).mount(&server).await;
    let main = ResponseTemplate::new(200).set_body_bytes(testdata("secdb-main.json"));
    let matching = Mock::given(path("/secdb.alpinelinux.org/v3.19/main.json"));
    matching.respond_with(main).expect(1).mount(&server).await;
    let place = Place::new();
    let mut options = kev_from(&place, &server.uri(), 1000);
    options.drivers = ["alpine".to_owned()].into();
    let outcome = run(&options, None).await;
    assert_eq!(*state(&outcome, "alpine"), DriverState::Updated);
}

/// A server that gives one scripted answer per connection and keeps the requests.
async fn scripted(answers: Vec<Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                request.push(byte[0]);
            }
            seen.lock().unwrap().push(String::from_utf8_lossy(&request).to_lowercase());
            stream.write_all(&answer).await.unwrap();
        }
    });
    (address, requests)
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let body = testdata("kev.json");
    let (begin, end) = body.split_at(200);
    let total = body.len();
    let first = format!(
        "HTTP/1.1 200 OK\r\netag: \"v1\"\r\ncontent-length: {total}\r\nconnection: close\r\n\r\n"
    );
    let second = format!(
        "HTTP/1.1 206 Partial\r\netag: \"v1\"\r\ncontent-range: bytes 200-{}/{total}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        total - 1,
        end.len()
    );
    let answers = vec![[first.as_bytes(), begin].concat(), [second.as_bytes(), end].concat()];
    let (address, requests) = scripted(answers).await;
    let place = Place::new();
    let outcome = run(&kev_from(&place, &address, 1000), None).await;
    assert_eq!(*state(&outcome, "kev"), DriverState::Updated);
    let requests = requests.lock().unwrap();
    assert!(requests[1].contains("range: bytes=200-\r\n"), "{}", requests[1]);
    assert!(requests[1].contains("if-range: \"v1\""), "{}", requests[1]);
}

#[tokio::test]
async fn a_document_over_its_limit_is_refused_before_it_is_read() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let (address, _) = scripted(vec![head]).await;
    let place = Place::new();
    let outcome = run(&kev_from(&place, &address, 1000), None).await;
    assert!(reason(&outcome, "kev").contains("over the limit"));
}

#[tokio::test]
async fn an_unreachable_mirror_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let place = Place::new();
    let outcome = run(&kev_from(&place, &address, 1000), None).await;
    assert!(reason(&outcome, "kev").contains(&address), "{}", reason(&outcome, "kev"));
}
