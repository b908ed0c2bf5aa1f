//! Documents that must be refused, and how.

use crate::common::{policy, rule};
use kedge_policy::limits::{ALLOWLIST_ITEMS_MAX, POLICY_BYTES_MAX, RULES_MAX};
use kedge_policy::spec::spec;
use kedge_policy::validate::ValidationProblem;
use kedge_policy::{parse, validate};
use proptest::prelude::*;
use serde_json::{Value, json};

fn refused(document: &Value) -> Vec<ValidationProblem> {
    parse(document.to_string().as_bytes()).expect_err("a bad document")
}

fn classes(problems: &[ValidationProblem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.class.as_str()).collect()
}

#[test]
fn every_mistake_of_a_rule_is_reported_with_its_class() {
    let problems = refused(&policy(&[
        rule("1", "vulnerabilites", "package", "STOP", "package_type=all"),
        rule("2", "vulnerabilities", "packages", "STOP", "package_type=all"),
        rule("3", "vulnerabilities", "package", "STOP", "package_type=all;severty=high"),
        rule("4", "vulnerabilities", "package", "STOP", "severity=high"),
        rule("5", "vulnerabilities", "package", "STOP", "package_type=some"),
        rule("6", "always", "always", "EXPLODE", ""),
        rule("7", "anchoresec", "cvehigh", "STOP", ""),
        rule("8", "files", "name_match", "STOP", "regex=(a"),
        rule("9", "metadata", "attribute", "STOP", "attribute=size;check=>;value=big"),
        rule("10", "dockerfile", "instruction", "STOP", "instruction=RUN;check=like;value=("),
        rule("11", "vulnerabilities", "stale_feed_data", "STOP", "max_days_since_sync=-1"),
        rule("12", "packages", "denylist", "STOP", "name=a;name=b"),
    ]));
    assert_eq!(
        classes(&problems),
        [
            "GateNotFoundError",
            "TriggerNotFoundError",
            "InvalidParameterError",
            "RequiredParameterNotSetError",
            "ParameterValueInvalidError",
            "InvalidGateAction",
            "EndOfLifedError",
            "ParameterValueInvalidError",
            "ParameterValueInvalidError",
            "ParameterValueInvalidError",
            "ParameterValueInvalidError",
            "InvalidParameterError",
        ]
    );
    for (index, expect) in [
        (0, "did you mean 'vulnerabilities'?"),
        (1, "did you mean 'package'?"),
        (2, "did you mean 'severity'?"),
        (6, "use gate 'vulnerabilities'"),
        (7, "unclosed group"),
        (11, "given twice"),
    ] {
        assert!(problems[index].message.contains(expect), "{}", problems[index]);
    }
    assert_eq!(problems[4].place, "rule_sets[0].rules[4].params.package_type");
}

#[test]
fn names_compare_in_any_case_and_old_words_are_understood() {
    let document = policy(&[
        rule("1", "Vulnerabilities", "PACKAGE", "stop", "Package_Type=ALL;SEVERITY=High"),
        rule("2", "packages", "blacklist", "Warn", "name=a"),
        rule("3", "npms", "blacklisted_name_version", "GO", "name=a"),
        rule("4", "passwd_file", "blacklist_usernames", "GO", "user_names=a"),
        rule("5", "dockerfile", "exposed_ports", "GO", "ports=1;type=Blacklist"),
    ]);
    assert!(parse(document.to_string().as_bytes()).unwrap().1.is_empty());
}

#[test]
fn a_deprecated_gate_is_a_warning() {
    let document = policy(&[rule("1", "image_source_drift", "package_removed", "STOP", "")]);
    let (_, problems) = parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(classes(&problems), ["DeprecationWarning"]);
    assert!(problems[0].warning);
}

#[test]
fn references_and_ids_are_checked() {
    let mut document = policy(&[]);
    document["mappings"][0]["rule_set_ids"] = json!(["rs", "gone"]);
    document["mappings"][0]["allowlist_ids"] = json!(["lost"]);
    let set = document["rule_sets"][0].clone();
    document["rule_sets"] = json!([set, set]);
    let problems = refused(&document);
    assert_eq!(
        classes(&problems),
        [
            "DuplicateIdentifierFoundError",
            "ReferencedObjectNotFoundError",
            "ReferencedObjectNotFoundError"
        ]
    );
    assert!(problems[0].message.starts_with("Object identifier found multiple times, not unique"));
    assert!(problems[1].message.starts_with("Referenced object not found"));
}

#[test]
fn other_versions_are_refused() {
    let mut document = policy(&[]);
    document["version"] = json!("1_0");
    let problems = refused(&document);
    assert_eq!(classes(&problems), ["UnsupportedVersionError"]);
    assert_eq!(problems[0].message, "Found version 1_0, expected one of supported versions ['2']");
}

#[test]
fn allowlist_items_are_checked() {
    let mut document = policy(&[]);
    document["allowlists"][0]["items"] = json!([
        {"id": "1", "gate": "vulnerabilities", "trigger_id": "a", "expires_on": "tomorrow"},
        {"id": "2", "gate": "vulnrabilities", "trigger_id": "a"},
        {"id": "3", "gate": "vulnerabilities", "trigger_id": "regexp:("}
    ]);
    assert_eq!(
        classes(&refused(&document)),
        ["ParameterValueInvalidError", "GateNotFoundError", "ParameterValueInvalidError"]
    );
}

#[test]
fn unknown_members_and_wrong_shapes_are_named_with_their_place() {
    let mut document = policy(&[]);
    document["whitelists"] = json!([]);
    let problems = refused(&document);
    assert_eq!(classes(&problems), ["InvalidDocumentError"]);
    assert!(problems[0].message.contains("whitelists"));
    for text in ["", "{", "[]", "null", "{\"id\":1}", "\u{0}", &"[".repeat(100_000)] {
        assert_eq!(classes(&parse(text.as_bytes()).unwrap_err()), ["InvalidDocumentError"]);
    }
}

#[test]
fn too_much_of_anything_is_refused_by_name() {
    let rules: Vec<Value> = (0..=RULES_MAX)
        .map(|index| rule(&index.to_string(), "always", "always", "GO", ""))
        .collect();
    assert!(refused(&policy(&rules))[0].message.contains("RULES_MAX"));
    let mut document = policy(&[]);
    let item = json!({"id": "", "gate": "always", "trigger_id": ""});
    document["allowlists"][0]["items"] = json!(vec![item; ALLOWLIST_ITEMS_MAX + 1]);
    assert!(refused(&document)[0].message.contains("ALLOWLIST_ITEMS_MAX"));
    let huge = vec![b' '; POLICY_BYTES_MAX + 1];
    assert!(parse(&huge).unwrap_err()[0].message.contains("POLICY_BYTES_MAX"));
    let regex = format!("regex={}", "a".repeat(5000));
    let problems = refused(&policy(&[rule("1", "files", "name_match", "GO", &regex)]));
    assert!(problems[0].message.contains("REGEX_BYTES_MAX"));
    let params: Vec<Value> = (0..100).map(|_| json!({"name": "x", "value": "y"})).collect();
    let mut flooded = rule("1", "always", "always", "GO", "");
    flooded["params"] = json!(params);
    assert!(refused(&policy(&[flooded]))[0].message.contains("PARAMS_MAX"));
}

#[test]
fn a_flood_of_mistakes_is_cut() {
    let rules: Vec<Value> = (0..RULES_MAX).map(|_| rule("r", "nonsense", "x", "BAD", "")).collect();
    let problems = refused(&policy(&rules));
    assert_eq!(problems.len(), kedge_policy::limits::VALIDATION_PROBLEMS_MAX + 1);
    assert!(problems.last().unwrap().message.contains("3800 more problems"));
}

#[test]
fn the_language_describes_itself() {
    let gates = spec(false);
    let gates = gates.as_array().unwrap();
    let vulnerabilities = gates.iter().find(|gate| gate["name"] == "vulnerabilities").unwrap();
    let package = &vulnerabilities["triggers"][0];
    let severity = package["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .find(|parameter| parameter["name"] == "severity")
        .unwrap();
    assert_eq!(
        *severity,
        json!({
            "name": "severity", "description": "Severity to compare with; unknown when absent.",
            "example": "high", "required": false, "state": "active", "superseded_by": null,
            "validator": {
                "type": "EnumString",
                "enum": ["unknown", "negligible", "low", "medium", "high", "critical"]
            }
        })
    );
    assert!(!gates.iter().any(|gate| gate["state"] == "eol"));
    let all = spec(true);
    let old = all.as_array().unwrap().iter().find(|gate| gate["name"] == "pkgcheck").unwrap();
    assert_eq!(old["superseded_by"], "packages");
}

#[test]
fn the_examples_of_the_language_are_accepted_by_its_validators() {
    for gate in kedge_policy::gates::GATES {
        for trigger in gate.triggers {
            let params: Vec<Value> = trigger
                .params
                .iter()
                .map(|param| json!({"name": param.name, "value": param.example}))
                .collect();
            let mut row = rule("r", gate.name, trigger.name, "GO", "");
            row["params"] = json!(params);
            let document = serde_json::from_value(policy(&[row])).unwrap();
            let problems: Vec<_> =
                validate(&document).into_iter().filter(|problem| !problem.warning).collect();
            assert!(problems.is_empty(), "{problems:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        prop_assert!(parse(text.as_bytes()).is_err());
    }

    #[test]
    fn no_parameter_makes_evaluation_panic(
        gate in 0..kedge_policy::gates::GATES.len(),
        trigger in 0_usize..8,
        value in "[ -~]{0,20}",
    ) {
        let gate = &kedge_policy::gates::GATES[gate];
        if let Some(trigger) = gate.triggers.get(trigger) {
            let params: Vec<Value> = trigger
                .params
                .iter()
                .map(|param| json!({"name": param.name, "value": value}))
                .collect();
            let mut row = rule("r", gate.name, trigger.name, "STOP", "");
            row["params"] = json!(params);
            let document: kedge_policy::PolicyDocument =
                serde_json::from_value(policy(&[row])).unwrap();
            let image = crate::common::image();
            let evaluation =
                kedge_policy::evaluate(&document, &image.facts(), crate::common::at(crate::common::NOW));
            let refused = validate(&document).iter().any(|problem| !problem.warning);
            prop_assert_eq!(evaluation.final_action == kedge_policy::Action::Stop
                && evaluation.findings.is_empty(), refused);
        }
    }
}
