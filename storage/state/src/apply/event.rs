//! The event list of an account.

use super::{Result, Work, cut, reject};
use crate::query;
use crate::row::{self, StateError, at};
use kedge_model::command::Response;
use kedge_model::event::{Event, EventLevel, EventRecord};
use kedge_model::limits::{ERROR_BYTES_MAX, PAGE_ROWS_MAX};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;

/// Name of the counter of an account's events: pruning must not have to count them.
pub(super) const COUNTER: &str = "events";

/// What an event says; id, time and node are filled in.
pub(super) struct Draft<'a> {
    pub(super) kind: &'static str,
    pub(super) level: EventLevel,
    pub(super) resource: (&'static str, &'a str),
    pub(super) message: &'a str,
    pub(super) details: Vec<(String, String)>,
    pub(super) service: &'static str,
}

/// Adds an event to the list of `account`.
pub(super) fn record_for(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    draft: Draft<'_>,
) -> Result<()> {
    let number = work.fresh();
    let record = EventRecord {
        id: format!("{number:016x}"),
        at: work.at(),
        account: account.clone(),
        kind: draft.kind.to_owned(),
        level: draft.level,
        resource_kind: draft.resource.0.to_owned(),
        resource_id: cut(draft.resource.1, ERROR_BYTES_MAX),
        message: cut(draft.message, ERROR_BYTES_MAX),
        details: draft.details,
        service: draft.service.to_owned(),
        node: work.entry.proposer,
    };
    row::put(&mut work.txn, at::events(account).newest_first(number), &record)?;
    let counter = at::counter(COUNTER, account);
    let count = row::counter(&work.txn, counter.clone())?;
    row::set_counter(&mut work.txn, counter, count + 1)?;
    work.announce(Event::Recorded);
    Ok(())
}

pub(super) fn delete(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    ids: &[String],
) -> Result<Response> {
    work.allow(account, "deleteEvents")?;
    if ids.len() > PAGE_ROWS_MAX {
        let text = format!("over {PAGE_ROWS_MAX} events in one request (PAGE_ROWS_MAX)");
        return reject(RejectionCode::Limit, text);
    }
    let mut removed = Vec::new();
    for id in ids {
        if let Some(key) = query::event::key(account, id)
            && work.txn_has(&key)?
        {
            work.txn.delete(key).map_err(StateError::from)?;
            removed.push(id.clone());
        }
    }
    let counter = at::counter(COUNTER, account);
    let count = row::counter(&work.txn, counter.clone())?;
    row::set_counter(&mut work.txn, counter, count.saturating_sub(removed.len() as u64))?;
    Ok(Response::Removed(removed))
}

impl Work<'_, '_> {
    fn txn_has(&self, key: &[u8]) -> Result<bool> {
        use kedge_storage::kv::View;
        Ok(self.txn.get(key).map_err(StateError::from)?.is_some())
    }
}
