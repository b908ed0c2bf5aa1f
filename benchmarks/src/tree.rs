//! Lists a folder as the entries of a layer: everything in it, or what differs from another folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The prefix that marks a removed name (image-spec 1.1, `layer.md`, whiteouts).
const WHITEOUT_PREFIX: &str = ".wh.";
/// Bytes compared at a time when two files may be equal.
const COMPARE_BYTES: usize = 64 * 1024;

/// One entry of a layer to be written.
#[derive(Debug)]
pub enum Entry {
    /// A file, folder or link below the listed folder, by its relative path.
    Present(PathBuf),
    /// The relative path of a whiteout: an empty file whose name says what was removed.
    Whiteout(PathBuf),
}

/// Everything below `folder`, folders before what they hold, in the order of the names' bytes.
///
/// # Errors
/// When a folder or a file's metadata cannot be read.
pub fn whole(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    list(folder, Path::new(""), &mut |relative, _| {
        entries.push(Entry::Present(relative.to_owned()));
        Ok(())
    })?;
    Ok(entries)
}

/// What turns `lower` into `upper`: added and changed entries with their parent folders, and a
/// whiteout for each removed one. Times are not compared, only type, mode, owner and content.
///
/// # Errors
/// When a folder or a file of either side cannot be read.
pub fn difference(lower: &Path, upper: &Path) -> Result<Vec<Entry>> {
    let mut entries = BTreeMap::new();
    list(upper, Path::new(""), &mut |relative, metadata| {
        if !same(&lower.join(relative), &upper.join(relative), metadata)? {
            for folder in relative.ancestors().skip(1).filter(|path| *path != Path::new("")) {
                entries.insert(folder.to_owned(), Entry::Present(folder.to_owned()));
            }
            entries.insert(relative.to_owned(), Entry::Present(relative.to_owned()));
        }
        Ok(())
    })?;
    list(lower, Path::new(""), &mut |relative, _| {
        let parent = relative.parent().unwrap_or_else(|| Path::new(""));
        let removed = fs::symlink_metadata(upper.join(relative)).is_err();
        let parent_kept = upper.join(parent).symlink_metadata().is_ok_and(|it| it.is_dir());
        if removed && parent_kept {
            let mut name = OsString::from(WHITEOUT_PREFIX);
            name.push(relative.file_name().context("an entry without a name")?);
            let path = parent.join(name);
            entries.insert(path.clone(), Entry::Whiteout(path));
        }
        Ok(())
    })?;
    Ok(entries.into_values().collect())
}

/// Calls `visit` for each entry below `root/relative`, with its path relative to `root`.
fn list(
    root: &Path,
    relative: &Path,
    visit: &mut dyn FnMut(&Path, &Metadata) -> Result<()>,
) -> Result<()> {
    let folder = root.join(relative);
    let context = || format!("cannot list {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(context)? {
        names.push(entry.with_context(context)?.file_name());
    }
    names.sort();
    for name in names {
        let path = relative.join(name);
        let metadata = fs::symlink_metadata(root.join(&path))
            .with_context(|| format!("cannot read {}", root.join(&path).display()))?;
        visit(&path, &metadata)?;
        if metadata.is_dir() {
            list(root, &path, visit)?;
        }
    }
    Ok(())
}

fn same(lower: &Path, upper: &Path, metadata: &Metadata) -> Result<bool> {
    let Ok(before) = fs::symlink_metadata(lower) else { return Ok(false) };
    let owner = |it: &Metadata| (it.mode(), it.uid(), it.gid());
    if owner(&before) != owner(metadata) {
        return Ok(false);
    }
    if metadata.is_dir() {
        return Ok(true);
    }
    if metadata.is_symlink() {
        return Ok(fs::read_link(lower)? == fs::read_link(upper)?);
    }
    Ok(before.len() == metadata.len() && same_content(lower, upper)?)
}

fn same_content(lower: &Path, upper: &Path) -> Result<bool> {
    let mut left = BufReader::with_capacity(COMPARE_BYTES, open(lower)?);
    let mut right = BufReader::with_capacity(COMPARE_BYTES, open(upper)?);
    let (mut left_part, mut right_part) = (Vec::new(), Vec::new());
    loop {
        left_part.clear();
        right_part.clear();
        left.by_ref().take(COMPARE_BYTES as u64).read_to_end(&mut left_part)?;
        right.by_ref().take(COMPARE_BYTES as u64).read_to_end(&mut right_part)?;
        if left_part != right_part {
            return Ok(false);
        }
        if left_part.is_empty() {
            return Ok(true);
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}
