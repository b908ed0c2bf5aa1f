//! An image written from folders, and read back.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use flate2::read::GzDecoder;
use kedge_benchmarks::layout::{self, Compression, LayerBlob};
use kedge_benchmarks::pack::{Recipe, Source, write_image};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Two folders that differ in one added, one changed and one removed file, and a removed folder.
fn lower_and_upper() -> (TempDir, TempDir) {
    let (lower, upper) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for root in [lower.path(), upper.path()] {
        write(root, "etc/same", "same");
        write(root, "bin/tool", "tool");
        fs::hard_link(root.join("bin/tool"), root.join("bin/tool-alias")).unwrap();
        symlink("tool", root.join("bin/link")).unwrap();
    }
    write(lower.path(), "etc/changed", "old text");
    write(upper.path(), "etc/changed", "new text");
    write(lower.path(), "etc/removed", "gone");
    write(lower.path(), "opt/old/deep/file", "gone");
    fs::create_dir(upper.path().join("opt")).unwrap();
    write(upper.path(), "usr/share/added", "added");
    (lower, upper)
}

fn recipe(layers: Vec<Source>, compression: Compression) -> Recipe {
    let created = "2026-01-01T00:00:00Z".to_owned();
    Recipe { layers, compression, config: json!({"Cmd": ["/bin/tool"]}), created }
}

fn tar_of(layer: &LayerBlob) -> Vec<u8> {
    let file = File::open(&layer.path).unwrap();
    let mut bytes = Vec::new();
    match layer.compression {
        Compression::Gzip => GzDecoder::new(file).read_to_end(&mut bytes).unwrap(),
        Compression::Zstd => zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap(),
        Compression::Plain => (&file).read_to_end(&mut bytes).unwrap(),
    };
    bytes
}

/// Path → (type, link target, content).
fn entries(layer: &LayerBlob) -> BTreeMap<String, (char, String, String)> {
    let bytes = tar_of(layer);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let link = entry.link_name().unwrap().map(|it| it.display().to_string());
        let path = entry.path().unwrap().display().to_string();
        let kind = char::from(entry.header().entry_type().as_byte());
        found.insert(path, (kind, link.unwrap_or_default(), content));
    }
    found
}

fn entry(kind: char, link: &str, content: &str) -> (char, String, String) {
    (kind, link.to_owned(), content.to_owned())
}

#[test]
fn a_difference_holds_what_changed_and_whiteouts_for_what_went() {
    let (lower, upper) = lower_and_upper();
    let out = TempDir::new().unwrap();
    let folder = out.path().join("image");
    let layers = vec![Source::Difference(lower.path().into(), upper.path().into())];
    write_image(&folder, &recipe(layers, Compression::Gzip)).unwrap();
    let layers = layout::layers(&folder).unwrap();
    let expected: BTreeMap<String, _> = [
        ("etc", entry('5', "", "")),
        ("etc/.wh.removed", entry('0', "", "")),
        ("etc/changed", entry('0', "", "new text")),
        ("opt/.wh.old", entry('0', "", "")),
        ("usr", entry('5', "", "")),
        ("usr/share", entry('5', "", "")),
        ("usr/share/added", entry('0', "", "added")),
    ]
    .into_iter()
    .map(|(path, entry)| (path.to_owned(), entry))
    .collect();
    assert_eq!(entries(&layers[0]), expected);
}

#[test]
fn a_whole_folder_keeps_links_and_modes() {
    let (lower, _upper) = lower_and_upper();
    let tool = lower.path().join("bin/tool");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4755)).unwrap();
    let out = TempDir::new().unwrap();
    let folder = out.path().join("image");
    let layers = vec![Source::Whole(lower.path().into())];
    write_image(&folder, &recipe(layers, Compression::Plain)).unwrap();
    let layer = &layout::layers(&folder).unwrap()[0];
    let found = entries(layer);
    assert_eq!(found["bin/link"], entry('2', "tool", ""));
    assert_eq!(found["bin/tool"], entry('0', "", "tool"));
    assert_eq!(found["bin/tool-alias"], entry('1', "bin/tool", ""));
    let bytes = tar_of(layer);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mode = archive
        .entries()
        .unwrap()
        .map(|it| it.unwrap())
        .find(|it| it.path().unwrap() == Path::new("bin/tool"))
        .map(|it| it.header().mode().unwrap());
    assert_eq!(mode, Some(0o4755));
}

#[test]
fn digests_are_those_of_the_bytes_and_repeatable() {
    let (lower, upper) = lower_and_upper();
    let out = TempDir::new().unwrap();
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Plain] {
        let digests = ["first", "second"].map(|name| {
            let folder = out.path().join(format!("{name}-{compression:?}"));
            let layers = vec![
                Source::Whole(lower.path().into()),
                Source::Difference(lower.path().into(), upper.path().into()),
            ];
            let digest = write_image(&folder, &recipe(layers, compression)).unwrap();
            for layer in layout::layers(&folder).unwrap() {
                let blob = fs::read(&layer.path).unwrap();
                let of = |bytes: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
                assert_eq!(layer.digest, of(&blob));
                assert_eq!(layer.diff_id, of(&tar_of(&layer)));
                assert_eq!(layer.compression, compression);
            }
            digest
        });
        assert_eq!(digests[0], digests[1]);
    }
}

#[test]
fn refuses_to_write_over_a_folder_and_to_read_what_is_no_layout() {
    let out = TempDir::new().unwrap();
    let error = write_image(out.path(), &recipe(Vec::new(), Compression::Gzip)).unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    let error = layout::layers(out.path()).unwrap_err();
    assert!(error.to_string().contains("index.json"), "{error}");
    fs::write(out.path().join("index.json"), r#"{"manifests": [{"digest": "sha256:../x"}]}"#)
        .unwrap();
    let error = layout::layers(out.path()).unwrap_err();
    assert!(error.to_string().contains("no sha256 digest"), "{error}");
}
