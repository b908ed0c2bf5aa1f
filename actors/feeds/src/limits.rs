//! Every limit on what comes from outside, with its reason.

/// Bytes of one JSON record in an archive. The largest real OSV records (Linux kernel, with
/// version lists) are below 2 MiB.
pub const RECORD_BYTES: u64 = 8 << 20;

/// Bytes of one archive once unpacked: the whole npm archive of osv.dev is about 1 GiB.
pub const ARCHIVE_BYTES: u64 = 8 << 30;

/// Records in one archive: the npm archive had about 250,000 in 2026.
pub const ARCHIVE_RECORDS: usize = 2_000_000;

/// Bytes of a JSON document read as one piece (Alpine, KEV): the largest is about 2 MiB.
pub const SMALL_DOCUMENT_BYTES: u64 = 64 << 20;

/// Bytes of a JSON document read as a stream: the Debian tracker's is about 70 MiB.
pub const STREAM_DOCUMENT_BYTES: u64 = 1 << 30;

/// Bytes of one EPSS line: real ones have 40.
pub const LINE_BYTES: u64 = 1024;

/// Rows of the EPSS table: every CVE there is, with room for years.
pub const EPSS_ROWS: usize = 4_000_000;

/// Entries of the KEV catalogue: 1,400 in 2025.
pub const KEV_ENTRIES: usize = 100_000;

/// Characters of an advisory id.
pub const ID_CHARS: usize = 128;

/// Characters of a package name; Maven's `group:artifact` and Go module paths are the longest.
pub const NAME_CHARS: usize = 512;

/// Characters of one version text (the limit of `kedge-version` is of the same order).
pub const VERSION_CHARS: usize = 256;

/// Characters kept of a summary; more is cut, because it is one line for people.
pub const SUMMARY_CHARS: usize = 512;

/// Characters kept of the long text; more is cut, because it is for people and fills the disk.
pub const DETAILS_CHARS: usize = 8 * 1024;

/// Characters of a link; longer ones are left out, because a cut link is a wrong link.
pub const URL_CHARS: usize = 2048;

/// Links kept for one record.
pub const LINKS: usize = 64;

/// Aliases and upstream ids of one record, each. Kernel errata list several hundred CVEs.
pub const IDS: usize = 4096;

/// CWE ids kept for one record.
pub const CWES: usize = 64;

/// Severity statements kept for one record.
pub const SEVERITIES: usize = 32;

/// Rows of one record; also the width of the row number in the index (16 bits).
pub const ROWS: usize = 20_000;

/// Ranges of one row.
pub const RANGES: usize = 4096;

/// Versions listed one by one in one row: real lists reach some 5,000.
pub const VERSIONS: usize = 50_000;

/// Go packages of one row, and symbols of one package.
pub const IMPORTS: usize = 8192;

/// Problems kept of one document; further ones are only counted, so that a hostile document does
/// not fill memory with complaints.
pub const PROBLEMS: usize = 200;

/// When more than this share of a document's records cannot be read, the document counts as
/// unusable: a changed format must not empty a driver.
pub const BAD_RECORDS_PERCENT: usize = 20;

/// Bytes of one encoded record in a dataset.
pub const ENCODED_RECORD_BYTES: usize = 16 << 20;

/// Uncompressed bytes after which a block of a dataset is closed. Small, because a lookup unpacks
/// a whole block.
pub const BLOCK_BYTES: usize = 64 << 10;

/// Uncompressed bytes of one block: one oversized record more than [`BLOCK_BYTES`].
pub const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + ENCODED_RECORD_BYTES + (1 << 20);

/// Encoded bytes that the builder sorts in memory at a time.
pub const SORT_BYTES: usize = 48 << 20;

/// Unpacked blocks kept by an open dataset (64 KiB each, as a rule).
pub const CACHED_BLOCKS: usize = 64;

/// Bytes of a dataset's manifest.
pub const MANIFEST_BYTES: u64 = 4 << 20;

/// Bytes of a section that is read into memory at open (parts, KEV).
pub const RESIDENT_SECTION_BYTES: u64 = 64 << 20;

/// Bytes of a whole dataset file: ten times what all feeds need today.
pub const DATASET_BYTES: u64 = 32 << 30;

/// Answers of one lookup: the Linux kernel has some 10,000 rows per release.
pub const LOOKUP_ROWS: usize = 500_000;
