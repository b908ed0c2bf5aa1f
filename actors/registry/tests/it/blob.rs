//! Blobs: length, digest, resumption, and the bridge to reading threads.

use crate::fake::{Fake, Reply, Seen, client, content, descriptor, options};
use kedge_registry::limits::BLOB_RESUMES_MAX;
use kedge_registry::{Client, Error, Options};
use std::io::Read;

/// First byte asked for.
fn start(seen: &Seen) -> usize {
    let range = seen.header("range").and_then(|range| range.strip_prefix("bytes="));
    range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
}

/// Announces everything from the wanted byte on, sends at most `most` of it and breaks off.
fn broken(seen: &Seen, bytes: &[u8], most: usize) -> Reply {
    let from = start(seen);
    let rest = &bytes[from..];
    let (status, range) = if from > 0 {
        (206, format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()))
    } else {
        (200, String::new())
    };
    let head = format!("HTTP/1.1 {status} X\r\n{range}Content-Length: {}\r\n\r\n", rest.len());
    Reply::raw([head.as_bytes(), &rest[..most.min(rest.len())]].concat())
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let bytes = content(500_000);
    let served = bytes.clone();
    let fake = Fake::http(move |seen| broken(seen, &served, 100_000)).await;
    let got = client().blob_bytes(&fake.access(), "a", &descriptor(&bytes), 1 << 20).await.unwrap();
    assert_eq!(got, bytes);
    let blobs: Vec<Seen> =
        fake.seen().into_iter().filter(|seen| seen.path.contains("/blobs/")).collect();
    assert!(blobs.len() > 3 && start(&blobs[1]) > 0);
}

#[tokio::test]
async fn a_registry_without_ranges_starts_again() {
    let bytes = content(300_000);
    let served = bytes.clone();
    let fake = Fake::http(move |seen| {
        let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", served.len());
        let most = if start(seen) == 0 { 120_000 } else { served.len() };
        Reply::raw([head.as_bytes(), &served[..most]].concat())
    })
    .await;
    let got = client().blob_bytes(&fake.access(), "a", &descriptor(&bytes), 1 << 20).await.unwrap();
    assert_eq!(got, bytes);
}

#[tokio::test]
async fn resumption_has_an_end() {
    let bytes = content(300_000);
    let served = bytes.clone();
    let fake = Fake::http(move |seen| broken(seen, &served, 1)).await;
    let wanted = descriptor(&bytes);
    let error = client().blob_bytes(&fake.access(), "a", &wanted, 1 << 20).await.unwrap_err();
    assert_eq!(error.code(), "registry_unreachable");
    assert!(error.is_transient());
    let count = fake.seen().iter().filter(|seen| seen.path.contains("/blobs/")).count();
    assert_eq!(count, 1 + BLOB_RESUMES_MAX as usize);
}

#[tokio::test]
async fn another_range_than_asked_for_is_refused() {
    let bytes = content(300_000);
    let served = bytes.clone();
    let fake = Fake::http(move |seen| match start(seen) {
        0 => broken(seen, &served, 100_000),
        _ => Reply::new(206, &[("Content-Range", "bytes 5-9/300000")], "hello"),
    })
    .await;
    let wanted = descriptor(&bytes);
    let error = client().blob_bytes(&fake.access(), "a", &wanted, 1 << 20).await.unwrap_err();
    assert_eq!(error.code(), "not_a_registry");
}

#[tokio::test]
async fn other_bytes_are_refused() {
    let bytes = content(5000);
    let mut served = bytes.clone();
    served[4999] ^= 1;
    let fake = Fake::http(move |_| Reply::ok(&served)).await;
    let wanted = descriptor(&bytes);
    let error = client().blob_bytes(&fake.access(), "a", &wanted, 1 << 20).await.unwrap_err();
    assert_eq!(error.code(), "digest_mismatch");
}

#[tokio::test]
async fn an_endless_blob_is_cut_at_its_size() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n";
    let fake = Fake::http(move |seen| Reply {
        endless: seen.path.contains("/blobs/"),
        ..Reply::raw(chunked)
    })
    .await;
    // The right bytes, with others after them: they are right.
    let bytes = vec![b'x'; 50_000];
    let got = client().blob_bytes(&fake.access(), "a", &descriptor(&bytes), 1 << 20).await.unwrap();
    assert_eq!(got, bytes);
    let other = descriptor(&content(50_000));
    let error = client().blob_bytes(&fake.access(), "a", &other, 1 << 20).await.unwrap_err();
    assert_eq!(error.code(), "digest_mismatch");
}

#[tokio::test]
async fn a_wrong_length_is_refused() {
    let bytes = content(5000);
    for length in ["4999", "5001", "18446744073709551615"] {
        let served = bytes.clone();
        let fake =
            Fake::http(move |_| Reply::new(200, &[("Content-Length", length)], &served)).await;
        let wanted = descriptor(&bytes);
        let error = client().blob_bytes(&fake.access(), "a", &wanted, 1 << 20).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::SizeMismatch { expected: 5000, .. } | Error::NotARegistry { .. }
            ),
            "{length}: {error}"
        );
    }
}

#[tokio::test]
async fn a_large_blob_is_not_asked_for() {
    let fake = Fake::http(|_| Reply::ok("x")).await;
    let error =
        client().blob_bytes(&fake.access(), "a", &descriptor(b"12345"), 4).await.unwrap_err();
    assert_eq!(error.code(), "registry_answer_too_large");
    assert_eq!(fake.seen_all(), 0);
}

#[tokio::test]
async fn a_thread_reads_what_the_pump_downloads() {
    let bytes = content(3_000_000);
    let served = bytes.clone();
    let fake = Fake::http(move |seen| broken(seen, &served, 1_000_000)).await;
    let stream = client().blob(&fake.access(), "a", &descriptor(&bytes)).await.unwrap();
    let (mut reader, pump) = stream.into_reader();
    let thread = tokio::task::spawn_blocking(move || {
        let mut got = Vec::new();
        reader.read_to_end(&mut got).map(|_| got)
    });
    pump.await;
    assert_eq!(thread.await.unwrap().unwrap(), bytes);
}

#[tokio::test]
async fn a_reader_learns_of_errors_and_of_a_dropped_pump() {
    let fake = Fake::http(|_| Reply::ok("wrong")).await;
    let access = fake.access();
    let stream = client().blob(&access, "a", &descriptor(b"right")).await.unwrap();
    let (mut reader, pump) = stream.into_reader();
    let thread = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()));
    pump.await;
    let error = thread.await.unwrap().unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(inner.code(), "digest_mismatch");

    let stream = client().blob(&access, "a", &descriptor(b"wrong")).await.unwrap();
    let (mut reader, pump) = stream.into_reader();
    drop(pump);
    let thread = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()));
    let error = thread.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);

    // A reader that goes away ends the download.
    let stream = client().blob(&access, "a", &descriptor(b"wrong")).await.unwrap();
    let (reader, pump) = stream.into_reader();
    drop(reader);
    pump.await;
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let fake = Fake::http(|seen| match seen.path.as_str() {
        "/v2/" => Reply::ok("{}"),
        // A body that drips for ever without the announced bytes ever coming.
        _ => Reply::held("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"),
    })
    .await;
    let deadline = std::time::Duration::from_millis(300);
    let options = Options { retries_max: 0, blob_deadline: deadline, ..options() };
    let client = Client::new(options).unwrap();
    let error = client.blob_bytes(&fake.access(), "a", &descriptor(b"x"), 10).await.unwrap_err();
    assert_eq!(error.code(), "registry_timeout", "{error}");
}
