//! The local store: install, import, export, refusals.

use crate::support::{PYPI, Place, osv_zip, run};
use kedge_artifact::advisory::AdvisorySource;
use kedge_fetch::{LocalStore, StoreError, VerifyError};
use std::path::PathBuf;

/// Two generations with different content, the second one later.
async fn two() -> (Place, PathBuf, PathBuf) {
    let place = Place::with_mirror();
    let first = run(&place.options(1000), None).await.file.unwrap();
    place.put(PYPI, &osv_zip(&["PYSEC-2030-1"]));
    let second = run(&place.options(2000), Some(&first)).await.file.unwrap();
    (place, first, second)
}

fn files(store: &LocalStore) -> usize {
    std::fs::read_dir(store.dir().join("generations")).unwrap().count()
}

#[tokio::test]
async fn current_and_previous_are_kept_and_older_ones_removed() {
    let (place, first, second) = two().await;
    let store = LocalStore::open(&place.path("store")).unwrap();
    assert!(store.current().unwrap().is_none());
    assert!(matches!(store.export(&place.path("x")), Err(StoreError::Empty { .. })));
    store.import(&first, false).unwrap();
    let manifest = store.import(&second, false).unwrap();
    assert_eq!(store.current().unwrap().unwrap().generation(), manifest.generation);
    assert!(store.previous().unwrap().is_some());
    let third = run(&place.options(3000), Some(&second)).await.file.unwrap();
    store.install(&third, false).unwrap();
    assert!(!third.exists(), "an installed file is moved");
    assert_eq!(files(&store), 2);
}

#[tokio::test]
async fn an_older_generation_is_refused_unless_forced() {
    let (place, first, second) = two().await;
    let store = LocalStore::open(&place.path("store")).unwrap();
    store.import(&second, false).unwrap();
    let error = store.import(&first, false).unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { source: VerifyError::Older { .. }, .. }),
        "{error}"
    );
    let kept = store.current().unwrap().unwrap();
    assert_eq!(kept.manifest().built.0, 2000);
    store.import(&first, true).unwrap();
    assert_eq!(store.current().unwrap().unwrap().manifest().built.0, 1000);
}

#[tokio::test]
async fn damaged_files_are_refused_even_when_forced() {
    let (place, first, _) = two().await;
    let store = LocalStore::open(&place.path("store")).unwrap();
    let whole = std::fs::read(&first).unwrap();
    let bad = place.path("bad.kdb");
    for place in [30, whole.len() / 3, whole.len() / 2, whole.len() - 40, whole.len() - 3] {
        let mut bytes = whole.clone();
        bytes[place] ^= 4;
        std::fs::write(&bad, bytes).unwrap();
        let error = store.import(&bad, true).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{place}: {error}");
    }
    std::fs::write(&bad, &whole[..whole.len() - 100]).unwrap();
    assert!(store.import(&bad, true).is_err());
    std::fs::write(&bad, b"PK\x03\x04 not a dataset at all").unwrap();
    let error = store.import(&bad, true).unwrap_err();
    assert!(error.to_string().contains("not a kedge dataset"), "{error}");
    assert!(store.current().unwrap().is_none());
    assert_eq!(files(&store), 0);
}

#[tokio::test]
async fn what_is_exported_can_be_imported_elsewhere() {
    let (place, first, _) = two().await;
    let store = LocalStore::open(&place.path("store")).unwrap();
    store.import(&first, false).unwrap();
    let bundle = place.path("bundle.kdb");
    let exported = store.export(&bundle).unwrap();
    assert_eq!(std::fs::read(&bundle).unwrap(), std::fs::read(&first).unwrap());
    let other = LocalStore::open(&place.path("other")).unwrap();
    assert_eq!(other.import(&bundle, false).unwrap(), exported);
    other.import(&bundle, false).unwrap();
    assert_eq!(files(&other), 1, "the same generation twice is one");
}

#[tokio::test]
async fn a_damaged_pointer_or_file_is_said_and_can_be_replaced() {
    let (place, first, second) = two().await;
    let store = LocalStore::open(&place.path("store")).unwrap();
    store.import(&first, false).unwrap();
    std::fs::write(store.dir().join("current.json"), br#"{"current":"../../etc/passwd.kdb"}"#)
        .unwrap();
    assert!(matches!(store.current(), Err(StoreError::Pointer { .. })));
    assert!(matches!(store.import(&second, false), Err(StoreError::Pointer { .. })));
    store.import(&second, true).unwrap();
    let path = store.current_path().unwrap().unwrap();
    std::fs::write(&path, b"x").unwrap();
    assert!(matches!(store.current(), Err(StoreError::Dataset { .. })));
    store.import(&second, false).unwrap();
    assert!(store.current().unwrap().is_some());
}

#[tokio::test]
async fn two_writers_at_once_are_told() {
    let (place, first, _) = two().await;
    let store = LocalStore::open(&place.path("store")).unwrap();
    let lock = std::fs::File::create(store.dir().join("lock")).unwrap();
    lock.try_lock().unwrap();
    assert!(matches!(store.import(&first, false), Err(StoreError::Busy { .. })));
    drop(lock);
    store.import(&first, false).unwrap();
}
