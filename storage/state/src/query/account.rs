//! Accounts and users.

use crate::row::{self, StateError, at};
use kedge_model::account::{Account, User};
use kedge_model::tokens::AccountName;
use kedge_storage::keyspaces::{Key, KeyReader, Keyspace};
use kedge_storage::kv::View;

/// One account.
///
/// # Errors
/// When the store fails.
pub fn get(view: &dyn View, name: &AccountName) -> Result<Option<Account>, StateError> {
    row::get(view, at::account(name))
}

/// All accounts, by name.
///
/// # Errors
/// When the store fails.
pub fn list(view: &dyn View) -> Result<Vec<Account>, StateError> {
    row::all(view, &Key::new(Keyspace::Accounts))
}

/// One user.
///
/// # Errors
/// When the store fails.
pub fn user(view: &dyn View, name: &str) -> Result<Option<User>, StateError> {
    row::get(view, at::user(name))
}

/// All users, by name.
///
/// # Errors
/// When the store fails.
pub fn all_users(view: &dyn View) -> Result<Vec<User>, StateError> {
    row::all(view, &Key::new(Keyspace::Users))
}

/// Users of an account, by name.
///
/// # Errors
/// When the store fails.
pub fn users(view: &dyn View, account: &AccountName) -> Result<Vec<User>, StateError> {
    let mut users = Vec::new();
    for key in row::keys(view, &at::users_of(account), usize::MAX)? {
        let mut reader = KeyReader::new(Keyspace::UsersByAccount, &key);
        let name = reader.as_mut().and_then(|r| r.text().and_then(|_| r.text()));
        if let Some(name) = name
            && let Some(found) = user(view, &name)?
        {
            users.push(found);
        }
    }
    Ok(users)
}
