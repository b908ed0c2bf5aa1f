//! When to ask again: exponential back-off with full jitter, inside a deadline.

use crate::error::Error;
use crate::limits::RETRY_AFTER_MAX;
use crate::options::Options;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait between two tries when the registry asks for none.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The tries of one operation.
pub(crate) struct Backoff {
    tries: u32,
    tries_max: u32,
    base: Duration,
    deadline: Instant,
}

impl Backoff {
    pub(crate) fn new(options: &Options, tries_max: u32, deadline: Instant) -> Self {
        Self { tries: 0, tries_max, base: options.retry_base, deadline }
    }

    /// Waits before the next try, or gives the error back when there is none.
    pub(crate) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_transient() || self.tries >= self.tries_max {
            return Err(error);
        }
        let longest = self.base.saturating_mul(1 << self.tries.min(10)).min(WAIT_MAX);
        let wait = error.retry_after().unwrap_or_else(|| jittered(longest));
        if Instant::now() + wait >= self.deadline {
            return Err(error);
        }
        self.tries += 1;
        tracing::debug!(code = error.code(), tries = self.tries, "registry request is repeated");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Between nothing and `longest`, so that many clients do not come back at once.
fn jittered(longest: Duration) -> Duration {
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    longest.mul_f64(share)
}

/// The wait that a `Retry-After` header asks for, capped. Dates count as the cap: the clocks of
/// two machines are not compared for a wait of seconds.
pub(crate) fn parse_retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if value.is_empty() || value.starts_with('-') {
        return None;
    }
    match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
        Err(_) => Some(RETRY_AFTER_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_capped() {
        assert_eq!(parse_retry_after("2"), Some(Duration::from_secs(2)));
        assert_eq!(parse_retry_after("1000000000"), Some(RETRY_AFTER_MAX));
        assert_eq!(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(parse_retry_after("-1"), None);
        assert_eq!(parse_retry_after(""), None);
        assert_eq!(parse_retry_after("99999999999999999999999"), Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn jitter_stays_in_its_range() {
        let longest = Duration::from_millis(100);
        assert!((0..200).all(|_| jittered(longest) <= longest));
    }
}
