//! Policies: any number, exactly one active.

use super::{Result, Work, event, reject};
use crate::row::{self, StateError, at};
use kedge_model::command::{PutPolicy, Response};
use kedge_model::event::EventLevel;
use kedge_model::limits::{POLICIES_MAX, POLICY_ID_BYTES_MAX, POLICY_TEXT_BYTES_MAX};
use kedge_model::policy::{Policy, PolicySource};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;
use kedge_storage::kv::View;

pub(super) fn put(work: &mut Work<'_, '_>, command: &PutPolicy) -> Result<Response> {
    let account = &command.account;
    work.allow(account, if command.create { "createPolicy" } else { "updatePolicy" })?;
    let seed = &command.policy;
    if [&seed.id, &seed.name, &seed.description]
        .iter()
        .any(|text| text.len() > POLICY_TEXT_BYTES_MAX)
        || !(1..=POLICY_ID_BYTES_MAX).contains(&seed.id.len())
    {
        let text = format!(
            "a policy id must have 1 to {POLICY_ID_BYTES_MAX} bytes (POLICY_ID_BYTES_MAX), name and description at most {POLICY_TEXT_BYTES_MAX} (POLICY_TEXT_BYTES_MAX)"
        );
        return reject(RejectionCode::Limit, text);
    }
    let known = row::get::<Policy>(&work.txn, at::policy(account, &seed.id))?;
    let mut policy = match (known, command.create) {
        (Some(_), true) => {
            let text = format!("policy with id {} already exists", seed.id);
            return reject(RejectionCode::PolicyExists, text);
        }
        // The contract fixes this text.
        (None, false) => {
            let text = "Existing policyId not found to update";
            return reject(RejectionCode::PolicyNotFound, text);
        }
        (Some(known), false) => known,
        (None, true) => fresh(work, command)?,
    };
    if command.active == Some(false) && policy.active {
        let text = "cannot deactivate an active policy - can only activate an inactive policy";
        return reject(RejectionCode::PolicyActive, text);
    }
    let changed = policy.document != seed.document;
    seed.name.clone_into(&mut policy.name);
    seed.description.clone_into(&mut policy.description);
    policy.document = seed.document;
    policy.last_updated = work.at();
    let activated = command.active == Some(true) && !policy.active;
    if activated {
        deactivate_current(work, account)?;
        policy.active = true;
        let key = at::policy_active(account).build();
        work.txn.put(key, seed.id.as_bytes().to_vec()).map_err(StateError::from)?;
    }
    row::put(&mut work.txn, at::policy(account, &seed.id), &policy)?;
    if activated {
        record(work, account, &policy, "user.policy.active.updated", "active policy changed")?;
    } else if policy.active && changed {
        let kind = "user.policy.active.content_change";
        record(work, account, &policy, kind, "content of the active policy changed")?;
    }
    Ok(Response::Policy(Box::new(policy)))
}

fn fresh(work: &Work<'_, '_>, command: &PutPolicy) -> Result<Policy> {
    let account = &command.account;
    if row::keys(&work.txn, &at::policies(account), POLICIES_MAX)?.len() >= POLICIES_MAX {
        let text = format!("the account has {POLICIES_MAX} policies (POLICIES_MAX)");
        return reject(RejectionCode::Limit, text);
    }
    Ok(Policy {
        account: account.clone(),
        id: command.policy.id.clone(),
        name: String::new(),
        description: String::new(),
        active: false,
        source: PolicySource::Local,
        document: command.policy.document,
        created_at: work.at(),
        last_updated: work.at(),
    })
}

fn deactivate_current(work: &mut Work<'_, '_>, account: &AccountName) -> Result<()> {
    let key = at::policy_active(account).build();
    let id = work.txn.get(&key).map_err(StateError::from)?;
    let Some(id) = id.and_then(|bytes| String::from_utf8(bytes).ok()) else { return Ok(()) };
    if let Some(mut current) = row::get::<Policy>(&work.txn, at::policy(account, &id))? {
        current.active = false;
        current.last_updated = work.at();
        row::put(&mut work.txn, at::policy(account, &id), &current)?;
    }
    Ok(())
}

fn record(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    policy: &Policy,
    kind: &'static str,
    message: &str,
) -> Result<()> {
    event::record_for(
        work,
        account,
        event::Draft {
            kind,
            level: EventLevel::Info,
            resource: ("policy", &policy.id),
            message,
            details: vec![("document".to_owned(), policy.document.to_string())],
            service: "policy_engine",
        },
    )
}

pub(super) fn delete(work: &mut Work<'_, '_>, account: &AccountName, id: &str) -> Result<Response> {
    work.allow(account, "deletePolicy")?;
    match row::get::<Policy>(&work.txn, at::policy(account, id))? {
        None => reject(RejectionCode::PolicyNotFound, "policy not found"),
        Some(policy) if policy.active => {
            // The contract fixes this text.
            let text =
                "cannot delete an active policy - activate a different policy then delete this one";
            reject(RejectionCode::PolicyActive, text)
        }
        Some(_) => {
            row::delete(&mut work.txn, at::policy(account, id))?;
            Ok(Response::Done)
        }
    }
}
