//! Content-addressed files: SBOMs, feed generations and whatever else is too large for the
//! key-value store. A blob is named by the SHA-256 of its bytes, so writing is idempotent and
//! reading can prove that the bytes are the ones that were written.
//!
//! Layout under the folder: `<first two hex digits>/<64 hex digits>`, `tmp/` for unfinished
//! writes (emptied at open) and `quarantine/` for files whose bytes no longer match their name.
//!
//! A committed blob survives a power cut: the file is synced, renamed, and its folder synced
//! before [`BlobWriter::commit`] returns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::files;
use crate::limits::BLOB_GET_BYTES_MAX;

mod digest;

pub use digest::{BlobDigest, BlobDigestError};

const TEMPORARY: &str = "tmp";
const QUARANTINE: &str = "quarantine";

/// Why a blob could not be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("blob {digest} is not stored here")]
    Missing {
        /// The blob asked for.
        digest: BlobDigest,
    },
    /// The bytes on disk are not those that were written; the file has been moved to quarantine.
    #[error("blob {digest} is corrupt, found {found}; moved to quarantine")]
    Corrupt {
        /// The blob asked for.
        digest: BlobDigest,
        /// The digest of what is on disk.
        found: BlobDigest,
    },
    /// The bytes written are not the ones that were announced.
    #[error("blob {expected} was announced, but {found} was written")]
    Mismatch {
        /// The digest the caller expected.
        expected: BlobDigest,
        /// The digest of what was written.
        found: BlobDigest,
    },
    /// Too large for memory; stream it with [`Blobs::open_blob`].
    #[error("blob {digest} has {bytes} bytes, BLOB_GET_BYTES_MAX is {limit}")]
    TooLarge {
        /// The blob asked for.
        digest: BlobDigest,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk is full.
    #[error("disk full while {operation} at {path}")]
    DiskFull {
        /// What was being done.
        operation: &'static str,
        /// The file or folder.
        path: String,
    },
    /// Any other failure of the file system.
    #[error("{operation} at {path}: {message}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The file or folder.
        path: String,
        /// Kind of the failure.
        kind: io::ErrorKind,
        /// What the system said.
        message: String,
    },
}

impl BlobError {
    fn from_io(operation: &'static str, path: &Path, error: &io::Error) -> Self {
        let path = path.display().to_string();
        if files::is_disk_full(error) {
            return Self::DiskFull { operation, path };
        }
        Self::Io { operation, path, kind: error.kind(), message: error.to_string() }
    }
}

/// One stored blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub digest: BlobDigest,
    /// Its size.
    pub bytes: u64,
}

/// The blob store. Cheap to clone; all methods may be called from several threads.
#[derive(Debug, Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    total_bytes: AtomicU64,
    next_temporary: AtomicU64,
    // Held while a name appears or disappears, so that `total_bytes` counts every file once.
    names: Mutex<()>,
}

impl Inner {
    /// Keeps the total. A damaged file may have another size than was counted, hence saturating;
    /// the next open counts afresh.
    fn count(&self, removed: u64, added: u64) {
        let change = |total: u64| Some(total.saturating_sub(removed).saturating_add(added));
        // The closure never declines, so there is no failure to look at.
        let _ = self.total_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

impl Blobs {
    /// Opens or creates a store in a folder; removes what unfinished writes left behind and walks
    /// the folder to learn its size.
    ///
    /// # Errors
    /// The folder cannot be created, read or written.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let dir = dir.into();
        let temporary = dir.join(TEMPORARY);
        let fail =
            |operation, path: &Path, error: io::Error| BlobError::from_io(operation, path, &error);
        fs::create_dir_all(&temporary).map_err(|e| fail("creating folder", &temporary, e))?;
        let left = fs::read_dir(&temporary).map_err(|e| fail("listing", &temporary, e))?;
        for entry in left {
            let path = entry.map_err(|e| fail("listing", &temporary, e))?.path();
            fs::remove_file(&path).map_err(|e| fail("removing left-over", &path, e))?;
        }
        files::sync_dir(&dir).map_err(|e| fail("syncing folder", &dir, e))?;
        files::sync_dir(files::parent(&dir)).map_err(|e| fail("syncing folder", &dir, e))?;
        let blobs = Self {
            inner: Arc::new(Inner {
                dir,
                total_bytes: AtomicU64::new(0),
                next_temporary: AtomicU64::new(0),
                names: Mutex::new(()),
            }),
        };
        let total = blobs.list()?.iter().map(|entry| entry.bytes).sum();
        blobs.inner.total_bytes.store(total, Ordering::Relaxed);
        Ok(blobs)
    }

    /// Stores bytes durably and returns their name. Storing the same bytes again is cheap.
    ///
    /// # Errors
    /// The file system failed; nothing is stored.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobDigest, BlobError> {
        let digest = BlobDigest::of(bytes);
        if self.touch(&digest, bytes.len() as u64)? {
            // Its name may be seconds old and not on disk yet.
            let path = self.path(&digest);
            files::sync_dir(files::parent(&path))
                .and_then(|()| files::sync_dir(&self.inner.dir))
                .map_err(|error| BlobError::from_io("syncing folder of blob", &path, &error))?;
            return Ok(digest);
        }
        let mut writer = self.writer()?;
        let temporary = writer.path.clone();
        writer
            .write_all(bytes)
            .map_err(|error| BlobError::from_io("writing blob", &temporary, &error))?;
        writer.commit()
    }

    /// Begins a blob whose bytes arrive in pieces. Dropped without commit it leaves nothing.
    ///
    /// # Errors
    /// The temporary file cannot be created.
    pub fn writer(&self) -> Result<BlobWriter, BlobError> {
        let number = self.inner.next_temporary.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let path = self.inner.dir.join(TEMPORARY).join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| BlobError::from_io("creating blob", &path, &error))?;
        Ok(BlobWriter { blobs: self.clone(), path, file, hasher: Sha256::new(), bytes: 0 })
    }

    /// Opens a blob for streaming; see [`BlobReader`].
    ///
    /// # Errors
    /// The blob is missing or cannot be opened.
    pub fn open_blob(&self, digest: &BlobDigest) -> Result<BlobReader, BlobError> {
        let path = self.path(digest);
        let file = File::open(&path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return BlobError::Missing { digest: *digest };
            }
            BlobError::from_io("opening blob", &path, &error)
        })?;
        let bytes = file
            .metadata()
            .map_err(|error| BlobError::from_io("reading size of blob", &path, &error))?
            .len();
        let hasher = Some(Sha256::new());
        Ok(BlobReader { blobs: self.clone(), digest: *digest, file, hasher, bytes })
    }

    /// Reads and verifies a whole blob.
    ///
    /// # Errors
    /// Missing, corrupt (then it is moved to quarantine), over [`BLOB_GET_BYTES_MAX`], or a
    /// failure of the file system.
    pub fn get(&self, digest: &BlobDigest) -> Result<Vec<u8>, BlobError> {
        let reader = self.open_blob(digest)?;
        let bytes = reader.bytes;
        if bytes > BLOB_GET_BYTES_MAX {
            return Err(BlobError::TooLarge { digest: *digest, bytes, limit: BLOB_GET_BYTES_MAX });
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        // The file may have grown since its size was read; never read past the limit.
        (&reader.file)
            .take(BLOB_GET_BYTES_MAX)
            .read_to_end(&mut content)
            .map_err(|error| BlobError::from_io("reading blob", &self.path(digest), &error))?;
        let found = BlobDigest::of(&content);
        if found != *digest {
            return Err(self.quarantine(digest, found));
        }
        Ok(content)
    }

    /// True when the blob is stored; its bytes are not checked.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn contains(&self, digest: &BlobDigest) -> Result<bool, BlobError> {
        Ok(self.stored_bytes(digest)?.is_some())
    }

    /// Removes a blob; returns whether it was there. Open readers keep their bytes.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn remove(&self, digest: &BlobDigest) -> Result<bool, BlobError> {
        let _names = self.inner.names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = self.stored_bytes(digest)? else { return Ok(false) };
        let path = self.path(digest);
        fs::remove_file(&path)
            .map_err(|error| BlobError::from_io("removing blob", &path, &error))?;
        self.inner.count(bytes, 0);
        Ok(true)
    }

    /// Every stored blob, in digest order. Files that are not blobs are passed over.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        let dir = &self.inner.dir;
        let mut found = Vec::new();
        let fail = |path: &Path, error: &io::Error| BlobError::from_io("listing", path, error);
        for entry in fs::read_dir(dir).map_err(|e| fail(dir, &e))? {
            let entry = entry.map_err(|e| fail(dir, &e))?;
            let name = entry.file_name();
            let is_fan_out =
                name.len() == 2 && name.to_str().is_some_and(|n| hex::decode(n).is_ok());
            if is_fan_out {
                list_folder(&entry.path(), &mut found)?;
            }
        }
        found.sort_unstable_by_key(|entry| entry.digest);
        Ok(found)
    }

    /// Bytes of all blobs, without the quarantine.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.inner.total_bytes.load(Ordering::Relaxed)
    }

    /// Where a blob is or would be, for readers that need positions in a file. Such a reader must
    /// check the bytes itself.
    #[must_use]
    pub fn path(&self, digest: &BlobDigest) -> PathBuf {
        let name = digest.to_string();
        self.inner.dir.join(&name[..2]).join(name)
    }

    /// Makes a stored blob young again, so that nobody collects it before the row that names it
    /// is written; answers whether it is there with that size.
    fn touch(&self, digest: &BlobDigest, bytes: u64) -> Result<bool, BlobError> {
        let _names = self.inner.names.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stored_bytes(digest)? != Some(bytes) {
            return Ok(false);
        }
        let path = self.path(digest);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .map_err(|error| BlobError::from_io("touching blob", &path, &error))?;
        Ok(true)
    }

    /// Removes a blob that nothing names, unless it was stored or stored again within `age`: the
    /// row that will name it may be on its way. Answers whether it was removed.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn collect(&self, digest: &BlobDigest, age: Duration) -> Result<bool, BlobError> {
        let _names = self.inner.names.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(digest);
        let modified = match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(modified) => modified,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(BlobError::from_io("looking up blob", &path, &error)),
        };
        // A clock that went back makes a blob look young: that only keeps it.
        let old = SystemTime::now().duration_since(modified).is_ok_and(|since| since >= age);
        if !old {
            return Ok(false);
        }
        let bytes = self.stored_bytes(digest)?.unwrap_or(0);
        fs::remove_file(&path)
            .map_err(|error| BlobError::from_io("removing blob", &path, &error))?;
        self.inner.count(bytes, 0);
        Ok(true)
    }

    fn stored_bytes(&self, digest: &BlobDigest) -> Result<Option<u64>, BlobError> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::from_io("looking up blob", &path, &error)),
        }
    }

    /// Moves a damaged file out of the way, so that a fresh copy can take its name. The damage is
    /// the news; a failure to move is only added to the log.
    fn quarantine(&self, digest: &BlobDigest, found: BlobDigest) -> BlobError {
        let _names = self.inner.names.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.stored_bytes(digest).ok().flatten();
        let folder = self.inner.dir.join(QUARANTINE);
        let moved = fs::create_dir_all(&folder)
            .and_then(|()| fs::rename(self.path(digest), folder.join(digest.to_string())));
        match (moved, bytes) {
            (Ok(()), Some(bytes)) => {
                self.inner.count(bytes, 0);
                tracing::error!(%digest, %found, bytes, "corrupt blob moved to quarantine");
            }
            (Ok(()), None) => tracing::error!(%digest, %found, "corrupt blob moved to quarantine"),
            (Err(error), _) => {
                tracing::error!(%digest, %found, %error, "corrupt blob could not be moved");
            }
        }
        BlobError::Corrupt { digest: *digest, found }
    }
}

fn list_folder(folder: &Path, found: &mut Vec<BlobEntry>) -> Result<(), BlobError> {
    let fail = |error: &io::Error| BlobError::from_io("listing", folder, error);
    for entry in fs::read_dir(folder).map_err(|e| fail(&e))? {
        let entry = entry.map_err(|e| fail(&e))?;
        let name = entry.file_name();
        let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let bytes = entry.metadata().map_err(|e| fail(&e))?.len();
        found.push(BlobEntry { digest, bytes });
    }
    Ok(())
}

/// A blob being written.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    path: PathBuf,
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl BlobWriter {
    /// Makes the blob durable under its name.
    ///
    /// # Errors
    /// The file system failed; nothing is stored.
    pub fn commit(self) -> Result<BlobDigest, BlobError> {
        let digest = BlobDigest::new(self.hasher.clone().finalize().into());
        self.store(digest)?;
        Ok(digest)
    }

    /// Like [`BlobWriter::commit`], but refuses bytes that are not the announced ones.
    ///
    /// # Errors
    /// [`BlobError::Mismatch`], or the file system failed; nothing is stored.
    pub fn commit_as(self, expected: &BlobDigest) -> Result<(), BlobError> {
        let found = BlobDigest::new(self.hasher.clone().finalize().into());
        if found != *expected {
            return Err(BlobError::Mismatch { expected: *expected, found });
        }
        self.store(found)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.bytes
    }

    fn store(&self, digest: BlobDigest) -> Result<(), BlobError> {
        let inner = &self.blobs.inner;
        let path = self.blobs.path(&digest);
        let folder = files::parent(&path).to_owned();
        let fail =
            |operation, path: &Path, error: &io::Error| BlobError::from_io(operation, path, error);
        self.file.sync_data().map_err(|e| fail("syncing blob", &self.path, &e))?;
        if !folder.is_dir() {
            fs::create_dir_all(&folder).map_err(|e| fail("creating folder", &folder, &e))?;
        }
        {
            let _names = inner.names.lock().unwrap_or_else(PoisonError::into_inner);
            // A copy that is already there is replaced: it may be damaged, this one is not.
            let before = self.blobs.stored_bytes(&digest)?.unwrap_or(0);
            fs::rename(&self.path, &path).map_err(|e| fail("naming blob", &path, &e))?;
            inner.count(before, self.bytes);
        }
        files::sync_dir(&folder).map_err(|e| fail("syncing folder", &folder, &e))?;
        // The folder may be new, perhaps made by another thread a moment ago.
        files::sync_dir(&inner.dir).map_err(|e| fail("syncing folder", &inner.dir, &e))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a commit the name is gone already; otherwise this is the clean-up.
        if let Err(error) = files::remove_if_present(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "unfinished blob not removed");
        }
    }
}

/// Streams a blob. The read that would report the end of the file first compares the SHA-256 of
/// all bytes with the name; on a mismatch it fails with an error of kind `InvalidData` that
/// carries a [`BlobError::Corrupt`], and the file is moved to quarantine. Bytes must not be
/// trusted before the end was reached.
#[derive(Debug)]
pub struct BlobReader {
    blobs: Blobs,
    digest: BlobDigest,
    file: File,
    hasher: Option<Sha256>,
    bytes: u64,
}

impl BlobReader {
    /// Size of the file when it was opened.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.bytes
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
            return Ok(count);
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Some(hasher) = self.hasher.take() {
            let found = BlobDigest::new(hasher.finalize().into());
            if found != self.digest {
                let error = self.blobs.quarantine(&self.digest, found);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
#[path = "blobs/tests.rs"]
mod tests;
