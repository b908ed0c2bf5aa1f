//! Policies.

use crate::row::{self, StateError, at};
use kedge_model::policy::Policy;
use kedge_model::tokens::AccountName;
use kedge_storage::kv::View;

/// One policy.
///
/// # Errors
/// When the store fails.
pub fn get(view: &dyn View, account: &AccountName, id: &str) -> Result<Option<Policy>, StateError> {
    row::get(view, at::policy(account, id))
}

/// All policies of an account, by id.
///
/// # Errors
/// When the store fails.
pub fn list(view: &dyn View, account: &AccountName) -> Result<Vec<Policy>, StateError> {
    row::all(view, &at::policies(account))
}

/// The active policy of an account.
///
/// # Errors
/// When the store fails.
pub fn active(view: &dyn View, account: &AccountName) -> Result<Option<Policy>, StateError> {
    let id = view.get(&at::policy_active(account).build())?;
    match id.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(id) => get(view, account, &id),
        None => Ok(None),
    }
}
