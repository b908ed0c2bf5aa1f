//! The catalogue of hostile layers: what is not covered by the rules in `stacks` and `layers`.

use crate::support::{Raw, codes, deb, gzip, module, names, paths, read_plain, squashed, tar};
use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::layer::{Expected, LayerError, Limits, read_layer};
use std::io::Read;

#[test]
fn names_that_climb_or_start_at_the_root() {
    let mut layer = tar();
    layer.file("../../etc/x", b"").file("/abs/package.json", module("abs", "1.0.0"));
    layer.file("a/../../b", b"").file("./c", b"").dir("./");
    let analysis = squashed(&[&layer]);
    assert_eq!(paths(&analysis), ["/abs/package.json", "/b", "/c", "/etc/x"]);
    assert_eq!(names(&analysis), ["npm abs 1.0.0"]);
    assert_eq!(codes(&analysis), ["entry_outside_root", "entry_outside_root", "no_os_packages"]);
}

#[test]
fn writing_through_planted_links_stays_inside() {
    let (mut low, mut high) = (tar(), tar());
    low.symlink("out", "/../../../etc").symlink("in", "app");
    low.file("out/os-release", "ID=planted\n");
    high.file("in/package.json", module("through", "1.0.0"));
    let analysis = squashed(&[&low, &high]);
    assert_eq!(paths(&analysis), ["/app/package.json", "/etc/os-release", "/in", "/out"]);
    // The layer is read before the link is known; what was missed is said.
    assert_eq!(analysis.sbom.distro, None);
    assert_eq!(names(&analysis), ["npm through 1.0.0"]);
    assert_eq!(codes(&analysis), ["file_not_read", "no_os_packages"]);
}

#[test]
fn strange_names_are_kept_apart() {
    let mut layer = tar();
    layer.file("a\\b", b"").file("C:\\x", b"").file("\u{202e}gpj.exe", b"").file("\u{1b}[31m", b"");
    layer.file("Case", b"").file("case", b"").file("e\u{301}", b"").file("é", b"");
    for name in [&b"bad\xff"[..], b"bad\xfe"] {
        layer.header(&Raw { name, flag: b'0', mode: 0o644, link: b"", size: 0 });
    }
    layer.pax(&[("path", "nul\0name")]).file("x", b"");
    let analysis = squashed(&[&layer]);
    assert_eq!(analysis.files.len(), 10);
    assert!(paths(&analysis).contains(&"/bad\\xff") && paths(&analysis).contains(&"/bad\\xfe"));
    assert_eq!(codes(&analysis), ["entry_skipped", "no_os_packages"]);
}

#[test]
fn names_over_the_limit_are_skipped_by_name() {
    let mut layer = tar();
    layer.file(&"d/".repeat(3000), b"").symlink("link", &"x".repeat(5000)).file("good", b"");
    let analysis = squashed(&[&layer]);
    assert_eq!(paths(&analysis), ["/good"]);
    assert_eq!(codes(&analysis), ["entry_skipped", "entry_skipped", "no_os_packages"]);
}

#[test]
fn odd_whiteouts() {
    let (mut low, mut high) = (tar(), tar());
    low.file("keep", b"").file("d/keep", b"");
    high.file(".wh.", b"").file(".wh..", b"").file(".wh...", b"").file("d/.wh..wh.plnk", b"");
    let analysis = squashed(&[&low, &high]);
    assert_eq!(paths(&analysis), ["/d/keep", "/keep"]);
    assert_eq!(
        codes(&analysis),
        ["entry_skipped"; 3].iter().copied().chain(["no_os_packages"]).collect::<Vec<_>>()
    );
}

#[test]
fn two_hundred_thousand_empty_files() {
    let mut layer = tar();
    for index in 0..200_000 {
        layer.header(&Raw {
            name: format!("f{index}").as_bytes(),
            flag: b'0',
            mode: 0o644,
            link: b"",
            size: 0,
        });
    }
    let blob = gzip(&layer.end());
    let facts =
        read_layer(&blob[..], Encoding::Gzip, &Expected::default(), &Limits::default()).unwrap();
    assert_eq!(facts.entries.len(), 200_000);
}

/// Gzip members of zeros without end, from one compressed member.
struct Bomb {
    member: Vec<u8>,
    at: usize,
}

impl Read for Bomb {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.member[self.at..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.at = (self.at + count) % self.member.len();
        Ok(count)
    }
}

#[test]
fn an_endless_bomb_ends_at_the_quotient() {
    let member = gzip(&vec![0_u8; 1 << 20]);
    let limits = Limits { ratio_floor_bytes: 8 << 20, ..Limits::default() };
    let error = read_layer(Bomb { member, at: 0 }, Encoding::Gzip, &Expected::default(), &limits);
    assert!(matches!(error, Err(LayerError::Limit { limit: "RATIO_MAX", .. })));
    // RLE blocks go far over deflate's bound.
    let zeros = zstd::encode_all(std::io::repeat(0).take(16 << 20), 1).unwrap();
    let error = read_layer(&zeros[..], Encoding::Zstd, &Expected::default(), &limits);
    assert!(matches!(error, Err(LayerError::Limit { limit: "RATIO_MAX", .. })));
}

#[test]
fn eight_megabytes_of_one_letter_are_no_bomb() {
    let mut layer = tar();
    layer.file("letters", vec![b'a'; 8 << 20]).file("package.json", module("ok", "1.0.0"));
    let bytes = layer.end();
    let blob = gzip(&bytes);
    let facts =
        read_layer(&blob[..], Encoding::Gzip, &Expected::default(), &Limits::default()).unwrap();
    assert_eq!(facts.found.len(), 1);
}

#[test]
fn one_corrupt_file_leaves_the_rest_whole() {
    let mut layer = tar();
    let good = deb("good", "1.0");
    layer.file("var/lib/dpkg/status", format!("{good}Package: bad\nStatus: nonsense\n\n{good}"));
    layer.file("a/node_modules/x/package.json", "{\"name\":");
    layer.file("a/b.dist-info/METADATA", [0xff_u8; 4000]);
    layer.file("a/c.dist-info/METADATA", "Name: c\nVersion: 1\n\n");
    layer.file("g/specifications/x.gemspec", "\0");
    layer.file("lib/apk/db/installed", "x");
    let analysis = squashed(&[&layer]);
    assert_eq!(names(&analysis), ["deb good 1.0", "python c 1"]);
    assert_eq!(
        codes(&analysis),
        [
            "apk_stanza_malformed",
            "dpkg_stanza_malformed",
            "gem_specification_malformed",
            "node_manifest_malformed",
            "python_metadata_malformed",
        ]
    );
}

#[test]
fn a_broken_header_refuses_the_layer() {
    let mut layer = tar();
    layer.file("a", b"x");
    let mut bytes = layer.0.clone();
    bytes.extend_from_slice(&[0x41; 512]);
    let error = read_plain(&bytes).unwrap_err();
    assert!(matches!(error, LayerError::Tar { offset: 1024, .. }), "{error}");
    let mut bytes = layer.0.clone();
    bytes.extend_from_slice(&[0; 512]);
    bytes.extend_from_slice(&layer.0);
    let error = read_plain(&bytes).unwrap_err();
    assert!(matches!(error, LayerError::Tar { what: "data after a single zero block", .. }));
}
