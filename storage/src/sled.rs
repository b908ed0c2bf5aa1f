//! The engine on disk. The only file that names sled.
//!
//! sled 0.34.7 is used for state that can be rebuilt from a snapshot and the log, and under rules
//! that come from measurements (docs/decisions/003): values stay small, one tree, its own flush is
//! not a durability barrier on Linux (it never calls `fsync`), and a torn tail can make it
//! unopenable or make it panic while opening. So after a crash of the machine a store is not
//! trusted: it is set aside and the caller rebuilds it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::files;
use crate::kv::{Batch, Bytes, Kv, KvError, KvStats, Page, View, bounds};

/// How the engine is opened.
#[derive(Debug, Clone)]
pub struct SledOptions {
    /// Bytes of pages kept in memory; the process uses about 1.3 times as much.
    pub cache_bytes: u64,
    /// How often the engine writes dirty pages by itself. Not a durability promise.
    pub flush_every_ms: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, flush_every_ms: 500 }
    }
}

/// What [`open_or_set_aside`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenOutcome {
    /// The store is as it was left (or new, if there was none).
    Clean,
    /// The store could not be trusted; a new, empty one was made.
    SetAside {
        /// Where the old one is now.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// An ordered store in a folder.
#[derive(Debug)]
pub struct SledKv {
    db: ::sled::Db,
    dir: PathBuf,
    /// A second descriptor of the engine's file, for the `fdatasync` that the engine omits.
    data_file: File,
    boot_id: String,
    is_closed: AtomicBool,
}

impl SledKv {
    /// Opens or creates a store without looking at its marker. Most callers want
    /// [`open_or_set_aside`].
    ///
    /// # Errors
    /// [`KvError::Corrupt`] when the engine fails or panics on its files, [`KvError::InUse`] when
    /// another process has them, or a failure of the file system.
    pub fn open(dir: &Path, options: &SledOptions) -> Result<Self, KvError> {
        Self::open_in_thread(dir, options, "")
    }

    /// The engine panics on some damaged files; in a thread of its own that is only a failed join.
    fn open_in_thread(dir: &Path, options: &SledOptions, boot_id: &str) -> Result<Self, KvError> {
        let config = ::sled::Config::new()
            .path(dir)
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(Some(options.flush_every_ms));
        let opened = thread::Builder::new()
            .name("kedge-store-open".to_owned())
            .spawn(move || config.open())
            .map_err(|error| KvError::from_io("starting thread", dir, &error))?
            .join();
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(open_error(dir, &error)),
            Err(panic) => {
                return Err(corrupt(dir, format!("engine panicked: {}", text_of(&*panic))));
            }
        };
        let data_path = dir.join("db");
        let data_file = File::options()
            .read(true)
            .write(true)
            .open(&data_path)
            .map_err(|error| KvError::from_io("opening data file", &data_path, &error))?;
        sync_new_files(dir).map_err(|error| KvError::from_io("syncing new store", dir, &error))?;
        let (dir, boot_id) = (dir.to_owned(), boot_id.to_owned());
        Ok(Self { db, dir, data_file, boot_id, is_closed: AtomicBool::new(false) })
    }

    /// Makes everything durable and marks the store as cleanly closed; later writes are refused.
    /// Call it last, when nothing writes any more.
    ///
    /// # Errors
    /// A failure of the engine or the file system; the store is then not marked.
    pub fn mark_clean(&self) -> Result<(), KvError> {
        self.is_closed.store(true, Ordering::SeqCst);
        self.flush()?;
        write_marker(&self.dir, State::Clean, &self.boot_id)
    }

    fn flush(&self) -> Result<(), KvError> {
        self.db.flush().map_err(|error| self.error("flushing", &error))?;
        self.data_file
            .sync_data()
            .map_err(|error| KvError::from_io("syncing data file", &self.dir, &error))
    }

    fn error(&self, operation: &'static str, error: &::sled::Error) -> KvError {
        match error {
            ::sled::Error::Io(error) => KvError::from_io(operation, &self.dir, error),
            ::sled::Error::CollectionNotFound(_)
            | ::sled::Error::Unsupported(_)
            | ::sled::Error::ReportableBug(_)
            | ::sled::Error::Corruption { .. } => corrupt(&self.dir, error.to_string()),
        }
    }
}

impl View for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let value = self.db.get(key).map_err(|error| self.error("reading", &error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Page, KvError> {
        let Some(bounds) = bounds(start, end) else { return Ok(Vec::new()) };
        let read = |item: ::sled::Result<(::sled::IVec, ::sled::IVec)>| {
            let (key, value) = item.map_err(|error| self.error("reading", &error))?;
            Ok((key.to_vec(), value.to_vec()))
        };
        let found = self.db.range::<&[u8], _>(bounds);
        if reverse {
            found.rev().take(limit).map(read).collect()
        } else {
            found.take(limit).map(read).collect()
        }
    }
}

impl Kv for SledKv {
    fn apply(&self, batch: Batch) -> Result<(), KvError> {
        batch.check()?;
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(KvError::Closed);
        }
        let mut writes = ::sled::Batch::default();
        for (key, value) in batch.into_writes() {
            match value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        self.db.apply_batch(writes).map_err(|error| self.error("writing", &error))
    }

    fn durable_point(&self) -> Result<(), KvError> {
        self.flush()
    }

    fn clear(&self) -> Result<(), KvError> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(KvError::Closed);
        }
        self.db.clear().map_err(|error| self.error("clearing", &error))
    }

    fn stats(&self) -> Result<KvStats, KvError> {
        let mut stats = KvStats::default();
        for item in self.db.iter() {
            let (key, value) = item.map_err(|error| self.error("reading", &error))?;
            stats.keys_count += 1;
            stats.live_bytes += (key.len() + value.len()) as u64;
        }
        stats.disk_bytes =
            self.db.size_on_disk().map_err(|error| self.error("measuring", &error))?;
        Ok(stats)
    }
}

/// Opens the store in `dir`, or sets it aside and makes an empty one when it cannot be trusted:
/// when the engine fails on its files, or when the machine was started anew (`boot_id`) without
/// the store having been closed cleanly. At most one store is kept aside.
///
/// An empty `boot_id` (a system that has none) is taken as a new start.
///
/// # Errors
/// [`KvError::InUse`], a full disk or another failure of the file system; nothing is set aside.
pub fn open_or_set_aside(
    dir: &Path,
    options: &SledOptions,
    boot_id: &str,
) -> Result<(SledKv, OpenOutcome), KvError> {
    let mut outcome = OpenOutcome::Clean;
    if let Some(reason) = distrust(dir, boot_id)? {
        outcome = set_aside(dir, reason)?;
    }
    // Before the engine writes its first byte, so that a store without a marker is never ours.
    write_marker(dir, State::Open, boot_id)?;
    match SledKv::open_in_thread(dir, options, boot_id) {
        Err(KvError::Corrupt { reason, .. }) => {
            outcome = set_aside(dir, reason)?;
            let kv = SledKv::open_in_thread(dir, options, boot_id)?;
            Ok((kv, outcome))
        }
        other => Ok((other?, outcome)),
    }
}

/// Removes what was set aside; called once the state has been rebuilt.
///
/// # Errors
/// A failure of the file system.
pub fn remove_set_aside(dir: &Path) -> Result<(), KvError> {
    let fail = |path: &Path, error: &io::Error| KvError::from_io("removing old store", path, error);
    for (path, _) in list_set_aside(dir).map_err(|e| fail(dir, &e))? {
        fs::remove_dir_all(&path).map_err(|e| fail(&path, &e))?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum State {
    Open,
    Clean,
}

fn marker_path(dir: &Path) -> PathBuf {
    files::with_suffix(dir, ".marker")
}

fn write_marker(dir: &Path, state: State, boot_id: &str) -> Result<(), KvError> {
    let path = marker_path(dir);
    let word = match state {
        State::Open => "open",
        State::Clean => "clean",
    };
    fs::create_dir_all(files::parent(dir))
        .and_then(|()| {
            files::replace_durably(&path, format!("{word} {boot_id}\n").as_bytes(), 0o600)
        })
        .map_err(|error| KvError::from_io("writing marker", &path, &error))
}

/// Why the store in `dir` may not be opened; `None` when it may.
fn distrust(dir: &Path, boot_id: &str) -> Result<Option<String>, KvError> {
    if !dir.exists() {
        return Ok(None);
    }
    let path = marker_path(dir);
    let marker = match files::read_small(&path) {
        Ok(marker) => marker,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Ok(Some("its marker is unreadable".to_owned()));
        }
        Err(error) => return Err(KvError::from_io("reading marker", &path, &error)),
    };
    let Some(marker) = marker else { return Ok(Some("it has no marker".to_owned())) };
    let reason = match marker.trim_end().split_once(' ').unwrap_or((marker.trim_end(), "")) {
        ("clean", _) => None,
        ("open", before) if !boot_id.is_empty() && before == boot_id => None,
        ("open", _) => Some("the machine stopped without a clean shutdown"),
        _ => Some("its marker is unreadable"),
    };
    Ok(reason.map(str::to_owned))
}

fn set_aside(dir: &Path, reason: String) -> Result<OpenOutcome, KvError> {
    let fail =
        |path: &Path, error: &io::Error| KvError::from_io("setting store aside", path, error);
    let before = list_set_aside(dir).map_err(|e| fail(dir, &e))?;
    let number = before.iter().map(|(_, number)| number + 1).max().unwrap_or(1);
    let path = files::with_suffix(dir, &format!("{SET_ASIDE}{number}"));
    fs::rename(dir, &path).map_err(|e| fail(&path, &e))?;
    // One is enough to look into; more would fill the disk.
    for (old, _) in before {
        fs::remove_dir_all(&old).map_err(|e| fail(&old, &e))?;
    }
    files::sync_dir(files::parent(dir)).map_err(|e| fail(dir, &e))?;
    tracing::warn!(path = %path.display(), reason, "store set aside, it will be rebuilt");
    Ok(OpenOutcome::SetAside { path, reason })
}

const SET_ASIDE: &str = ".set-aside-";

fn list_set_aside(dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let Some(name) = dir.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}{SET_ASIDE}");
    let mut found = Vec::new();
    for entry in fs::read_dir(files::parent(dir))? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse().ok());
        found.extend(number.map(|number| (entry.path(), number)));
    }
    Ok(found)
}

/// The engine syncs neither its configuration file nor a folder, so without this a power cut can
/// leave a store that does not open.
fn sync_new_files(dir: &Path) -> io::Result<()> {
    for name in ["conf", "db"] {
        let path = dir.join(name);
        if path.exists() {
            File::open(&path)?.sync_all()?;
        }
    }
    files::sync_dir(dir)?;
    files::sync_dir(files::parent(dir))
}

fn open_error(dir: &Path, error: &::sled::Error) -> KvError {
    match error {
        // The text is all the engine gives to tell this from damage (sled 0.34.7, config.rs).
        ::sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => {
            KvError::InUse { path: dir.display().to_string() }
        }
        // Failures that say something about the system and nothing about the files.
        ::sled::Error::Io(io)
            if files::is_disk_full(io)
                || matches!(
                    io.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::ReadOnlyFilesystem
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::OutOfMemory
                ) =>
        {
            KvError::from_io("opening store", dir, io)
        }
        ::sled::Error::Io(_)
        | ::sled::Error::CollectionNotFound(_)
        | ::sled::Error::Unsupported(_)
        | ::sled::Error::ReportableBug(_)
        | ::sled::Error::Corruption { .. } => corrupt(dir, error.to_string()),
    }
}

fn corrupt(dir: &Path, reason: String) -> KvError {
    KvError::Corrupt { path: dir.display().to_string(), reason }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
#[path = "sled/tests.rs"]
mod tests;
