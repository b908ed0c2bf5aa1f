//! The supervision tree: one supervisor, its children restarted with back-off.
//!
//! A child that ends without being asked to is started again after a wait that doubles with each
//! restart inside the window. One that keeps ending is beyond restarting: the supervisor then
//! reports it to whoever started the tree, and the node stops with that reason.

use crate::limits::{RESTART_BACKOFF_MAX, RESTART_BACKOFF_MIN, RESTART_WINDOW, RESTARTS_MAX};
use crate::metrics::Metrics;
use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Starts a child linked to the supervisor whose cell it gets.
pub type Start =
    Arc<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, SpawnErr>> + Send + Sync>;

/// One child of the tree.
#[derive(Clone)]
pub struct ChildSpec {
    /// Name in logs and metrics, from a closed set.
    pub name: &'static str,
    /// Starts it.
    pub start: Start,
}

/// What the supervisor is told.
pub enum Message {
    /// Start the child of that position, now that its wait is over.
    Start(usize),
    /// Stop restarting: the tree is being taken down.
    Stopping,
}

/// What the supervisor starts with.
pub struct Arguments {
    /// The children, in the order in which they are started.
    pub children: Vec<ChildSpec>,
    /// Counts restarts.
    pub metrics: Metrics,
    /// Told when a child is beyond restarting.
    pub fatal: mpsc::UnboundedSender<String>,
}

struct Child {
    spec: ChildSpec,
    cell: Option<ActorCell>,
    restarts: VecDeque<Instant>,
}

/// State of a running supervisor.
pub struct State {
    children: Vec<Child>,
    metrics: Metrics,
    fatal: mpsc::UnboundedSender<String>,
    stopping: bool,
}

/// The supervisor actor.
pub struct Supervisor;

impl Actor for Supervisor {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<Message>,
        arguments: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let children = arguments
            .children
            .into_iter()
            .map(|spec| Child { spec, cell: None, restarts: VecDeque::new() })
            .collect();
        let Arguments { metrics, fatal, .. } = Arguments { children: Vec::new(), ..arguments };
        Ok(State { children, metrics, fatal, stopping: false })
    }

    async fn post_start(
        &self,
        myself: ActorRef<Message>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        for position in 0..state.children.len() {
            start(&myself, state, position).await;
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Start(position) if !state.stopping => start(&myself, state, position).await,
            Message::Start(_) => {}
            Message::Stopping => state.stopping = true,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match event {
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                (cell, reason.unwrap_or_else(|| "it ended".to_owned()))
            }
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        let position = state
            .children
            .iter()
            .position(|child| child.cell.as_ref().is_some_and(|c| c.get_id() == cell.get_id()));
        if let Some(position) = position
            && !state.stopping
        {
            state.children[position].cell = None;
            restart(&myself, state, position, &reason);
        }
        Ok(())
    }
}

async fn start(myself: &ActorRef<Message>, state: &mut State, position: usize) {
    let spec = state.children[position].spec.clone();
    match (spec.start)(myself.get_cell()).await {
        Ok(cell) => state.children[position].cell = Some(cell),
        Err(error) => restart(myself, state, position, &error.to_string()),
    }
}

/// Plans the next start of a child, or gives the child up.
fn restart(myself: &ActorRef<Message>, state: &mut State, position: usize, reason: &str) {
    let child = &mut state.children[position];
    let now = Instant::now();
    while child.restarts.front().is_some_and(|at| now.duration_since(*at) > RESTART_WINDOW) {
        child.restarts.pop_front();
    }
    child.restarts.push_back(now);
    state.metrics.actor_restarted(child.spec.name);
    let name = child.spec.name;
    if child.restarts.len() > RESTARTS_MAX {
        let text = format!(
            "actor {name} ended {} times within {} s, last because: {reason}",
            child.restarts.len(),
            RESTART_WINDOW.as_secs()
        );
        tracing::error!(actor = name, "{text}");
        // Nobody listens only when the node is going down already.
        let _ = state.fatal.send(text);
        return;
    }
    let wait = backoff(child.restarts.len());
    tracing::warn!(
        actor = name,
        reason,
        wait_ms = wait.as_millis() as u64,
        "actor ended, restarting"
    );
    myself.send_after(wait, move || Message::Start(position));
}

/// The wait before the `count`th restart in the window: doubles, with up to a quarter of jitter so
/// that children that failed together do not return together.
fn backoff(count: usize) -> Duration {
    let doublings = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let base = RESTART_BACKOFF_MIN.saturating_mul(1 << doublings).min(RESTART_BACKOFF_MAX);
    let mut byte = [0_u8; 1];
    // Without random bytes there is no jitter, which is no reason to fail.
    let _ = getrandom::fill(&mut byte);
    base + base.mul_f64(f64::from(byte[0]) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Fails as often as it is told to when it gets a message.
    struct Fragile;

    impl Actor for Fragile {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            myself.send_message(())?;
            Ok(())
        }

        async fn handle(
            &self,
            _myself: ActorRef<()>,
            (): (),
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            panic!("a bug in the actor");
        }
    }

    /// Runs until it is stopped, and says that it runs.
    struct Steady(mpsc::UnboundedSender<()>);

    impl Actor for Steady {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            let _ = self.0.send(());
            Ok(())
        }
    }

    fn fragile_then_steady(
        failures: usize,
        up: mpsc::UnboundedSender<()>,
    ) -> (ChildSpec, Arc<AtomicUsize>) {
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&starts);
        let start: Start = Arc::new(move |supervisor| {
            let nth = counted.fetch_add(1, Ordering::SeqCst);
            let up = up.clone();
            Box::pin(async move {
                if nth < failures {
                    Ok(Fragile::spawn_linked(None, Fragile, (), supervisor).await?.0.get_cell())
                } else {
                    Ok(Steady::spawn_linked(None, Steady(up), (), supervisor).await?.0.get_cell())
                }
            })
        });
        (ChildSpec { name: "fragile", start }, starts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_child_is_restarted() {
        let (up, mut is_up) = mpsc::unbounded_channel();
        let (fatal, mut failed) = mpsc::unbounded_channel();
        let (spec, starts) = fragile_then_steady(3, up);
        let metrics = Metrics::default();
        let arguments = Arguments { children: vec![spec], metrics, fatal };
        let (tree, _) = Supervisor::spawn(None, Supervisor, arguments).await.unwrap();
        is_up.recv().await.unwrap();
        assert_eq!(starts.load(Ordering::SeqCst), 4);
        assert!(failed.try_recv().is_err(), "three restarts are within the limit");
        tree.stop_and_wait(None, None).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_keeps_failing_is_reported() {
        let (up, _is_up) = mpsc::unbounded_channel();
        let (fatal, mut failed) = mpsc::unbounded_channel();
        let (spec, starts) = fragile_then_steady(usize::MAX, up);
        let metrics = Metrics::default();
        let arguments = Arguments { children: vec![spec], metrics, fatal };
        let (tree, _) = Supervisor::spawn(None, Supervisor, arguments).await.unwrap();
        let reason = failed.recv().await.unwrap();
        assert!(reason.contains("fragile") && reason.contains("a bug in the actor"), "{reason}");
        assert_eq!(starts.load(Ordering::SeqCst), RESTARTS_MAX + 1);
        tree.stop_and_wait(None, None).await.unwrap();
    }

    #[test]
    fn waits_double_up_to_the_limit() {
        assert!(backoff(1) >= RESTART_BACKOFF_MIN);
        assert!(backoff(2) >= RESTART_BACKOFF_MIN * 2);
        assert!(backoff(60) <= RESTART_BACKOFF_MAX.mul_f64(1.25));
    }
}
