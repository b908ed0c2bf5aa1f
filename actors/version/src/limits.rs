//! Limits on hostile input, each with its reason.

/// Longest version text in bytes. The longest real ones (Go pseudo versions, Debian backports of
/// git snapshots) stay under 200; the limit keeps one comparison under a microsecond or so.
pub const VERSION_BYTES_MAX: usize = 1_024;

/// Longest range text in bytes. Real npm advisories with dozens of alternatives stay under 4 KiB.
pub const RANGE_BYTES_MAX: usize = 64 * 1_024;

/// Most comparators in one range text. Bounds the work of one evaluation.
pub const COMPARATORS_MAX: usize = 4_096;

/// How many characters of an offending text are repeated in an error message.
pub const EXCERPT_CHARS: usize = 80;
