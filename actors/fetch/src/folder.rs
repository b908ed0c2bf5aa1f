//! Documents that lie in a folder of this machine.

use crate::cache::{Note, RawCache};
use crate::limits;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Copies a document into the raw cache, unless length and time say that it is the copy's source
/// as it was. `None` when there is no such file.
pub(crate) fn fetch(cache: &RawCache, path: &Path, limit: u64) -> io::Result<Option<Note>> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_file() => return Ok(None),
        Ok(metadata) => metadata,
    };
    if metadata.len() > limit {
        return Err(io::Error::other(format!("file is over the limit of {limit} bytes")));
    }
    let location = path.display().to_string();
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let state = time.map(|time| format!("{}:{}", metadata.len(), time.as_nanos()));
    if let Some(note) = cache.note(&location)
        && state.is_some()
        && note.modified == state
    {
        return Ok(Some(note));
    }
    let partial = cache.partial(&location);
    let mut out = File::create(&partial)?;
    let copied = io::copy(&mut File::open(path)?.take(limit + 1), &mut out)?;
    if copied > limit {
        return Err(io::Error::other(format!("file is over the limit of {limit} bytes")));
    }
    let note = Note { modified: state, ..cache.adopt(&location, &partial)? };
    cache.remember(&location, &note)?;
    Ok(Some(note))
}

/// Packs the JSON records below a folder into one tar in the raw cache, in the order of their
/// names, so that equal folders give equal bytes. `None` when there are none.
pub(crate) fn pack(cache: &RawCache, folder: &Path, limit: u64) -> io::Result<Option<Note>> {
    let mut files = Vec::new();
    collect(folder, 0, &mut files)?;
    if files.is_empty() {
        return Ok(None);
    }
    files.sort();
    let location = folder.display().to_string();
    let partial = cache.partial(&location);
    let mut archive = tar::Builder::new(BufWriter::new(File::create(&partial)?));
    let mut total = 0;
    for path in files {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_owned();
        let mut bytes = Vec::new();
        File::open(&path)?.take(limit + 1).read_to_end(&mut bytes)?;
        total += bytes.len() as u64;
        if total > limit {
            return Err(io::Error::other(format!("folder is over the limit of {limit} bytes")));
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    archive.into_inner()?.flush()?;
    let note = cache.adopt(&location, &partial)?;
    cache.remember(&location, &note)?;
    Ok(Some(note))
}

/// All `.json` files; symbolic links to folders are not followed, so that a loop cannot catch us.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && depth == 0 => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth >= limits::FOLDER_DEPTH {
                return Err(io::Error::other("folder is deeper than the limit FOLDER_DEPTH"));
            }
            collect(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
        if files.len() > limits::FOLDER_FILES {
            return Err(io::Error::other("folder has more files than the limit FOLDER_FILES"));
        }
    }
    Ok(())
}

/// The folders below `folder`, as a landing page would list them; none when it does not exist.
pub(crate) fn landing(folder: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    if !folder.try_exists()? {
        return Ok(String::new());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_dir() {
            names.push(format!("{}/", entry.file_name().to_string_lossy()));
        }
    }
    Ok(names.join(" "))
}
