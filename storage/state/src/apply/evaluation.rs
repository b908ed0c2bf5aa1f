//! Evaluations: appended, newest first, bounded in number.

use super::{Result, Work, event, reject};
use crate::query;
use crate::row::{self, StateError, at};
use kedge_model::command::Response;
use kedge_model::evaluation::Evaluation;
use kedge_model::event::EventLevel;
use kedge_model::image::Image;
use kedge_model::limits::EVALUATIONS_KEPT_MAX;
use kedge_model::rejection::RejectionCode;

pub(super) fn record(work: &mut Work<'_, '_>, evaluation: &Evaluation) -> Result<Response> {
    work.only_nodes()?;
    let account = &evaluation.account;
    if row::get::<Image>(&work.txn, at::image(account, &evaluation.digest))?.is_none() {
        return reject(RejectionCode::ImageNotFound, "the image was deleted meanwhile");
    }
    let prefix = at::evaluations(account, &evaluation.digest, &evaluation.tag, &evaluation.policy);
    let before = query::evaluation::latest(
        &work.txn,
        account,
        &evaluation.digest,
        &evaluation.tag,
        &evaluation.policy,
    )?;
    let number = work.fresh();
    row::put(&mut work.txn, prefix.clone().newest_first(number), evaluation)?;
    let kept = row::keys(&work.txn, &prefix, EVALUATIONS_KEPT_MAX * 2)?;
    for old in kept.into_iter().skip(EVALUATIONS_KEPT_MAX) {
        work.txn.delete(old).map_err(StateError::from)?;
    }
    if let Some(before) = before
        && before.action.status() != evaluation.action.status()
    {
        announce_change(work, evaluation, &before)?;
    }
    Ok(Response::Done)
}

fn announce_change(
    work: &mut Work<'_, '_>,
    evaluation: &Evaluation,
    before: &Evaluation,
) -> Result<()> {
    event::record_for(
        work,
        &evaluation.account,
        event::Draft {
            kind: "user.checks.tag.policy_evaluation.update",
            level: EventLevel::Info,
            resource: ("image_tag", &evaluation.tag),
            message: "policy evaluation changed",
            details: vec![
                ("current".to_owned(), evaluation.action.status().to_owned()),
                ("image_digest".to_owned(), evaluation.digest.to_string()),
                ("last".to_owned(), before.action.status().to_owned()),
                ("policy_id".to_owned(), evaluation.policy.clone()),
            ],
            service: "policy_engine",
        },
    )
}
