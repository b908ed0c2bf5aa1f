//! How a node's consensus is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kedge_storage::log::disk::{Disk, RealDisk};

/// Tells the time: milliseconds since 1970-01-01T00:00:00Z. A function, so that tests bring their
/// own.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of the machine.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        // A clock before 1970 is broken; the epoch is the least wrong answer.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Which engine holds the state. Both are rebuilt from snapshot and log when they lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// On disk.
    Sled {
        /// Bytes of pages kept in memory; the process uses about 1.3 times as much.
        cache_bytes: u64,
    },
    /// In memory: rebuilt from snapshot and log at every start.
    Memory,
}

/// See [`crate::start()`]. [`Options::new`] gives the defaults.
#[derive(Clone)]
pub struct Options {
    /// The data folder; made when it is missing.
    pub data_dir: PathBuf,
    /// Where the state lives.
    pub engine: Engine,
    /// A snapshot is made after this many entries.
    pub snapshot_every_entries: u64,
    /// A snapshot is made after this many bytes of log.
    pub snapshot_every_bytes: u64,
    /// Size of one file of the log, which is also the grain in which the log shrinks.
    pub log_segment_bytes: u64,
    /// Commands are refused while the data folder's disk has fewer free bytes than this, so that
    /// the log itself never meets a full disk.
    pub disk_reserve_bytes: u64,
    /// How long a command may wait for its commit.
    pub propose_timeout: Duration,
    /// The time put into entries.
    pub clock: Clock,
    /// The disk under the log; another one in fault tests.
    pub log_disk: Arc<dyn Disk>,
}

impl Options {
    /// The defaults for a data folder.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            engine: Engine::Sled { cache_bytes: 64 * 1024 * 1024 },
            snapshot_every_entries: 20_000,
            snapshot_every_bytes: 64 * 1024 * 1024,
            log_segment_bytes: 16 * 1024 * 1024,
            disk_reserve_bytes: 256 * 1024 * 1024,
            propose_timeout: Duration::from_secs(5),
            clock: system_clock(),
            log_disk: Arc::new(RealDisk),
        }
    }
}
