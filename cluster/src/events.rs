//! Events after a commit, for watchers on this node.
//!
//! An event is a hint: a watcher that is slow misses some, and one that starts late sees none of
//! the past. The truth is in the state.

use kedge_model::event::Event;
use tokio::sync::broadcast;

use crate::limits::EVENTS_BUFFERED_MAX;

/// Where applied entries announce what happened.
#[derive(Debug, Clone)]
pub(crate) struct Events(broadcast::Sender<Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(EVENTS_BUFFERED_MAX))
    }

    /// Announces; without watchers nothing happens.
    pub(crate) fn announce(&self, events: Vec<Event>) {
        for event in events {
            // The only error is that nobody listens.
            let _ = self.0.send(event);
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
