//! Mappings, allowlists, image lists, the default policy.

use crate::common::{at, image, policy, read, rule};
use kedge_policy::default::{DEFAULT_POLICY_ID, default_policy};
use kedge_policy::evaluation::{FinalReason, ProblemSeverity};
use kedge_policy::{Action, Evaluation, evaluate, validate};
use serde_json::{Value, json};

fn always(id: &str, action: &str) -> Value {
    rule(id, "always", "always", action, "")
}

fn item(trigger_id: &str, expires_on: Option<&str>) -> Value {
    let mut item = json!({"id": "i", "gate": "Vulnerabilities", "trigger_id": trigger_id});
    if let Some(time) = expires_on {
        item["expires_on"] = json!(time);
    }
    item
}

fn with_items(items: &[Value]) -> Evaluation {
    let vulnerable =
        rule("v", "vulnerabilities", "package", "STOP", "package_type=os;severity=medium");
    let mut document = policy(&[vulnerable]);
    document["allowlists"][0]["items"] = json!(items);
    image().judge(&document)
}

#[test]
fn the_worst_finding_decides() {
    for (actions, expect) in [
        (vec![], Action::Go),
        (vec!["GO"], Action::Go),
        (vec!["go", "Warn"], Action::Warn),
        (vec!["WARN", "STOP", "GO"], Action::Stop),
    ] {
        let rules: Vec<Value> = actions.iter().map(|action| always("r", action)).collect();
        let evaluation = image().judge(&policy(&rules));
        assert_eq!(evaluation.final_action, expect, "{actions:?}");
        assert_eq!(evaluation.passed, expect != Action::Stop);
        assert_eq!(evaluation.final_action_reason, FinalReason::PolicyEvaluation);
        assert!(evaluation.problems.is_empty());
    }
}

#[test]
fn allowlisted_findings_stay_but_do_not_count() {
    for trigger_id in ["CVE-2026-1+openssl", "CVE-2026-1+*", "*+openssl", "regexp:CVE-2026-[0-9]"] {
        let evaluation = with_items(&[item("CVE-0000-0+x", None), item(trigger_id, None)]);
        let finding = &evaluation.findings[0];
        assert!(finding.allowlisted, "{trigger_id}");
        assert_eq!(finding.action, Action::Go);
        assert_eq!(finding.allowlist_match.as_ref().unwrap().id, "al");
        assert_eq!(evaluation.final_action, Action::Go);
    }
    for trigger_id in ["CVE-2026-1", "CVE-2026-1+openssl2", "cve-2026-1+*", "*+zlib"] {
        assert_eq!(
            with_items(&[item(trigger_id, None)]).final_action,
            Action::Stop,
            "{trigger_id}"
        );
    }
}

#[test]
fn the_first_matching_item_is_named() {
    let mut first = item("*+openssl", None);
    first["id"] = json!("first");
    let mut second = item("CVE-2026-1+openssl", None);
    second["id"] = json!("second");
    for (items, expect) in [([first.clone(), second.clone()], "first"), ([second, first], "second")]
    {
        let evaluation = with_items(&items);
        let matched = evaluation.findings[0].allowlist_match.as_ref().unwrap();
        assert_eq!(matched.matched_rule_id, expect);
    }
}

#[test]
fn expired_items_are_void() {
    for (expires_on, allowed) in [
        ("2026-06-15T12:00:01Z", true),
        ("2026-06-15T12:00:00Z", false),
        ("2020-01-01T00:00:00Z", false),
        ("2026-06-15T14:30:00+02:00", true),
    ] {
        let evaluation = with_items(&[item("CVE-2026-1+openssl", Some(expires_on))]);
        assert_eq!(evaluation.findings[0].allowlisted, allowed, "{expires_on}");
    }
}

#[test]
fn an_expired_item_does_not_hide_one_in_force() {
    let items = [
        item("CVE-2026-1+openssl", Some("2020-01-01T00:00:00Z")),
        item("CVE-2026-1+openssl", Some("2030-01-01T00:00:00Z")),
    ];
    assert_eq!(with_items(&items).final_action, Action::Go);
}

#[test]
fn an_allowlist_of_another_gate_does_not_apply() {
    let mut other = item("CVE-2026-1+openssl", None);
    other["gate"] = json!("packages");
    assert_eq!(with_items(&[other]).final_action, Action::Stop);
}

fn mapping(id: &str, registry: &str, repository: &str, kind: &str, value: &str) -> Value {
    json!({
        "id": id, "name": id, "registry": registry, "repository": repository,
        "image": {"type": kind, "value": value}, "rule_set_ids": ["rs"], "allowlist_ids": []
    })
}

#[test]
fn the_first_mapping_in_order_applies() {
    let image = image();
    let digest = image.digest.to_string();
    let id = image.id.hex();
    for (mappings, expect) in [
        (vec![mapping("a", "*", "*", "tag", "*"), mapping("b", "q.io", "*", "tag", "*")], "a"),
        (
            vec![mapping("a", "docker.io", "*", "tag", "*"), mapping("b", "q.*", "*", "tag", "*")],
            "b",
        ),
        (
            vec![mapping("a", "*", "team", "tag", "*"), mapping("b", "*", "team/*", "tag", "1.*")],
            "b",
        ),
        (vec![mapping("a", "*", "*", "tag", "1"), mapping("b", "*", "*", "digest", &digest)], "b"),
        (
            vec![mapping("a", "*", "*", "digest", "sha256:00"), mapping("b", "*", "*", "id", &id)],
            "b",
        ),
        (vec![mapping("a", "regexp:q", "regexp:team/(web|app)$", "tag", "*")], "a"),
        (vec![mapping("a", "qxio", "*", "tag", "*"), mapping("b", "q.io", "*", "tag", "*")], "b"),
    ] {
        let mut document = policy(&[always("r", "STOP")]);
        document["mappings"] = json!(mappings);
        let evaluation = image.judge(&document);
        assert_eq!(evaluation.matched_mapping_rule.unwrap().id, expect);
        assert_eq!(evaluation.final_action, Action::Stop);
    }
}

#[test]
fn without_a_mapping_the_image_goes_with_a_problem() {
    let mut document = policy(&[always("r", "STOP")]);
    document["mappings"] = json!([mapping("a", "docker.io", "*", "tag", "*")]);
    let evaluation = image().judge(&document);
    assert_eq!(evaluation.final_action, Action::Go);
    assert!(evaluation.matched_mapping_rule.is_none());
    let problem = &evaluation.problems[0];
    assert_eq!(problem.problem_type, "NoMatchedMappingWarning");
    assert_eq!(problem.severity, ProblemSeverity::Warn);
    assert_eq!(
        problem.details,
        "No mapping rule matched the given tag q.io/team/app:1.0 for the bundle"
    );
}

#[test]
fn a_policy_without_mappings_stops() {
    let mut document = policy(&[]);
    document["mappings"] = json!([]);
    let evaluation = image().judge(&document);
    assert_eq!(evaluation.final_action, Action::Stop);
    assert_eq!(evaluation.problems[0].severity, ProblemSeverity::Error);
}

#[test]
fn a_document_that_cannot_be_used_stops_even_allowed_images() {
    let mut document = read(&policy(&[always("r", "GO")]));
    document.rule_sets[0].rules[0].gate = "nonsense".into();
    let everything = json!({"id": "x", "name": "x", "registry": "*", "repository": "*",
        "image": {"type": "tag", "value": "*"}});
    document.allowlisted_images = vec![serde_json::from_value(everything).unwrap()];
    let image = image();
    let evaluation = evaluate(&document, &image.facts(), at(crate::common::NOW));
    assert_eq!(evaluation.final_action, Action::Stop);
    assert_eq!(evaluation.problems[0].problem_type, "GateNotFoundError");
}

#[test]
fn image_lists_overrule_the_rules_and_denying_wins() {
    let selection = |value: &str| {
        json!([{"id": "s", "name": "s", "registry": "q.io", "repository": "team/*",
            "image": {"type": "tag", "value": value}}])
    };
    for (rule_action, allow, deny, action, reason) in [
        ("STOP", "1.0", "none", Action::Go, FinalReason::Allowlisted),
        ("GO", "none", "1.*", Action::Stop, FinalReason::Denylisted),
        ("GO", "1.0", "1.0", Action::Stop, FinalReason::Denylisted),
        ("WARN", "none", "none", Action::Warn, FinalReason::PolicyEvaluation),
    ] {
        let mut document = policy(&[always("r", rule_action)]);
        document["allowlisted_images"] = selection(allow);
        document["denylisted_images"] = selection(deny);
        let evaluation = image().judge(&document);
        assert_eq!((evaluation.final_action, evaluation.final_action_reason), (action, reason));
        assert_eq!(evaluation.policy_action, Action::parse(rule_action).unwrap());
        assert_eq!(evaluation.matched_allowlisted_images_rule.is_some(), allow != "none");
        assert_eq!(evaluation.matched_denylisted_images_rule.is_some(), deny != "none");
    }
}

#[test]
fn a_source_rule_set_is_not_silently_skipped() {
    let mut document = policy(&[always("r", "STOP")]);
    document["rule_sets"][0]["artifact_type"] = json!("source");
    let evaluation = image().judge(&document);
    assert!(evaluation.findings.is_empty());
    assert_eq!(evaluation.problems[0].problem_type, "RuleSetNotApplicableError");
}

#[test]
fn the_default_policy_judges_the_image() {
    let policy = default_policy();
    assert_eq!(policy.id, DEFAULT_POLICY_ID);
    assert!(validate(&policy).is_empty());
    let image = image();
    let evaluation = evaluate(&policy, &image.facts(), at(crate::common::NOW));
    let found: Vec<(&str, &str, Action)> = evaluation
        .findings
        .iter()
        .map(|f| (f.trigger.as_str(), f.trigger_id.as_str(), f.action))
        .collect();
    assert_eq!(found[0].0, "exposed_ports");
    assert_eq!(found[1].0, "instruction");
    assert_eq!(found[2].0, "stale_feed_data");
    assert_eq!(found[3], ("package", "GHSA-aaaa+lodash", Action::Warn));
    assert_eq!(found[4], ("package", "CVE-2026-1+openssl", Action::Stop));
    assert_eq!(found.len(), 5);
    assert_eq!(evaluation.final_action, Action::Stop);
    // The document survives a trip through its text.
    let text = serde_json::to_vec(&policy).unwrap();
    assert_eq!(kedge_policy::parse(&text).unwrap().0, policy);
}

#[test]
fn the_evaluation_survives_a_trip_through_its_text() {
    let evaluation = with_items(&[item("*", None)]);
    let text = serde_json::to_string(&evaluation).unwrap();
    assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
}
