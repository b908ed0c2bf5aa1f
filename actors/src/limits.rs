//! Limits and times of the actors, each with its reason.

use std::time::Duration;

/// Restarts of one child within [`RESTART_WINDOW`] before the node gives up: a fault that
/// survives so many is not passing.
pub const RESTARTS_MAX: usize = 8;
/// Over which restarts are counted.
pub const RESTART_WINDOW: Duration = Duration::from_secs(120);
/// Wait before the first restart.
pub const RESTART_BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest wait before a restart.
pub const RESTART_BACKOFF_MAX: Duration = Duration::from_secs(20);

/// How long a job is leased: a dead worker's job is free again after this.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often a lease is renewed: three chances before it runs out.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often an idle pool looks for work that no event announced.
pub const POLL: Duration = Duration::from_secs(2);
/// Longest time one analysis may take before it counts as stuck.
pub const ANALYZE_DEADLINE: Duration = Duration::from_secs(3_600);
/// Longest time one evaluation may take.
pub const EVALUATE_DEADLINE: Duration = Duration::from_secs(300);
/// Longest time one feed sync may take.
pub const SYNC_DEADLINE: Duration = Duration::from_secs(3_600);
/// How long a stopping node waits for running jobs before it gives them back.
pub const DRAIN_GRACE: Duration = Duration::from_secs(5);
/// Tries to store a job's result while the cluster is unavailable; the lease bounds it anyway.
pub const REPORT_ATTEMPTS_MAX: u32 = 5;

/// Memory one analysis may take at its peak: captured files, inflate windows, one jar or binary
/// for each layer in flight. The number of analyzers is the budget divided by this.
pub const ANALYSIS_BYTES: u64 = 256 << 20;

/// Largest SBOM, file list or matches document read back from a blob, uncompressed.
pub const DOCUMENT_BYTES_MAX: u64 = 512 << 20;
/// Entries of the cache of parsed SBOMs and matches.
pub const CACHED_RESULTS_MAX: usize = 16;

/// How often the janitor takes back leases.
pub const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the janitor prunes rows.
pub const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// Entries one round of pruning may write: with 1 000 rows each, a day of a busy estate.
pub const PRUNE_ROUNDS_MAX: usize = 200;
/// How often the janitor collects blobs and cache files.
pub const COLLECT_INTERVAL: Duration = Duration::from_secs(300);
/// A blob younger than this is never collected: its entry may be on its way.
pub const COLLECT_AGE_MIN: Duration = Duration::from_secs(3_600);
/// Bytes of derived results (layers, matches) kept on disk; the least recently used go first.
pub const CACHE_BYTES_MAX: u64 = 2 << 30;

/// How often the watcher looks at the registries.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(300);
