//! Limits, each with its reason.

/// Most problems in one result. A broken image can make one per package; beyond this nobody reads
/// them and the result must stay storable.
pub const PROBLEMS_MAX: usize = 10_000;

/// Most rows that one looked-up name may have. The busiest real name, Debian's and Ubuntu's
/// `linux`, has some ten thousand; the limit keeps a poisoned feed from eating a worker.
pub const ROWS_PER_NAME_MAX: usize = 200_000;

/// Most rows that are compared for one SBOM. An image with thirty packages of the kernel's source
/// needs some 300,000; a hostile package database names the busiest source in every stanza.
pub const ROWS_MAX: usize = 20_000_000;

/// Most findings of one SBOM, those taken back included. The worst real images have some 20,000;
/// with the texts that each carries (about 3 KiB) this many take 300 MiB of a worker's memory.
pub const FINDINGS_MAX: usize = 100_000;

/// Bytes of an advisory's long text that a finding repeats. The record has the whole.
pub const DETAILS_BYTES: usize = 2 << 10;

/// CVEs whose severity is asked from other records for one SBOM. Each costs a few reads; images
/// with more unrated vulnerabilities than this are old enough to be judged by the others.
pub const SEVERITY_LOOKUPS_MAX: usize = 10_000;

/// How many looked-up names are remembered while one SBOM is matched. Binaries of one source
/// package come in groups, so a few thousand catch nearly all repeats.
pub const NAMES_CACHED_MAX: usize = 4_096;

/// How many of their rows are remembered (some 4 KiB each): a few of the busiest sources.
pub const ROWS_CACHED_MAX: usize = 50_000;
