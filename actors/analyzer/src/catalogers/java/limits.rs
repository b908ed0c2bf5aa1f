//! Every bound of the reader of Java archives, with its reason.

/// Bytes of one archive file. The largest common ones (jenkins.war, Flink) have about 120 MB.
pub(super) const ARCHIVE_BYTES_MAX: u64 = 128 << 20;

/// Archives inside archives: ear, war, jar and a shaded jar in it make four; the rest is air.
pub(super) const NESTING_MAX: usize = 8;

/// Archives read below one archive file. Large application servers carry about 1,000.
pub(super) const ARCHIVES_MAX: usize = 10_000;

/// Members listed below one archive file, over all nested archives. Fat jars have up to 150,000.
pub(super) const MEMBERS_MAX: usize = 2_000_000;

/// Bytes inflated below one archive file, over all members that are read.
pub(super) const INFLATED_BYTES_MAX: usize = 1 << 30;

/// Bytes of inflated archives that are alive at one time (one per level of nesting).
pub(super) const LIVE_BYTES_MAX: usize = 96 << 20;

/// Bytes read of `pom.properties`; real ones have about 100.
pub(super) const PROPERTIES_BYTES_MAX: usize = 64 << 10;

/// Bytes read of `MANIFEST.MF`. Signed archives list every member in it, but what is read here is
/// the main section at its beginning.
pub(super) const MANIFEST_BYTES_MAX: usize = 256 << 10;

/// `pom.properties` read in one archive; the widest shaded jars carry some hundred.
pub(super) const PROPERTIES_FILES_MAX: usize = 5_000;

/// Bytes kept of a group, artifact or version.
pub(super) const NAME_BYTES_MAX: usize = 512;

/// Bytes of one member name: Linux' `PATH_MAX`.
pub(super) const MEMBER_NAME_BYTES_MAX: usize = 4096;

/// Bytes kept of the joined location of a nested archive.
pub(super) const LOCATION_BYTES_MAX: usize = 8192;

/// Packages of one archive file.
pub(super) const PACKAGES_MAX: usize = 50_000;
