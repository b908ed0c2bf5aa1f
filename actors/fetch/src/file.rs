//! Generations as files: opening, checking a replacement.

use kedge_artifact::time::Timestamp;
use kedge_feeds::dataset::{Dataset, DatasetError, ReadAt};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Reads a file at any place without moving a position, so from several threads at once.
#[derive(Debug)]
pub struct FileReader(File);

impl FileReader {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }
}

impl ReadAt for FileReader {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }
}

/// Opens a generation. Quick: indexes and manifest are checked, records when they are read.
///
/// # Errors
/// When the file cannot be read, is no dataset, of another version, cut or damaged.
pub fn open_file(path: &Path) -> Result<Dataset, DatasetError> {
    Dataset::open(Box::new(FileReader::open(path)?))
}

/// A generation may not replace the current one.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Damaged, cut, of another version, or not a dataset.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Older than what is there: a rollback would bring known vulnerabilities out of sight.
    #[error("generation of {candidate} is older than the current one of {current}")]
    Older {
        /// When the candidate was built.
        candidate: Timestamp,
        /// When the current one was built.
        current: Timestamp,
    },
}

/// Checks that `candidate` is whole, byte by byte, and not older than `current`; `force` allows an
/// older one, never a damaged one.
///
/// # Errors
/// When it may not replace the current generation.
pub fn check_replacement(
    candidate: &Dataset,
    current: Option<Timestamp>,
    force: bool,
) -> Result<(), VerifyError> {
    candidate.verify()?;
    let built = candidate.manifest().built;
    match current {
        Some(current) if built < current && !force => {
            Err(VerifyError::Older { candidate: built, current })
        }
        Some(_) | None => Ok(()),
    }
}
