//! One layer: encodings, digests, damage, the tar dialects.

use crate::support::{Raw, TarBytes, expected, gzip, module, read_plain, tar};
use kedge_analyzer::image::budget::{Budget, Gate};
use kedge_analyzer::image::decode::{Encoding, decode};
use kedge_analyzer::image::layer::{
    Expected, LayerError, LayerFacts, LayerWalk, Limits, read_layer, walk,
};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::FileKind;
use std::io::{self, Read};

fn sample() -> Vec<u8> {
    let mut tar = tar();
    tar.dir("app/").file("app/package.json", module("a", "1.0.0"));
    tar.file("app/data.bin", vec![7_u8; 700_000]).symlink("app/link", "../x");
    tar.end()
}

fn read(blob: &[u8], encoding: Encoding, expected: &Expected) -> Result<LayerFacts, LayerError> {
    read_layer(blob, encoding, expected, &Limits::default())
}

#[test]
fn every_encoding_gives_the_same_facts() {
    let tar = sample();
    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    let two_members = [gzip(&tar[..1000]), gzip(&tar[1000..])].concat();
    let mut all = Vec::new();
    for (blob, encoding) in [
        (gzip(&tar), Encoding::Gzip),
        (two_members, Encoding::Gzip),
        (zstd, Encoding::Zstd),
        (tar.clone(), Encoding::Plain),
    ] {
        let facts = read(&blob, encoding, &expected(&blob, &tar)).unwrap();
        assert_eq!(facts.blob, Some(Digest::of(&blob)));
        assert_eq!(facts.blob_size, blob.len() as u64);
        assert_eq!(facts.diff_id, Some(Digest::of(&tar)));
        assert_eq!(facts, read(&blob, Encoding::Detect, &Expected::default()).unwrap());
        all.push((facts.entries, facts.found, facts.tar_size));
    }
    assert_eq!(all[0].0.len(), 4);
    assert_eq!(all[0].1[0].found.packages[0].name, "a");
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_wrong_media_type_is_told_and_not_fatal() {
    let tar = sample();
    let blob = gzip(&tar);
    let facts = read(&blob, Encoding::Plain, &expected(&blob, &tar)).unwrap();
    assert_eq!(facts.problems[0].code, "layer_encoding_differs");
    assert_eq!(facts.problems[0].message, "media type says plain tar, the bytes are gzip");
}

#[test]
fn digest_size_and_diff_id_are_checked() {
    let tar = sample();
    let blob = gzip(&tar);
    let right = expected(&blob, &tar);
    let other = Digest::of(b"other");
    let found = Digest::of(&blob);

    let error = read(&blob, Encoding::Gzip, &Expected { digest: Some(other), ..right.clone() });
    let error = error.unwrap_err();
    assert!(
        matches!(error, LayerError::BlobDigest { expected, found: f } if expected == other && f == found)
    );
    assert_eq!(
        error.to_string(),
        format!("layer blob has digest {found}, its descriptor says {other}")
    );
    assert!(!error.is_transient());

    let error = read(&blob, Encoding::Gzip, &Expected { diff_id: Some(other), ..right.clone() });
    assert!(matches!(error, Err(LayerError::DiffId { expected, .. }) if expected == other));

    let size = blob.len() as u64;
    for stated in [size - 1, size + 1] {
        let wrong = Expected { size: Some(stated), ..right.clone() };
        let error = read(&blob, Encoding::Gzip, &wrong);
        assert!(matches!(error, Err(LayerError::BlobSize { expected, .. }) if expected == stated));
    }
}

#[test]
fn damage_in_transit_is_called_a_wrong_digest() {
    let tar = sample();
    let blob = gzip(&tar);
    let right = expected(&blob, &tar);
    let mut flipped = blob.clone();
    flipped[blob.len() / 2] ^= 0x55;
    assert!(matches!(read(&flipped, Encoding::Gzip, &right), Err(LayerError::BlobDigest { .. })));
    let cut = &blob[..blob.len() / 2];
    assert!(matches!(read(cut, Encoding::Gzip, &right), Err(LayerError::BlobSize { .. })));
    let mut plain = tar.clone();
    plain[148] = b'9';
    let right = expected(&tar, &tar);
    assert!(matches!(read(&plain, Encoding::Plain, &right), Err(LayerError::BlobDigest { .. })));
}

#[test]
fn damage_that_the_digest_covers_is_named() {
    let tar = sample();
    let blob = gzip(&tar);
    let cut = &blob[..blob.len() / 2];
    let matching =
        Expected { digest: Some(Digest::of(cut)), size: Some(cut.len() as u64), diff_id: None };
    let error = read(cut, Encoding::Gzip, &matching).unwrap_err();
    assert_eq!(error.to_string(), "layer is truncated: the gzip stream ends in the middle");

    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    let error = read(&zstd[..zstd.len() - 9], Encoding::Zstd, &Expected::default()).unwrap_err();
    assert!(matches!(error, LayerError::Truncated { encoding: "zstd" }), "{error}");

    let mut bad_crc = blob.clone();
    let at = blob.len() - 6;
    bad_crc[at] ^= 1;
    let error = read(&bad_crc, Encoding::Gzip, &Expected::default()).unwrap_err();
    assert!(matches!(error, LayerError::Corrupt { encoding: "gzip", .. }), "{error}");

    let trailing = [blob.as_slice(), b"garbage"].concat();
    let error = read(&trailing, Encoding::Gzip, &Expected::default()).unwrap_err();
    assert!(matches!(error, LayerError::Corrupt { .. } | LayerError::Truncated { .. }), "{error}");

    for (head, name) in
        [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh91A", "bzip2"), (b"\x04\x22\x4d\x18zz", "lz4")]
    {
        let error = read(head, Encoding::Gzip, &Expected::default()).unwrap_err();
        assert!(matches!(&error, LayerError::Compression { found, .. } if found == name));
    }
}

#[test]
fn a_tar_that_ends_or_breaks_early() {
    let mut tar = tar();
    tar.file("a", b"x".repeat(600));
    let whole = tar.end();
    for cut in [100, 512, 700, 1100] {
        let error = read_plain(&whole[..cut]).unwrap_err();
        assert!(matches!(error, LayerError::TarTruncated { offset } if offset == cut as u64));
    }
    // Nothing at all, no end marker, half of one: as runtimes accept them.
    for cut in [0, 1536, 2048] {
        assert!(read_plain(&whole[..cut]).is_ok(), "{cut}");
    }
    let mut bad = whole.clone();
    bad[0] = b'b';
    let error = read_plain(&bad).unwrap_err();
    assert_eq!(error.to_string(), "layer tar is malformed at byte 0: header checksum differs");
}

#[test]
fn bytes_after_the_end_are_hashed_and_ignored() {
    let mut bytes = sample();
    bytes.extend_from_slice(&[0xaa; 5000]);
    let facts = read(&bytes, Encoding::Plain, &expected(&bytes, &bytes)).unwrap();
    assert_eq!(facts.tar_size, bytes.len() as u64);
    assert_eq!(facts.entries.len(), 4);
}

#[test]
fn stages_apart_and_chunks_of_any_size() {
    let tar = sample();
    let blob = gzip(&tar);
    let right = expected(&blob, &tar);
    let mut whole = read(&blob, Encoding::Gzip, &right).unwrap();
    let mut decoder = decode(&blob[..], Encoding::Gzip, &right, &Limits::default()).unwrap();
    let facts = walk(&mut decoder, right.diff_id, &Limits::default()).unwrap();
    assert_eq!(decoder.blob(), Some((Digest::of(&blob), blob.len() as u64)));
    whole.blob = None;
    whole.blob_size = 0;
    assert_eq!(facts, whole);
    for size in [1, 7, 511, 512, 513, 4096] {
        let mut pushed = LayerWalk::new(&Limits::default());
        tar.chunks(size).for_each(|chunk| pushed.feed(chunk).unwrap());
        assert_eq!(pushed.finish(None).unwrap(), whole, "chunks of {size}");
    }
}

/// Hands out one byte at a time and fails in the middle.
struct Flaky<'a>(&'a [u8], usize);

impl Read for Flaky<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        self.1 -= 1;
        let count = 1.min(out.len()).min(self.0.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn a_failing_source_is_transient() {
    let tar = sample();
    let blob = gzip(&tar);
    for after in [0, 3, 100] {
        let source = Flaky(&blob, after);
        let error = read_layer(source, Encoding::Gzip, &expected(&blob, &tar), &Limits::default());
        let error = error.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    let slow = Flaky(&blob, usize::MAX);
    assert!(read_layer(slow, Encoding::Gzip, &expected(&blob, &tar), &Limits::default()).is_ok());
}

#[test]
fn long_names_pax_and_base_256() {
    let long = format!("{}/package.json", "d".repeat(180));
    let mut tar = tar();
    tar.file(&long, module("long", "1.0.0"));
    tar.pax(&[("path", "app/package.json"), ("uid", "70000"), ("comment", "x")]);
    tar.file("short", module("pax", "2.0.0"));
    tar.meta(b'g', b"17 path=not/this\n");
    tar.file("after-global", b"");
    tar.pax(&[("linkpath", "to/there")]).symlink("link", "elsewhere");
    let text = module("sized", "3.0.0");
    tar.pax(&[("size", &text.len().to_string())]);
    tar.header(&Raw { name: b"s/package.json", flag: b'0', mode: 0o644, link: b"", size: 0 });
    tar.body(text.as_bytes());
    let facts = tar.facts();
    let rows: Vec<_> = facts.entries.iter().map(|e| (e.path, e.link, e.uid)).collect();
    assert_eq!(
        rows,
        [
            ("after-global", "", 0),
            ("app/package.json", "", 70_000),
            (long.as_str(), "", 0),
            ("link", "to/there", 0),
            ("s/package.json", "", 0),
        ]
    );
    let found: Vec<_> =
        facts.found.iter().flat_map(|f| &f.found.packages).map(|p| p.name.as_str()).collect();
    assert_eq!(found, ["pax", "long", "sized"]);
}

#[test]
fn sparse_files_are_skipped_whole() {
    let mut tar = tar();
    // Old GNU form: one extension block, then 512 bytes of pieces.
    let mut block = [0_u8; 512];
    block[..14].copy_from_slice(b"a/package.json");
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(b"00000001000");
    block[156] = b'S';
    block[257..265].copy_from_slice(b"ustar  \0");
    block[482] = 1;
    block[483..494].copy_from_slice(b"00010000000");
    tar.seal(block);
    tar.body(&[0; 512]).body(&[b'x'; 512]);
    tar.pax(&[
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.name", "real"),
        ("GNU.sparse.realsize", "99"),
    ]);
    tar.file("GNUSparseFile.0/real", b"1\n0\n3\nabc");
    tar.file("next/package.json", module("next", "1.0.0"));
    let facts = tar.facts();
    let rows: Vec<_> = facts.entries.iter().map(|e| (e.path, e.size)).collect();
    let next = module("next", "1.0.0").len() as u64;
    assert_eq!(rows, [("a/package.json", 0o10_000_000), ("next/package.json", next), ("real", 99)]);
    assert_eq!(facts.found.len(), 1);
    assert_eq!(facts.problems[0].code, "file_not_read");
}

#[test]
fn limits_are_named() {
    let bytes = sample();
    let check = |limits: Limits, name: &str| {
        let blob = gzip(&bytes);
        let error = read_layer(&blob[..], Encoding::Gzip, &Expected::default(), &limits);
        assert!(matches!(error, Err(LayerError::Limit { limit, .. }) if limit == name), "{name}");
    };
    check(Limits { entries_max: 3, ..Limits::default() }, "ENTRIES_MAX");
    check(Limits { tar_bytes_max: 1000, ..Limits::default() }, "TAR_BYTES_MAX");
    check(Limits { blob_bytes_max: 100, ..Limits::default() }, "BLOB_BYTES_MAX");
    check(Limits { ratio_floor_bytes: 1000, ratio_max: 5, ..Limits::default() }, "RATIO_MAX");

    let mut big = tar();
    big.header(&Raw { name: b"m", flag: b'L', mode: 0, link: b"", size: 1 << 40 });
    let error = read_plain(&big.end());
    assert!(matches!(error, Err(LayerError::Limit { limit: "TAR_META_BYTES_MAX", .. })));
    let mut chain = tar();
    (0..40).for_each(|_| {
        chain.pax(&[("comment", "x")]);
    });
    let error = read_plain(&chain.end());
    assert!(matches!(error, Err(LayerError::Limit { limit: "TAR_META_CHAIN_MAX", .. })));
    // A size that no stream can have, at a path that a cataloger wants: no allocation by it.
    let mut lie = tar();
    lie.header(&Raw { name: b"package.json", flag: b'0', mode: 0, link: b"", size: 1 << 50 });
    let error = read_plain(&lie.0);
    assert!(matches!(error, Err(LayerError::TarTruncated { .. })));
}

#[test]
fn whiteouts_and_names_share_one_limit() {
    let limits = Limits { path_bytes_max: 1000, ..Limits::default() };
    let directory = "d".repeat(90);
    let read =
        |tar: &TarBytes| read_layer(&tar.end()[..], Encoding::Plain, &Expected::default(), &limits);
    let over = |result: Result<LayerFacts, LayerError>| {
        matches!(result, Err(LayerError::Limit { limit: "PATH_BYTES_TOTAL_MAX", max: 1000 }))
    };
    let (mut names, mut gone, mut opaque) = (tar(), tar(), tar());
    for index in 0..10 {
        names.file(&format!("{directory}/{index}"), b"");
        gone.whiteout(&format!("{directory}/{index}"));
        opaque.opaque(&directory);
    }
    for layer in [&mut names, &mut gone, &mut opaque] {
        read(layer).unwrap();
        assert!(over(read(layer.file(&directory, b"").file(&format!("{directory}e"), b""))));
        layer.0.truncate(layer.0.len() - 1024);
        assert!(over(read(layer.opaque(&directory).opaque(&directory))));
    }
}

#[test]
fn what_is_held_is_counted_over_layers_and_kinds_of_facts() {
    let (mut names, mut gone, mut packages) = (tar(), tar(), tar());
    names.file(&"n".repeat(500), b"");
    gone.whiteout(&"w".repeat(500));
    packages.file("m/package.json", module("m", "1.0.0"));
    for layer in [names, gone, packages] {
        let bytes = layer.end();
        let read = |held: &Budget| {
            let limits = Limits { held: held.clone(), ..Limits::default() };
            read_layer(&bytes[..], Encoding::Plain, &Expected::default(), &limits)
        };
        let budget = Budget::new(3000);
        let facts = read(&budget).unwrap();
        let fails = |error: LayerError| {
            assert!(matches!(error, LayerError::Limit { limit: "HELD_BYTES_MAX", max: 3000 }));
        };
        // More layers of the same kind, read or known, go over it.
        let cached = budget.fresh();
        fails((0..3).find_map(|_| read(&budget).err()).unwrap());
        fails((0..4).find_map(|_| cached.hold_facts(&facts).err()).unwrap());
    }
}

#[test]
fn a_body_is_held_with_leave_and_the_leave_is_given_back() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    struct Held(Arc<AtomicU64>, u64);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(self.1, SeqCst);
        }
    }
    let (held, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (now, peak) = (held.clone(), most.clone());
    let bodies = Gate::new(move |bytes| {
        peak.fetch_max(now.fetch_add(bytes, SeqCst) + bytes, SeqCst);
        Box::new(Held(now.clone(), bytes))
    });
    let limits = Limits { bodies, ..Limits::default() };
    let mut layer = tar();
    let text = module("m", "1.0.0");
    layer.file("a/package.json", &text).file("b/package.json", &text).file("plain", b"x");
    let bytes = layer.end();
    read_layer(&bytes[..], Encoding::Plain, &Expected::default(), &limits).unwrap();
    assert_eq!((held.load(SeqCst), most.load(SeqCst)), (0, 2 * text.len() as u64));
    // Also when the layer ends in the middle.
    read_layer(&bytes[..530], Encoding::Plain, &Expected::default(), &limits).unwrap_err();
    assert_eq!(held.load(SeqCst), 0);
}

#[test]
fn kinds_modes_and_devices() {
    let mut tar = tar();
    tar.special("var/lib/dpkg/status", b'6').special("dev/null", b'3').special("dev/sda", b'4');
    tar.header(&Raw { name: b"suid", flag: b'0', mode: 0o104_755, link: b"", size: 0 });
    tar.header(&Raw { name: b"old-dir/", flag: 0, mode: 0o755, link: b"", size: 0 });
    tar.header(&Raw { name: b"strange", flag: b'Z', mode: 0o644, link: b"", size: 0 });
    let facts = tar.facts();
    let rows: Vec<_> = facts.entries.iter().map(|e| (e.path, e.kind, e.mode)).collect();
    assert_eq!(
        rows,
        [
            ("dev/null", FileKind::Special, 0o600),
            ("dev/sda", FileKind::Special, 0o600),
            ("old-dir", FileKind::Directory, 0o755),
            ("strange", FileKind::File, 0o644),
            ("suid", FileKind::File, 0o4755),
            ("var/lib/dpkg/status", FileKind::Special, 0o600),
        ]
    );
    assert!(facts.found.is_empty());
}

#[test]
fn facts_survive_the_codec() {
    let tar = sample();
    let facts = read_plain(&tar).unwrap();
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(&facts, config).unwrap();
    let (back, used): (LayerFacts, usize) =
        bincode::serde::decode_from_slice(&bytes, config).unwrap();
    assert_eq!((back, used), (facts, bytes.len()));
}
