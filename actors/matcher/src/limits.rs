//! Limits, each with its reason.

/// Most problems in one result. A broken image can make one per package; beyond this nobody reads
/// them and the result must stay storable.
pub const PROBLEMS_MAX: usize = 10_000;

/// Most rows that one looked-up name may have. The busiest real name, Debian's and Ubuntu's
/// `linux`, has some ten thousand; the limit keeps a poisoned feed from eating a worker.
pub const ROWS_PER_NAME_MAX: usize = 200_000;

/// How many looked-up names are remembered while one SBOM is matched. Binaries of one source
/// package come in groups, so a few thousand catch nearly all repeats.
pub const NAMES_CACHED_MAX: usize = 4_096;
