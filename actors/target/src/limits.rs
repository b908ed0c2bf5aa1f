//! Bounds on what a target can make us do, beside the analyzer's and the registry client's.

/// Indexes inside indexes that are followed. Real images have one, with an OCI layout around two.
pub const INDEX_DEPTH_MAX: usize = 4;

/// Members of an archive. `docker save` writes three per layer, plus one per image.
pub const ARCHIVE_MEMBERS_MAX: usize = 100_000;

/// Bytes of one extension header (long name, pax) of an archive.
pub const ARCHIVE_META_BYTES_MAX: u64 = 1024 * 1024;

/// Links followed inside an archive to find a layer; `docker save` used to link equal layers.
pub const ARCHIVE_LINKS_MAX: usize = 8;

/// Bytes of `index.json`, `manifest.json` and `oci-layout`.
pub const LAYOUT_DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Directories below each other. The kernel's PATH_MAX allows 2048; nobody installs that deep.
pub const DIRECTORY_DEPTH_MAX: usize = 512;

/// Chunks of tar bytes between the two threads that work on one layer, each `CHUNK_BYTES` of the
/// analyzer: enough that neither waits for the other's scheduling.
pub const PIPELINE_CHUNKS: usize = 8;

/// Bytes of a blob between two progress messages.
pub const PROGRESS_STEP_BYTES: u64 = 1024 * 1024;

/// Names listed in an error message.
pub const NAMES_SHOWN_MAX: usize = 10;

/// Bytes of file bodies, counted twice for what catalogers make of them, that the layers of one
/// analysis hold at one time. One larger body is held alone.
pub const BODIES_BYTES_MAX: u64 = 128 << 20;
