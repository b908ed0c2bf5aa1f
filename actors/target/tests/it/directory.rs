//! Directory trees and single files.

use crate::fixture::{METADATA, OS_RELEASE, STATUS, package_names, run, sbom_bytes};
use kedge_artifact::image::FileKind;
use kedge_artifact::sbom::TargetKind;
use kedge_target::DirectorySource;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

fn tree(root: &Path) {
    write(root, "etc/os-release", OS_RELEASE);
    write(root, "var/lib/dpkg/status", STATUS);
    write(root, "usr/lib/python3/dist-packages/example_tool-3.1.4.dist-info/METADATA", METADATA);
}

#[tokio::test]
async fn a_tree_gives_its_packages() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tree(one.path());
    tree(two.path());
    let first = run(DirectorySource::new(one.path().to_owned())).await.unwrap();
    assert_eq!(package_names(&first), ["example-tool", "zlib1g"]);
    assert_eq!(first.analysis.sbom.target.kind, TargetKind::Directory);
    assert_eq!(first.analysis.sbom.distro.as_ref().unwrap().id, "debian");
    // Where the tree lies is not in the SBOM.
    let second = run(DirectorySource::new(two.path().to_owned())).await.unwrap();
    assert_eq!(sbom_bytes(&first), sbom_bytes(&second));
}

#[tokio::test]
async fn links_are_listed_and_not_followed() {
    let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tree(outside.path());
    write(inside.path(), "etc/hostname", b"x");
    symlink(outside.path().join("usr"), inside.path().join("usr")).unwrap();
    symlink(outside.path().join("etc/os-release"), inside.path().join("etc/os-release")).unwrap();
    symlink(".", inside.path().join("loop")).unwrap();
    let got = run(DirectorySource::new(inside.path().to_owned())).await.unwrap();
    assert!(got.analysis.sbom.packages.is_empty());
    assert!(got.analysis.sbom.distro.is_none());
    let links: Vec<&str> = got
        .analysis
        .files
        .iter()
        .filter(|file| file.kind == FileKind::Symlink)
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(links, ["/etc/os-release", "/loop", "/usr"]);
}

#[tokio::test]
async fn sockets_at_database_paths_are_not_opened() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
    let _socket =
        std::os::unix::net::UnixListener::bind(root.path().join("var/lib/dpkg/status")).unwrap();
    let got = run(DirectorySource::new(root.path().to_owned())).await.unwrap();
    assert!(got.analysis.sbom.packages.is_empty());
    assert!(got.analysis.files.iter().any(|file| file.kind == FileKind::Special));
}

#[tokio::test]
async fn one_file_is_a_target() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "example_tool-3.1.4.dist-info/METADATA", METADATA);
    write(root.path(), "example_tool-3.1.4.dist-info/other", b"x");
    let path = root.path().join("example_tool-3.1.4.dist-info/METADATA");
    let got = run(DirectorySource::new(path)).await.unwrap();
    let files: Vec<&str> = got.analysis.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["/METADATA"]);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let error = run(DirectorySource::new("/nowhere/at/all".into())).await.unwrap_err();
    assert_eq!(error.code(), "target_unreadable");
    assert!(error.to_string().contains("/nowhere/at/all"));
}
