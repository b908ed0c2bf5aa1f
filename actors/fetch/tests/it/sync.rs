//! Merging: what changes, what stays, what is said about it.

use crate::support::{
    KEV, PYPI, Place, TRACKER, distro, ecosystem, opened, osv_zip, reason, run, state, testdata,
};
use kedge_artifact::advisory::AdvisorySource;
use kedge_artifact::time::Timestamp;
use kedge_fetch::{DocumentState, DriverState, SyncError, sync};
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn a_mirror_folder_gives_a_generation_of_every_driver() {
    let place = Place::with_mirror();
    let outcome = run(&place.options(1000), None).await;
    for driver in ["osv", "govulndb", "alpine", "debian", "alma", "kev", "epss"] {
        assert_eq!(*state(&outcome, driver), DriverState::Updated, "{driver}");
    }
    assert_eq!(*state(&outcome, "rocky"), DriverState::Disabled);
    assert!(outcome.changed);
    let data = opened(&outcome);
    data.verify().unwrap();
    assert_eq!(data.candidates(&ecosystem("pypi"), "test_pkg").unwrap().len(), 2);
    assert_eq!(data.candidates(&distro("almalinux", "8"), "nodejs").unwrap().len(), 1);
    assert_eq!(data.candidates(&distro("alpine", "3.19"), "openssl").unwrap().len(), 3);
    assert_eq!(data.candidates(&distro("debian", "12"), "openssl").unwrap().len(), 3);
    assert!(data.kev("CVE-2030-1111").is_some() && data.epss("CVE-2030-1111").is_some());
}

#[tokio::test]
async fn nothing_new_gives_the_same_content_with_a_newer_time() {
    let place = Place::with_mirror();
    let first = run(&place.options(1000), None).await;
    let second = run(&place.options(2000), first.file.as_deref()).await;
    assert!(!second.changed);
    assert_eq!(*state(&second, "debian"), DriverState::Unchanged);
    assert_eq!(opened(&first).generation(), opened(&second).generation());
    assert_eq!(opened(&second).coverage(&distro("debian", "12")), Some(Timestamp(2000)));
    // The same content is built without the previous generation, too.
    let third = run(&place.options(3000), None).await;
    assert_eq!(opened(&third).generation(), opened(&first).generation());
}

#[tokio::test]
async fn a_failed_driver_keeps_rows_and_age_and_is_reported() {
    let place = Place::with_mirror();
    let first = run(&place.options(1000), None).await;
    let whole = osv_zip(&["PYSEC-2030-1", "PYSEC-2030-2"]);
    place.put(PYPI, &whole[..whole.len() / 2]);
    place.put(TRACKER, b"<html>be right back</html>");
    place.remove(KEV);
    place.put(
        "secdb.alpinelinux.org/v3.19/main.json",
        br#"{"distroversion":"v3.19","packages":[]}"#,
    );
    let second = run(&place.options(2000), first.file.as_deref()).await;
    assert!(reason(&second, "osv").contains("archive is damaged"));
    assert!(reason(&second, "debian").contains("not the expected JSON"));
    assert!(reason(&second, "kev").contains("gone"));
    assert!(reason(&second, "alpine").contains("empty"));
    assert!(!second.changed, "all content is kept");
    let data = opened(&second);
    assert_eq!(data.coverage(&ecosystem("pypi")), Some(Timestamp(1000)));
    assert_eq!(data.coverage(&ecosystem("go")), Some(Timestamp(2000)));
    assert_eq!(data.candidates(&ecosystem("pypi"), "test-pkg").unwrap().len(), 2);
    assert!(data.kev("CVE-2030-1111").is_some());
    let osv = second.drivers.iter().find(|driver| driver.driver == "osv").unwrap();
    assert!(
        osv.documents.iter().any(|d| matches!(d.state, DocumentState::Failed { kept: true, .. }))
    );
}

#[tokio::test]
async fn deleted_records_vanish_and_dropped_releases_stay() {
    let place = Place::with_mirror();
    let first = run(&place.options(1000), None).await;
    place.put(PYPI, &osv_zip(&["PYSEC-2030-2"]));
    std::fs::rename(
        place.path("mirror/secdb.alpinelinux.org/v3.19"),
        place.path("mirror/secdb.alpinelinux.org/v3.20"),
    )
    .unwrap();
    let newer = String::from_utf8(testdata("secdb-main.json")).unwrap().replace("v3.19", "v3.20");
    place.put("secdb.alpinelinux.org/v3.20/main.json", newer.as_bytes());
    let second = run(&place.options(2000), first.file.as_deref()).await;
    assert!(second.changed);
    let data = opened(&second);
    assert_eq!(data.by_id("PYSEC-2030-1").unwrap(), []);
    assert_eq!(data.coverage(&distro("alpine", "3.20")), Some(Timestamp(2000)));
    assert_eq!(data.coverage(&distro("alpine", "3.19")), Some(Timestamp(1000)));
    let alpine = second.drivers.iter().find(|driver| driver.driver == "alpine").unwrap();
    assert!(alpine.documents.iter().any(|d| d.state == DocumentState::Retired));
}

#[tokio::test]
async fn only_what_is_asked_for_is_fetched_and_only_what_is_disabled_goes() {
    let place = Place::with_mirror();
    let first = run(&place.options(1000), None).await;
    let mut options = place.options(2000);
    options.drivers.insert("kev".into());
    options.disabled.insert("epss".into());
    let second = run(&options, first.file.as_deref()).await;
    assert_eq!(*state(&second, "osv"), DriverState::NotAsked);
    assert_eq!(*state(&second, "epss"), DriverState::Disabled);
    let data = opened(&second);
    assert_eq!(data.coverage(&ecosystem("pypi")), Some(Timestamp(1000)));
    assert!(data.epss("CVE-2030-1111").is_none());
    options.drivers.insert("nvd2".into());
    let error = sync(&options, None, Arc::new(|_| {})).await.unwrap_err();
    assert!(matches!(error, SyncError::UnknownDriver { .. }));
    assert!(error.to_string().contains("osv, govulndb"));
}

#[tokio::test]
async fn an_empty_mirror_gives_no_generation() {
    let place = Place::new();
    std::fs::create_dir(place.path("mirror")).unwrap();
    let options = place.options(1000);
    let outcome = run(&options, None).await;
    assert_eq!((&outcome.file, outcome.changed), (&None, false));
    assert!(!options.output.exists());
    for driver in ["osv", "alpine", "kev"] {
        assert!(matches!(state(&outcome, driver), DriverState::Absent { .. }), "{driver}");
    }
    // Nor does it replace a good one, and then it is a failure.
    let good = Place::with_mirror();
    let first = run(&good.options(1000), None).await;
    let second = run(&place.options(2000), first.file.as_deref()).await;
    assert!(second.file.is_none());
    assert!(reason(&second, "osv").contains("gone"));
    assert!(reason(&second, "alpine").contains("none of its documents"));
}

#[tokio::test]
async fn a_damaged_previous_generation_is_not_copied_from() {
    let place = Place::with_mirror();
    let first = run(&place.options(1000), None).await;
    let path = first.file.clone().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let second = run(&place.options(2000), Some(&path)).await;
    assert!(second.previous_damaged.is_some());
    assert_eq!(*state(&second, "osv"), DriverState::Updated);
    opened(&second).verify().unwrap();
}

#[tokio::test]
async fn a_rotten_raw_copy_is_noticed_and_replaced() {
    let place = Place::with_mirror();
    let mut options = place.options(1000);
    options.drivers.insert("kev".into());
    run(&options, None).await;
    let body =
        std::fs::read_dir(place.path("cache/bodies")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&body).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&body, bytes).unwrap();
    assert!(reason(&run(&options, None).await, "kev").contains("digest"));
    assert_eq!(*state(&run(&options, None).await, "kev"), DriverState::Updated);
}

#[tokio::test]
async fn progress_tells_every_document() {
    let place = Place::with_mirror();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let report = Arc::new(move |step: kedge_fetch::Progress| {
        sink.lock().unwrap().push((step.driver, step.document));
    });
    sync(&place.options(1000), None, report).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&("debian", "tracker/data/json".to_owned())));
    assert!(seen.contains(&("osv", String::new())));
}

#[tokio::test]
async fn a_document_that_lost_most_of_its_records_is_not_believed() {
    let place = Place::with_mirror();
    let scores = |count: usize| {
        let rows: String = (0..count).map(|n| format!("CVE-2030-{},0.5,0.5\n", 1000 + n)).collect();
        format!(
            "#model_version:v2025.03.14,score_date:2030-01-01T00:00:00Z\n\
             cve,epss,percentile\n{rows}"
        )
    };
    let epss = "epss.cyentia.com/epss_scores-current.csv.gz";
    place.put(epss, scores(40).as_bytes());
    let first = run(&place.options(1000), None).await;
    place.put(epss, scores(19).as_bytes());
    let second = run(&place.options(2000), first.file.as_deref()).await;
    assert!(reason(&second, "epss").contains("shrank from 40 to 19"));
    assert_eq!(opened(&second).epss_len(), 40);
    let mut options = place.options(3000);
    options.force_shrink = true;
    let third = run(&options, second.file.as_deref()).await;
    assert_eq!(*state(&third, "epss"), DriverState::Updated);
    assert_eq!(opened(&third).epss_len(), 19);
}
