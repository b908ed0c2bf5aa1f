use super::*;
use std::io::Write as _;

fn header(name: &str, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    // Written raw: the builder would refuse the names that matter here.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header
}

fn file(name: &str, body: &[u8]) -> Vec<u8> {
    let mut out = header(name, tar::EntryType::Regular, body.len() as u64).as_bytes().to_vec();
    out.extend_from_slice(body);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn link(name: &str, target: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut header = header(name, kind, 0);
    header.set_link_name_literal(target).unwrap();
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn open(parts: &[Vec<u8>]) -> (tempfile::NamedTempFile, Result<Archive, TargetError>) {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(&parts.concat()).unwrap();
    let archive = Archive::open(on_disk.path());
    (on_disk, archive)
}

const LIMIT: (&str, u64) = ("TEST", 1000);

#[test]
fn members_are_read_in_place() {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("{}/layer.tar", "d".repeat(180));
    for (name, body) in [("./a.json", "first"), (long.as_str(), "second"), ("a.json", "third")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, name, body.as_bytes()).unwrap();
    }
    let (_file, archive) = open(&[builder.into_inner().unwrap()]);
    let archive = archive.unwrap();
    // A later member replaces an earlier one of the same name.
    assert_eq!(archive.bytes("a.json", LIMIT).unwrap(), b"third");
    assert_eq!(archive.bytes(&long, LIMIT).unwrap(), b"second");
    assert!(archive.bytes("gone", LIMIT).unwrap_err().to_string().contains("no member 'gone'"));
}

#[test]
fn pax_names_and_sizes_count() {
    let record = |key: &str, value: &str| {
        let length = key.len() + value.len() + 3;
        let digits = (length + 2).to_string().len();
        format!("{} {key}={value}\n", length + digits)
    };
    let data = record("path", "x/layer.tar") + &record("mtime", "1.5");
    let mut meta = file("PaxHeader", data.as_bytes());
    meta[156] = b'x';
    let mut fixed = tar::Header::from_byte_slice(&meta[..512]).clone();
    fixed.set_cksum();
    meta[..512].copy_from_slice(fixed.as_bytes());
    let (_file, archive) = open(&[meta, file("short", b"body")]);
    assert_eq!(archive.unwrap().bytes("x/layer.tar", LIMIT).unwrap(), b"body");
}

#[test]
fn links_stay_inside() {
    let symlink = |name: &str, target: &str| link(name, target, tar::EntryType::Symlink);
    let (_file, archive) = open(&[
        file("a/layer.tar", b"body"),
        symlink("b/layer.tar", "../a/layer.tar"),
        link("c", "b/layer.tar", tar::EntryType::Link),
        symlink("x", "y"),
        symlink("y", "x"),
    ]);
    let archive = archive.unwrap();
    assert_eq!(archive.bytes("c", LIMIT).unwrap(), b"body");
    assert!(archive.bytes("x", LIMIT).unwrap_err().to_string().contains("ARCHIVE_LINKS_MAX"));
    for target in ["../../etc/passwd", "/../x"] {
        let (_file, archive) = open(&[symlink("b/layer.tar", target)]);
        let code = archive.map(|_| ()).unwrap_err().code();
        assert_eq!(code, "archive_traversal", "{target}");
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../x", "/etc/passwd", "a/../../x"] {
        let (_file, archive) = open(&[file(name, b"x")]);
        assert_eq!(archive.map(|_| ()).unwrap_err().code(), "archive_traversal", "{name}");
    }
    let (_file, archive) = open(&[file("a", b"x")]);
    let archive = archive.unwrap();
    for name in ["../a", "/a", "", ".", "a\0b"] {
        assert_eq!(archive.size(name).unwrap_err().code(), "archive_traversal", "{name}");
    }
}

#[test]
fn damage_is_told() {
    let check = |bytes: Vec<u8>, expect: &str| {
        let (_file, archive) = open(&[bytes]);
        let error = archive.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(file("a", &[7; 2000])[..1000].to_vec(), "longer than the file");
    check(file("a", b"x")[..300].to_vec(), "cut off");
    check(vec![7; 4096], "checksum");
    let mut huge = header("a", tar::EntryType::Regular, 0);
    huge.as_old_mut().size = [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    huge.set_cksum();
    check(huge.as_bytes().to_vec(), "longer than the file");
    let long = header("L", tar::EntryType::GNULongName, u64::from(u32::MAX));
    check(long.as_bytes().to_vec(), "ARCHIVE_META_BYTES_MAX");
    let (_file, archive) = open(&[file("big", &[0; 2000])]);
    assert_eq!(archive.unwrap().bytes("big", LIMIT).unwrap_err().code(), "limit_exceeded");
    let folder = tempfile::tempdir().unwrap();
    assert!(Archive::open(folder.path()).unwrap_err().to_string().contains("not a regular file"));
}

#[test]
fn archives_are_told_apart() {
    let (on_disk, _) = open(&[file("manifest.json", b"[]")]);
    let path = on_disk.path().to_owned();
    assert_eq!(detect(&path), Ok(TargetSpec::DockerArchive { path, name: None }));
    let both = [file("oci-layout", b"{}"), file("index.json", b"{}"), file("manifest.json", b"[]")];
    let (on_disk, _) = open(&both);
    let path = on_disk.path().to_owned();
    assert_eq!(detect(&path), Ok(TargetSpec::OciArchive { path, name: None }));
    let (on_disk, _) = open(&[vec![0x1f, 0x8b, 8, 0]]);
    assert!(detect(on_disk.path()).unwrap_err().to_string().contains("compressed"));
}
