//! Limits of the fetcher, with their reasons.

/// A new document with less than this share of the records it had is not believed: a cut export or
/// a changed format would otherwise make images look clean.
pub const SHRUNK_PERCENT: u64 = 50;

/// Documents that had fewer records are not judged by their share: young feeds change much.
pub const SHRUNK_RECORDS_MIN: u64 = 20;

/// Redirects followed for one document: GitHub uses one, EPSS two.
pub const REDIRECTS: usize = 5;

/// Attempts for one document: a flaky proxy recovers in a few seconds or not at all.
pub const ATTEMPTS: u32 = 4;

/// Longest pause between attempts, in milliseconds, also when a server asks for more.
pub const PAUSE_MS_MAX: u64 = 60_000;

/// Documents fetched at the same time; several come from one host, which is not to be flooded.
pub const PARALLEL: usize = 4;

/// Bytes of a landing page.
pub const LANDING_BYTES: u64 = 1 << 20;

/// Bytes of a bookkeeping file of the raw cache.
pub const BOOKKEEPING_BYTES: u64 = 64 << 10;

/// Files in a folder of JSON records; npm has about 250,000.
pub const FOLDER_FILES: usize = 2_000_000;

/// Depth of a folder of JSON records: AlmaLinux has two levels, Go's database one.
pub const FOLDER_DEPTH: usize = 6;
