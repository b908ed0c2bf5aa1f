//! Reading query parameters the way existing clients write them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Most elements of a comma-separated parameter: a request line of the server's maximum length
/// cannot hold more digests than this, so the limit only stops lists of empty words.
pub const LIST_ITEMS_MAX: usize = 1000;

/// Reads a boolean as clients send it: `true`, `True`, `1` and their opposites.
#[must_use]
pub fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Splits a comma-separated parameter; blanks around elements and empty elements are dropped.
///
/// # Errors
/// When there are more than [`LIST_ITEMS_MAX`] elements.
pub fn parse_list(text: &str) -> Result<Vec<String>, String> {
    let items: Vec<String> = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .take(LIST_ITEMS_MAX + 1)
        .map(str::to_owned)
        .collect();
    if items.len() > LIST_ITEMS_MAX {
        return Err(format!("more than {LIST_ITEMS_MAX} items (LIST_ITEMS_MAX)"));
    }
    Ok(items)
}

/// For `#[serde(deserialize_with)]` on `Option<bool>` query parameters.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    if text.is_empty() {
        return Ok(None);
    }
    match parse_flag(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(D::Error::custom(format_args!(
            "'{}' is not a boolean: expected true or false",
            text.chars().take(40).collect::<String>()
        ))),
    }
}

/// For `#[serde(deserialize_with)]` on comma-separated query parameters.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_list(&text).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_booleans_and_digits_are_understood() {
        for text in ["true", "True", "TRUE", "1"] {
            assert_eq!(parse_flag(text), Some(true), "{text}");
        }
        for text in ["false", "False", "0"] {
            assert_eq!(parse_flag(text), Some(false), "{text}");
        }
        for text in ["", "yes", "2", "truee"] {
            assert_eq!(parse_flag(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_split_and_bounded() {
        assert_eq!(parse_list("a, b,,c").unwrap(), ["a", "b", "c"]);
        assert!(parse_list("").unwrap().is_empty());
        assert!(parse_list(&"x,".repeat(LIST_ITEMS_MAX)).is_ok());
        assert!(parse_list(&"x,".repeat(LIST_ITEMS_MAX + 1)).is_err());
    }
}
