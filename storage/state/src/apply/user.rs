//! Users.

use super::{Result, Work, account, reject};
use crate::row::{self, at};
use kedge_model::account::{Account, Grant, Role, User};
use kedge_model::command::Response;
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::{AccountName, Caller};

/// Writes a user who fully controls its own account: without role management every user of an
/// account is its owner, as in the product's contract before roles.
pub(super) fn write_new(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    name: &str,
    password_hash: &str,
) -> Result<User> {
    let granted_at = work.at();
    let user = User {
        name: name.to_owned(),
        account: account.clone(),
        password_hash: password_hash.to_owned(),
        roles: vec![Grant { role: Role::FullControl, account: account.clone(), granted_at }],
        created_at: granted_at,
        last_updated: granted_at,
        password_updated_at: granted_at,
    };
    row::put(&mut work.txn, at::user(name), &user)?;
    row::mark(&mut work.txn, at::users_of(account).text(name))?;
    Ok(user)
}

pub(super) fn create(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    name: &str,
    password_hash: &str,
) -> Result<Response> {
    work.allow(account, "createUser")?;
    if row::get::<Account>(&work.txn, at::account(account))?.is_none() {
        return reject(RejectionCode::AccountNotFound, "Account not found");
    }
    if row::get::<User>(&work.txn, at::user(name))?.is_some() {
        return reject(RejectionCode::UserExists, "User already exists");
    }
    Ok(Response::User(Box::new(write_new(work, account, name, password_hash)?)))
}

fn existing(work: &Work<'_, '_>, name: &str) -> Result<User> {
    match row::get::<User>(&work.txn, at::user(name))? {
        Some(user) => Ok(user),
        None => reject(RejectionCode::UserNotFound, "User not found"),
    }
}

pub(super) fn set_password(
    work: &mut Work<'_, '_>,
    name: &str,
    password_hash: &str,
) -> Result<Response> {
    let mut user = existing(work, name)?;
    let own = matches!(&work.entry.caller, Caller::User { user, .. } if user == name);
    if !own {
        work.allow(&user.account, "updateUser")?;
    }
    password_hash.clone_into(&mut user.password_hash);
    user.password_updated_at = work.at();
    user.last_updated = work.at();
    row::put(&mut work.txn, at::user(name), &user)?;
    Ok(Response::User(Box::new(user)))
}

pub(super) fn delete(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    name: &str,
) -> Result<Response> {
    work.allow(account, "deleteUser")?;
    let user = existing(work, name)?;
    if user.account != *account {
        return reject(RejectionCode::UserNotFound, "User not found");
    }
    if matches!(&work.entry.caller, Caller::User { user, .. } if user == name) {
        return reject(RejectionCode::UserSelf, "users cannot delete themselves");
    }
    account::remove_user(work, &user)?;
    Ok(Response::Done)
}
