//! The policy that every new account starts with.

use crate::document::{
    Allowlist, ArtifactType, ImageRef, ImageRefKind, MappingRule, PolicyDocument, PolicyRule,
    RuleParam, RuleSet, VERSION,
};

/// Id of the default policy, the same in every account and known to existing clients.
pub const DEFAULT_POLICY_ID: &str = "2c53a13c-1765-11e8-82ef-23527761d060";

const RULE_SET_ID: &str = "48e6f7d6-1765-11e8-b5f9-8b6f228548b6";
const ALLOWLIST_ID: &str = "37fd763e-1765-11e8-add4-3b16c029ac5c";
const MAPPING_ID: &str = "c4f9bf74-dc38-4ddf-b5cf-00e9c0074611";

fn rule(id: &str, gate: &str, trigger: &str, action: &str, params: &[(&str, &str)]) -> PolicyRule {
    let param = |(name, value): &(&str, &str)| RuleParam {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    PolicyRule {
        id: id.to_owned(),
        gate: gate.to_owned(),
        trigger: trigger.to_owned(),
        action: action.to_owned(),
        description: None,
        params: params.iter().map(param).collect(),
        recommendation: None,
    }
}

fn severity_rule(id: &str, action: &str, comparison: &str) -> PolicyRule {
    let params =
        [("package_type", "all"), ("severity_comparison", comparison), ("severity", "medium")];
    rule(id, "vulnerabilities", "package", action, &params)
}

/// The default policy: severe vulnerabilities and an exposed SSH port stop, medium ones, old or
/// missing advisory data and a missing health check warn.
#[must_use]
pub fn default_policy() -> PolicyDocument {
    let rules = vec![
        rule(
            "b38369a4-3a2e-4ed5-9f1a-5c2f0a9f5b1e",
            "dockerfile",
            "exposed_ports",
            "STOP",
            &[("ports", "22"), ("type", "denylist")],
        ),
        rule(
            "312d9e41-1c05-4e2f-ad89-b7d34b0855bb",
            "dockerfile",
            "instruction",
            "WARN",
            &[("instruction", "HEALTHCHECK"), ("check", "not_exists")],
        ),
        rule(
            "6b5c14e7-a6f7-48cc-99d2-959273a2c6fa",
            "vulnerabilities",
            "stale_feed_data",
            "WARN",
            &[("max_days_since_sync", "2")],
        ),
        rule(
            "3e79ea94-18c4-4d26-9e29-3b9172a62c2e",
            "vulnerabilities",
            "vulnerability_data_unavailable",
            "WARN",
            &[],
        ),
        severity_rule("6063fdde-b1c5-46af-973a-915739451ac4", "WARN", "="),
        severity_rule("b30e8abc-444f-45b1-8a37-55be1b8c8bb5", "STOP", ">"),
    ];
    PolicyDocument {
        id: DEFAULT_POLICY_ID.to_owned(),
        name: "Default policy".to_owned(),
        description: Some(
            "stops on vulnerabilities worse than medium and on an exposed SSH port".to_owned(),
        ),
        version: VERSION.to_owned(),
        rule_sets: vec![RuleSet {
            id: RULE_SET_ID.to_owned(),
            name: "Default rules".to_owned(),
            description: None,
            version: VERSION.to_owned(),
            artifact_type: ArtifactType::Image,
            rules,
        }],
        allowlists: vec![Allowlist {
            id: ALLOWLIST_ID.to_owned(),
            name: "Global allowlist".to_owned(),
            version: VERSION.to_owned(),
            description: None,
            items: Vec::new(),
        }],
        mappings: vec![MappingRule {
            id: MAPPING_ID.to_owned(),
            name: "default".to_owned(),
            allowlist_ids: vec![ALLOWLIST_ID.to_owned()],
            rule_set_ids: vec![RULE_SET_ID.to_owned()],
            registry: "*".to_owned(),
            repository: "*".to_owned(),
            image: ImageRef { kind: ImageRefKind::Tag, value: "*".to_owned() },
            description: None,
        }],
        source_mappings: Vec::new(),
        allowlisted_images: Vec::new(),
        denylisted_images: Vec::new(),
        last_updated: None,
    }
}
