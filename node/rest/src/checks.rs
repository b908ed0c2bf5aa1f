//! Policy evaluations in the contract's shape.

use crate::Server;
use crate::error::Failure;
use crate::extract::{Asked, Params, Who};
use crate::large::large;
use crate::system::bridge;
use crate::table::Table;
use axum::extract::State;
use axum::response::Response;
use kedge_api::checks::{
    CheckQuery, PolicyAction, PolicyEvaluation, PolicyEvaluationDetails, PolicyEvaluationFinding,
    PolicyEvaluationRemediation, PolicyEvaluationRemediationSuggestion, PolicyEvaluationResult,
    PolicyFindingAllowlistMatch, PolicyStatus,
};
use kedge_app::checks::{CheckInput, Checked, Verdict};
use std::collections::{BTreeMap, HashSet};

pub(crate) fn serve(table: Table) -> Table {
    table.on("get_image_policy_check_by_digest", get_image_policy_check_by_digest)
}

/// What a finding is called when it is looked for in the base image.
type Mark = (String, String, String);

fn marks(base: &Verdict) -> HashSet<Mark> {
    let findings = base.detail.findings.iter();
    findings.map(|f| (f.gate.clone(), f.trigger.clone(), f.trigger_id.clone())).collect()
}

fn findings(
    verdict: &Verdict,
    base: Option<&HashSet<Mark>>,
) -> Result<Vec<PolicyEvaluationFinding>, Failure> {
    let rows = verdict.detail.findings.iter();
    rows.map(|row| {
        let mark = || (row.gate.clone(), row.trigger.clone(), row.trigger_id.clone());
        Ok(PolicyEvaluationFinding {
            trigger_id: row.trigger_id.clone(),
            gate: row.gate.clone(),
            trigger: row.trigger.clone(),
            message: row.message.clone(),
            action: action(row.action.as_str()),
            policy_id: row.policy_id.clone(),
            recommendation: row.recommendation.clone(),
            rule_id: row.rule_id.clone(),
            allowlisted: row.allowlisted,
            allowlist_match: row.allowlist_match.as_ref().map(|found| {
                PolicyFindingAllowlistMatch {
                    id: found.id.clone(),
                    name: found.name.clone(),
                    matched_rule_id: found.matched_rule_id.clone(),
                }
            }),
            inherited_from_base: base.map(|base| base.contains(&mark())),
        })
    })
    .collect()
}

/// The engine's words are the contract's; an unknown one would have to stop.
fn action(word: &str) -> PolicyAction {
    match word {
        "go" => PolicyAction::Go,
        "warn" => PolicyAction::Warn,
        _ => PolicyAction::Stop,
    }
}

/// What the rules recommend, with the findings it is for.
fn remediations(findings: &[PolicyEvaluationFinding]) -> Vec<PolicyEvaluationRemediation> {
    let mut by_text: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| !finding.recommendation.is_empty()) {
        by_text.entry(&finding.recommendation).or_default().push(finding.trigger_id.clone());
    }
    let row = |(message, trigger_ids): (&str, Vec<String>)| PolicyEvaluationRemediation {
        suggestions: vec![PolicyEvaluationRemediationSuggestion {
            message: message.to_owned(),
            preferred: true,
        }],
        trigger_ids,
    };
    by_text.into_iter().map(row).collect()
}

fn result(
    verdict: &Verdict,
    base: Option<(&str, &HashSet<Mark>)>,
    with_details: bool,
) -> Result<PolicyEvaluationResult, Failure> {
    let detail = &verdict.detail;
    let details = if with_details {
        let findings = findings(verdict, base.map(|(_, marks)| marks))?;
        Some(PolicyEvaluationDetails {
            policy: bridge(&verdict.document)?,
            policy_action: action(detail.policy_action.as_str()),
            remediations: remediations(&findings),
            findings,
        })
    } else {
        None
    };
    Ok(PolicyEvaluationResult {
        details,
        comparison_image_digest: base.map(|(digest, _)| digest.to_owned()),
        evaluation_time: verdict.evaluation.at.to_string(),
        evaluation_problems: bridge(&detail.problems)?,
        status: if detail.passed { PolicyStatus::Pass } else { PolicyStatus::Fail },
        final_action: action(detail.final_action.as_str()),
        final_action_reason: bridge(&detail.final_action_reason)?,
        image_allowlisted: detail.matched_allowlisted_images_rule.is_some(),
        matched_allowlisted_images_rule: bridge(&detail.matched_allowlisted_images_rule)?,
        image_denylisted: detail.matched_denylisted_images_rule.is_some(),
        matched_denylisted_images_rule: bridge(&detail.matched_denylisted_images_rule)?,
        image_mapped_to_rule: detail.matched_mapping_rule.is_some(),
        matched_mapping_rule: bridge(&detail.matched_mapping_rule)?,
        number_of_findings: detail.findings.len() as u64,
    })
}

fn evaluation(checked: &Checked, with_details: bool) -> Result<PolicyEvaluation, Failure> {
    let base = checked.base.as_ref();
    let base = base.map(|base| (base.evaluation.digest.to_string(), marks(base)));
    let base = base.as_ref().map(|(digest, marks)| (digest.as_str(), marks));
    let evaluations = checked.evaluations.iter();
    Ok(PolicyEvaluation {
        policy_id: checked.policy_id.clone(),
        image_digest: checked.image.digest.to_string(),
        evaluated_tag: checked.tag.clone(),
        evaluations: evaluations
            .map(|verdict| result(verdict, base, with_details))
            .collect::<Result<_, _>>()?,
    })
}

async fn get_image_policy_check_by_digest(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
    Asked(query): Asked<CheckQuery>,
) -> Result<Response, Failure> {
    let input = CheckInput {
        policy_id: query.policy_id,
        tag: query.tag,
        history: query.history.unwrap_or(false),
        interactive: query.interactive.unwrap_or(false),
        base: query.base_digest,
    };
    let checked = server.app.check_image(&who, &digest, &input).await?;
    large(move || evaluation(&checked, query.detail.unwrap_or(true))).await
}
