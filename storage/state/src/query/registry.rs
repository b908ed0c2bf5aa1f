//! Registry credentials.

use crate::row::{self, StateError, at};
use kedge_model::registry::{Registry, best_fit};
use kedge_model::tokens::AccountName;
use kedge_storage::kv::View;

/// One entry.
///
/// # Errors
/// When the store fails.
pub fn get(
    view: &dyn View,
    account: &AccountName,
    registry: &str,
) -> Result<Option<Registry>, StateError> {
    row::get(view, at::registry(account, registry))
}

/// All entries of an account, by registry string.
///
/// # Errors
/// When the store fails.
pub fn list(view: &dyn View, account: &AccountName) -> Result<Vec<Registry>, StateError> {
    row::all(view, &at::registries(account))
}

/// The entry that fits `host/repository` best.
///
/// # Errors
/// When the store fails.
pub fn fitting(
    view: &dyn View,
    account: &AccountName,
    host: &str,
    repository: &str,
) -> Result<Option<Registry>, StateError> {
    let entries = list(view, account)?;
    Ok(best_fit(&entries, host, repository).cloned())
}
