//! Accounts: made with their default policy, disabled, deleted with everything in them.

use super::{Result, Work, event, job, reject, user};
use crate::query;
use crate::row::{self, at};
use kedge_model::account::{Account, AccountKind, AccountState, User};
use kedge_model::command::{Bootstrap, CreateAccount, PolicySeed, Response};
use kedge_model::event::EventLevel;
use kedge_model::limits::EMAIL_BYTES_MAX;
use kedge_model::policy::{Policy, PolicySource};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::{AccountName, JobId};
use kedge_storage::keyspaces::{Key, KeyReader, Keyspace};

/// Names that can never be made by a request (api.md 2.3).
const RESERVED: [&str; 3] = ["admin", "anchore-system", "system"];

fn write_new(
    work: &mut Work<'_, '_>,
    name: &AccountName,
    kind: AccountKind,
    email: &str,
    data_key: &[u8],
) -> Result<Account> {
    let account = Account {
        name: name.clone(),
        kind,
        state: AccountState::Enabled,
        email: email.to_owned(),
        created_at: work.at(),
        last_updated: work.at(),
        data_key: data_key.to_vec(),
    };
    row::put(&mut work.txn, at::account(name), &account)?;
    Ok(account)
}

fn install_policy(work: &mut Work<'_, '_>, account: &AccountName, seed: &PolicySeed) -> Result<()> {
    let policy = Policy {
        account: account.clone(),
        id: seed.id.clone(),
        name: seed.name.clone(),
        description: seed.description.clone(),
        active: true,
        source: PolicySource::Default,
        document: seed.document,
        created_at: work.at(),
        last_updated: work.at(),
    };
    row::put(&mut work.txn, at::policy(account, &seed.id), &policy)?;
    let active = at::policy_active(account).build();
    work.txn.put(active, seed.id.as_bytes().to_vec()).map_err(row::StateError::from)?;
    Ok(())
}

pub(super) fn bootstrap(work: &mut Work<'_, '_>, command: &Bootstrap) -> Result<Response> {
    work.only_nodes()?;
    let admin = AccountName::from(AccountName::ADMIN);
    if row::get::<Account>(&work.txn, at::account(&admin))?.is_some() {
        return reject(RejectionCode::Initialised, "the cluster was initialised before");
    }
    write_new(work, &admin, AccountKind::Admin, "", &command.data_key)?;
    install_policy(work, &admin, &command.policy)?;
    user::write_new(work, &admin, &command.user, &command.password_hash)?;
    Ok(Response::Done)
}

pub(super) fn create(work: &mut Work<'_, '_>, command: &CreateAccount) -> Result<Response> {
    work.allow(&command.name, "createAccount")?;
    if RESERVED.contains(&command.name.0.as_str()) {
        return reject(RejectionCode::Invalid, "account name is reserved");
    }
    check_email(&command.email)?;
    if row::get::<Account>(&work.txn, at::account(&command.name))?.is_some() {
        return reject(RejectionCode::AccountExists, "Account already exists");
    }
    let account =
        write_new(work, &command.name, AccountKind::User, &command.email, &command.data_key)?;
    install_policy(work, &command.name, &command.policy)?;
    Ok(Response::Account(Box::new(account)))
}

fn check_email(email: &str) -> Result<()> {
    if email.len() > EMAIL_BYTES_MAX {
        let text = format!("e-mail address has over {EMAIL_BYTES_MAX} bytes (EMAIL_BYTES_MAX)");
        return reject(RejectionCode::Limit, text);
    }
    Ok(())
}

fn existing(work: &Work<'_, '_>, name: &AccountName) -> Result<Account> {
    match row::get::<Account>(&work.txn, at::account(name))? {
        Some(account) => Ok(account),
        None => reject(RejectionCode::AccountNotFound, "Account not found"),
    }
}

pub(super) fn update(work: &mut Work<'_, '_>, name: &AccountName, email: &str) -> Result<Response> {
    work.allow(name, "updateAccount")?;
    check_email(email)?;
    let mut account = existing(work, name)?;
    email.clone_into(&mut account.email);
    account.last_updated = work.at();
    row::put(&mut work.txn, at::account(name), &account)?;
    Ok(Response::Account(Box::new(account)))
}

const fn state_word(state: AccountState) -> &'static str {
    match state {
        AccountState::Enabled => "enabled",
        AccountState::Disabled => "disabled",
        AccountState::Deleting => "deleting",
    }
}

pub(super) fn set_state(
    work: &mut Work<'_, '_>,
    name: &AccountName,
    state: AccountState,
) -> Result<Response> {
    let deleting = state == AccountState::Deleting;
    work.allow(name, if deleting { "deleteAccount" } else { "updateAccount" })?;
    let mut account = existing(work, name)?;
    let allowed = match (account.state, state) {
        (AccountState::Enabled | AccountState::Disabled, AccountState::Enabled)
        | (AccountState::Enabled | AccountState::Disabled, AccountState::Disabled)
        | (AccountState::Disabled, AccountState::Deleting) => account.kind == AccountKind::User,
        (AccountState::Enabled, AccountState::Deleting) | (AccountState::Deleting, _) => false,
    };
    if !allowed {
        // The contract fixes this text.
        let text = format!(
            "Invalid account state change requested. Cannot go from state {} to state {}",
            state_word(account.state),
            state_word(state)
        );
        return reject(RejectionCode::AccountState, text);
    }
    account.state = state;
    account.last_updated = work.at();
    row::put(&mut work.txn, at::account(name), &account)?;
    if deleting {
        event::record_for(
            work,
            &AccountName::from(AccountName::ADMIN),
            event::Draft {
                kind: "system.account.deleting",
                level: EventLevel::Info,
                resource: ("account", &name.0),
                message: "account is being deleted",
                details: Vec::new(),
                service: "catalog",
            },
        )?;
    }
    Ok(Response::Account(Box::new(account)))
}

/// Removes at most `limit` rows of a deleted account; answers how many went. The account's own
/// row stays: its name is not reusable.
pub(super) fn sweep(work: &mut Work<'_, '_>, name: &AccountName, limit: usize) -> Result<u64> {
    let mut removed = withdraw_jobs(work, name, limit)?;
    for user in query::account::users(&work.txn, name)? {
        remove_user(work, &user)?;
        removed += 1;
    }
    for keyspace in [
        Keyspace::Registries,
        Keyspace::Images,
        Keyspace::ImagesById,
        Keyspace::Tags,
        Keyspace::JobsByImage,
        Keyspace::Policies,
        Keyspace::PolicyActive,
        Keyspace::Evaluations,
        Keyspace::Events,
    ] {
        for key in row::keys(&work.txn, &Key::new(keyspace).text(&name.0), limit)? {
            work.txn.delete(key).map_err(row::StateError::from)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Nothing is pulled any more with a deleted account's credentials.
fn withdraw_jobs(work: &mut Work<'_, '_>, name: &AccountName, limit: usize) -> Result<u64> {
    let mut count = 0;
    for key in row::keys(&work.txn, &Key::new(Keyspace::JobsByImage).text(&name.0), limit)? {
        let mut reader = KeyReader::new(Keyspace::JobsByImage, &key);
        let id = reader.as_mut().and_then(|r| {
            r.text()?;
            r.fixed::<32>()?;
            r.number()
        });
        let Some(id) = id else { continue };
        if let Some(job) = query::job::get(&work.txn, JobId(id))?
            && !job.state.is_final()
        {
            job::withdraw(work, job)?;
            count += 1;
        }
    }
    Ok(count)
}

pub(super) fn remove_user(work: &mut Work<'_, '_>, user: &User) -> Result<()> {
    row::delete(&mut work.txn, at::user(&user.name))?;
    row::delete(&mut work.txn, at::users_of(&user.account).text(&user.name))?;
    Ok(())
}
