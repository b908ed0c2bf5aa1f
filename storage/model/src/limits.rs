//! Limits of the replicated state, each with its reason. Over one of them is a rejection that
//! names it.

/// Most rows one request or page may touch: keeps one entry's apply short.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Tags remembered for one image: a digest tagged more often shows the newest ones. They share
/// the 32 KiB row with the annotations.
pub const IMAGE_TAGS_MAX: usize = 24;
/// Digests remembered for one tag.
pub const TAG_HISTORY_MAX: usize = 128;
/// Annotations of one image and bytes of one key or value: they share the 32 KiB row.
pub const ANNOTATIONS_MAX: usize = 64;
/// Bytes of an annotation's key or value.
pub const ANNOTATION_BYTES_MAX: usize = 256;
/// Bytes of all annotations of an image together.
pub const ANNOTATIONS_BYTES_MAX: usize = 8_192;
/// Times a job is tried before it is parked: a fault that survives three nodes is in the input.
pub const JOB_ATTEMPTS_MAX: u32 = 3;
/// First wait before a failed job is tried again; doubles with each attempt.
pub const JOB_RETRY_BASE_MS: i64 = 2_000;
/// Longest a job can be told to wait. A later time was written by a clock that was ahead, and the
/// job is due.
pub const JOB_WAIT_MS_MAX: i64 = 60_000;
/// Jobs that may wait in one account: a flood from one tenant is refused at the door.
pub const JOBS_WAITING_MAX: u64 = 100_000;
/// Longest lease a worker may ask for.
pub const LEASE_MS_MAX: i64 = 60_000;
/// Events kept for one account; the janitor removes the oldest beyond it.
pub const EVENTS_KEPT_MAX: usize = 10_000;
/// Finished jobs are kept this long for `job list`.
pub const JOB_KEPT_MS: i64 = 7 * 24 * 3_600_000;
/// A request id is remembered this long: longer than any client retries.
pub const REQUEST_KEPT_MS: i64 = 24 * 3_600_000;
/// Evaluations kept for one (image, tag, policy): `history=true` shows them.
pub const EVALUATIONS_KEPT_MAX: usize = 32;
/// Bytes of an error message kept with a job or image.
pub const ERROR_BYTES_MAX: usize = 2_048;
/// Bytes of an e-mail address.
pub const EMAIL_BYTES_MAX: usize = 254;
/// Bytes of a registry string (`host:port/path/*`).
pub const REGISTRY_BYTES_MAX: usize = 512;
/// Bytes of a sealed registry password: a JSON key file is about 2.3 KiB.
pub const SEALED_BYTES_MAX: usize = 20_000;
/// Registries of one account.
pub const REGISTRIES_MAX: usize = 1_000;
/// Policies of one account.
pub const POLICIES_MAX: usize = 1_000;
/// Bytes of a policy's id: part of the keys of its evaluations.
pub const POLICY_ID_BYTES_MAX: usize = 256;
/// Bytes of a policy's name or description kept in its row.
pub const POLICY_TEXT_BYTES_MAX: usize = 4_096;
