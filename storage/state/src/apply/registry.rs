//! Registry credentials. The password arrives sealed; nothing here can open it.

use super::{Result, Work, reject};
use crate::row::{self, at};
use kedge_model::command::{PutRegistry, Response};
use kedge_model::limits::{REGISTRIES_MAX, REGISTRY_BYTES_MAX, SEALED_BYTES_MAX};
use kedge_model::registry::Registry;
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;

pub(super) fn put(work: &mut Work<'_, '_>, command: &PutRegistry) -> Result<Response> {
    let account = &command.account;
    work.allow(account, if command.create { "createRegistry" } else { "updateRegistry" })?;
    check(command)?;
    let known = row::get::<Registry>(&work.txn, at::registry(account, &command.registry))?;
    let (created_at, kept) = match (&known, command.create) {
        // The contract fixes both texts.
        (Some(_), true) => {
            return reject(RejectionCode::RegistryExists, "registry already exists in DB");
        }
        (None, false) => {
            let text = "could not find existing registry to update";
            return reject(RejectionCode::RegistryNotFound, text);
        }
        (Some(known), false) => (known.created_at, known.sealed_password.clone()),
        (None, true) => (work.at(), Vec::new()),
    };
    if known.is_none()
        && row::keys(&work.txn, &at::registries(account), REGISTRIES_MAX)?.len() >= REGISTRIES_MAX
    {
        let text = format!("the account has {REGISTRIES_MAX} registries (REGISTRIES_MAX)");
        return reject(RejectionCode::Limit, text);
    }
    let registry = Registry {
        account: account.clone(),
        registry: command.registry.clone(),
        name: command.name.clone(),
        kind: command.kind,
        user: command.user.clone(),
        sealed_password: command.sealed_password.clone().unwrap_or(kept),
        verify_tls: command.verify_tls,
        created_at,
        last_updated: work.at(),
    };
    row::put(&mut work.txn, at::registry(account, &command.registry), &registry)?;
    Ok(Response::Registry(Box::new(registry)))
}

fn check(command: &PutRegistry) -> Result<()> {
    let texts = [&command.registry, &command.name, &command.user];
    if texts.iter().any(|text| text.len() > REGISTRY_BYTES_MAX) {
        let text = format!("a field has over {REGISTRY_BYTES_MAX} bytes (REGISTRY_BYTES_MAX)");
        return reject(RejectionCode::Limit, text);
    }
    if command.sealed_password.as_ref().is_some_and(|sealed| sealed.len() > SEALED_BYTES_MAX) {
        let text = format!("the password is too long (SEALED_BYTES_MAX is {SEALED_BYTES_MAX})");
        return reject(RejectionCode::Limit, text);
    }
    Ok(())
}

pub(super) fn delete(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    registry: &str,
) -> Result<Response> {
    work.allow(account, "deleteRegistry")?;
    if row::get::<Registry>(&work.txn, at::registry(account, registry))?.is_none() {
        return reject(RejectionCode::RegistryNotFound, "registry not found in DB");
    }
    row::delete(&mut work.txn, at::registry(account, registry))?;
    Ok(Response::Done)
}
