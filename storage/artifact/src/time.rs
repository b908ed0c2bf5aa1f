//! Points in time. No function here reads a clock: callers pass the time in.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Milliseconds since 1970-01-01T00:00:00Z. Text form RFC 3339 in UTC (`2026-11-21T10:00:00Z`,
/// with a fraction only when there is one); an `i64` when stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// The text is not an RFC 3339 time or a plain date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an RFC 3339 time")]
pub struct TimestampError(String);

impl Timestamp {
    /// Whole days from `earlier` to `self`, rounded down; negative when `earlier` is later.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0).div_euclid(86_400_000)
    }

    /// This time plus `ms` milliseconds, stopping at the ends of the range.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => fmt::Display::fmt(&time, f),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let bad = || TimestampError(text.chars().take(60).collect());
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(time.as_millisecond()));
        }
        // Feeds and clients also send plain dates and times without a zone; both mean UTC.
        let date_time: jiff::civil::DateTime =
            text.trim_end_matches('Z').parse().map_err(|_| bad())?;
        let zoned = date_time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad())?;
        Ok(Self(zoned.timestamp().as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_dates_and_zoneless_times() {
        let check =
            |text: &str, ms: i64| assert_eq!(text.parse::<Timestamp>().unwrap().0, ms, "{text}");
        check("1970-01-02T00:00:00Z", 86_400_000);
        check("1970-01-02", 86_400_000);
        check("1970-01-01T00:00:01", 1_000);
        check("1970-01-01T01:00:00.250+01:00", 250);
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert_eq!(Timestamp(1_000).to_string(), "1970-01-01T00:00:01Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "9223372036854775807ms");
    }
}
