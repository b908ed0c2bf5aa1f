//! Engines on small made-up input: version comparison by scheme, and one layer read whole.
//!
//! `cargo bench -p kedge-benchmarks`. What whole images cost is measured by `sbom.sh`.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a benchmark of fixed input")]

use std::hint::black_box;
use std::io::Write;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::write::GzEncoder;
use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::layer::{Expected, Limits, read_layer};
use kedge_version::Scheme;

/// Packages in the made-up dpkg database, and modules beside it.
const PACKAGES: usize = 500;
/// Bytes of incompressible content in each module's folder.
const NOISE_BYTES: usize = 16 * 1024;

/// Pairs as they meet in matching: equal, near, far, and with the odd characters of the scheme.
const PAIRS: [(Scheme, &[(&str, &str)]); 5] = [
    (
        Scheme::Deb,
        &[
            ("1:2.36.1-8+deb12u1", "1:2.36.1-8+deb12u2"),
            ("3.0.11-1~deb12u2", "3.0.11-1~deb12u2"),
            ("2.4.57-2", "10.0.0-1"),
        ],
    ),
    (Scheme::Rpm, &[("0:1.1.1k-9.el8_7", "0:1.1.1k-12.el8_9"), ("3.6.16-4.el8", "3.6.16-4.el8")]),
    (Scheme::Maven, &[("2.14.1", "2.15.0"), ("1.0-alpha-1", "1.0-rc1"), ("1.0-SNAPSHOT", "1.0")]),
    (Scheme::Pep440, &[("3.2.12", "3.2.13"), ("1.0.dev1", "1.0a1"), ("2.0.post1", "2.0+local.7")]),
    (Scheme::Npm, &[("4.17.15", "4.17.21"), ("1.0.0-rc.1", "1.0.0"), ("7.4.5", "8.0.0")]),
];

fn versions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("version");
    for (scheme, pairs) in PAIRS {
        group.throughput(Throughput::Elements(pairs.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(scheme.as_str()), pairs, |b, pairs| {
            b.iter(|| {
                for (left, right) in pairs {
                    black_box(scheme.compare(black_box(left), black_box(right)).unwrap());
                }
            });
        });
    }
    group.finish();
}

fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, path, content).unwrap();
}

fn layer_tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut status = Vec::new();
    let mut state: u32 = 1;
    for index in 0..PACKAGES {
        writeln!(
            status,
            "Package: lib{index}\nStatus: install ok installed\nArchitecture: amd64\n\
             Version: 1.{index}-2+deb12u1\nDescription: number {index}\n"
        )
        .unwrap();
        let folder = format!("srv/app/node_modules/module-{index}");
        let manifest = format!(r#"{{"name":"module-{index}","version":"1.0.{index}"}}"#);
        append(&mut builder, &format!("{folder}/package.json"), manifest.as_bytes());
        let noise: Vec<u8> = (0..NOISE_BYTES)
            .map(|_| {
                // Numerical Recipes' generator: fixed noise that does not compress.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        append(&mut builder, &format!("{folder}/bundle.js"), &noise);
    }
    append(&mut builder, "var/lib/dpkg/status", &status);
    builder.into_inner().unwrap()
}

fn layers(criterion: &mut Criterion) {
    let plain = layer_tar();
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&plain).unwrap();
    let gzip = encoder.finish().unwrap();
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    let mut group = criterion.benchmark_group("layer");
    group.sample_size(20).throughput(Throughput::Bytes(plain.len() as u64));
    for (name, bytes) in [("plain", &plain), ("gzip", &gzip), ("zstd", &zstd)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let reader = black_box(bytes.as_slice());
                let (expected, limits) = (Expected::default(), Limits::default());
                black_box(read_layer(reader, Encoding::Detect, &expected, &limits).unwrap())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, versions, layers);
criterion_main!(benches);
