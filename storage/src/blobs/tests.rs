use super::*;

fn store() -> (tempfile::TempDir, Blobs) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path().join("blobs")).unwrap();
    (dir, blobs)
}

fn count_temporary(dir: &tempfile::TempDir) -> usize {
    fs::read_dir(dir.path().join("blobs/tmp")).unwrap().count()
}

/// Flips one byte of a stored blob.
fn damage(blobs: &Blobs, digest: &BlobDigest) {
    let path = blobs.path(digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn digest_is_the_sha256_of_the_bytes() {
    // FIPS 180-2, appendix B.1.
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let digest = BlobDigest::of(b"abc");
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse(), Ok(digest));
    for bad in ["", "ba78", &text.to_uppercase(), &format!("{text}00"), &text.replace('b', "g")] {
        assert_eq!(bad.parse::<BlobDigest>(), Err(BlobDigestError), "{bad}");
    }
}

#[test]
fn put_get_remove() {
    let (dir, blobs) = store();
    let digest = blobs.put(b"hello").unwrap();
    assert_eq!(blobs.put(b"hello").unwrap(), digest);
    let empty = blobs.put(b"").unwrap();
    assert_eq!(blobs.get(&digest).unwrap(), b"hello");
    assert_eq!(blobs.get(&empty).unwrap(), b"");
    assert_eq!(blobs.total_bytes(), 5);
    assert_eq!(blobs.list().unwrap().len(), 2);
    assert_eq!(count_temporary(&dir), 0);

    let reopened = Blobs::open(dir.path().join("blobs")).unwrap();
    assert_eq!(reopened.total_bytes(), 5);
    assert!(reopened.remove(&digest).unwrap());
    assert!(!reopened.remove(&digest).unwrap());
    assert_eq!(reopened.total_bytes(), 0);
    assert_eq!(reopened.get(&digest), Err(BlobError::Missing { digest }));
}

#[test]
fn pieces_make_the_same_blob_as_one_put() {
    let (dir, blobs) = store();
    let mut writer = blobs.writer().unwrap();
    for piece in [b"one ".as_slice(), b"", b"two"] {
        writer.write_all(piece).unwrap();
    }
    assert_eq!(writer.size_bytes(), 7);
    assert_eq!(writer.commit().unwrap(), BlobDigest::of(b"one two"));
    assert_eq!(count_temporary(&dir), 0);
}

#[test]
fn announced_digest_is_checked() {
    let (dir, blobs) = store();
    let expected = BlobDigest::of(b"expected");
    let mut writer = blobs.writer().unwrap();
    writer.write_all(b"other").unwrap();
    let found = BlobDigest::of(b"other");
    assert_eq!(writer.commit_as(&expected), Err(BlobError::Mismatch { expected, found }));
    assert_eq!(count_temporary(&dir), 0);
    assert!(blobs.list().unwrap().is_empty());
}

#[test]
fn left_overs_are_removed_at_open() {
    let (dir, blobs) = store();
    let mut writer = blobs.writer().unwrap();
    writer.write_all(b"half").unwrap();
    // As after a kill: the writer's clean-up never runs.
    std::mem::forget(writer);
    assert_eq!(count_temporary(&dir), 1);
    Blobs::open(dir.path().join("blobs")).unwrap();
    assert_eq!(count_temporary(&dir), 0);
}

#[test]
fn corrupt_blob_is_quarantined_and_can_be_stored_again() {
    let (dir, blobs) = store();
    let digest = blobs.put(b"precious").unwrap();
    damage(&blobs, &digest);
    let error = blobs.get(&digest).unwrap_err();
    assert!(matches!(error, BlobError::Corrupt { digest: named, .. } if named == digest));
    assert!(!blobs.contains(&digest).unwrap());
    assert!(dir.path().join("blobs/quarantine").join(digest.to_string()).is_file());
    assert_eq!(blobs.total_bytes(), 0);
    blobs.put(b"precious").unwrap();
    assert_eq!(blobs.get(&digest).unwrap(), b"precious");
}

#[test]
fn reader_verifies_at_the_end() {
    let (_dir, blobs) = store();
    let digest = blobs.put(&[7; 100_000]).unwrap();
    let mut content = Vec::new();
    let mut reader = blobs.open_blob(&digest).unwrap();
    assert_eq!(reader.size_bytes(), 100_000);
    reader.read_to_end(&mut content).unwrap();
    assert_eq!(content, [7; 100_000]);

    damage(&blobs, &digest);
    let mut reader = blobs.open_blob(&digest).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let inner = error.get_ref().unwrap().downcast_ref::<BlobError>().unwrap();
    assert!(matches!(inner, BlobError::Corrupt { .. }));
    assert!(!blobs.contains(&digest).unwrap());
}

#[test]
fn truncated_blob_is_corrupt_and_put_heals_it() {
    let (_dir, blobs) = store();
    let digest = blobs.put(b"precious").unwrap();
    fs::write(blobs.path(&digest), b"prec").unwrap();
    // The size alone tells that the stored copy is damaged, so it is written again.
    blobs.put(b"precious").unwrap();
    assert_eq!(blobs.get(&digest).unwrap(), b"precious");
    let reopened = Blobs::open(&blobs.inner.dir).unwrap();
    assert_eq!(reopened.total_bytes(), 8);
}

#[test]
fn unwritable_folder_names_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Blobs::open(file.join("blobs")).unwrap_err();
    assert!(error.to_string().contains("file/blobs"), "{error}");
}

#[test]
fn only_old_blobs_are_collected_and_storing_again_makes_young() {
    use std::time::{Duration, SystemTime};
    let (_dir, blobs) = store();
    let digest = blobs.put(b"result").unwrap();
    let hour = Duration::from_secs(3_600);
    assert!(!blobs.collect(&digest, hour).unwrap(), "it is young");
    let age = || {
        let file = OpenOptions::new().write(true).open(blobs.path(&digest)).unwrap();
        file.set_modified(SystemTime::now() - 2 * hour).unwrap();
    };
    age();
    blobs.put(b"result").unwrap();
    assert!(!blobs.collect(&digest, hour).unwrap(), "it was stored again");
    age();
    assert!(blobs.collect(&digest, hour).unwrap());
    assert!(!blobs.contains(&digest).unwrap());
    assert_eq!(blobs.total_bytes(), 0);
    assert!(!blobs.collect(&digest, hour).unwrap(), "there is none");
}
