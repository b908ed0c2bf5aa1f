//! Every bound on what a registry can make us do, with its reason. Over a limit is an error that
//! names the limit.

use std::time::Duration;

/// Largest manifest or index. The distribution specification asks registries to accept 4 MiB;
/// nothing larger is portable.
pub const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Largest token answer. Real ones stay under 16 KiB.
pub const TOKEN_ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// Longest token put into a request header; servers refuse longer header lines anyway.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// How much of an answer that is not what was asked for is read to name what is wrong.
pub const ERROR_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Largest single page of a tag list.
pub const TAG_PAGE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Most pages of one tag list; also ends a list that links to itself.
pub const TAG_PAGES_MAX: usize = 200;

/// Most tags of one repository. Busy repositories have tens of thousands.
pub const TAGS_MAX: usize = 200_000;

/// Tags asked for in one page.
pub const TAG_PAGE_COUNT: usize = 1000;

/// Most redirects followed for one request. A registry needs one, a mirror in front of it two.
pub const REDIRECTS_MAX: usize = 5;

/// Most header lines of an answer; hyper bounds their bytes to about 400 KiB besides.
pub const HEADERS_MAX: usize = 100;

/// Longest `WWW-Authenticate` text that is parsed, all lines together.
pub const CHALLENGE_BYTES_MAX: usize = 16 * 1024;

/// Most times one blob download is taken up again after it broke off.
pub const BLOB_RESUMES_MAX: u32 = 10;

/// Chunks in flight between the network and a reading thread; a chunk is at most about 400 KiB.
pub const READER_CHUNKS: usize = 8;

/// Longest wait that a `Retry-After` header can ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// Tokens are kept at most this long, whatever `expires_in` says.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(3600);

/// Life of a token whose answer names none (distribution specification, token authentication).
pub const TOKEN_LIFE_DEFAULT: Duration = Duration::from_secs(60);

/// A token is not used in its last seconds, so that it does not expire on the way.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(10);

/// Most answers to challenges that are remembered; the oldest half goes when it is full.
pub const TOKENS_MAX: usize = 4096;

/// How long it is remembered that a registry speaks plain HTTP.
pub const SCHEME_MEMORY: Duration = Duration::from_secs(600);

/// Most registries whose scheme is remembered.
pub const SCHEMES_MAX: usize = 1024;
