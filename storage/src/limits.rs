//! Every bound of this crate, with its reason. A caller that goes over one gets an error that
//! names the limit.

/// Bytes of one value in the key-value store. sled writes a page above about a quarter of a
/// segment (512 KiB) to a side file that it never syncs; small values keep every page inside the
/// log file that [`crate::kv::Kv::durable_point`] covers. Larger things are blobs.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;

/// Bytes of one key. Keys hold names (a repository name is at most 255 bytes) and digests; eight
/// such components fit.
pub const KEY_BYTES_MAX: usize = 4 * 1024;

/// Bytes of one log entry. Commands are at most 64 KiB by design; membership and snapshots
/// pointers are small. The margin is for batches of commands in one entry.
pub const LOG_ENTRY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one opaque vote or purge identifier in the log.
pub const LOG_META_BYTES_MAX: usize = 64 * 1024;

/// Bytes that one write plus one `fdatasync` of the log may cover. Larger batches only delay the
/// first acknowledgement in them.
pub const LOG_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes waiting for the log's writer thread before `append` blocks its caller. This is the back
/// pressure of a disk slower than its clients.
pub const LOG_QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Default for the bytes of recent entries kept in memory. Followers that lag further read files.
pub const LOG_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Default size at which a log segment is closed and the next one begun.
pub const LOG_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Largest segment size an operator may choose: recovery reads one segment into memory at once.
pub const LOG_SEGMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of one stored value that the codec will decode. Blobs are streamed and do not pass here.
pub const DECODE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a blob that may be read into memory in one piece; larger ones must be streamed.
pub const BLOB_GET_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Bytes of one secret. Passwords, tokens and private keys fit; this is not a file store.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Bytes read from the small files that describe a data folder (format, lock, markers).
pub const MARKER_BYTES_MAX: u64 = 4 * 1024;
