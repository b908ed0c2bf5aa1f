//! Forms of names that the contract fixes.

use crate::error::AppError;
use crate::limits::NAME_BYTES_MAX;
use kedge_artifact::time::Timestamp;

const ACCOUNT_MARKS: &[u8] = b" @.!$+=^_`~;-";
const USER_MARKS: &[u8] = b" @.!#$+=^_`~;:-";

/// `^[a-zA-Z0-9][marks a-zA-Z0-9]{1,126}[a-zA-Z0-9_]$`
fn has_form(name: &str, marks: &[u8]) -> bool {
    let bytes = name.as_bytes();
    let [first, middle @ .., last] = bytes else { return false };
    (3..=NAME_BYTES_MAX).contains(&bytes.len())
        && first.is_ascii_alphanumeric()
        && (last.is_ascii_alphanumeric() || *last == b'_')
        && middle.iter().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(byte))
}

/// Refuses what is not the name of an account.
pub(crate) fn check_account_name(name: &str) -> Result<(), AppError> {
    if has_form(name, ACCOUNT_MARKS) {
        return Ok(());
    }
    Err(AppError::invalid(
        "account name must have 3 to 128 characters, begin with a letter or digit, end with a \
         letter, digit or '_', and hold only letters, digits, blanks and @.!$+=^_`~;-",
    ))
}

/// Refuses what is not the name of a user.
pub(crate) fn check_user_name(name: &str) -> Result<(), AppError> {
    if has_form(name, USER_MARKS) && name != "_api_key" {
        return Ok(());
    }
    Err(AppError::invalid(
        "user name must have 3 to 128 characters, begin with a letter or digit, end with a \
         letter, digit or '_', and hold only letters, digits, blanks and @.!#$+=^_`~;:-",
    ))
}

/// Refuses what is not an e-mail address in the contract's form.
pub(crate) fn check_email(email: &str) -> Result<(), AppError> {
    let local_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-.".contains(&b);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let well_formed = email.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.split('.').all(|part| !part.is_empty())
            && local.bytes().all(local_byte)
            && domain.contains('.')
            && domain.split('.').all(label)
    });
    if well_formed {
        return Ok(());
    }
    Err(AppError::invalid("email is not an e-mail address"))
}

/// Reads an RFC 3339 time of a request.
pub(crate) fn time(name: &str, text: &str) -> Result<Timestamp, AppError> {
    // A `+` of a time zone that was not encoded arrives as a blank.
    text.replace(' ', "+")
        .parse()
        .or_else(|_| text.parse())
        .map_err(|error| AppError::invalid(format!("'{name}': {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["abc", "a b", "team-1", "a.b@c_", &"x".repeat(128)] {
            assert!(check_account_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(129);
        for bad in ["", "a", "ab", "-ab", "ab-", "a/b", "a\0b", "ä1x", "a\nb", &long] {
            assert!(check_account_name(bad).is_err(), "{bad}");
            assert!(check_user_name(bad).is_err(), "{bad}");
        }
        assert!(check_user_name("a:b").is_ok() && check_account_name("a:b").is_err());
    }

    #[test]
    fn addresses() {
        assert!(check_email("a.b+c@x.example").is_ok());
        for bad in ["", "a", "a@b", "@x.y", "a@", "a b@x.y", "a..b@x.y", "a@-x.y", "a@x.y\n"] {
            assert!(check_email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(time("since", "1970-01-01T00:00:01Z").unwrap(), Timestamp(1000));
        assert_eq!(time("since", "1970-01-01T01:00:01 01:00").unwrap(), Timestamp(1000));
        assert!(time("since", "yesterday").unwrap_err().to_string().contains("since"));
    }
}
