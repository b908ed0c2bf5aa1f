//! A file that arrives in pieces: written to disk as it comes, counted, hashed, and gone when it
//! is not used.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use crate::limits::{FEED_UPLOAD_BYTES_MAX, UPLOADS_MAX};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// Uploads of this process that are being received.
static RECEIVING: AtomicUsize = AtomicUsize::new(0);

/// A file being received. Dropping it removes what was written.
pub struct Upload {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Drop for Upload {
    fn drop(&mut self) {
        RECEIVING.fetch_sub(1, Ordering::Relaxed);
        // A file that is not there needs no removing.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn failed(path: &Path, error: &std::io::Error) -> AppError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return AppError::refused(507, "disk_full", "no space is left for the upload");
    }
    AppError::internal(format!("{}: {error}", path.display()))
}

impl Upload {
    async fn begin(folder: &Path) -> Result<Self, AppError> {
        if RECEIVING.fetch_add(1, Ordering::Relaxed) >= UPLOADS_MAX {
            RECEIVING.fetch_sub(1, Ordering::Relaxed);
            return Err(AppError::Busy { retry_after_s: 30 });
        }
        let opened = Self::open(folder).await;
        if opened.is_err() {
            RECEIVING.fetch_sub(1, Ordering::Relaxed);
        }
        opened
    }

    async fn open(folder: &Path) -> Result<Self, AppError> {
        let mut name = [0_u8; 12];
        getrandom::fill(&mut name)
            .map_err(|error| AppError::internal(format!("no random bytes: {error}")))?;
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(name);
        tokio::fs::create_dir_all(folder).await.map_err(|error| failed(folder, &error))?;
        let file = File::create_new(&path).await.map_err(|error| failed(&path, &error))?;
        Ok(Self { path, file, hash: Sha256::new(), bytes: 0 })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// 413 over the limit, 507 when the disk is full.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), AppError> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > FEED_UPLOAD_BYTES_MAX {
            let text =
                format!("upload has over {FEED_UPLOAD_BYTES_MAX} bytes (FEED_UPLOAD_BYTES_MAX)");
            return Err(AppError::refused(413, "limit", text));
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
    /// 403, 503 when too many uploads are running.
    pub async fn receive_feeds(&self, who: &Identity) -> Result<Upload, AppError> {
        self.allow_system(who, "updateFeeds")?;
        Upload::begin(&self.upload_dir()).await
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
