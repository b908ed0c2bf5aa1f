//! Evaluations.

use crate::row::{self, StateError, at};
use kedge_artifact::digest::Digest;
use kedge_model::evaluation::Evaluation;
use kedge_model::limits::EVALUATIONS_KEPT_MAX;
use kedge_model::tokens::AccountName;
use kedge_storage::kv::View;

/// Evaluations of an image under a tag and a policy, newest first.
///
/// # Errors
/// When the store fails.
pub fn history(
    view: &dyn View,
    account: &AccountName,
    digest: &Digest,
    tag: &str,
    policy: &str,
) -> Result<Vec<Evaluation>, StateError> {
    let prefix = at::evaluations(account, digest, tag, policy);
    let page = row::page::<Evaluation>(view, prefix, None, EVALUATIONS_KEPT_MAX)?;
    Ok(page.into_iter().map(|(_, evaluation)| evaluation).collect())
}

/// The newest of them.
///
/// # Errors
/// When the store fails.
pub fn latest(
    view: &dyn View,
    account: &AccountName,
    digest: &Digest,
    tag: &str,
    policy: &str,
) -> Result<Option<Evaluation>, StateError> {
    let prefix = at::evaluations(account, digest, tag, policy);
    let page = row::page::<Evaluation>(view, prefix, None, 1)?;
    Ok(page.into_iter().next().map(|(_, evaluation)| evaluation))
}
