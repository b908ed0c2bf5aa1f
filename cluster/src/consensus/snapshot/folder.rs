//! The folder of snapshot files: what is there, what is kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::reader::At;
use super::writer::{SnapshotWriter, publish};
use super::{SnapshotError, SnapshotFile, SnapshotReader};
use crate::consensus::record::SnapshotHeader;
use crate::limits::SNAPSHOTS_KEPT;

const SUFFIX: &str = ".snapshot";
const TEMPORARY_SUFFIX: &str = ".tmp";
const CORRUPT_SUFFIX: &str = ".corrupt";

/// The snapshots of this node, oldest first.
#[derive(Debug)]
pub(crate) struct SnapshotFolder {
    dir: PathBuf,
    cluster: [u8; 16],
    known: Mutex<Vec<SnapshotFile>>,
    next_temporary: AtomicU64,
}

impl SnapshotFolder {
    /// Opens or creates the folder. Every file is read through: a damaged one is set aside
    /// (renamed, so that it can be looked at) and reported in the log.
    ///
    /// # Errors
    /// A file of a newer format or of another cluster, or a failure of the file system.
    pub(crate) fn open(dir: &Path, cluster: [u8; 16]) -> Result<Self, SnapshotError> {
        fs::create_dir_all(dir).map_err(SnapshotError::io("creating folder of", dir))?;
        let mut known = Vec::new();
        for path in list(dir)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(TEMPORARY_SUFFIX) {
                fs::remove_file(&path).map_err(SnapshotError::io("removing unfinished", &path))?;
            } else if name.ends_with(SUFFIX) {
                known.extend(open_or_set_aside(&path, cluster)?);
            }
        }
        known.sort_by_key(SnapshotFile::index);
        let known = Mutex::new(known);
        Ok(Self { dir: dir.to_owned(), cluster, known, next_temporary: AtomicU64::new(0) })
    }

    /// The newest snapshot.
    pub(crate) fn newest(&self) -> Option<SnapshotFile> {
        self.known().last().cloned()
    }

    /// Up to which entry the log may be purged: what the older of the kept snapshots covers, so
    /// that the newest one may turn out damaged without loss.
    pub(crate) fn purgeable_index(&self) -> Option<u64> {
        let known = self.known();
        let older = known.len().checked_sub(SNAPSHOTS_KEPT)?;
        known.get(older).and_then(SnapshotFile::index)
    }

    /// Begins a new snapshot.
    ///
    /// # Errors
    /// A failure of the file system.
    pub(crate) fn create(&self, header: SnapshotHeader) -> Result<SnapshotWriter, SnapshotError> {
        let target = self.path(header.index());
        SnapshotWriter::create(self.temporary_path(), target, header)
    }

    /// Completes a snapshot and removes those that are not kept any more.
    ///
    /// # Errors
    /// A failure of the file system; there is no new snapshot then.
    pub(crate) fn commit(&self, writer: SnapshotWriter) -> Result<SnapshotFile, SnapshotError> {
        let snapshot = writer.finish()?;
        self.add(snapshot.clone());
        Ok(snapshot)
    }

    /// Takes over a snapshot that came from a peer: verified and copied, or left where it is when
    /// it is one of ours. All others are removed afterwards: they are older than what the cluster
    /// knows, and their log is about to be purged.
    ///
    /// # Errors
    /// The file is damaged, or the file system failed.
    pub(crate) fn adopt(&self, snapshot: &SnapshotFile) -> Result<SnapshotFile, SnapshotError> {
        let reader = SnapshotReader::open(snapshot)?;
        check_cluster(reader.header(), self.cluster, &snapshot.path)?;
        reader.verify()?;
        if self.known().iter().any(|own| own.path == snapshot.path) {
            return Ok(snapshot.clone());
        }
        let temporary = self.temporary_path();
        let target = self.path(snapshot.index());
        copy(snapshot, &temporary)?;
        publish(&temporary, &target)?;
        let adopted = open_file(&target, self.cluster)?;
        self.add(adopted.clone());
        Ok(adopted)
    }

    fn add(&self, snapshot: SnapshotFile) {
        let mut known = self.known();
        known.retain(|other| other.path != snapshot.path);
        known.push(snapshot);
        known.sort_by_key(SnapshotFile::index);
        let surplus = known.len().saturating_sub(SNAPSHOTS_KEPT);
        for old in known.drain(..surplus) {
            // A file that cannot be removed only costs space; the next start lists it again.
            if let Err(error) = fs::remove_file(&old.path) {
                tracing::warn!(path = %old.path.display(), %error, "cannot remove old snapshot");
            }
        }
    }

    fn path(&self, index: Option<u64>) -> PathBuf {
        let index = index.unwrap_or(0);
        self.dir.join(format!("{index:020}{SUFFIX}"))
    }

    fn temporary_path(&self) -> PathBuf {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{number}{TEMPORARY_SUFFIX}"))
    }

    fn known(&self) -> MutexGuard<'_, Vec<SnapshotFile>> {
        // The list is changed in single steps, so it is whole even after a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let paths = fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    paths.map_err(SnapshotError::io("listing", dir))
}

fn open_or_set_aside(
    path: &Path,
    cluster: [u8; 16],
) -> Result<Option<SnapshotFile>, SnapshotError> {
    match open_file(path, cluster) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(error) if error.is_corrupt() => {
            let mut aside = path.as_os_str().to_owned();
            aside.push(CORRUPT_SUFFIX);
            tracing::error!(%error, aside = %Path::new(&aside).display(), "snapshot set aside");
            fs::rename(path, &aside).map_err(SnapshotError::io("setting aside", path))?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn open_file(path: &Path, cluster: [u8; 16]) -> Result<SnapshotFile, SnapshotError> {
    let file = File::open(path).map_err(SnapshotError::io("opening", path))?;
    let bytes = file.metadata().map_err(SnapshotError::io("reading size of", path))?.len();
    let file = Arc::new(file);
    let header = SnapshotReader::begin(path, Arc::clone(&file))?.verify()?;
    check_cluster(&header, cluster, path)?;
    Ok(SnapshotFile { header, path: path.to_owned(), bytes, file })
}

fn check_cluster(
    header: &SnapshotHeader,
    expected: [u8; 16],
    path: &Path,
) -> Result<(), SnapshotError> {
    if header.cluster == expected {
        return Ok(());
    }
    Err(SnapshotError::WrongCluster {
        path: path.to_owned(),
        found: hex::encode(header.cluster),
        expected: hex::encode(expected),
    })
}

fn copy(snapshot: &SnapshotFile, target: &Path) -> Result<(), SnapshotError> {
    // From the open file: the name may have been removed meanwhile.
    let mut input = At { file: Arc::clone(&snapshot.file), offset: 0 };
    let copied = File::create(target).and_then(|mut output| {
        io::copy(&mut input, &mut output)?;
        output.sync_all()
    });
    copied.map_err(SnapshotError::io("copying", &snapshot.path))
}
