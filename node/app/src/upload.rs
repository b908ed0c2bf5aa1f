//! A file that arrives in pieces: written to disk as it comes, counted, hashed, and gone when it
//! is not used.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use crate::limits::{FEED_UPLOAD_BYTES_MAX, UPLOAD_DISK_LOOK_BYTES};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A file being received. Dropping it removes what was written and makes room for another.
pub struct Upload {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    disk: Disk,
    /// Bytes at which the disk is looked at again.
    look_at: u64,
    /// One of the uploads received at a time.
    _slot: OwnedSemaphorePermit,
}

/// Tells whether the disk is filled up to its reserve.
type Disk = Arc<dyn Fn() -> bool + Send + Sync>;

impl Drop for Upload {
    fn drop(&mut self) {
        // A file that is not there needs no removing.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn disk_full() -> AppError {
    AppError::refused(507, "disk_full", "no space is left for the upload")
}

fn failed(path: &Path, error: &std::io::Error) -> AppError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return disk_full();
    }
    AppError::internal(format!("{}: {error}", path.display()))
}

impl Upload {
    async fn begin(slots: &Arc<Semaphore>, folder: PathBuf, disk: Disk) -> Result<Self, AppError> {
        let busy = |_| AppError::Busy { retry_after_s: 30 };
        let slot = Arc::clone(slots).try_acquire_owned().map_err(busy)?;
        if disk() {
            return Err(disk_full());
        }
        // Whole in one piece of work: when the caller goes away, its result is dropped, and with
        // it the file and the slot.
        crate::blocking(move || Self::open(&folder, disk, slot)).await?
    }

    fn open(folder: &Path, disk: Disk, slot: OwnedSemaphorePermit) -> Result<Self, AppError> {
        let mut name = [0_u8; 12];
        getrandom::fill(&mut name)
            .map_err(|error| AppError::internal(format!("no random bytes: {error}")))?;
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(name);
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let file = std::fs::File::create_new(&path).map_err(|error| failed(&path, &error))?;
        let (hash, look_at) = (Sha256::new(), UPLOAD_DISK_LOOK_BYTES);
        Ok(Self { path, file: File::from_std(file), hash, bytes: 0, disk, look_at, _slot: slot })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// 413 over the limit, 507 when the disk is full up to the reserve.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), AppError> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > FEED_UPLOAD_BYTES_MAX {
            let text =
                format!("upload has over {FEED_UPLOAD_BYTES_MAX} bytes (FEED_UPLOAD_BYTES_MAX)");
            return Err(AppError::refused(413, "limit", text));
        }
        if self.bytes >= self.look_at {
            self.look_at = self.bytes.saturating_add(UPLOAD_DISK_LOOK_BYTES);
            if (self.disk)() {
                return Err(disk_full());
            }
        }
        self.hash.update(piece);
        self.file.write_all(piece).await.map_err(|error| failed(&self.path, &error))
    }

    /// Ends the upload; the file is complete and readable afterwards, until `self` is dropped.
    ///
    /// # Errors
    /// 400 when it is empty or its sha256 is not `expected` (hex digits, with or without
    /// `sha256:`).
    pub(crate) async fn finish(&mut self, expected: Option<&str>) -> Result<(), AppError> {
        self.file.flush().await.map_err(|error| failed(&self.path, &error))?;
        if self.bytes == 0 {
            return Err(AppError::invalid("the upload is empty"));
        }
        let found = kedge_artifact::digest::Digest::from_bytes(self.hash.clone().finalize().into());
        let Some(expected) = expected else { return Ok(()) };
        let hex = expected.strip_prefix("sha256:").unwrap_or(expected);
        if found.hex().eq_ignore_ascii_case(hex) {
            return Ok(());
        }
        Err(AppError::invalid(format!("checksum does not fit: the upload has {found}")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl App {
    /// Begins to receive a generation of advisory data. The permission is checked before the first
    /// byte is taken.
    ///
    /// # Errors
    /// 403, 503 when too many uploads are running, 507 when the disk is full up to the reserve.
    pub async fn receive_feeds(&self, who: &Identity) -> Result<Upload, AppError> {
        self.allow_system(who, "updateFeeds")?;
        let handle = self.handle().clone();
        let disk = Arc::new(move || handle.metrics().is_disk_low);
        Upload::begin(&self.inner.uploads, self.upload_dir(), disk).await
    }

    fn upload_dir(&self) -> PathBuf {
        self.handle().data_dir().root().join("uploads")
    }

    /// Removes what uploads of an earlier process left behind.
    pub(crate) fn forget_uploads(&self) {
        let folder = self.upload_dir();
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, path = %folder.display(), "cannot remove old uploads");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn a_slot_is_taken_until_the_upload_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let slots = Arc::new(Semaphore::new(1));
        let begin = || Upload::begin(&slots, dir.path().to_owned(), Arc::new(|| false));
        let mut upload = begin().await.unwrap();
        upload.write(b"piece").await.unwrap();
        assert_eq!(begin().await.err().unwrap().status(), 503);
        assert_eq!(files(dir.path()), 1);
        drop(upload);
        assert_eq!((files(dir.path()), slots.available_permits()), (0, 1));

        // A request that goes away while the file is made, or just after.
        let mut opening = Box::pin(begin());
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(opening.as_mut().poll(cx)));
        let answer = first.await;
        drop((answer, opening));
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        assert_eq!(files(dir.path()), 0);
        drop(slot);
        begin().await.unwrap();
    }

    #[tokio::test]
    async fn an_upload_stops_at_the_disk_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let slots = Arc::new(Semaphore::new(1));
        let is_low = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_low);
        let disk: Disk = Arc::new(move || seen.load(Ordering::Relaxed));
        let folder = || dir.path().to_owned();
        let mut upload = Upload::begin(&slots, folder(), Arc::clone(&disk)).await.unwrap();
        let piece = vec![0; 1 << 20];
        upload.write(&piece).await.unwrap();
        is_low.store(true, Ordering::Relaxed);
        let mut outcome = Ok(());
        for _ in 0..UPLOAD_DISK_LOOK_BYTES >> 20 {
            outcome = outcome.and(upload.write(&piece).await);
        }
        let error = outcome.unwrap_err();
        assert_eq!((error.status(), error.code()), (507, "disk_full"));
        drop(upload);
        assert_eq!(files(dir.path()), 0);
        let error = Upload::begin(&slots, folder(), disk).await.err().unwrap();
        assert_eq!((error.status(), slots.available_permits()), (507, 1));
    }
}
