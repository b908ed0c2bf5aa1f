//! Reading and checking a policy document. All mistakes are collected, not only the first.

use crate::allowlist::is_pattern;
use crate::document::{ImageRef, PolicyDocument, PolicyRule, RuleParam, VERSION};
use crate::evaluation::Action;
use crate::gates::{EOL_GATES, Gate, State, Trigger, find};
use crate::limits::{
    ALLOWLIST_ITEMS_MAX, ALLOWLIST_PATTERNS_MAX, OBJECTS_MAX, PARAM_BYTES_MAX, PARAMS_MAX,
    POLICY_BYTES_MAX, RULES_MAX, TEXT_BYTES_MAX, VALIDATION_PROBLEMS_MAX,
};
use crate::pattern::Pattern;
use kedge_artifact::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A mistake in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidationProblem {
    /// Class, one of the contract's names.
    pub class: String,
    /// Whether the document can be used nevertheless.
    pub warning: bool,
    /// Where, for instance `rule_sets[0].rules[2].params.severity`.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ValidationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.class, self.place, self.message)
    }
}

/// Reads a document and checks it. Warnings are returned with the document.
///
/// # Errors
/// Everything that is wrong with it, warnings included.
pub fn parse(
    json: &[u8],
) -> Result<(PolicyDocument, Vec<ValidationProblem>), Vec<ValidationProblem>> {
    let single = |class: &str, message: String| {
        let place = "policy".to_owned();
        vec![ValidationProblem { class: class.to_owned(), warning: false, place, message }]
    };
    if json.len() > POLICY_BYTES_MAX {
        let message = format!("is larger than {POLICY_BYTES_MAX} bytes (POLICY_BYTES_MAX)");
        return Err(single("LimitExceededError", message));
    }
    let document: PolicyDocument = serde_json::from_slice(json)
        .map_err(|error| single("InvalidDocumentError", error.to_string()))?;
    let problems = validate(&document);
    if problems.iter().any(|problem| !problem.warning) {
        Err(problems)
    } else {
        Ok((document, problems))
    }
}

/// Checks a document. Empty: nothing to say; only warnings: usable.
#[must_use]
pub fn validate(document: &PolicyDocument) -> Vec<ValidationProblem> {
    let mut report = Report::default();
    report.version("policy", &document.version);
    limits(document, &mut report);
    if report.problems.iter().any(|problem| problem.class == "LimitExceededError") {
        return report.finish();
    }
    for (set_index, set) in document.rule_sets.iter().enumerate() {
        let place = format!("rule_sets[{set_index}]");
        report.version(&place, &set.version);
        for (index, rule) in set.rules.iter().enumerate() {
            check_rule(&format!("{place}.rules[{index}]"), rule, &mut report);
        }
    }
    check_allowlists(document, &mut report);
    check_selections(document, &mut report);
    check_references(document, &mut report);
    report.finish()
}

#[derive(Default)]
struct Report {
    problems: Vec<ValidationProblem>,
    dropped: usize,
}

impl Report {
    fn error(&mut self, class: &str, place: impl Into<String>, message: impl Into<String>) {
        self.push(class, false, place.into(), message.into());
    }

    fn push(&mut self, class: &str, warning: bool, place: String, message: String) {
        if self.problems.len() >= VALIDATION_PROBLEMS_MAX {
            self.dropped += 1;
            return;
        }
        self.problems.push(ValidationProblem { class: class.to_owned(), warning, place, message });
    }

    fn limit(&mut self, place: &str, count: usize, most: usize, name: &str) {
        if count > most {
            let message = format!("has {count}, more than {most} ({name})");
            self.error("LimitExceededError", place, message);
        }
    }

    fn version(&mut self, place: &str, version: &str) {
        if version != VERSION {
            let message = format!(
                "Found version {}, expected one of supported versions ['{VERSION}']",
                cut(version)
            );
            self.error("UnsupportedVersionError", format!("{place}.version"), message);
        }
    }

    fn finish(mut self) -> Vec<ValidationProblem> {
        if self.dropped > 0 {
            let message = format!("{} more problems (VALIDATION_PROBLEMS_MAX)", self.dropped);
            self.problems.push(ValidationProblem {
                class: "LimitExceededError".to_owned(),
                warning: false,
                place: "policy".to_owned(),
                message,
            });
        }
        self.problems
    }
}

/// Enough of a text for an error message.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn limits(document: &PolicyDocument, report: &mut Report) {
    let rules: usize = document.rule_sets.iter().map(|set| set.rules.len()).sum();
    report.limit("rule_sets.rules", rules, RULES_MAX, "RULES_MAX");
    let items = document.allowlists.iter().flat_map(|list| &list.items);
    report.limit(
        "allowlists.items",
        items.clone().count(),
        ALLOWLIST_ITEMS_MAX,
        "ALLOWLIST_ITEMS_MAX",
    );
    let patterns = items.filter(|item| is_pattern(&item.trigger_id)).count();
    let most = ALLOWLIST_PATTERNS_MAX;
    report.limit("allowlists.items", patterns, most, "ALLOWLIST_PATTERNS_MAX");
    for (place, count) in [
        ("rule_sets", document.rule_sets.len()),
        ("allowlists", document.allowlists.len()),
        ("mappings", document.mappings.len()),
        ("source_mappings", document.source_mappings.len()),
        ("allowlisted_images", document.allowlisted_images.len()),
        ("denylisted_images", document.denylisted_images.len()),
    ] {
        report.limit(place, count, OBJECTS_MAX, "OBJECTS_MAX");
    }
    let mappings = document.mappings.iter();
    let referenced = mappings.map(|m| m.rule_set_ids.len().max(m.allowlist_ids.len())).max();
    report.limit("mappings", referenced.unwrap_or(0), OBJECTS_MAX, "OBJECTS_MAX");
    for (place, text) in [("id", &document.id), ("name", &document.name)] {
        report.limit(place, text.len(), TEXT_BYTES_MAX, "TEXT_BYTES_MAX");
        if text.is_empty() {
            report.error("ParameterValueInvalidError", place, "must not be empty");
        }
    }
}

fn check_rule(place: &str, rule: &PolicyRule, report: &mut Report) {
    if Action::parse(&rule.action).is_none() {
        let message = format!("'{}' is not one of GO WARN STOP", cut(&rule.action));
        report.error("InvalidGateAction", format!("{place}.action"), message);
    }
    let Some(gate) = check_gate(&format!("{place}.gate"), &rule.gate, report) else { return };
    let Some(trigger) = gate.trigger(&rule.trigger) else {
        let names = gate.triggers.iter().map(|trigger| trigger.name);
        let message =
            unknown("trigger", &rule.trigger, names, &format!(" in gate '{}'", gate.name));
        report.error("TriggerNotFoundError", format!("{place}.trigger"), message);
        return;
    };
    check_params(place, rule, trigger, report);
}

fn check_gate(place: &str, name: &str, report: &mut Report) -> Option<&'static Gate> {
    if let Some(gate) = find(name) {
        if gate.state == State::Deprecated {
            let message = format!("gate '{}' is deprecated", gate.name);
            report.push("DeprecationWarning", true, place.to_owned(), message);
        }
        return Some(gate);
    }
    if let Some((old, new)) = EOL_GATES.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)) {
        let instead = match new {
            Some(new) => format!("use gate '{new}'"),
            None => "it has no replacement".to_owned(),
        };
        report.error("EndOfLifedError", place, format!("gate '{old}' is gone, {instead}"));
        return None;
    }
    let names = crate::gates::GATES.iter().map(|gate| gate.name);
    report.error("GateNotFoundError", place, unknown("gate", name, names, ""));
    None
}

/// "unknown gate 'vulnerabilites', did you mean 'vulnerabilities'?"
fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    context: &str,
) -> String {
    let name = cut(name);
    let nearest = known
        .map(|candidate| (strsim::jaro_winkler(candidate, &name.to_ascii_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, candidate)) => {
            format!("unknown {what} '{name}'{context}, did you mean '{candidate}'?")
        }
        None => format!("unknown {what} '{name}'{context}"),
    }
}

fn check_params(place: &str, rule: &PolicyRule, trigger: &Trigger, report: &mut Report) {
    report.limit(&format!("{place}.params"), rule.params.len(), PARAMS_MAX, "PARAMS_MAX");
    let given = |name: &str| {
        let of_name = |p: &&RuleParam| p.name.eq_ignore_ascii_case(name);
        rule.params.iter().find(of_name).map(|p| p.value.trim()).filter(|v| !v.is_empty())
    };
    let mut seen = BTreeSet::new();
    for given_param in rule.params.iter().take(PARAMS_MAX) {
        let place = format!("{place}.params.{}", cut(&given_param.name));
        let Some(param) = trigger.param(&given_param.name) else {
            let names = trigger.params.iter().map(|param| param.name);
            let context = format!(" of trigger '{}'", trigger.name);
            let message = unknown("parameter", &given_param.name, names, &context);
            report.error("InvalidParameterError", place, message);
            continue;
        };
        if !seen.insert(param.name) {
            report.error("InvalidParameterError", place, "is given twice");
            continue;
        }
        let value = given_param.value.trim();
        if value.len() > PARAM_BYTES_MAX {
            report.limit(&place, value.len(), PARAM_BYTES_MAX, "PARAM_BYTES_MAX");
        } else if !value.is_empty()
            && let Err(reason) = param.validator.accept(value, given)
        {
            let message = format!("value '{}': {reason}", cut(value));
            report.error("ParameterValueInvalidError", place, message);
        }
    }
    for param in trigger.params.iter().filter(|param| param.required) {
        if given(param.name).is_none() {
            let message = format!("trigger '{}' needs '{}'", trigger.name, param.name);
            report.error("RequiredParameterNotSetError", format!("{place}.params"), message);
        }
    }
    check_text_value(place, given, trigger, report);
}

/// Checks `like` and the presence of a value, which depend on two parameters at once.
fn check_text_value<'a>(
    place: &str,
    given: impl Fn(&str) -> Option<&'a str>,
    trigger: &Trigger,
    report: &mut Report,
) {
    if trigger.param("value").is_none() {
        return;
    }
    let (Some(check), Some(value)) = (given("check"), given("value")) else { return };
    if matches!(check.to_ascii_lowercase().as_str(), "like" | "not_like")
        && let Err(reason) = crate::pattern::start_regex(value)
    {
        let message = format!("value '{}': {reason}", cut(value));
        report.error("ParameterValueInvalidError", format!("{place}.params.value"), message);
    }
}

fn check_allowlists(document: &PolicyDocument, report: &mut Report) {
    for (list_index, list) in document.allowlists.iter().enumerate() {
        let place = format!("allowlists[{list_index}]");
        report.version(&place, &list.version);
        for (index, item) in list.items.iter().enumerate() {
            let place = || format!("{place}.items[{index}]");
            // Items may outlive gates, but one for a gate that never was is a typing error.
            if find(&item.gate).is_none()
                && !EOL_GATES.iter().any(|(old, _)| old.eq_ignore_ascii_case(&item.gate))
            {
                let names = crate::gates::GATES.iter().map(|gate| gate.name);
                let message = unknown("gate", &item.gate, names, "");
                report.error("GateNotFoundError", format!("{}.gate", place()), message);
            }
            check_pattern(&format!("{}.trigger_id", place()), &item.trigger_id, report);
            if let Some(text) = &item.expires_on
                && text.parse::<Timestamp>().is_err()
            {
                let message = format!("'{}' is not an RFC 3339 time", cut(text));
                let place = format!("{}.expires_on", place());
                report.error("ParameterValueInvalidError", place, message);
            }
        }
    }
}

fn check_pattern(place: &str, text: &str, report: &mut Report) {
    if text.len() > TEXT_BYTES_MAX {
        report.limit(place, text.len(), TEXT_BYTES_MAX, "TEXT_BYTES_MAX");
    } else if let Err(reason) = Pattern::new(text) {
        report.error("ParameterValueInvalidError", place, reason);
    }
}

fn check_selections(document: &PolicyDocument, report: &mut Report) {
    let mappings = document.mappings.iter().map(|m| (&m.registry, &m.repository, &m.image));
    check_patterns("mappings", mappings, report);
    for (name, rules) in [
        ("allowlisted_images", &document.allowlisted_images),
        ("denylisted_images", &document.denylisted_images),
    ] {
        let rules = rules.iter().map(|rule| (&rule.registry, &rule.repository, &rule.image));
        check_patterns(name, rules, report);
    }
}

fn check_patterns<'a>(
    name: &str,
    rules: impl Iterator<Item = (&'a String, &'a String, &'a ImageRef)>,
    report: &mut Report,
) {
    for (index, (registry, repository, image)) in rules.enumerate() {
        check_pattern(&format!("{name}[{index}].registry"), registry, report);
        check_pattern(&format!("{name}[{index}].repository"), repository, report);
        check_pattern(&format!("{name}[{index}].image.value"), &image.value, report);
    }
}

fn check_references(document: &PolicyDocument, report: &mut Report) {
    let sets = ids("rule_sets", document.rule_sets.iter().map(|set| &set.id), report);
    let lists = ids("allowlists", document.allowlists.iter().map(|list| &list.id), report);
    let images = document.mappings.iter().map(|m| (&m.rule_set_ids, &m.allowlist_ids));
    let sources = document.source_mappings.iter().map(|m| (&m.rule_set_ids, &m.allowlist_ids));
    let named = |name: &'static str| move |(index, ids)| (format!("{name}[{index}]"), ids);
    let all = images
        .enumerate()
        .map(named("mappings"))
        .chain(sources.enumerate().map(named("source_mappings")));
    for (place, (set_ids, list_ids)) in all {
        let wanted = set_ids
            .iter()
            .map(|id| (id, &sets, "rule set"))
            .chain(list_ids.iter().map(|id| (id, &lists, "allowlist")));
        for (id, known, what) in wanted {
            if !known.contains(id.as_str()) {
                let message = format!("Referenced object not found: {what} '{}'", cut(id));
                report.error("ReferencedObjectNotFoundError", place.clone(), message);
            }
        }
    }
}

fn ids<'a>(
    place: &str,
    ids: impl Iterator<Item = &'a String>,
    report: &mut Report,
) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    for (index, id) in ids.enumerate() {
        if !known.insert(id.as_str()) {
            let message =
                format!("Object identifier found multiple times, not unique: '{}'", cut(id));
            report.error("DuplicateIdentifierFoundError", format!("{place}[{index}].id"), message);
        }
    }
    known
}
