//! Digit strings and the checks that every scheme shares.

use std::cmp::Ordering;

use crate::limits::{RANGE_BYTES_MAX, VERSION_BYTES_MAX};
use crate::{Scheme, VersionError};

/// Trims surrounding white space and refuses what no scheme accepts: nothing, too much, control
/// characters and inner line breaks.
pub(crate) fn check(scheme: Scheme, version: &str) -> Result<&str, VersionError> {
    if version.len() > VERSION_BYTES_MAX {
        return Err(VersionError::TooLong { scheme, bytes: version.len() });
    }
    let version = version.trim();
    if version.is_empty() {
        return Err(VersionError::Empty { scheme });
    }
    if version.chars().any(char::is_control) {
        return Err(VersionError::invalid(scheme, version, "control character"));
    }
    Ok(version)
}

/// Refuses a range text over the limit.
pub(crate) fn check_range(scheme: Scheme, range: &str) -> Result<&str, VersionError> {
    if range.len() > RANGE_BYTES_MAX {
        return Err(VersionError::RangeTooLong { scheme, bytes: range.len() });
    }
    Ok(range.trim())
}

/// True for a non-empty run of ASCII digits.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Compares two runs of ASCII digits as numbers of any size.
pub(crate) fn compare_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// True when a run of digits is the number zero (or empty).
pub(crate) fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|byte| byte == b'0')
}

/// The number after `digits`, as digits.
pub(crate) fn increment(digits: &str) -> String {
    let mut bytes = digits.as_bytes().to_vec();
    for byte in bytes.iter_mut().rev() {
        if *byte < b'9' {
            *byte += 1;
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        *byte = b'0';
    }
    format!("1{}", String::from_utf8_lossy(&bytes))
}

/// Splits off the longest prefix whose bytes satisfy `keep`. `keep` must accept ASCII only, so that
/// the cut is on a character boundary.
pub(crate) fn take(text: &str, keep: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !keep(byte)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_as_numbers_of_any_size() {
        assert_eq!(compare_digits("007", "7"), Ordering::Equal);
        assert_eq!(compare_digits("9", "10"), Ordering::Less);
        assert_eq!(compare_digits("", "0"), Ordering::Equal);
        let huge = "9".repeat(900);
        assert_eq!(compare_digits(&huge, &increment(&huge)), Ordering::Less);
    }

    #[test]
    fn increment_carries() {
        assert_eq!(increment("0"), "1");
        assert_eq!(increment("129"), "130");
        assert_eq!(increment("999"), "1000");
    }
}
