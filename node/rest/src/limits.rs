//! Limits of the REST interface, each with its reason.

use std::time::Duration;

/// Bytes of a JSON body: a dockerfile of the largest size in base64 fits.
pub const JSON_BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a body with a policy document: the engine's bound and room for the record around it.
pub const POLICY_BODY_BYTES_MAX: usize = (2 << 20) + (64 << 10);
/// Bytes of the query of a request: 500 digests fit.
pub const QUERY_BYTES_MAX: usize = 48 << 10;
/// Bytes of a text that an error message repeats from the request.
pub const ECHO_CHARS_MAX: usize = 300;
/// Bytes of the credentials in a request: names and passwords have bounds of their own.
pub const AUTHORIZATION_BYTES_MAX: usize = 8 << 10;
/// Requests worked on at a time when the configuration does not say; more are told to come back.
pub const REQUESTS_MAX: usize = 512;
/// The users of one account may have this part of the requests at a time, so that one tenant with
/// slow requests leaves room for others.
pub const ACCOUNT_SHARE: usize = 4;
/// Requests for metrics, and for readiness, worked on at a time: nobody needs to log in for them,
/// and a handful of monitors ask.
pub const PROBES_MAX: usize = 8;
/// How long an ordinary request may take when the configuration does not say.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an upload may take: 4 GiB over a slow line.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(4 * 3_600);
/// What a request that waits for a job gets beyond the wait itself.
pub const WAIT_MARGIN: Duration = Duration::from_secs(30);
/// When a request that was turned away may come back, in seconds.
pub const RETRY_AFTER_S: u32 = 1;
/// Bytes of a piece when a file is sent.
pub const FILE_CHUNK_BYTES: usize = 256 << 10;
