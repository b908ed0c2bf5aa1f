//! The rules.

use kedge_tidy::{dependencies, files, package_name, root, short};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifests() -> Vec<(PathBuf, String)> {
    let root = root();
    files(&root, "Cargo.toml")
        .into_iter()
        .filter(|path| path.parent() != Some(&root))
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn arrows() {
    let allowed: BTreeSet<(String, String)> = read(&root().join(".ci/tidy/arrows.txt"))
        .lines()
        .filter_map(|line| line.split_once("->"))
        .filter(|(from, _)| !from.trim_start().starts_with('#'))
        .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
        .collect();
    let mut used = BTreeSet::new();
    let mut broken = Vec::new();
    for (path, manifest) in manifests() {
        let from = short(package_name(&manifest).expect("a package has a name")).to_owned();
        for dependency in dependencies(&manifest, &["dependencies", "build-dependencies"]) {
            if dependency != "kedge" && !dependency.starts_with("kedge-") {
                continue;
            }
            let arrow = (from.clone(), short(&dependency).to_owned());
            // Benchmarks may use everything; nothing may use them.
            if from != "benchmarks" && !allowed.contains(&arrow) {
                broken.push(format!(
                    "{}: {} -> {} is not in .ci/tidy/arrows.txt",
                    relative(&path),
                    arrow.0,
                    arrow.1
                ));
            }
            used.insert(arrow);
        }
    }
    for (from, to) in allowed.difference(&used) {
        broken.push(format!(".ci/tidy/arrows.txt: {from} -> {to} is not used, remove it"));
    }
    assert_none(&broken);
}

/// A name that only some files may mention.
struct Fence {
    word: &'static str,
    allowed: &'static [&'static str],
}

#[test]
fn libraries_stay_behind_their_seams() {
    let fences = [
        Fence { word: "sled::", allowed: &["storage/src/sled.rs"] },
        Fence {
            word: "bincode::",
            allowed: &["storage/src/codec.rs", "actors/feeds/src/dataset/"],
        },
        Fence { word: "openraft::", allowed: &["cluster/src/consensus/"] },
        Fence { word: "tarpc::", allowed: &["cluster/src/rpc/"] },
        Fence { word: "axum::", allowed: &["node/rest/", "node/src/", "node/testkit/"] },
        Fence { word: "ractor::", allowed: &["actors/src/"] },
        Fence {
            word: "reqwest::",
            allowed: &[
                "actors/registry/",
                "actors/fetch/",
                "actors/src/notifier",
                "cli/",
                "node/tests/",
                "node/testkit/",
            ],
        },
        Fence {
            word: "env::var",
            allowed: &[
                "node/src/environment.rs",
                "cli/src/",
                "/tests/",
                "_tests.rs",
                "benchmarks/",
            ],
        },
    ];
    let mut broken = Vec::new();
    for path in files(&root(), ".rs") {
        let name = relative(&path);
        if name.starts_with(".ci/") {
            continue;
        }
        let text = read(&path);
        // Unit tests at the end of a file may use test servers and self-execution.
        let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
        for fence in &fences {
            let inside = fence.allowed.iter().any(|allowed| name.contains(allowed))
                || name.contains("/tests/");
            let hit = code
                .lines()
                .find(|line| !line.trim_start().starts_with("//") && mentions(line, fence.word));
            if let (Some(line), false) = (hit, inside) {
                broken.push(format!(
                    "{name}: `{}` belongs to {:?}: {}",
                    fence.word,
                    fence.allowed,
                    line.trim()
                ));
            }
        }
    }
    assert_none(&broken);
}

/// Whether `line` has `word` where a path starts, so that `crate::sled::` is none.
fn mentions(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
    })
}

const ENGINES: [&str; 5] = ["version", "analyzer", "feeds", "matcher", "policy"];

#[test]
fn engines_are_pure() {
    let banned = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "SystemTime::now",
        "Instant::now",
        "tokio::",
        "tracing::",
        "async fn",
        "println!",
    ];
    let mut broken = Vec::new();
    for engine in ENGINES {
        for path in files(&root().join("actors").join(engine).join("src"), ".rs") {
            let text = read(&path);
            let name = relative(&path);
            if name.ends_with("tests.rs") || name.contains("/tests/") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
            for word in banned {
                let hit = code
                    .lines()
                    .find(|line| !line.trim_start().starts_with("//") && line.contains(word));
                if let Some(line) = hit {
                    broken.push(format!("{name}: an engine must not use {word}: {}", line.trim()));
                }
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn engines_depend_on_a_short_list() {
    // Pure computation only: parsers, compressors, hashes, text.
    let allowed: BTreeSet<&str> = [
        "aho-corasick",
        "base64",
        "bincode",
        "bytes",
        "crc32fast",
        "csv",
        "cvss",
        "flate2",
        "globset",
        "hex",
        "md-5",
        "memchr",
        "miniz_oxide",
        "oci-spec",
        "packageurl",
        "quick-xml",
        "regex",
        "regex-lite",
        "serde",
        "serde_json",
        "sha2",
        "spdx",
        "strsim",
        "tar",
        "thiserror",
        "uuid",
        "zip",
        "zstd",
    ]
    .into();
    let mut broken = Vec::new();
    for (path, manifest) in manifests() {
        let name = short(package_name(&manifest).expect("a package has a name")).to_owned();
        if !ENGINES.contains(&name.as_str()) {
            continue;
        }
        for dependency in dependencies(&manifest, &["dependencies"]) {
            if !dependency.starts_with("kedge-") && !allowed.contains(dependency.as_str()) {
                broken.push(format!(
                    "{}: an engine must not depend on {dependency}",
                    relative(&path)
                ));
            }
        }
    }
    assert_none(&broken);
}

/// Over this many lines a file is two files. Tables of data and tests may be longer.
const FILE_LINES_MAX: usize = 600;

#[test]
fn files_are_short_and_headed() {
    let mut broken = Vec::new();
    for path in files(&root(), ".rs") {
        let name = relative(&path);
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
        let lines = code.lines().count();
        let is_test = name.contains("/tests/") || name.ends_with("tests.rs");
        if lines > FILE_LINES_MAX && !is_test {
            broken.push(format!("{name}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
        if !is_test && !text.trim_start().starts_with("//!") {
            broken.push(format!("{name}: no header that says what it is for"));
        }
        if text.contains("todo!(") && !name.starts_with(".ci/") {
            broken.push(format!("{name}: todo!"));
        }
        if text.contains("#[ignore") && !name.starts_with(".ci/") {
            broken.push(format!("{name}: an ignored test"));
        }
    }
    assert_none(&broken);
}

#[test]
fn every_crate_takes_lints_and_versions_from_the_workspace() {
    let mut broken = Vec::new();
    for (path, manifest) in manifests() {
        let name = relative(&path);
        if !manifest.contains("[lints]\nworkspace = true") {
            broken.push(format!("{name}: lints must come from the workspace"));
        }
        for line in manifest.lines().map(str::trim) {
            let pinned = line.starts_with("version = \"") || line.contains("{ version =");
            if pinned {
                broken.push(format!("{name}: versions belong to the root manifest: {line}"));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn every_cataloger_and_gate_is_in_its_table() {
    let tables = [
        ("actors/analyzer/src/catalogers", "actors/analyzer/src/catalogers/mod.rs"),
        ("actors/policy/src/gates", "actors/policy/src/gates/mod.rs"),
    ];
    let mut broken = Vec::new();
    for (folder, table) in tables {
        let table_text = read(&root().join(table));
        for entry in fs::read_dir(root().join(folder)).expect("the folder exists").flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let module = file.strip_suffix(".rs").unwrap_or(&file).to_owned();
            let declared = table_text.contains(&format!("mod {module};"));
            if module != "mod" && !declared {
                broken.push(format!("{folder}/{file} is not declared in {table}"));
            }
        }
    }
    assert_none(&broken);
}
