//! Raw copies of documents, by content, with what is needed to ask "has it changed?".
//!
//! ```text
//! notes/<hash of location>.json     validators, digest, length
//! bodies/<sha256>                   documents
//! partial/<hash of location>        unfinished download, and its validator in ….json
//! ```

use crate::limits;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is known about the copy of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// SHA-256 of the body, hex.
    pub(crate) digest: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// `ETag`.
    pub(crate) etag: Option<String>,
    /// `Last-Modified`, or length and time of a local file.
    pub(crate) modified: Option<String>,
}

/// The raw cache.
#[derive(Debug, Clone)]
pub(crate) struct RawCache {
    dir: PathBuf,
}

impl RawCache {
    /// Opens or creates a cache.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        for folder in ["notes", "bodies", "partial"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// What is known about `location`, when its body is still there in full length.
    pub(crate) fn note(&self, location: &str) -> Option<Note> {
        let note: Note = read_json(&self.note_path(location))?;
        let whole = is_digest(&note.digest)
            && fs::metadata(self.body(&note.digest)).is_ok_and(|m| m.len() == note.bytes);
        whole.then_some(note)
    }

    /// Remembers a body that [`RawCache::adopt`] has taken.
    pub(crate) fn remember(&self, location: &str, note: &Note) -> io::Result<()> {
        write_json(&self.note_path(location), note)
    }

    /// Path of a body.
    pub(crate) fn body(&self, digest: &str) -> PathBuf {
        self.dir.join("bodies").join(digest)
    }

    /// Where a download in progress is written.
    pub(crate) fn partial(&self, location: &str) -> PathBuf {
        self.dir.join("partial").join(hash(location))
    }

    /// The validator of an unfinished download, when there is one.
    pub(crate) fn partial_validator(&self, location: &str) -> Option<String> {
        read_json(&self.partial(location).with_extension("json"))
    }

    /// Remembers the validator of a download that begins.
    pub(crate) fn begin_partial(&self, location: &str, validator: Option<&str>) -> io::Result<()> {
        let path = self.partial(location).with_extension("json");
        match validator {
            Some(validator) => write_json(&path, &validator),
            None => remove_if_there(&path),
        }
    }

    /// Takes a finished file as a body: computes its digest, makes it durable, moves it.
    pub(crate) fn adopt(&self, location: &str, file: &Path) -> io::Result<Note> {
        let (digest, bytes) = digest_of(file)?;
        File::open(file)?.sync_all()?;
        fs::rename(file, self.body(&digest))?;
        remove_if_there(&self.partial(location).with_extension("json"))?;
        Ok(Note { digest, bytes, etag: None, modified: None })
    }

    /// Opens a body after checking its digest: a raw copy may have rotted on disk. A rotten one is
    /// removed, so that the next synchronisation fetches it in full.
    pub(crate) fn open_body(&self, note_digest: &str) -> io::Result<File> {
        let path = self.body(note_digest);
        let (digest, _) = digest_of(&path)?;
        if digest != note_digest {
            remove_if_there(&path)?;
            let what = format!("raw copy {} does not have its digest", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        File::open(path)
    }

    /// Removes bodies that no note names.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        let mut named = BTreeSet::new();
        for entry in fs::read_dir(self.dir.join("notes"))? {
            let note: Option<Note> = read_json(&entry?.path());
            named.extend(note.map(|note| note.digest));
        }
        for entry in fs::read_dir(self.dir.join("bodies"))? {
            let entry = entry?;
            if !named.contains(entry.file_name().to_string_lossy().as_ref()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn note_path(&self, location: &str) -> PathBuf {
        self.dir.join("notes").join(hash(location)).with_extension("json")
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hash(location: &str) -> String {
    hex::encode(&Sha256::digest(location.as_bytes())[..16])
}

/// SHA-256 (hex) and length of a file.
pub(crate) fn digest_of(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((hex::encode(hasher.finalize()), bytes));
        }
        hasher.update(&buffer[..count]);
        bytes += count as u64;
    }
}

/// A bookkeeping file; `None` when it is missing or unreadable: then the document is fetched anew.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(limits::BOOKKEEPING_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, serde_json::to_vec(value)?)?;
    fs::rename(fresh, path)
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
