//! Events.

use crate::row::{self, StateError, at};
use kedge_model::event::EventRecord;
use kedge_model::tokens::AccountName;
use kedge_storage::kv::View;

/// The key of an event, from its id; `None` when the text is not an id.
#[must_use]
pub fn key(account: &AccountName, id: &str) -> Option<Vec<u8>> {
    if id.len() != 16 {
        return None;
    }
    let number = u64::from_str_radix(id, 16).ok()?;
    Some(at::events(account).newest_first(number).build())
}

/// One event.
///
/// # Errors
/// When the store fails.
pub fn get(
    view: &dyn View,
    account: &AccountName,
    id: &str,
) -> Result<Option<EventRecord>, StateError> {
    match (id.len(), u64::from_str_radix(id, 16)) {
        (16, Ok(number)) => row::get(view, at::events(account).newest_first(number)),
        (_, Ok(_) | Err(_)) => Ok(None),
    }
}

/// All events of an account, newest first.
///
/// # Errors
/// When the store fails.
pub fn list(view: &dyn View, account: &AccountName) -> Result<Vec<EventRecord>, StateError> {
    row::all(view, &at::events(account))
}
