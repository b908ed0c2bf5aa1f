use std::fs;
use std::path::Path;

use super::*;
use crate::consensus::record::{AppliedRecord, LogIdRecord};

const CLUSTER: [u8; 16] = [7; 16];

fn header(index: u64) -> SnapshotHeader {
    let id = LogIdRecord { term: 1, node: 1, index };
    let applied = Some(AppliedRecord { id, digest: [9; 32] });
    SnapshotHeader { cluster: CLUSTER, applied, created_ms: 5, ..SnapshotHeader::default() }
}

fn open(dir: &Path) -> SnapshotFolder {
    SnapshotFolder::open(dir, CLUSTER).unwrap()
}

fn write(folder: &SnapshotFolder, index: u64, records: &[(&str, &str)]) -> SnapshotFile {
    let mut writer = folder.create(header(index)).unwrap();
    for (key, value) in records {
        writer.put(key.as_bytes(), value.as_bytes()).unwrap();
    }
    folder.commit(writer).unwrap()
}

fn read(snapshot: &SnapshotFile) -> Vec<(String, String)> {
    let mut reader = SnapshotReader::open(snapshot).unwrap();
    let mut records = Vec::new();
    while let Some((key, value)) = reader.next_record().unwrap() {
        records.push((String::from_utf8(key).unwrap(), String::from_utf8(value).unwrap()));
    }
    records
}

#[test]
fn a_snapshot_reads_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(&open(dir.path()), 3, &[("a", "1"), ("b", ""), ("bb", "2")]);
    let found = open(dir.path()).newest().unwrap();
    assert_eq!(found.header, header(3));
    assert_eq!(found.bytes, written.bytes);
    assert_eq!(found.bytes, fs::metadata(&found.path).unwrap().len());
    let expected = [("a", "1"), ("b", ""), ("bb", "2")];
    assert_eq!(read(&found), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn format_1_is_pinned() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(&open(dir.path()), 3, &[("key", "value")]);
    let bytes = fs::read(&snapshot.path).unwrap();
    assert_eq!(snapshot.path.file_name().unwrap(), "00000000000000000003.snapshot");
    let (content, checksum) = bytes.split_at(bytes.len() - 32);
    let golden = "4b45444745534e50 01000000 3a000000".replace(' ', "");
    // Codec bytes, cluster, log id, digest, empty membership, time.
    let encoded_header =
        format!("0101{}01010103{}000000{}", "07".repeat(16), "09".repeat(32), "0a");
    let records = "03000000 05000000 6b6579 76616c7565 ffffffff 0100000000000000".replace(' ', "");
    assert_eq!(hex::encode(content), format!("{golden}{encoded_header}{records}"));
    assert_eq!(checksum, <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(content)));
}

#[test]
fn two_are_kept_and_the_older_one_bounds_the_purge() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path());
    assert_eq!(folder.purgeable_index(), None);
    write(&folder, 1, &[]);
    assert_eq!(folder.purgeable_index(), None);
    let second = write(&folder, 2, &[]);
    assert_eq!(folder.purgeable_index(), Some(1));
    write(&folder, 3, &[]);
    assert_eq!(folder.purgeable_index(), Some(2));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    write(&folder, 4, &[]);
    assert_eq!(read(&second), [], "an open snapshot survives its removal");
}

#[test]
fn every_damaged_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&open(dir.path()), 3, &[("key", "value"), ("other", "")]).path;
    let whole = fs::read(&path).unwrap();
    let check = |bytes: &[u8], what: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(path.file_name().unwrap());
        fs::write(&path, bytes).unwrap();
        match SnapshotFolder::open(dir.path(), CLUSTER) {
            Ok(folder) => {
                assert!(folder.newest().is_none(), "{what} was accepted");
                let mut aside = path.clone().into_os_string();
                aside.push(".corrupt");
                assert_eq!(fs::read(aside).unwrap(), bytes, "{what} was not set aside");
            }
            // A flipped format number looks like a newer one; that is refused, not set aside.
            Err(SnapshotError::NewerFormat { .. }) => assert!(path.exists()),
            Err(error) => panic!("{what}: {error}"),
        }
    };
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        check(&damaged, &format!("flip at {at}"));
        check(&whole[..at], &format!("cut at {at}"));
    }
    let mut longer = whole.clone();
    longer.push(0);
    check(&longer, "a byte too much");
}

#[test]
fn lengths_are_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("00000000000000000001.snapshot");
    let mut bytes = b"KEDGESNP".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(0xffff_fff0_u32.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let file = std::sync::Arc::new(File::open(&path).unwrap());
    let error = SnapshotReader::begin(&path, file).err().unwrap();
    assert!(error.to_string().contains("SNAPSHOT_HEADER_BYTES_MAX"), "{error}");
}

#[test]
fn foreign_and_newer_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&open(dir.path()), 3, &[]).path;
    let error = SnapshotFolder::open(dir.path(), [8; 16]).err().unwrap();
    assert!(matches!(error, SnapshotError::WrongCluster { .. }), "{error}");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    fs::write(&path, bytes).unwrap();
    let error = SnapshotFolder::open(dir.path(), CLUSTER).err().unwrap();
    assert!(matches!(error, SnapshotError::NewerFormat { found: 2, .. }), "{error}");
}

#[test]
fn unfinished_files_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path());
    let mut writer = folder.create(header(3)).unwrap();
    writer.put(b"key", b"value").unwrap();
    drop(writer);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(open(dir.path()).newest().is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_file_from_a_peer_is_not_adopted() {
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let snapshot = write(&open(theirs.path()), 3, &[("key", "value")]);
    let folder = open(ours.path());
    assert_eq!(read(&folder.adopt(&snapshot).unwrap()).len(), 1);
    let mut bytes = fs::read(&snapshot.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&snapshot.path, bytes).unwrap();
    assert!(folder.adopt(&snapshot).unwrap_err().is_corrupt());
    assert_eq!(folder.newest().unwrap().path.parent().unwrap(), ours.path());
}
