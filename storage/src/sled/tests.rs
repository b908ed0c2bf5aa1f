use super::*;

const BOOT: &str = "11111111-2222-3333-4444-555555555555";

fn small() -> SledOptions {
    SledOptions { cache_bytes: 1024 * 1024, flush_every_ms: 1000 }
}

fn open(dir: &Path, boot_id: &str) -> (SledKv, OpenOutcome) {
    open_or_set_aside(dir, &small(), boot_id).unwrap()
}

fn put(kv: &SledKv, key: &str, value: &str) {
    let mut batch = Batch::new();
    batch.put(key, value);
    kv.apply(batch).unwrap();
}

fn reason(outcome: OpenOutcome) -> String {
    match outcome {
        OpenOutcome::Clean => panic!("store was trusted"),
        OpenOutcome::SetAside { reason, path } => {
            assert!(path.is_dir());
            reason
        }
    }
}

#[test]
fn process_crash_keeps_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state");
    let (kv, outcome) = open(&dir, BOOT);
    assert_eq!(outcome, OpenOutcome::Clean);
    put(&kv, "k", "v");
    kv.durable_point().unwrap();
    drop(kv);
    let (kv, outcome) = open(&dir, BOOT);
    assert_eq!(outcome, OpenOutcome::Clean);
    assert_eq!(kv.get(b"k").unwrap(), Some(b"v".to_vec()));
}

#[test]
fn machine_crash_sets_the_store_aside() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let (kv, _) = open(&dir, BOOT);
    put(&kv, "k", "v");
    drop(kv);
    let (kv, outcome) = open(&dir, "other boot");
    assert!(reason(outcome).contains("without a clean shutdown"));
    assert_eq!(kv.get(b"k").unwrap(), None);
    put(&kv, "k", "second");
    drop(kv);
    // A system without a boot id can never tell, so it never trusts.
    let (kv, outcome) = open(&dir, "");
    assert!(reason(outcome).contains("without a clean shutdown"));
    drop(kv);
    let kept = list_set_aside(&dir).unwrap();
    assert_eq!(kept.len(), 1, "only the newest is kept");
    let (old, _) = open(&kept[0].0, "any");
    drop(old);
    remove_set_aside(&dir).unwrap();
    assert!(list_set_aside(&dir).unwrap().is_empty());
}

#[test]
fn clean_shutdown_survives_a_reboot() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let (kv, _) = open(&dir, BOOT);
    put(&kv, "k", "v");
    kv.mark_clean().unwrap();
    let mut batch = Batch::new();
    batch.put("late", "write");
    assert_eq!(kv.apply(batch), Err(KvError::Closed));
    assert_eq!(kv.clear(), Err(KvError::Closed));
    drop(kv);
    let (kv, outcome) = open(&dir, "other boot");
    assert_eq!(outcome, OpenOutcome::Clean);
    assert_eq!(kv.get(b"k").unwrap(), Some(b"v".to_vec()));
    drop(kv);
    // The mark was used up by opening.
    let (_kv, outcome) = open(&dir, "third boot");
    assert!(reason(outcome).contains("without a clean shutdown"));
}

#[test]
fn store_without_or_with_odd_marker_is_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    drop(open(&dir, BOOT));
    fs::remove_file(marker_path(&dir)).unwrap();
    let (kv, outcome) = open(&dir, BOOT);
    assert!(reason(outcome).contains("no marker"));
    drop(kv);
    for odd in [&b"perhaps\n"[..], b"\xff\xfe", &[b'a'; 10_000]] {
        fs::write(marker_path(&dir), odd).unwrap();
        let (_kv, outcome) = open(&dir, BOOT);
        assert!(reason(outcome).contains("unreadable"));
    }
}

#[test]
fn damaged_files_are_corrupt_and_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let (kv, _) = open(&dir, BOOT);
    for number in 0..2000 {
        put(&kv, &format!("key-{number}"), &"v".repeat(500));
    }
    kv.mark_clean().unwrap();
    drop(kv);
    let data = dir.join("db");
    let mut bytes = fs::read(&data).unwrap();
    for byte in bytes.iter_mut().step_by(97) {
        *byte ^= 0x55;
    }
    fs::write(&data, bytes).unwrap();
    fs::write(dir.join("conf"), b"not a configuration").unwrap();
    let error = SledKv::open(&dir, &small()).unwrap_err();
    assert!(error.is_corrupt(), "{error}");
    let (kv, outcome) = open(&dir, BOOT);
    assert!(!reason(outcome).is_empty());
    assert_eq!(kv.stats().unwrap().keys_count, 0);
    put(&kv, "works", "again");
}

#[test]
fn second_opener_is_told_and_nothing_is_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let (kv, _) = open(&dir, BOOT);
    put(&kv, "k", "v");
    let error = open_or_set_aside(&dir, &small(), BOOT).unwrap_err();
    assert!(matches!(error, KvError::InUse { .. }), "{error}");
    assert_eq!(kv.get(b"k").unwrap(), Some(b"v".to_vec()));
    assert!(list_set_aside(&dir).unwrap().is_empty());
}

#[test]
fn unusable_folder_is_no_corruption() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = open_or_set_aside(&file.join("state"), &small(), BOOT).unwrap_err();
    assert!(!error.is_corrupt(), "{error}");
}
