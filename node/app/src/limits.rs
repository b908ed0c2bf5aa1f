//! Limits of the use cases, each with its reason.

use std::time::Duration;

/// Fewest characters of a password (contract, `UserCreationRequest`).
pub const PASSWORD_CHARS_MIN: usize = 6;
/// Most characters of a password (contract, `UserCreationRequest`).
pub const PASSWORD_CHARS_MAX: usize = 128;
/// Bytes of a password that are looked at when somebody logs in: longer ones are wrong without
/// being hashed. 128 characters of four bytes fit.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Bytes of a user or account name (contract: 128 characters, all of them ASCII).
pub const NAME_BYTES_MAX: usize = 128;
/// How long a request waits for its turn to have a password checked: hashing is slow on purpose,
/// and a longer queue only makes everybody wait.
pub const PASSWORD_WAIT: Duration = Duration::from_secs(5);
/// Logins that wait for their turn at once.
pub const PASSWORDS_WAITING_MAX: usize = 256;
/// Passwords of one user from one source checked at once: what is in flight is not counted as a
/// failure yet, so a burst must not be let through whole.
pub const PASSWORDS_IN_FLIGHT_PAIR: u32 = 2;
/// Passwords from one source checked at once: nobody alone keeps the hashing busy.
pub const PASSWORDS_IN_FLIGHT_SOURCE: u32 = 8;
/// Logins of one source that wait until fewer of its passwords are in flight. A pipeline that
/// starts many requests at once logs in once and the others find the login remembered.
pub const PASSWORDS_WAITING_SOURCE: u32 = 64;
/// How long a successful check is remembered: basic authentication sends the password with every
/// request. A changed password is noticed at once.
pub const LOGIN_REMEMBERED: Duration = Duration::from_secs(300);
/// Successful checks remembered.
pub const LOGINS_REMEMBERED_MAX: usize = 4_096;

/// Wrong passwords for one user from one source before further tries are slowed down: a person
/// with a wrong clipboard does not notice.
pub const FAILURES_FREE_PAIR: u32 = 5;
/// Wrong passwords for one user from all sources before unknown sources are slowed down.
pub const FAILURES_FREE_USER: u32 = 50;
/// Wrong passwords from one source for all users before it is slowed down.
pub const FAILURES_FREE_SOURCE: u32 = 100;
/// First pause; doubles with every further failure.
pub const FAILURE_PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause for one user from one source.
pub const FAILURE_PAUSE_MAX_PAIR: Duration = Duration::from_secs(30);
/// Longest pause for one user or one source alone: short, because strangers can cause it.
pub const FAILURE_PAUSE_MAX_WIDE: Duration = Duration::from_secs(2);
/// Failures older than this are forgotten.
pub const FAILURES_REMEMBERED: Duration = Duration::from_secs(900);
/// Rows of the table of failures; the oldest go first.
pub const FAILURE_ROWS_MAX: usize = 10_000;
/// How long a source from which a user logged in counts as known.
pub const SOURCE_KNOWN: Duration = Duration::from_secs(24 * 3_600);

/// Bytes of a decoded dockerfile: far above any that a person wrote.
pub const DOCKERFILE_BYTES_MAX: usize = 512 << 10;
/// Bytes of a registry password; a JSON key file is about 2.3 KiB.
pub const REGISTRY_PASSWORD_BYTES_MAX: usize = 16 << 10;
/// Path segments of a registry entry.
pub const REGISTRY_SEGMENTS_MAX: usize = 32;
/// Annotations in one request; the state has its own bound for an image.
pub const ANNOTATIONS_MAX: usize = 256;
/// Images deleted by one request: each is a command of its own.
pub const DELETE_IMAGES_MAX: usize = 500;
/// Events on a page.
pub const EVENTS_PAGE_MAX: usize = 100;
/// Jobs on a page when the request does not say.
pub const JOBS_PAGE_DEFAULT: usize = 100;
/// Jobs on a page.
pub const JOBS_PAGE_MAX: usize = 1_000;
/// Bytes of an uploaded generation of advisory data: all feeds of all distributions are about
/// 1 GiB.
pub const FEED_UPLOAD_BYTES_MAX: u64 = 4 << 30;
/// Uploads received at a time: each may fill a part of the disk.
pub const UPLOADS_MAX: usize = 2;
/// Bytes of an upload between two looks at the disk reserve: far below any sensible reserve.
pub const UPLOAD_DISK_LOOK_BYTES: u64 = 4 << 20;
/// Bytes of all documents in one list of policies; the largest documents are read one by one.
pub const POLICY_LIST_BYTES_MAX: usize = 32 << 20;
/// Lists of the state read at a time: each holds a thread and all rows of a list in memory.
pub const LISTS_READ_MAX: usize = 8;

/// How often a waiting request looks at a job although no event came.
pub const JOB_LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long counts over all images and jobs are reused: a scrape must not walk the state each time.
pub const STATISTICS_REUSED: Duration = Duration::from_secs(10);
