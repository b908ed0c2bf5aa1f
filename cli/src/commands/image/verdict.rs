//! `image check`.

use super::find;
use crate::Session;
use crate::client::{Query, put};
use crate::commands::scan::render::action_cell;
use crate::exit::{Exit, Failure};
use crate::output::list::{Column, ListOutput, column, wide};
use crate::text;
use clap::Args;
use kedge_api::checks::{
    PolicyAction, PolicyEvaluation, PolicyEvaluationFinding, PolicyEvaluationResult, PolicyStatus,
};
use kedge_artifact::reference::Reference;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Reference or digest
    image: String,
    /// Also list the findings
    #[arg(long)]
    detail: bool,
    /// Id of the policy; the active one when absent
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Tag to judge the image as
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Exit with 2 when the image fails
    #[arg(long, alias = "fail-based-on-results")]
    gate: bool,
    #[command(flatten)]
    output: ListOutput,
}

/// Judges an image.
pub(crate) async fn run(session: &Session, args: CheckArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let image = find(&client, &args.image).await?;
    let tag = match &args.tag {
        Some(tag) => tag.clone(),
        None => judged_as(&args.image, &image.image_detail.first().map(|d| d.full_tag.clone())),
    };
    let mut query = Query::new();
    put(&mut query, "tag", Some(&tag));
    put(&mut query, "detail", Some(args.detail));
    put(&mut query, "policy_id", args.policy.as_deref());
    let stage = session.ui.stage("Evaluating");
    let place = ["v2", "images", &image.image_digest, "check"];
    let evaluation: PolicyEvaluation = client.get(&place, query).await?;
    drop(stage);
    let Some(result) = evaluation.evaluations.first() else {
        return Err(Failure::error("the node sent no evaluation"));
    };
    if args.detail {
        let findings = result.details.as_ref().map_or(&[][..], |details| &details.findings);
        args.output.list(session.out, "PolicyFindingList", findings, &columns())?;
        session.ui.note(&headline(&evaluation, result));
    } else {
        show(session, &args.output, &evaluation, result)?;
    }
    for problem in &result.evaluation_problems {
        session.ui.warn(&format!("{}: {}", problem.problem_type, problem.details));
    }
    let failed = args.gate && result.status == PolicyStatus::Fail;
    Ok(if failed { Exit::GateFailed } else { Exit::Ok })
}

/// The tag that was typed, else the image's first.
fn judged_as(typed: &str, first: &Option<String>) -> String {
    let typed: Option<Reference> = typed.parse().ok();
    let typed = typed.and_then(|reference| {
        let tag = reference.tag.as_ref().filter(|_| reference.digest.is_none())?;
        Some(format!("{}:{tag}", reference.name()))
    });
    // A digest alone is a valid reference to nobody's tag.
    typed.or_else(|| first.clone()).unwrap_or_default()
}

const fn status(status: PolicyStatus) -> &'static str {
    match status {
        PolicyStatus::Pass => "pass",
        PolicyStatus::Fail => "fail",
    }
}

const fn action(action: PolicyAction) -> &'static str {
    match action {
        PolicyAction::Go => "go",
        PolicyAction::Warn => "warn",
        PolicyAction::Stop => "stop",
    }
}

fn headline(evaluation: &PolicyEvaluation, result: &PolicyEvaluationResult) -> String {
    format!(
        "evaluation {} ({}), policy {}, tag {}, evaluated {}",
        status(result.status),
        action(result.final_action),
        evaluation.policy_id,
        evaluation.evaluated_tag,
        text::ago_text(&result.evaluation_time)
    )
}

fn show(
    session: &Session,
    output: &ListOutput,
    evaluation: &PolicyEvaluation,
    result: &PolicyEvaluationResult,
) -> Result<(), Failure> {
    let reason = match result.final_action_reason {
        kedge_api::checks::FinalActionReason::PolicyEvaluation => "policy evaluation",
        kedge_api::checks::FinalActionReason::Allowlisted => "on the list of allowed images",
        kedge_api::checks::FinalActionReason::Denylisted => "on the list of denied images",
    };
    let facts = vec![
        ("evaluation", action_cell(status(result.status))),
        ("action", action_cell(action(result.final_action))),
        ("reason", reason.into()),
        ("findings", result.number_of_findings.to_string().into()),
        ("policy", evaluation.policy_id.as_str().into()),
        ("tag", evaluation.evaluated_tag.as_str().into()),
        ("digest", evaluation.image_digest.as_str().into()),
        ("evaluated", text::ago_text(&result.evaluation_time).into()),
    ];
    output.object(session.out, "PolicyEvaluation", evaluation, facts)
}

fn columns() -> [Column<PolicyEvaluationFinding>; 7] {
    [
        column("ACTION", |row| action_cell(action(row.action))),
        column("GATE", |row| row.gate.as_str().into()),
        column("TRIGGER", |row| row.trigger.as_str().into()),
        column("CHECK", |row| row.message.as_str().into()),
        column("ALLOWLIST", |row| {
            row.allowlist_match.as_ref().map_or("", |entry| entry.name.as_str()).into()
        }),
        wide("TRIGGER ID", |row| row.trigger_id.as_str().into()),
        wide("RECOMMENDATION", |row| row.recommendation.as_str().into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::judged_as;

    #[test]
    fn the_typed_tag_is_judged() {
        let first = Some("q.io/a:1".to_owned());
        assert_eq!(judged_as("q.io/a:2", &first), "q.io/a:2");
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(judged_as(&format!("q.io/a@{digest}"), &first), "q.io/a:1");
    }
}
