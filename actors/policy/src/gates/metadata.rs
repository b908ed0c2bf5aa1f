//! Gate `metadata`.

use super::{CannotEvaluate, Check, Gate, Param, RestsOn, Rule, Sink, State, Trigger, Validator};
use crate::params::{Comparison, TEXT_CHECKS, TextValue, text_check};
use std::cmp::Ordering;

const ATTRIBUTES: &[&str] =
    &["size", "architecture", "os_type", "distro", "distro_version", "like_distro", "layer_count"];

/// The gate.
pub const GATE: Gate = Gate {
    name: "metadata",
    description: "Judges facts about the image as a whole.",
    state: State::Active,
    triggers: &[Trigger {
        name: "attribute",
        description: "Fires when an attribute of the image passes the check.",
        params: &[
            Param {
                name: "attribute",
                description: "Attribute of the image.",
                example: "size",
                required: true,
                validator: Validator::Words(ATTRIBUTES),
            },
            Param {
                name: "check",
                description: "How the attribute is compared with the value.",
                example: ">",
                required: true,
                validator: Validator::Words(TEXT_CHECKS),
            },
            Param {
                name: "value",
                description: "Value; sizes are bytes with an optional unit kb, mb, gb or tb.",
                example: "500mb",
                required: false,
                validator: Validator::Linked("attribute"),
            },
        ],
        rests_on: RestsOn::Nothing,
        check: Check::Run(attribute),
    }],
};

/// For [`Validator::Linked`]: what `value` may be for this attribute. Lists are for the checks
/// `in` and `not_in`.
pub(super) fn accept_value(attribute: &str, value: &str) -> Result<(), String> {
    let all = |ok: fn(&str) -> bool| value.split(',').all(|item| ok(item.trim()));
    match attribute.to_ascii_lowercase().as_str() {
        "size" if !all(|item| parse_size(item).is_some()) => {
            Err("expected a size such as 500mb".to_owned())
        }
        "layer_count" if !all(|item| item.parse::<u64>().is_ok()) => {
            Err("expected a whole number".to_owned())
        }
        _ => Ok(()),
    }
}

/// Bytes of `12`, `12kb`, `12MB` and so on; a kilobyte has 1024 bytes.
fn parse_size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &lower[digits.len()..] {
        "" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        "gb" => 1 << 30,
        "tb" => 1 << 40,
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// What the image has for an attribute: one value, several, or none.
fn values(rule: &Rule<'_>, attribute: &str) -> Result<Vec<String>, CannotEvaluate> {
    let facts = rule.facts;
    let known = |value: Option<u64>, what: &str| match value {
        Some(value) => Ok(vec![value.to_string()]),
        None => Err(CannotEvaluate::because(format!("the {what} of the image is not known"))),
    };
    let text = |value: &str| if value.is_empty() { vec![] } else { vec![value.to_owned()] };
    let distro = facts.sbom.distro.as_ref();
    match attribute {
        "size" => known(facts.size, "size"),
        "layer_count" => known(facts.layer_count, "number of layers"),
        "architecture" => Ok(text(facts.architecture)),
        "os_type" => Ok(text(facts.os)),
        "distro" => Ok(distro.map(|d| text(&d.id)).unwrap_or_default()),
        "distro_version" => Ok(distro.map(|d| text(&d.version_id)).unwrap_or_default()),
        "like_distro" => Ok(distro.map(|d| d.id_like.clone()).unwrap_or_default()),
        other => Err(CannotEvaluate::because(format!("unknown attribute '{other}'"))),
    }
}

fn attribute(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let name = rule.need(rule.params.word("attribute"), "attribute")?;
    let check = rule.need(rule.params.word("check"), "check")?;
    let wanted = rule.params.text("value");
    let found = values(rule, name)?;
    let fires = match (check, wanted) {
        ("exists", _) => !found.is_empty(),
        ("not_exists", _) => found.is_empty(),
        (_, None) => return Err(CannotEvaluate::because("parameter 'value' is not set")),
        // Numbers are compared as numbers, whatever their text looks like.
        (_, Some(wanted)) if name == "size" => number_check(check, &found, wanted, parse_size)?,
        (_, Some(wanted)) => {
            let value = TextValue::new(check, wanted).map_err(CannotEvaluate)?;
            // Of several values one is enough for a positive check; a negated one needs all.
            match check {
                "!=" | "not_in" | "not_like" => {
                    !found.is_empty() && found.iter().all(|text| text_check(check, text, &value))
                }
                _ => found.iter().any(|text| text_check(check, text, &value)),
            }
        }
    };
    if fires {
        sink.fire(format!(
            "Attribute check for attribute: '{name}' check: '{check}' check_value: '{}' matched \
             image value: '{}'",
            wanted.unwrap_or("None"),
            if found.is_empty() { "None".to_owned() } else { found.join(",") }
        ));
    }
    Ok(())
}

fn number_check(
    check: &str,
    found: &[String],
    wanted: &str,
    parse: fn(&str) -> Option<u64>,
) -> Result<bool, CannotEvaluate> {
    let bad = || CannotEvaluate(format!("check '{check}' cannot compare a number with '{wanted}'"));
    let Some(number) = found.first().and_then(|text| parse(text)) else { return Ok(false) };
    let listed = || -> Result<bool, CannotEvaluate> {
        let items: Option<Vec<u64>> =
            crate::params::split_list(wanted).into_iter().map(parse).collect();
        Ok(items.ok_or_else(bad)?.contains(&number))
    };
    match check {
        "in" => listed(),
        "not_in" => listed().map(|is_in| !is_in),
        other => {
            let comparison = Comparison::parse(other).ok_or_else(bad)?;
            let order: Ordering = number.cmp(&parse(wanted).ok_or_else(bad)?);
            Ok(comparison.holds(order))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("12", Some(12)),
            ("1kb", Some(1024)),
            ("3MB", Some(3 << 20)),
            ("2gb", Some(2 << 30)),
            ("x", None),
            ("1.5gb", None),
            ("12pb", None),
            ("", None),
            ("99999999999999999tb", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
