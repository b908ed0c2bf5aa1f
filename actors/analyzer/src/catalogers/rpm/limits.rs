//! Every bound of the rpm reader, with its reason.

/// Bytes of one database file. Images stay below 60 MB; only a full workstation, with 150
/// MB, is over it.
pub(super) const DATABASE_BYTES_MAX: u64 = 128 << 20;

/// Packages of one database. The fullest workstation has under 6,000.
pub(super) const PACKAGES_MAX: usize = 50_000;

/// Index entries of one header: rpm's own bound (`HEADER_TAGS_MAX` of lib/header.c).
pub(super) const HEADER_ENTRIES_MAX: u32 = 0xffff;

/// Data bytes of one header: rpm's own bound (`HEADER_DATA_MAX`).
pub(super) const HEADER_DATA_BYTES_MAX: u32 = 0x0fff_ffff;

/// Bytes of a name, version, release or architecture; longer ones are no packages.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Bytes kept of free text (licence, vendor, module label).
pub(super) const TEXT_BYTES_MAX: usize = 512;

/// Bytes of one path: Linux' `PATH_MAX`.
pub(super) const PATH_BYTES_MAX: usize = 4096;

/// Bytes of all paths of one database. A directory name is stored once for all its files, so a
/// small header can describe terabytes of paths; 200,000 real files make about 16 MB.
pub(super) const PATH_BYTES_TOTAL_MAX: usize = 64 << 20;

/// Depth of a b-tree. With 512-byte pages eight levels hold more pages than a file may have.
pub(super) const TREE_DEPTH_MAX: u8 = 20;

/// What a kept path costs beside its bytes; a million empty names must not be free.
pub(super) const PATH_OVERHEAD_BYTES: usize = 32;

/// Files of one package. The largest known packages have about 100,000.
pub(super) const FILES_PER_PACKAGE_MAX: usize = 1_000_000;

/// Damaged headers remembered while a database is read.
pub(super) const DAMAGE_MAX: usize = 1000;
