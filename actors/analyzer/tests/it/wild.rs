//! Whatever comes in: an error or a result, never a panic, and the same one each time.

use crate::support::{DEBIAN, deb, gzip, image, module, read_plain, tar};
use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::layer::{Expected, LayerWalk, Limits, read_layer};
use kedge_analyzer::image::tree::{SquashOptions, squash};
use kedge_analyzer::image::{dockerfile, manifest};
use kedge_analyzer::sbom;
use proptest::prelude::*;
use std::sync::Arc;

fn seed() -> Vec<u8> {
    let mut tar = tar();
    tar.dir("etc").file("etc/os-release", DEBIAN);
    tar.file("var/lib/dpkg/status", deb("bash", "5.2") + &deb("curl", "8"));
    tar.file("var/lib/dpkg/info/bash.list", "/bin/bash\n");
    tar.file("lib/apk/db/installed", "P:musl\nV:1\nF:lib\nR:x\n\n");
    tar.pax(&[("path", "app/node_modules/a/package.json"), ("size", "50")]);
    tar.file("app/x", module("a", "1.0.0"));
    tar.file("py/x.dist-info/METADATA", "Name: x\nVersion: 1\n\n");
    tar.file("gems/specifications/r.gemspec", "# stub: rake 13 ruby lib\n");
    tar.symlink("lib64", "usr/lib").hardlink("h/package.json", "app/node_modules/a/package.json");
    tar.whiteout("gone").opaque("d");
    tar.end()
}

fn all_of_it(bytes: &[u8]) {
    if let Ok(facts) = read_plain(bytes) {
        let layers = [Arc::new(facts)];
        let analysis = squash(&image(), &layers, &SquashOptions::default()).unwrap();
        let info = sbom::DocumentInfo::default();
        for format in [sbom::Format::Native, sbom::Format::CycloneDx, sbom::Format::Spdx] {
            let document = sbom::write(&analysis.sbom, format, &info);
            assert_eq!(sbom::read(&document).unwrap(), analysis.sbom);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        for encoding in [Encoding::Plain, Encoding::Gzip, Encoding::Zstd, Encoding::Detect] {
            let _ = read_layer(&bytes[..], encoding, &Expected::default(), &Limits::default());
        }
        let _ = manifest::parse(&bytes, None);
        let _ = manifest::parse_config(&bytes);
        let _ = sbom::read(&bytes);
    }

    #[test]
    fn mutated_tars(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = seed();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        all_of_it(&bytes);
    }

    #[test]
    fn mutated_bodies_and_names(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)
    ) {
        // Headers are sealed again, so that the damage gets past the checksum.
        let mut bytes = seed();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for block in bytes.chunks_exact_mut(512) {
            if block[257..262] == *b"ustar" {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        all_of_it(&bytes);
    }

    #[test]
    fn mutated_blobs(at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut blob = gzip(&seed());
        let index = at.index(blob.len());
        blob[index] = value;
        blob.truncate(cut.index(blob.len() + 1));
        let _ = read_layer(&blob[..], Encoding::Gzip, &Expected::default(), &Limits::default());
    }

    #[test]
    fn chunking_changes_nothing(sizes in proptest::collection::vec(1_usize..2000, 1..50)) {
        let bytes = seed();
        let whole = read_plain(&bytes).unwrap();
        let mut walk = LayerWalk::new(&Limits::default());
        let mut rest = &bytes[..];
        for size in sizes.iter().cycle() {
            let (chunk, more) = rest.split_at((*size).min(rest.len()));
            walk.feed(chunk).unwrap();
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        let mut walked = walk.finish(None).unwrap();
        walked.blob = whole.blob;
        walked.blob_size = whole.blob_size;
        prop_assert_eq!(walked, whole);
    }

    #[test]
    fn histories(lines in proptest::collection::vec(".{0,80}", 0..10)) {
        let history: Vec<_> = lines
            .into_iter()
            .map(|created_by| manifest::HistoryEntry { created_by, ..Default::default() })
            .collect();
        prop_assert!(dockerfile::guess(&history).starts_with("FROM scratch\n"));
    }
}
