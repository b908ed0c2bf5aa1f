//! Applying entries: one function an entity, all of them deterministic.

mod account;
mod analysis;
mod evaluation;
mod event;
mod feed;
mod image;
mod job;
mod policy;
mod prune;
mod registry;
mod user;

use crate::access;
use crate::row::{self, Answered, StateError};
use kedge_artifact::time::Timestamp;
use kedge_model::command::{Command, Entry, Outcome, Response};
use kedge_model::event::Event;
use kedge_model::job::JobKind;
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_model::tokens::{AccountName, Caller, JobId};
use kedge_storage::keyspaces::{Key, Keyspace};
use kedge_storage::kv::{KvError, Txn, View};

/// What applying an entry gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer for the proposer.
    pub response: Outcome,
    /// Hints for local watchers; empty for a refused or repeated entry.
    pub events: Vec<Event>,
}

/// Why a command did not go through.
enum Refusal {
    /// It was refused: an answer like any other.
    Rejected(Rejection),
    /// The store is broken: nobody may go on.
    Broken(StateError),
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::Broken(error)
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

type Result<T> = std::result::Result<T, Refusal>;

fn reject<T>(code: RejectionCode, message: impl Into<String>) -> Result<T> {
    Err(Refusal::Rejected(Rejection::new(code, message)))
}

/// An entry being applied: its writes so far and what it will announce.
struct Work<'e, 'v> {
    txn: Txn<'v>,
    entry: &'e Entry,
    index: u64,
    events: Vec<Event>,
    ordinal: u16,
}

impl Work<'_, '_> {
    /// The entry's time: the only clock there is.
    fn at(&self) -> Timestamp {
        self.entry.at
    }

    /// A number no other thing of the cluster has: the log index and a count within the entry.
    fn fresh(&mut self) -> u64 {
        self.ordinal += 1;
        (self.index << 12) | u64::from(self.ordinal)
    }

    fn fresh_job(&mut self) -> JobId {
        JobId(self.fresh())
    }

    fn announce(&mut self, event: Event) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    fn announce_ready(&mut self, kind: JobKind) {
        self.announce(Event::JobReady(kind));
    }

    fn allow(&self, account: &AccountName, action: &str) -> Result<()> {
        access::check(&self.txn, &self.entry.caller, account, action)??;
        Ok(())
    }

    /// Only a node itself may propose leases, results and housekeeping.
    fn only_nodes(&self) -> Result<()> {
        match &self.entry.caller {
            Caller::Node(_) => Ok(()),
            Caller::User { .. } => {
                reject(RejectionCode::Forbidden, "only nodes of the cluster may do this")
            }
        }
    }
}

/// Applies one committed entry. The answer is the same whenever the same log was applied before.
///
/// A refused command leaves no write; a repeated request answers as it did the first time.
///
/// # Errors
/// When the store or a row in it is broken. The caller must stop: going on would let peers
/// diverge.
pub fn apply(
    txn: &mut Txn<'_>,
    entry: &Entry,
    index: u64,
) -> std::result::Result<Applied, StateError> {
    let remembered = is_remembered(&entry.command);
    let request_key = Key::new(Keyspace::Requests).fixed(&entry.request.0);
    if remembered && let Some(known) = row::get::<Answered>(txn, request_key.clone())? {
        return Ok(Applied { response: known.outcome, events: Vec::new() });
    }
    let (outcome, writes, events) = run(txn, entry, index)?;
    if let Some(batch) = writes {
        for (key, value) in batch.into_writes() {
            match value {
                Some(value) => txn.put(key, value)?,
                None => txn.delete(key)?,
            }
        }
    }
    if remembered {
        let by_time = Key::new(Keyspace::RequestsByTime).signed(entry.at.0).fixed(&entry.request.0);
        row::mark(txn, by_time)?;
        match row::put(txn, request_key, &Answered { outcome: outcome.clone() }) {
            // An answer that does not fit is not remembered; repeating such a request is then
            // refused by the command's own checks.
            Err(error) if too_large(&error).is_some() => {}
            written => written?,
        }
    }
    Ok(Applied { response: outcome, events })
}

type Ran = (Outcome, Option<kedge_storage::kv::Batch>, Vec<Event>);

fn run(txn: &Txn<'_>, entry: &Entry, index: u64) -> std::result::Result<Ran, StateError> {
    let base: &dyn View = txn;
    let mut work = Work { txn: Txn::new(base), entry, index, events: Vec::new(), ordinal: 0 };
    match dispatch(&mut work, &entry.command) {
        Ok(response) => Ok((Ok(response), Some(work.txn.into_batch()), work.events)),
        Err(Refusal::Rejected(rejection)) => Ok((Err(rejection), None, Vec::new())),
        Err(Refusal::Broken(error)) => match too_large(&error) {
            // The entity's own limits should have said so first; a row that does not fit is the
            // command's fault and must never stop a node.
            Some(rejection) => Ok((Err(rejection), None, Vec::new())),
            None => Err(error),
        },
    }
}

fn too_large(error: &StateError) -> Option<Rejection> {
    match error {
        StateError::Store(size @ (KvError::ValueTooLarge { .. } | KvError::KeyTooLarge { .. })) => {
            Some(Rejection::new(RejectionCode::Limit, size.to_string()))
        }
        StateError::Store(_) | StateError::Row { .. } => None,
    }
}

/// Commands that may be repeated without harm are not remembered: they are the frequent ones.
fn is_remembered(command: &Command) -> bool {
    !matches!(
        command,
        Command::RenewLease { .. }
            | Command::ExpireLeases
            | Command::Prune
            | Command::LeaseJob { .. }
            | Command::FinishJob { .. }
            | Command::ReleaseJob { .. }
    )
}

fn dispatch(work: &mut Work<'_, '_>, command: &Command) -> Result<Response> {
    match command {
        Command::Bootstrap(command) => account::bootstrap(work, command),
        Command::CreateAccount(command) => account::create(work, command),
        Command::UpdateAccount { account, email } => account::update(work, account, email),
        Command::SetAccountState { account, state } => account::set_state(work, account, *state),
        Command::CreateUser { account, name, password_hash } => {
            user::create(work, account, name, password_hash)
        }
        Command::SetPassword { name, password_hash } => {
            user::set_password(work, name, password_hash)
        }
        Command::DeleteUser { account, name } => user::delete(work, account, name),
        Command::PutRegistry(command) => registry::put(work, command),
        Command::DeleteRegistry { account, registry } => registry::delete(work, account, registry),
        Command::AddImage(command) => image::add(work, command),
        Command::DeleteImage { account, digest, force } => {
            image::delete(work, account, digest, *force)
        }
        Command::LeaseJob { job, node, until } => job::lease(work, *job, *node, *until),
        Command::RenewLease { job, epoch, until } => job::renew(work, *job, *epoch, *until),
        Command::ExpireLeases => job::expire(work),
        Command::FinishAnalysis { job, epoch, result } => {
            analysis::finish(work, *job, *epoch, result)
        }
        Command::FailJob { job, epoch, failure, transient } => {
            job::fail(work, *job, *epoch, failure, *transient)
        }
        Command::FinishJob { job, epoch } => job::finish(work, *job, *epoch),
        Command::ReleaseJob { job, epoch } => job::release(work, *job, *epoch),
        Command::RetryJob { job } => job::retry(work, *job),
        Command::CancelJob { job } => job::cancel(work, *job),
        Command::PutPolicy(command) => policy::put(work, command),
        Command::DeletePolicy { account, id } => policy::delete(work, account, id),
        Command::RecordEvaluation(evaluation) => evaluation::record(work, evaluation),
        Command::SyncFeeds { force } => feed::sync(work, *force),
        Command::ActivateGeneration(command) => feed::activate(work, command),
        Command::DeleteEvents { account, ids } => event::delete(work, account, ids),
        Command::Prune => prune::prune(work),
    }
}

/// Cuts external text to a limit at a character boundary.
fn cut(text: &str, bytes_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text[..end.unwrap_or(0)].to_owned()
}
