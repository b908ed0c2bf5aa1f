//! Limits of the command line, with their reasons.

/// Bytes of an answer that is read as JSON: a file list of a very large image has about a million
/// entries of 200 bytes.
pub(crate) const RESPONSE_BYTES_MAX: usize = 512 << 20;

/// Bytes of an error answer: more than any server of ours sends.
pub(crate) const ERROR_BYTES_MAX: usize = 1 << 20;

/// Bytes of a document read from a file or standard input (SBOM, policy, scan result).
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// Bytes of a configuration file, ours or docker's.
pub(crate) const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Bytes of a password line: registry tokens (JSON keys, JWTs) have a few kilobytes.
pub(crate) const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// Characters of one table cell that are kept when it is not cut to the terminal: longer ones are
/// no use in a table.
pub(crate) const CELL_CHARS_MAX: usize = 4000;

/// Pages of events followed by one command: 100 events each.
pub(crate) const PAGES_MAX: u32 = 1000;
