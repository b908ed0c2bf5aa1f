//! Every bound of this crate, with its reason. Over a limit is an error that names it.

/// Bytes of one encoded entry. Large entries keep the leader from sending heartbeats in time
/// (1 MiB entries deposed it in measurements); documents are blobs and the entry carries their
/// digest.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// Proposals that may wait for their commit at once. Beyond it the caller is told to come back:
/// a longer queue only makes everybody wait.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 1_024;

/// Bytes of all proposals that may wait at once. Half of the log's queue
/// (`kedge_storage::limits::LOG_QUEUE_BYTES_MAX`), so that appending never blocks a runtime thread.
pub const PROPOSAL_BYTES_IN_FLIGHT_MAX: usize = 16 * 1024 * 1024;

/// Bytes of log entries handed out in one piece for replication: what a peer can fsync well within
/// a heartbeat.
pub const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Entries applied between two returns to the consensus engine: bounds the latency of a stop.
pub const APPLY_CHUNK_ENTRIES: usize = 128;

/// Events a slow watcher may fall behind before it is told that it missed some.
pub const EVENTS_BUFFERED_MAX: usize = 1_024;

/// Keys read from the store at a time while a snapshot is cut: bounds how long applying waits.
pub const SNAPSHOT_PAGE_KEYS: usize = 256;

/// Bytes of overwritten values remembered while a snapshot is cut. Beyond it applying waits until
/// the snapshot is finished, so that memory stays bounded.
pub const SNAPSHOT_OVERLAY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of one batch while a snapshot is loaded into the store.
pub const INSTALL_BATCH_BYTES: usize = 1024 * 1024;

/// Bytes of a snapshot's header: membership of a few hundred peers fits many times.
pub const SNAPSHOT_HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Snapshot files kept. The log reaches back to the older one, so one damaged file loses nothing.
pub const SNAPSHOTS_KEPT: usize = 2;

/// Entries between two kept state digests, which peers compare.
pub const DIGEST_EVERY_ENTRIES: u64 = 1_000;

/// State digests kept for comparison: a peer further behind than this takes a snapshot anyway.
pub const DIGESTS_KEPT: u64 = 64;

/// Bytes of a peer's address (`host:port`): a DNS name is at most 253.
pub const PEER_ADDRESS_BYTES_MAX: usize = 300;
