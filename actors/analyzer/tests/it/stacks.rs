//! Several layers: whiteouts, opaque directories, links, ownership, distributions.

use crate::support::{DEBIAN, Raw, codes, deb, image, module, names, paths, squashed, tar};
use kedge_analyzer::image::layer::LayerFacts;
use kedge_analyzer::image::tree::{SquashError, SquashOptions, squash, squash_while};
use kedge_artifact::image::FileKind;
use std::sync::Arc;

const STATUS: &str = "var/lib/dpkg/status";

#[test]
fn replaced_and_deleted_files_take_their_packages_along() {
    let (mut low, mut high) = (tar(), tar());
    low.file("a/package.json", module("a", "1.0.0")).file("b/package.json", module("b", "1.0.0"));
    low.file("c/d/package.json", module("d", "1.0.0")).file("keep", b"");
    high.file("a/package.json", module("a", "2.0.0")).whiteout("b/package.json").whiteout("c");
    high.whiteout("never/was/here");
    let analysis = squashed(&[&low, &high]);
    assert_eq!(names(&analysis), ["npm a 2.0.0"]);
    assert_eq!(paths(&analysis), ["/a/package.json", "/keep"]);
    let location = &analysis.sbom.packages[0].locations[0];
    assert_eq!(location.path, "/a/package.json");
    assert_eq!(location.layer, high.facts().diff_id);
}

#[test]
fn an_opaque_directory_hides_lower_content_only() {
    let (mut low, mut high) = (tar(), tar());
    low.file("d/a/package.json", module("low", "1.0.0")).file("d-x", b"").file("e", b"");
    high.file("d/b/package.json", module("same", "1.0.0")).opaque("d");
    let analysis = squashed(&[&low, &high]);
    assert_eq!(names(&analysis), ["npm same 1.0.0"]);
    assert_eq!(paths(&analysis), ["/d-x", "/d/b/package.json", "/e"]);
    let mut root = tar();
    root.file("only", b"").file(".wh..wh..opq", b"");
    assert_eq!(paths(&squashed(&[&low, &root])), ["/only"]);
}

#[test]
fn a_whiteout_spares_what_its_own_layer_brings() {
    let (mut low, mut high) = (tar(), tar());
    low.file("d/old", b"").file("d/package.json", module("old", "1.0.0"));
    high.whiteout("d").file("d/package.json", module("new", "1.0.0"));
    let analysis = squashed(&[&low, &high]);
    assert_eq!(names(&analysis), ["npm new 1.0.0"]);
    assert_eq!(paths(&analysis), ["/d/package.json"]);
}

#[test]
fn a_directory_that_becomes_a_file_or_link_loses_its_content() {
    let (mut low, mut high) = (tar(), tar());
    low.dir("d").file("d/package.json", module("gone", "1.0.0")).file("d-e", b"");
    low.dir("lib").file("lib/x", b"");
    high.file("d", b"").symlink("lib", "usr/lib");
    let analysis = squashed(&[&low, &high]);
    assert_eq!(names(&analysis), [""; 0]);
    assert_eq!(paths(&analysis), ["/d", "/d-e", "/lib"]);
}

#[test]
fn the_last_database_wins_in_a_layer_and_over_layers() {
    let (mut low, mut high, mut top) = (tar(), tar(), tar());
    low.file("etc/os-release", DEBIAN);
    for version in ["1", "2", "3"] {
        low.file(STATUS, deb("bash", version));
    }
    assert_eq!(names(&squashed(&[&low])), ["deb bash 3"]);
    high.file(STATUS, deb("bash", "3") + &deb("curl", "1"));
    top.file(STATUS, deb("bash", "3") + &deb("curl", "1") + &deb("vim", "1"));
    let analysis = squashed(&[&low, &high, &top]);
    assert_eq!(names(&analysis), ["deb bash 3", "deb curl 1", "deb vim 1"]);
    let layers: Vec<_> = analysis.sbom.packages.iter().map(|p| p.locations[0].layer).collect();
    let ids = [low.facts().diff_id, high.facts().diff_id, top.facts().diff_id];
    assert_eq!(layers, ids, "each package is traced to the layer that installed it");
    assert_eq!(analysis.sbom.packages[0].purl, "pkg:deb/debian/bash@3?arch=amd64&distro=debian-12");
    let mut gone = tar();
    gone.whiteout(STATUS);
    let analysis = squashed(&[&low, &high, &top, &gone]);
    assert_eq!(names(&analysis), [""; 0]);
    assert_eq!(codes(&analysis), ["no_os_packages"]);
}

#[test]
fn linked_databases_are_found_and_foreign_roots_are_not() {
    let mut linked = tar();
    linked.symlink("var/lib/dpkg", "../../usr/lib/sysimage/dpkg");
    linked.file("usr/lib/sysimage/dpkg/status", deb("linked", "1"));
    linked.file("srv/chroot/var/lib/dpkg/status", deb("foreign", "1"));
    let analysis = squashed(&[&linked]);
    assert_eq!(names(&analysis), ["deb linked 1"]);
    assert_eq!(codes(&analysis), ["package_database_elsewhere"]);

    let mut apk = tar();
    apk.symlink("lib", "usr/lib").file("usr/lib/apk/db/installed", "P:musl\nV:1-r0\nA:x86_64\n");
    apk.file("etc/alpine-release", "3.19.1\n");
    let analysis = squashed(&[&apk]);
    assert_eq!(names(&analysis), ["apk musl 1-r0"]);
    let purl = "pkg:apk/alpine/musl@1-r0?arch=x86_64&distro=alpine-3.19.1";
    assert_eq!(analysis.sbom.packages[0].purl, purl);

    // Written through the link by an upper layer.
    let mut through = tar();
    through.file("lib/apk/db/installed", "P:zlib\nV:2-r0\n");
    let analysis = squashed(&[&apk, &through]);
    assert_eq!(names(&analysis), ["apk zlib 2-r0"]);
    assert_eq!(analysis.sbom.packages[0].locations[0].path, "/usr/lib/apk/db/installed");
}

#[test]
fn databases_that_could_not_be_read_are_told() {
    let (mut file_link, mut fifo, mut big) = (tar(), tar(), tar());
    file_link.symlink(STATUS, "/data/packages").file("data/packages", deb("hidden", "1"));
    let codes_of =
        |analysis| -> Vec<String> { codes(&analysis).into_iter().map(str::to_owned).collect() };
    let expect = ["no_os_packages", "package_database_not_read"];
    assert_eq!(codes_of(squashed(&[&file_link])), expect);
    fifo.special(STATUS, b'6');
    assert_eq!(codes_of(squashed(&[&fifo])), expect);
    big.file("lib/apk/db/installed", vec![b'x'; 65 << 20]);
    let analysis = squashed(&[&big]);
    assert!(codes(&analysis).contains(&"file_too_large"));
}

#[test]
fn hard_links_share_what_was_found() {
    let (mut low, mut high) = (tar(), tar());
    let text = module("stored", "1.0.0");
    low.hardlink("early/package.json", "store/package.json");
    low.file("store/package.json", &text);
    low.hardlink("late/package.json", "early/package.json");
    high.hardlink("upper/package.json", "late/package.json").whiteout("store");
    high.hardlink("lost/package.json", "nowhere");
    high.file("plain-name", &text).hardlink("other/package.json", "plain-name");
    let analysis = squashed(&[&low, &high]);
    assert_eq!(names(&analysis), ["npm stored 1.0.0"]);
    let found: Vec<_> =
        analysis.sbom.packages[0].locations.iter().map(|l| l.path.as_str()).collect();
    assert_eq!(found, ["/early/package.json", "/late/package.json", "/upper/package.json"]);
    assert_eq!(codes(&analysis), ["link_target_missing", "link_target_not_read", "no_os_packages"]);
    let link = analysis.files.iter().find(|f| f.path == "/upper/package.json").unwrap();
    assert_eq!((link.kind, link.link.as_str()), (FileKind::Hardlink, "/late/package.json"));
    assert!(link.sha256.is_some());
}

#[test]
fn link_cycles_end() {
    let mut cyclic = tar();
    cyclic.symlink("a", "b").symlink("b", "a").file("a/x/package.json", module("x", "1.0.0"));
    cyclic.symlink("self", ".").file("self/self/package.json", module("y", "1.0.0"));
    cyclic.hardlink("h1/package.json", "h2/package.json");
    cyclic.hardlink("h2/package.json", "h1/package.json");
    let analysis = squashed(&[&cyclic]);
    assert_eq!(names(&analysis), ["npm y 1.0.0"]);
    assert_eq!(analysis.sbom.packages[0].locations[0].path, "/package.json");
    assert!(codes(&analysis).contains(&"link_cycle"));
    assert!(codes(&analysis).contains(&"link_target_missing"));

    let mut chain = tar();
    for hop in 0..5000 {
        chain.symlink(&format!("hop{hop}"), &format!("hop{}", hop + 1));
    }
    chain.file("hop0/package.json", module("far", "1.0.0"));
    let analysis = squashed(&[&chain]);
    assert_eq!(names(&analysis), [""; 0]);
    assert!(codes(&analysis).contains(&"link_cycle"));
}

#[test]
fn os_packages_own_language_packages() {
    let mut layer = tar();
    layer.file("etc/os-release", DEBIAN).symlink("lib", "usr/lib");
    layer.file(STATUS, deb("python3-six", "1.16-1") + &deb("node-a", "1-1"));
    layer.file("var/lib/dpkg/info/python3-six.list", "/.\n/lib/py/six.dist-info/METADATA\n");
    layer.file("var/lib/dpkg/info/python3-six.md5sums", "00  lib/py/six.dist-info/METADATA\n");
    layer.file("var/lib/dpkg/info/node-a:amd64.list", "/usr/share/nodejs/a/package.json\n");
    layer.file("usr/lib/py/six.dist-info/METADATA", "Name: six\nVersion: 1.16.0\n\n");
    layer.file("usr/share/nodejs/a/package.json", module("a", "1.0.0"));
    layer.file("opt/a/package.json", module("a", "1.0.0"));
    layer.file("opt/b/node_modules/a/package.json", module("a", "1.0.0"));
    let analysis = squashed(&[&layer]);
    let by_name =
        |name: &str| analysis.sbom.packages.iter().filter(|p| p.name == name).collect::<Vec<_>>();
    let owner = |name: &str| Some(by_name(name)[0].id.clone());
    assert_eq!(by_name("six")[0].owned_by, owner("python3-six"));
    let copies = by_name("a");
    assert_eq!(copies.len(), 2, "one owned, one not");
    let free = copies.iter().find(|p| p.owned_by.is_none()).unwrap();
    let owned = copies.iter().find(|p| p.owned_by.is_some()).unwrap();
    assert_eq!(owned.owned_by, owner("node-a"));
    assert_eq!(free.locations.len(), 2);
    assert_ne!(free.id, owned.id);
}

#[test]
fn licences_of_debian_packages_come_through_linked_directories() {
    let mut layer = tar();
    layer.file(STATUS, deb("libx1", "1") + &deb("libx-dev", "1"));
    layer.symlink("usr/share/doc/libx-dev", "libx1");
    layer.file(
        "usr/share/doc/libx1/copyright",
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nLicense: MIT\n",
    );
    let analysis = squashed(&[&layer]);
    assert!(analysis.sbom.packages.iter().all(|package| package.licenses == ["MIT"]));
}

#[test]
fn distributions_by_precedence_and_through_links() {
    let label = |layer: &crate::support::TarBytes| {
        squashed(&[layer]).sbom.distro.map(|distro| distro.label())
    };
    let mut both = tar();
    both.file("usr/lib/os-release", "ID=lower\nVERSION_ID=1\n");
    both.file("etc/os-release", "ID=upper\nVERSION_ID=2\n").file("etc/debian_version", "12.1");
    assert_eq!(label(&both).as_deref(), Some("upper:2"));
    let mut linked = tar();
    linked.symlink("etc/os-release", "../usr/lib/os-release");
    linked.symlink("usr/lib/os-release", "os.release.d/os-release-container");
    linked.file("usr/lib/os.release.d/os-release-container", "ID=fedora\nVERSION_ID=39\n");
    assert_eq!(label(&linked).as_deref(), Some("fedora:39"));
    let mut old = tar();
    old.file("etc/centos-release", "CentOS Linux release 7.9.2009 (Core)\n");
    old.symlink("etc/redhat-release", "centos-release");
    assert_eq!(label(&old).as_deref(), Some("centos:7.9.2009"));
    assert_eq!(label(&tar()), None);
    let mut huge = tar();
    huge.file("etc/os-release", vec![b'x'; 4 << 20]).file("etc/debian_version", "12.1\n");
    assert_eq!(label(&huge).as_deref(), Some("debian:12"));
}

#[test]
fn a_problem_goes_with_the_file_that_had_it() {
    let (mut low, mut high) = (tar(), tar());
    low.file("x/node_modules/bad/package.json", "{");
    low.file("x/node_modules/good/package.json", module("good", "1.0.0"));
    let analysis = squashed(&[&low]);
    assert_eq!(names(&analysis), ["npm good 1.0.0"]);
    assert_eq!(codes(&analysis), ["no_os_packages", "node_manifest_malformed"]);
    assert_eq!(analysis.sbom.problems[1].place, "/x/node_modules/bad/package.json");
    high.whiteout("x/node_modules/bad");
    assert_eq!(codes(&squashed(&[&low, &high])), ["no_os_packages"]);
}

#[test]
fn empty_images_and_too_many_layers() {
    let analysis = squashed(&[]);
    assert_eq!(codes(&analysis), ["image_empty", "no_os_packages"]);
    let empty = std::sync::Arc::new(crate::support::read_plain(b"").unwrap());
    let layers = vec![empty; 513];
    let error = squash(&image(), &layers, &SquashOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "image has 513 layers, over the limit LAYERS_MAX of 512");
}

#[test]
fn links_below_a_deleted_directory_are_gone_for_the_layer_that_deletes_it() {
    for opaque in [false, true] {
        let (mut low, mut high) = (tar(), tar());
        low.symlink("d/l", "/elsewhere").dir("elsewhere");
        high.file("d/l/package.json", module("new", "1.0.0"));
        let high = if opaque { high.opaque("d") } else { high.whiteout("d") };
        let analysis = squashed(&[&low, high]);
        assert_eq!(analysis.sbom.packages[0].locations[0].path, "/d/l/package.json");
    }
}

#[test]
fn a_file_hides_a_directory_that_has_no_entry_of_its_own() {
    let (mut low, mut high) = (tar(), tar());
    low.file("d/package.json", module("gone", "1.0.0")).file("d-e/package.json", module("e", "1"));
    low.file("d.e", b"").file("d0", b"").file("c/d/x", b"");
    high.file("d", b"").file("c", b"");
    let analysis = squashed(&[&low, &high]);
    assert_eq!(names(&analysis), ["npm e 1"]);
    assert_eq!(paths(&analysis), ["/c", "/d", "/d-e/package.json", "/d.e", "/d0"]);
}

#[test]
fn deep_names_cost_in_proportion_to_their_length() {
    let mut layer = tar();
    let deep = "d/".repeat(509);
    layer.symlink("l", "usr");
    for index in 0..50 {
        layer.file(&format!("{deep}{index}/x"), b"").file(&format!("l/{index}"), b"");
    }
    layer.file(&format!("{deep}d/d/d/too-deep"), b"");
    let analysis = squashed(&[&layer]);
    assert_eq!(analysis.files.len(), 101);
    assert_eq!(codes(&analysis), ["entry_skipped", "no_os_packages"]);
    assert!(analysis.sbom.problems[0].message.contains("PATH_DEPTH_MAX"));
}

#[test]
fn a_squash_that_nobody_waits_for_stops() {
    let mut layer = tar();
    layer.file("etc/os-release", DEBIAN).file(STATUS, deb("bash", "1"));
    let layers = [layer.facts(), layer.facts()];
    for looks in 0..3_u32 {
        let left = std::cell::Cell::new(looks);
        let going_on = || left.replace(left.get().saturating_sub(1)) > 0;
        let error = squash_while(&image(), &layers, &SquashOptions::default(), &going_on);
        assert_eq!(error, Err(SquashError::Stopped), "after {looks} looks");
    }
}

#[test]
fn file_lists_of_other_roots_own_nothing_here() {
    let mut layer = tar();
    layer.file(STATUS, deb("node-a", "1-1") + &deb("node-b", "1-1"));
    let list = "/usr/share/nodejs/a/package.json\n/one\n/two\n/three\n";
    layer.file("srv/chroot/var/lib/dpkg/info/node-b.list", list);
    layer.file("srv/chroot/var/lib/dpkg/info/node-a.list", list);
    layer.file("usr/share/nodejs/a/package.json", module("a", "1.0.0"));
    let owner = |analysis: &kedge_analyzer::image::tree::Analysis| {
        let id = analysis.sbom.packages.iter().find(|p| p.name == "a").unwrap().owned_by.clone()?;
        let owner = analysis.sbom.packages.iter().find(|p| p.id == id).unwrap();
        Some(owner.name.clone())
    };
    assert_eq!(owner(&squashed(&[&layer])), None);
    // The shorter list of this root is not mistaken for a repeat of the longer foreign one.
    layer.file("var/lib/dpkg/info/node-a.list", "/usr/share/nodejs/a/package.json\n");
    assert_eq!(owner(&squashed(&[&layer])).as_deref(), Some("node-a"));
}

#[test]
fn a_hard_link_to_a_replaced_program_is_still_the_program() {
    let (mut low, mut high) = (tar(), tar());
    low.header(&Raw { name: b"usr/bin/a", flag: b'0', mode: 0o755, link: b"", size: 0 });
    low.hardlink("usr/bin/b", "usr/bin/a").file("m/package.json", module("m", "1.0.0"));
    high.file("usr/bin/a", "#!/bin/sh\n");
    // What the scanner of executables would have found in the program.
    let mut low = LayerFacts::clone(&low.facts());
    let mut program = low.found[0].clone();
    program.row = low.entries.find("usr/bin/a").unwrap();
    program.found.packages[0].name = "program".to_owned();
    low.found.push(program);
    low.found.sort_by_key(|facts| facts.row);
    let places = |layers: &[Arc<LayerFacts>]| -> Vec<String> {
        let analysis = squash(&image(), layers, &SquashOptions::default()).unwrap();
        let program = analysis.sbom.packages.into_iter().find(|p| p.name == "program").unwrap();
        program.locations.into_iter().map(|location| location.path).collect()
    };
    let low = Arc::new(low);
    assert_eq!(places(std::slice::from_ref(&low)), ["/usr/bin/a"]);
    assert_eq!(places(&[low, high.facts()]), ["/usr/bin/b"]);
}

#[test]
fn a_crate_from_elsewhere_does_not_hide_its_namesake() {
    let mut layer = tar();
    for name in ["a", "b", "c"] {
        layer.file(&format!("{name}/package.json"), module("same", "1.0.0"));
    }
    let mut facts = LayerFacts::clone(&layer.facts());
    for (found, origin) in facts.found.iter_mut().zip([Some("local"), None, Some("local")]) {
        let package = &mut found.found.packages[0];
        package.kind = kedge_artifact::package::PackageKind::Rust;
        package.origin = origin.map(str::to_owned);
    }
    let analysis = squash(&image(), &[Arc::new(facts)], &SquashOptions::default()).unwrap();
    let [one, other] = &analysis.sbom.packages[..] else { panic!("two packages") };
    assert_ne!(one.id, other.id);
    let mut rows = [one, other].map(|p| (p.origin.as_deref(), p.locations.len()));
    rows.sort_unstable();
    assert_eq!(rows, [(None, 1), (Some("local"), 2)]);
}
