//! Parameters of a rule, by the names of its trigger.

use crate::document::PolicyRule;
use crate::gates::{Param, Trigger, Validator, modern};
use crate::pattern::start_regex;
use regex::Regex;
use std::cmp::Ordering;

/// The parameters of one rule that have a value.
pub(crate) struct Params<'a> {
    values: Vec<(&'static Param, &'a str)>,
}

impl<'a> Params<'a> {
    /// Pairs the rule's parameters with those of the trigger. Unknown ones were reported by
    /// validation; optional ones without text count as absent.
    pub(crate) fn new(rule: &'a PolicyRule, trigger: &'static Trigger) -> Self {
        let values = rule
            .params
            .iter()
            .filter(|param| !param.value.trim().is_empty())
            .filter_map(|param| Some((trigger.param(&param.name)?, param.value.trim())))
            .collect();
        Self { values }
    }

    /// The text of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.values.iter().find(|(param, _)| param.name == name).map(|(_, value)| *value)
    }

    /// A word of an enumeration, as the table writes it.
    pub(crate) fn word(&self, name: &str) -> Option<&'static str> {
        let (param, value) = self.values.iter().find(|(param, _)| param.name == name)?;
        let Validator::Words(words) = param.validator else { return None };
        let value = modern(value);
        words.iter().copied().find(|word| word.eq_ignore_ascii_case(&value))
    }

    /// A boolean.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A number.
    pub(crate) fn float(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    /// The elements of a comma-separated list.
    pub(crate) fn list(&self, name: &str) -> Vec<&'a str> {
        self.text(name).map(split_list).unwrap_or_default()
    }

    /// A comparison.
    pub(crate) fn comparison(&self, name: &str) -> Option<Comparison> {
        self.word(name).and_then(Comparison::parse)
    }

    /// A regular expression that matches at the start.
    pub(crate) fn regex(&self, name: &str) -> Option<Result<Regex, String>> {
        self.text(name).map(start_regex)
    }
}

/// The elements of a comma-separated list.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The words of [`Comparison`].
pub(crate) const COMPARISONS: &[&str] = &["=", "!=", "<", ">", "<=", ">="];

impl Comparison {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// Whether `left <operator> right`, when they are ordered like this.
    pub(crate) fn holds(self, left_to_right: Ordering) -> bool {
        match self {
            Self::Equal => left_to_right.is_eq(),
            Self::NotEqual => left_to_right.is_ne(),
            Self::Less => left_to_right.is_lt(),
            Self::LessOrEqual => left_to_right.is_le(),
            Self::Greater => left_to_right.is_gt(),
            Self::GreaterOrEqual => left_to_right.is_ge(),
        }
    }
}

/// Orders two texts: as dotted numbers when both are (`9` before `10`), else by their bytes.
pub(crate) fn order(left: &str, right: &str) -> Ordering {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        text.split('.').map(|part| part.parse().ok()).collect()
    };
    match (numbers(left), numbers(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.cmp(right),
    }
}

/// A check of a text against a value: the comparisons and those that only texts have.
pub(crate) const TEXT_CHECKS: &[&str] =
    &["=", "!=", ">", "<", ">=", "<=", "exists", "not_exists", "like", "not_like", "in", "not_in"];

/// Whether `text` passes `check` against `value`. Presence checks are the caller's.
pub(crate) fn text_check(check: &str, text: &str, value: &TextValue<'_>) -> bool {
    match check {
        "like" => value.regex.as_ref().is_some_and(|regex| regex.is_match(text)),
        "not_like" => value.regex.as_ref().is_some_and(|regex| !regex.is_match(text)),
        "in" => split_list(value.text).contains(&text),
        "not_in" => !split_list(value.text).contains(&text),
        other => Comparison::parse(other).is_some_and(|c| c.holds(order(text, value.text))),
    }
}

/// The value of a [`text_check`], compiled where the check needs it.
pub(crate) struct TextValue<'a> {
    pub(crate) text: &'a str,
    regex: Option<Regex>,
}

impl<'a> TextValue<'a> {
    pub(crate) fn new(check: &str, text: &'a str) -> Result<Self, String> {
        let regex = match check {
            "like" | "not_like" => Some(start_regex(text)?),
            _ => None,
        };
        Ok(Self { text, regex })
    }
}
