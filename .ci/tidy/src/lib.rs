//! Rules of the house that the compiler cannot check. Standard library only; run as tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("tidy lives two folders below the root").to_path_buf()
}

/// Files below `dir` whose name ends in `ending`, without build output and hidden folders other
/// than ours.
#[must_use]
pub fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        // Cargo marks its output folder; `actors/target` is a crate.
        let built = path.join("CACHEDIR.TAG").exists();
        let skipped = built || (name.starts_with('.') && name != ".ci");
        if path.is_dir() && !skipped {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The dependency names in the given tables of a manifest, in order.
#[must_use]
pub fn dependencies(manifest: &str, tables: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = tables.iter().any(|table| line == format!("[{table}]"));
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name: String = line
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect();
            found.push(name);
        }
    }
    found
}

/// The package name of a manifest.
#[must_use]
pub fn package_name(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.starts_with("name = "))?;
    line.split('"').nth(1)
}

/// The short name that `arrows.txt` uses.
#[must_use]
pub fn short(package: &str) -> &str {
    package.strip_prefix("kedge-").unwrap_or(package)
}
