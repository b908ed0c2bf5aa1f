//! Housekeeping: leases that ran out, rows that are old, blobs that nothing names.

use crate::limits::{
    COLLECT_AGE_MIN, COLLECT_INTERVAL, EXPIRE_INTERVAL, PRUNE_INTERVAL, PRUNE_ROUNDS_MAX,
};
use crate::shared::Shared;
use kedge_artifact::digest::Digest;
use kedge_model::command::{Command, Response};
use kedge_state::{query, schedule};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What the janitor is told, by its own timers.
pub enum Message {
    /// Take back leases.
    Expire,
    /// Remove old rows.
    Prune,
    /// Remove unreferenced blobs and shrink the cache.
    Collect,
}

/// State of the janitor.
pub struct State {
    shared: Arc<Shared>,
    timers: Vec<JoinHandle<()>>,
}

/// The janitor actor.
pub struct Janitor;

impl Actor for Janitor {
    type Msg = Message;
    type State = State;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        shared: Arc<Shared>,
    ) -> Result<State, ActorProcessingErr> {
        let timers = vec![
            myself.send_interval(EXPIRE_INTERVAL, || Message::Expire),
            myself.send_interval(PRUNE_INTERVAL, || Message::Prune),
            myself.send_interval(COLLECT_INTERVAL, || Message::Collect),
        ];
        // After a crash the leases of the last run are the first thing in the way, and blobs of
        // interrupted work the second.
        myself.send_message(Message::Expire)?;
        myself.send_message(Message::Collect)?;
        Ok(State { shared, timers })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Expire => expire(&state.shared).await,
            Message::Prune => prune(&state.shared).await,
            Message::Collect => collect(&state.shared).await,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Message>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.timers.iter().for_each(JoinHandle::abort);
        Ok(())
    }
}

/// Proposes only when there is something to take back: an idle node writes nothing.
async fn expire(shared: &Shared) {
    let now = shared.now();
    match shared.handle.read(|view| schedule::expired(view, now, 1)) {
        Ok(expired) if expired.is_empty() => {}
        Ok(_) => match shared.propose(Command::ExpireLeases).await {
            Ok(Response::Count(count)) => tracing::info!(count, "took back leases that ran out"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot take back leases"),
        },
        Err(error) => tracing::error!(%error, "cannot read the leases"),
    }
}

/// One entry removes a bounded number of rows; goes on while there are more, so that a busy day is
/// cleared in one round, and leaves the rest to the next.
async fn prune(shared: &Shared) {
    let mut total = 0;
    for _ in 0..PRUNE_ROUNDS_MAX {
        match shared.propose(Command::Prune).await {
            Ok(Response::Count(0)) => break,
            Ok(Response::Count(count)) => total += count,
            Ok(_) => break,
            Err(error) => {
                tracing::warn!(%error, "cannot prune");
                break;
            }
        }
    }
    if total > 0 {
        tracing::info!(count = total, "pruned old rows");
    }
}

async fn collect(shared: &Arc<Shared>) {
    let worker = Arc::clone(shared);
    // Walks rows and files: not on the runtime's threads.
    let swept = tokio::task::spawn_blocking(move || {
        // On a partial answer nothing may be removed.
        let referenced = worker
            .handle
            .read(query::blobs::referenced)
            .map_err(|error| format!("cannot tell which blobs are referenced: {error}"))?;
        sweep(&worker, &referenced)
    });
    match swept.await {
        Ok(Ok(count)) => {
            shared.metrics.blobs_collected(count);
            if count > 0 {
                tracing::info!(count, "collected unreferenced blobs");
            }
        }
        Ok(Err(error)) => tracing::warn!(error, "cannot collect blobs"),
        Err(_) => {}
    }
}

fn sweep(shared: &Shared, referenced: &BTreeSet<Digest>) -> Result<u64, String> {
    let blobs = shared.handle.blobs();
    let mut count = 0;
    for entry in blobs.list().map_err(|error| error.to_string())? {
        let digest = Digest::from_bytes(*entry.digest.as_bytes());
        if !referenced.contains(&digest) {
            let removed = blobs.collect(&entry.digest, COLLECT_AGE_MIN);
            count += u64::from(removed.map_err(|error| error.to_string())?);
        }
    }
    shared.cache.shrink().map_err(|error| error.to_string())?;
    Ok(count)
}
