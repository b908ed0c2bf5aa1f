//! Every bound of this crate, with its reason. Going over one is an error or a problem that names
//! the constant, never silence.

/// Bytes moved at a time between the stages of a layer: large enough that call overhead vanishes,
/// small enough to stay in the second-level cache together with the inflate window.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Uncompressed bytes of one layer. The largest layers seen in practice (CUDA, model weights) are
/// below 20 GiB.
pub const TAR_BYTES_MAX: u64 = 64 << 30;

/// Compressed bytes of one layer when no descriptor gives the size.
pub const BLOB_BYTES_MAX: u64 = 32 << 30;

/// Uncompressed to compressed quotient above which a layer is called a bomb, but only past
/// [`RATIO_FLOOR_BYTES`]. Deflate cannot go over 1,032; real layers stay below 20.
pub const RATIO_MAX: u64 = 100;

/// Below this many uncompressed bytes the quotient is not looked at: small layers of one repeated
/// letter are legitimate. Reading this much takes a few seconds.
pub const RATIO_FLOOR_BYTES: u64 = 2 << 30;

/// Largest zstd window, as a power of two: zstd's own default bound (128 MiB).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Entries of one layer, whiteouts included. The largest measured image has 172,367 in all its
/// layers; what is held of them is bounded by [`HELD_BYTES_MAX`] anyway.
pub const ENTRIES_MAX: u64 = 2_000_000;

/// Bytes of one path or link target: Linux' `PATH_MAX`. A longer one cannot exist on a disk.
pub const PATH_BYTES_MAX: usize = 4096;

/// Components of one path. Kernels allow 2,048 in `PATH_MAX`; the deepest installed trees have 60.
pub const PATH_DEPTH_MAX: usize = 512;

/// Bytes of all paths, link targets and whiteouts of one layer: a million files with names of 90
/// bytes, six times the entries of the largest measured image.
pub const PATH_BYTES_TOTAL_MAX: usize = 96 << 20;

/// Bytes of memory that the facts of one analysis may take, all layers and the squash together, as
/// [`crate::image::budget`] estimates them. The largest measured image (172,367 entries of some 70
/// bytes) comes to about 90 MB.
pub const HELD_BYTES_MAX: u64 = 256 << 20;

/// Bytes of one pax or GNU long-name header, as Go's archive/tar has it.
pub const TAR_META_BYTES_MAX: u64 = 1 << 20;

/// Extension headers in front of one entry: pax, long name, long link and some air.
pub const TAR_META_CHAIN_MAX: u32 = 16;

/// Symbolic links followed while resolving one path: Linux' `MAXSYMLINKS`.
pub const LINK_HOPS_MAX: usize = 40;

/// Layers of one image. Overlay file systems stop at 500.
pub const LAYERS_MAX: usize = 512;

/// Problems kept per layer and per image; the rest is counted.
pub const PROBLEMS_MAX: usize = 1000;

/// Packages that one layer may bring. The fullest measured image has under 4,000.
pub const PACKAGES_PER_LAYER_MAX: usize = 50_000;

/// Captured files up to this size get their sha256 in the file list; hashing more would cost as
/// much as reading the layer.
pub const FILE_HASH_BYTES_MAX: usize = 1 << 20;

/// Package databases (`dpkg/status`, `apk/db/installed`): 10,000 packages make about 15 MB.
pub const PACKAGE_DATABASE_BYTES_MAX: u64 = 64 << 20;

/// File lists of one package (`dpkg/info/*.list`): the longest in Debian is under 4 MB.
pub const FILE_LIST_BYTES_MAX: u64 = 16 << 20;

/// Metadata of one language package (`METADATA`, `package.json`, `*.gemspec`): long READMEs are
/// embedded, still under 2 MB.
pub const MANIFEST_BYTES_MAX: u64 = 8 << 20;

/// `os-release` and its kin are under 1 KB.
pub const OS_RELEASE_BYTES_MAX: u64 = 64 << 10;

/// Copyright files over this size are not read; licences are taken where they are cheap.
pub const COPYRIGHT_BYTES_MAX: u64 = 1 << 20;

/// Stanzas of one package database; all of Debian has 65,000 packages, and nobody installs it.
pub const STANZAS_MAX: usize = 50_000;

/// Fields of one stanza; each costs twenty times its shortest form. Real ones have some hundred.
pub const STANZA_FIELDS_MAX: usize = 10_000;

/// Bytes of all file names of one package database or list, [`OWNED_FILE_BYTES`] more for each.
/// apk writes a directory once for all its files, so that a small database can name terabytes.
pub const OWNED_BYTES_MAX: usize = 64 << 20;

/// What a file name costs beside its text.
pub const OWNED_FILE_BYTES: usize = 40;

/// Bytes kept of one field of package metadata (name, version, licence, maintainer).
pub const FIELD_BYTES_MAX: usize = 1024;

/// Licences kept per package.
pub const LICENSES_MAX: usize = 64;

/// Locations kept per package; the same npm module rarely sits in more than some hundred places.
pub const LOCATIONS_MAX: usize = 1000;

/// Bytes of an image manifest or index: the distribution specification's advised bound.
pub const MANIFEST_DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// Bytes of an image configuration; long histories stay under 1 MB.
pub const CONFIG_DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// Children of one index; the widest official images have about 40.
pub const INDEX_CHILDREN_MAX: usize = 1000;

/// History entries of a configuration.
pub const HISTORY_MAX: usize = 4096;

/// Bytes of an SBOM document that is read in.
pub const SBOM_DOCUMENT_BYTES_MAX: usize = 512 << 20;

/// Packages of an SBOM document that is read in.
pub const SBOM_PACKAGES_MAX: usize = 1_000_000;

/// Nesting of components in a CycloneDX document that is read in.
pub const SBOM_NESTING_MAX: usize = 32;
