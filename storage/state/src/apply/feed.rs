//! Feeds: one sync at a time; a generation is put to use at one log index.

use super::{Result, Work, event, job, reject};
use crate::query;
use crate::row::{self, at};
use kedge_model::command::{ActivateGeneration, Response};
use kedge_model::event::{Event, EventLevel};
use kedge_model::feed::Generation;
use kedge_model::job::{JobKind, JobState, Priority, Task};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;

pub(super) fn sync(work: &mut Work<'_, '_>, force: bool) -> Result<Response> {
    let admin = AccountName::from(AccountName::ADMIN);
    work.allow(&admin, "updateFeeds")?;
    if query::feed::open_sync(&work.txn)?.is_some() {
        return reject(RejectionCode::FeedSyncRunning, "a feed sync is running already");
    }
    let job = job::enqueue(work, &admin, Task::SyncFeeds { force }, Priority::Interactive)?;
    Ok(Response::Job(Box::new(job)))
}

pub(super) fn activate(work: &mut Work<'_, '_>, command: &ActivateGeneration) -> Result<Response> {
    let admin = AccountName::from(AccountName::ADMIN);
    match command.job {
        Some((id, epoch)) => {
            work.only_nodes()?;
            let held = job::held(work, id, epoch)?;
            debug_assert_eq!(held.state, JobState::Leased);
            if held.task.kind() != JobKind::SyncFeeds {
                return reject(RejectionCode::JobState, format!("job {id} is not a feed sync"));
            }
            job::done(work, held)?;
        }
        None => work.allow(&admin, "updateFeeds")?,
    }
    let mut feeds = query::feed::state(&work.txn)?;
    if let Some(generation) = &command.generation
        && feeds.active.as_ref().is_none_or(|active| active.id != generation.id)
    {
        feeds.previous = feeds.active.replace(generation.clone());
        record_activated(work, &admin, generation)?;
        work.announce(Event::GenerationActivated);
    } else if let (Some(generation), Some(active)) = (&command.generation, &mut feeds.active) {
        // Same content, fetched again: the file carries newer times.
        active.blob = generation.blob;
        active.bytes = generation.bytes;
        active.built_at = generation.built_at;
        work.announce(Event::GenerationActivated);
    }
    if !command.drivers.is_empty() {
        feeds.drivers.clone_from(&command.drivers);
        feeds.drivers.sort_by(|a, b| a.name.cmp(&b.name));
    }
    feeds.last_sync = Some(work.at());
    row::put(&mut work.txn, at::feeds(), &feeds)?;
    Ok(Response::Feeds(Box::new(feeds)))
}

fn record_activated(
    work: &mut Work<'_, '_>,
    admin: &AccountName,
    generation: &Generation,
) -> Result<()> {
    event::record_for(
        work,
        admin,
        event::Draft {
            kind: "system.feeds.sync.completed",
            level: EventLevel::Info,
            resource: ("feeds", "vulnerabilities"),
            message: "a new generation of vulnerability data is in use",
            details: vec![
                ("generation".to_owned(), generation.id.clone()),
                ("imported".to_owned(), generation.imported.to_string()),
                ("records".to_owned(), generation.record_count.to_string()),
            ],
            service: "policy_engine",
        },
    )
}
