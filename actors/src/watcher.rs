//! The registry watcher: keeps an eye on every stored credential.
//!
//! Each round asks every registry that somebody added whether the credential still works, and
//! keeps the answer in memory for the API and the metrics. Watching repositories and tags hangs
//! on the same rounds once subscriptions exist.

use crate::access;
use crate::limits::WATCH_INTERVAL;
use crate::shared::Shared;
use kedge_artifact::time::Timestamp;
use kedge_model::registry::Registry;
use kedge_state::query;
use kedge_state::row::StateError;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// How a credential fared last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// When it was asked.
    pub at: Timestamp,
    /// Code and text of the failure; `None` when it worked.
    pub failure: Option<(String, String)>,
}

/// What the watcher last learnt, by (account, registry). Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<(String, String), Health>>>);

impl Board {
    /// How this credential fared last; `None` before the first round.
    #[must_use]
    pub fn get(&self, account: &str, registry: &str) -> Option<Health> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.get(&(account.to_owned(), registry.to_owned())).cloned()
    }

    fn replace(&self, news: BTreeMap<(String, String), Health>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = news;
    }
}

/// The timer's message: one round.
pub struct Round;

/// State of the watcher.
pub struct State {
    shared: Arc<Shared>,
    board: Board,
    timer: JoinHandle<()>,
}

/// The watcher actor.
pub struct Watcher;

impl Actor for Watcher {
    type Msg = Round;
    type State = State;
    type Arguments = (Arc<Shared>, Board);

    async fn pre_start(
        &self,
        myself: ActorRef<Round>,
        (shared, board): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let timer = myself.send_interval(WATCH_INTERVAL, || Round);
        Ok(State { shared, board, timer })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Round>,
        Round: Round,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match entries(&state.shared) {
            Ok(entries) => look(state, entries).await,
            Err(error) => tracing::error!(%error, "cannot read the registries"),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Round>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.timer.abort();
        Ok(())
    }
}

fn entries(shared: &Shared) -> Result<Vec<(Registry, Vec<u8>)>, StateError> {
    shared.handle.read(|view| {
        let mut entries = Vec::new();
        for account in query::account::list(view)? {
            for entry in query::registry::list(view, &account.name)? {
                entries.push((entry, account.data_key.clone()));
            }
        }
        Ok(entries)
    })
}

async fn look(state: &State, entries: Vec<(Registry, Vec<u8>)>) {
    let mut news = BTreeMap::new();
    let (mut up, mut down) = (0, 0);
    for (entry, data_key) in entries {
        let failure = match access::with_entry(&state.shared, &entry, &data_key) {
            Ok(access) => match state.shared.registry.ping(&access).await {
                Ok(()) => None,
                Err(error) => Some((error.code().to_owned(), error.to_string())),
            },
            Err(error) => Some(("credential_unreadable".to_owned(), error.to_string())),
        };
        let key = (entry.account.0.clone(), entry.registry.clone());
        let before = state.board.get(&key.0, &key.1);
        if let (Some((code, text)), true) =
            (&failure, before.is_none_or(|health| health.failure.is_none()))
        {
            tracing::warn!(
                account = key.0,
                registry = key.1,
                code,
                error = text,
                "registry check failed"
            );
        }
        if failure.is_none() {
            up += 1
        } else {
            down += 1
        }
        news.insert(key, Health { at: state.shared.now(), failure });
    }
    state.board.replace(news);
    state.shared.metrics.registries(up, down);
}
