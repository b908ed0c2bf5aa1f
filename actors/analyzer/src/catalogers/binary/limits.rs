//! Every bound of the scanner of executables, with its reason.

/// Smallest file that is looked at: an ELF header alone has 64 bytes.
pub(super) const FILE_BYTES_MIN: u64 = 128;

/// First bytes that are kept to read the headers. ELF program headers and notes, PE section
/// tables and Mach-O load commands of real programs end before this.
pub(super) const HEAD_BYTES: usize = 16 << 10;

/// Bytes that must follow a possible start of a compressed stream before it is judged. The first
/// deflate block of real data begins its output within this.
pub(super) const LOOK_AHEAD_BYTES: usize = 512;

/// Bytes of Go build info (version and module list). Kubernetes has about 60 KB.
pub(super) const GO_INFO_BYTES_MAX: usize = 4 << 20;

/// Lines of the module list.
pub(super) const GO_MODULES_MAX: usize = 20_000;

/// A Go program that may be older than Go 1.18 is kept whole up to this size: only then can the
/// pointers of its build info be followed.
pub(super) const WHOLE_FILE_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a dependency list of cargo-auditable, inflated. It is cargo-auditable's own bound.
pub(super) const AUDIT_JSON_BYTES_MAX: usize = 8 << 20;

/// Crates of one dependency list.
pub(super) const AUDIT_CRATES_MAX: usize = 20_000;

/// Dependency lists kept until the section table tells which one is real.
pub(super) const AUDIT_CANDIDATES_MAX: usize = 4;

/// Possible starts of a dependency list tried per file; each costs a few microseconds. Random
/// bytes have about 25,000 per gigabyte.
pub(super) const AUDIT_TRIALS_MAX: usize = 200_000;

/// Bytes of an ELF section table: 65,280 sections of 64 bytes.
pub(super) const SECTION_TABLE_BYTES_MAX: u64 = 65_280 * 64;

/// Bytes kept of one name or version.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// Streams inflated in full per file, so that a file made of such streams costs no minutes.
pub(super) const AUDIT_STREAMS_MAX: usize = 16;
