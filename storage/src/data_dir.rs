//! The data folder of a node: its layout, its format, and who may use it.
//!
//! ```text
//! FORMAT      format version of the folder, one line
//! LOCK        held while a node runs; the process id of the holder, one line
//! log/        consensus log                     state/   key-value store and its marker
//! snapshots/  snapshots of the state            blobs/   content-addressed files
//! cache/      what may be deleted at any time   keys/    node key (0700)
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files;
use crate::limits::MARKER_BYTES_MAX;

/// The folder format this version writes.
pub const FORMAT: u32 = 1;

const PREFIX: &str = "kedge data folder, format ";
const FOLDERS: [&str; 6] = ["log", "state", "snapshots", "blobs", "cache", "keys"];

/// Why a data folder cannot be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// A newer version of this program wrote the folder.
    #[error(
        "data folder {path} has format {found}, this version knows up to {known}; \
         start the version that wrote it, or restore a backup made before the upgrade"
    )]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Newest known format.
        known: u32,
    },
    /// The format file is not one of ours.
    #[error(
        "data folder {path} has an unreadable FORMAT file; it is damaged or of another program"
    )]
    BadFormat {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds other things and no format file.
    #[error("data folder {path} is not empty and has no FORMAT file; choose an empty folder")]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// Another process uses the folder.
    #[error("data folder {path} is in use by {holder}", holder = describe(*.pid))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process, if it has said so.
        pid: Option<u32>,
    },
    /// A failure of the file system.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl DataDirError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }
}

fn describe(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A data folder that this process holds. Dropping it lets go of the lock.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    boot_id: String,
    _lock: File,
}

impl DataDir {
    /// Opens or creates the folder and takes its lock.
    ///
    /// # Errors
    /// See [`DataDirError`]; the folder is unchanged unless it was empty or missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let root = root.into();
        create_private(&root).map_err(DataDirError::io("can not create folder", &root))?;
        let format_path = root.join("FORMAT");
        // Look before locking: a folder of someone else gets no file of ours.
        let is_new = match read_format(&root, &format_path)? {
            Some(found) if found > FORMAT => {
                return Err(DataDirError::NewerFormat { path: root, found, known: FORMAT });
            }
            Some(_) => false,
            None if is_fresh(&root)? => true,
            None => return Err(DataDirError::Foreign { path: root }),
        };
        let lock = lock(&root)?;
        for folder in FOLDERS {
            let path = root.join(folder);
            create_private(&path).map_err(DataDirError::io("can not create folder", &path))?;
        }
        if is_new {
            files::replace_durably(&format_path, format!("{PREFIX}{FORMAT}\n").as_bytes(), 0o600)
                .map_err(DataDirError::io("can not write", &format_path))?;
        }
        files::sync_dir(&root).map_err(DataDirError::io("can not sync folder", &root))?;
        let parent = files::parent(&root);
        files::sync_dir(parent).map_err(DataDirError::io("can not sync folder", parent))?;
        Ok(Self { root, boot_id: boot_id(), _lock: lock })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Identifies this run of the machine; empty where the system does not tell.
    #[must_use]
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Folder of the consensus log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Folder in which the key-value store keeps its folder and its marker.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Folder of snapshots.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Folder of blobs.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Folder of what may be deleted at any time.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Folder of keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
}

/// The kernel's identifier of this boot (Linux, `random(4)`); empty elsewhere.
#[must_use]
pub fn boot_id() -> String {
    files::read_small(Path::new("/proc/sys/kernel/random/boot_id"))
        .ok()
        .flatten()
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Everything below holds secrets or customers' data, so only the owner may look.
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn read_format(root: &Path, path: &Path) -> Result<Option<u32>, DataDirError> {
    let bad = || DataDirError::BadFormat { path: root.to_owned() };
    let text = match files::read_small(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(bad()),
        Err(error) => return Err(DataDirError::io("can not read", path)(error)),
    };
    let number = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix('\n'));
    match number.and_then(|number| number.parse().ok()) {
        Some(0) | None => Err(bad()),
        Some(format) => Ok(Some(format)),
    }
}

/// True when the folder holds at most what an interrupted first start leaves: our own names. A
/// file system's `lost+found` is not counted.
fn is_fresh(root: &Path) -> Result<bool, DataDirError> {
    let fail = || DataDirError::io("can not list folder", root);
    for entry in fs::read_dir(root).map_err(fail())? {
        let name = entry.map_err(fail())?.file_name();
        let is_ours = ["LOCK", "FORMAT.tmp", "lost+found"]
            .iter()
            .chain(&FOLDERS)
            .any(|known| name.as_os_str() == *known);
        if !is_ours {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lock(root: &Path) -> Result<File, DataDirError> {
    let path = root.join("LOCK");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(DataDirError::io("can not open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Only for the message; an unreadable file means an unnamed holder.
            let read = (&mut file).take(MARKER_BYTES_MAX).read_to_string(&mut text);
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(DataDirError::InUse { path: root.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => {
            return Err(DataDirError::io("can not lock", &path)(error));
        }
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(DataDirError::io("can not write", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn new_folder_gets_its_layout_and_opens_again() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("a/b");
        let data = DataDir::open(&root).unwrap();
        for folder in [data.log(), data.state(), data.snapshots(), data.blobs(), data.cache()] {
            assert!(folder.is_dir());
        }
        assert_eq!(fs::metadata(data.keys()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_to_string(root.join("FORMAT")).unwrap(),
            "kedge data folder, format 1\n"
        );
        drop(data);
        assert_eq!(DataDir::open(&root).unwrap().root(), root);
    }

    #[test]
    fn second_holder_is_refused_and_the_first_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let held = DataDir::open(temporary.path()).unwrap();
        let error = DataDir::open(temporary.path()).unwrap_err();
        let own = std::process::id();
        assert!(matches!(error, DataDirError::InUse { pid: Some(pid), .. } if pid == own));
        assert!(error.to_string().contains(&format!("process {own}")), "{error}");
        drop(held);
        DataDir::open(temporary.path()).unwrap();
    }

    #[test]
    fn newer_or_unreadable_format_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        drop(DataDir::open(temporary.path()).unwrap());
        let format = temporary.path().join("FORMAT");
        fs::write(&format, "kedge data folder, format 9\n").unwrap();
        let error = DataDir::open(temporary.path()).unwrap_err();
        assert!(matches!(error, DataDirError::NewerFormat { found: 9, known: 1, .. }));
        assert!(error.to_string().contains("backup"), "{error}");
        let long = "x".repeat(10_000);
        for bad in ["", "9", "kedge data folder, format 1", "kedge data folder, format 0\n", &long]
        {
            fs::write(&format, bad).unwrap();
            let error = DataDir::open(temporary.path()).unwrap_err();
            assert!(matches!(error, DataDirError::BadFormat { .. }), "{bad:?}: {error}");
        }
    }

    #[test]
    fn folder_of_someone_else_is_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("thesis.tex"), "precious").unwrap();
        let error = DataDir::open(temporary.path()).unwrap_err();
        assert!(matches!(error, DataDirError::Foreign { .. }));
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    }

    #[test]
    fn interrupted_first_start_is_finished() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("LOCK"), "").unwrap();
        fs::create_dir(temporary.path().join("log")).unwrap();
        DataDir::open(temporary.path()).unwrap();
    }

    #[test]
    fn file_in_the_way_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(file.join("data")).unwrap_err();
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}
