//! The current and the previous generation in a folder.
//!
//! ```text
//! generations/<built>-<generation>.kdb    the files
//! current.json                            which one is current, which one was before
//! lock                                    held while they change
//! ```
//!
//! A generation is copied, checked, made durable and named before `current.json` is replaced in
//! one step, so a crash at any point leaves the old or the new one, never half of one.

use crate::file::{VerifyError, check_replacement, open_file};
use kedge_artifact::time::Timestamp;
use kedge_feeds::dataset::{Dataset, DatasetError, Manifest};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Unfinished files older than this are left over from a crash: no synchronisation takes so long.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 3600);

static SCRATCHES: AtomicU64 = AtomicU64::new(0);

/// The store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process changes the store.
    #[error("{path} is in use by another process")]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// `current.json` is not readable.
    #[error("{path} is damaged: {what}")]
    Pointer {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A generation is damaged.
    #[error("{path}: {source}")]
    Dataset {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DatasetError,
    },
    /// A file may not become current.
    #[error("{path} is refused: {source}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VerifyError,
    },
    /// There is no generation yet.
    #[error("there is no vulnerability data in {path}")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// The names in `current.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pointer {
    current: String,
    previous: Option<String>,
    /// When the current one was built; kept here so that a damaged file does not open the door to
    /// an older one.
    built: Timestamp,
}

/// A folder with the current and the previous generation.
#[derive(Debug, Clone)]
pub struct LocalStore {
    dir: PathBuf,
}

impl LocalStore {
    /// Opens a store, creating its folders.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = Self { dir: dir.to_owned() };
        fs::create_dir_all(store.generations()).map_err(at(dir))?;
        Ok(store)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path in the same file system, for [`crate::Options::output`]; another one at each call.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        let number = SCRATCHES.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("incoming-{}-{number}.kdb", std::process::id()))
    }

    /// The current generation; `None` when there is none yet.
    ///
    /// # Errors
    /// When it is damaged: [`LocalStore::previous`] may still be good.
    pub fn current(&self) -> Result<Option<Dataset>, StoreError> {
        match self.pointer()? {
            Some(pointer) => self.dataset(&pointer.current).map(Some),
            None => Ok(None),
        }
    }

    /// The generation before the current one.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn previous(&self) -> Result<Option<Dataset>, StoreError> {
        match self.pointer()?.and_then(|pointer| pointer.previous) {
            Some(name) => self.dataset(&name).map(Some),
            None => Ok(None),
        }
    }

    /// Path of the current generation's file.
    ///
    /// # Errors
    /// When `current.json` is damaged.
    pub fn current_path(&self) -> Result<Option<PathBuf>, StoreError> {
        Ok(self.pointer()?.map(|pointer| self.generations().join(pointer.current)))
    }

    /// Makes a file the current generation and takes it away from where it is (which must be the
    /// same file system, see [`LocalStore::scratch`]). Every byte is checked before.
    ///
    /// # Errors
    /// When it is damaged, or older than the current one without `force`; the store is unchanged.
    pub fn install(&self, file: &Path, force: bool) -> Result<Manifest, StoreError> {
        let _lock = self.lock()?;
        let old = match self.pointer() {
            Ok(old) => old,
            // Whoever forces wants the store back; the damaged pointer is replaced.
            Err(StoreError::Pointer { .. }) if force => None,
            Err(error) => return Err(error),
        };
        let refused = |source| StoreError::Refused { path: file.to_owned(), source };
        let dataset = open_file(file).map_err(|error| refused(error.into()))?;
        let current = old.as_ref().map(|pointer| pointer.built);
        check_replacement(&dataset, current, force).map_err(refused)?;
        let manifest = dataset.manifest().clone();
        let short: String = manifest.generation.chars().take(16).collect();
        let name = format!("{:014}-{short}.kdb", manifest.built.0.max(0));
        let target = self.generations().join(&name);
        File::open(file).and_then(|f| f.sync_all()).map_err(at(file))?;
        fs::rename(file, &target).map_err(at(&target))?;
        sync_dir(&self.generations())?;
        let before = old.map(|pointer| match pointer.current == name {
            true => pointer.previous,
            false => Some(pointer.current),
        });
        let (previous, built) = (before.flatten(), manifest.built);
        self.point(&Pointer { current: name, previous, built })?;
        self.prune()?;
        Ok(manifest)
    }

    /// Copies a generation from anywhere into the store and makes it current.
    ///
    /// # Errors
    /// As [`LocalStore::install`].
    pub fn import(&self, file: &Path, force: bool) -> Result<Manifest, StoreError> {
        let scratch = self.scratch();
        // Checked before it is copied, so that a wrong path costs nothing.
        open_file(file)
            .map_err(|error| StoreError::Refused { path: file.to_owned(), source: error.into() })?;
        fs::copy(file, &scratch).map_err(at(&scratch))?;
        let result = self.install(&scratch, force);
        if result.is_err() {
            let _ = fs::remove_file(&scratch);
        }
        result
    }

    /// Writes the current generation to `target`, complete or not at all.
    ///
    /// # Errors
    /// When there is none, it is damaged, or `target` cannot be written.
    pub fn export(&self, target: &Path) -> Result<Manifest, StoreError> {
        let empty = || StoreError::Empty { path: self.dir.clone() };
        let dataset = self.current()?.ok_or_else(empty)?;
        let source = self.current_path()?.ok_or_else(empty)?;
        let damaged = |error| StoreError::Dataset { path: source.clone(), source: error };
        dataset.verify().map_err(damaged)?;
        let mut fresh = target.as_os_str().to_owned();
        fresh.push(".part");
        let fresh = PathBuf::from(fresh);
        fs::copy(&source, &fresh).map_err(at(&fresh))?;
        File::open(&fresh).and_then(|f| f.sync_all()).map_err(at(&fresh))?;
        fs::rename(&fresh, target).map_err(at(target))?;
        Ok(dataset.manifest().clone())
    }

    fn generations(&self) -> PathBuf {
        self.dir.join("generations")
    }

    fn dataset(&self, name: &str) -> Result<Dataset, StoreError> {
        let path = self.generations().join(name);
        open_file(&path).map_err(|source| StoreError::Dataset { path, source })
    }

    fn pointer(&self) -> Result<Option<Pointer>, StoreError> {
        let path = self.dir.join("current.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(at(&path))?,
        };
        let damaged = |what: String| StoreError::Pointer { path: path.clone(), what };
        let pointer: Pointer =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let plain = |name: &str| {
            name.ends_with(".kdb")
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
        };
        if !plain(&pointer.current) || !pointer.previous.iter().all(|name| plain(name)) {
            return Err(damaged("a name is not that of a generation".into()));
        }
        Ok(Some(pointer))
    }

    fn point(&self, pointer: &Pointer) -> Result<(), StoreError> {
        let path = self.dir.join("current.json");
        let fresh = self.dir.join("current.json.new");
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec_pretty(pointer)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().map_err(at(&path))?;
        sync_dir(&self.dir)
    }

    /// Removes generations that are neither current nor previous. Readers that have one open keep
    /// it: the file lives on until they close it.
    fn prune(&self) -> Result<(), StoreError> {
        let Some(pointer) = self.pointer()? else { return Ok(()) };
        let folder = self.generations();
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != pointer.current && Some(&name) != pointer.previous.as_ref() {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        for entry in fs::read_dir(&self.dir).map_err(at(&self.dir))? {
            let entry = entry.map_err(at(&self.dir))?;
            let age = entry.metadata().and_then(|m| m.modified()).map(|time| time.elapsed());
            let old = matches!(age, Ok(Ok(age)) if age > LEFTOVER_AGE);
            if old && entry.file_name().to_string_lossy().starts_with("incoming-") {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> Result<File, StoreError> {
        let path = self.dir.join("lock");
        let file = File::create(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::Busy { path }),
            Err(fs::TryLockError::Error(source)) => Err(StoreError::Io { path, source }),
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { path: path.clone(), source }
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))
}
