//! A pool of workers for one kind of job: work is pulled under a permit, never pushed.
//!
//! An idle permit asks the state for the most urgent job, leases it, runs it in a task of its own
//! and reports the result under the lease's epoch. Events only wake the pool; a timer finds what
//! an event missed. A panic or a stuck job costs an attempt of that job and nothing else.

use crate::limits::{DRAIN_GRACE, HEARTBEAT, LEASE, POLL, REPORT_ATTEMPTS_MAX};
use crate::shared::Shared;
use kedge_cluster::ProposeError;
use kedge_model::command::{Command, Response};
use kedge_model::event::Event;
use kedge_model::image::Failure;
use kedge_model::job::{Job, JobKind};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::{Epoch, JobId};
use kedge_state::row::StateError;
use kedge_state::schedule;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// Stable code.
    pub code: String,
    /// For people; no secrets.
    pub message: String,
    /// Whether trying again can help.
    pub transient: bool,
}

/// What the workers of a pool do.
pub trait Work: Send + Sync + 'static {
    /// The kind of job.
    const KIND: JobKind;
    /// After this long an attempt counts as stuck.
    const DEADLINE: Duration;

    /// Does one job and answers the command that stores its result. Must be safe to repeat: the
    /// lease may be lost at any time, and dropping the future must stop the work.
    fn run(&self, job: Job) -> impl Future<Output = Result<Command, JobError>> + Send;
}

/// What a pool is told.
pub enum Message {
    /// There may be work.
    Wake,
    /// The timer: look for work, whatever events said.
    Poll,
    /// An attempt of a job ended, whatever its outcome.
    Ended(JobId, Epoch),
    /// Take no more work, and answer when none is left.
    Drain(RpcReplyPort<()>),
    /// The grace period is over.
    DrainNow,
}

/// What a pool starts with.
pub struct Arguments<W> {
    /// Everything actors share.
    pub shared: Arc<Shared>,
    /// What to do.
    pub work: Arc<W>,
    /// How many jobs at a time.
    pub permits: usize,
}

/// State of a running pool.
pub struct State<W> {
    shared: Arc<Shared>,
    work: Arc<W>,
    permits: usize,
    // By attempt: a job whose lease ran out may be leased again while its old attempt still ends.
    running: HashMap<(JobId, Epoch), watch::Sender<bool>>,
    draining: Option<RpcReplyPort<()>>,
    timer: tokio::task::JoinHandle<()>,
    // Ends with the state, however the actor ends: it holds the node's parts.
    _waker: AbortOnDrop<()>,
}

/// The pool actor.
pub struct Pool<W>(PhantomData<W>);

impl<W> Pool<W> {
    /// A pool; it starts to work when it is spawned.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<W> Default for Pool<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Work> Actor for Pool<W> {
    type Msg = Message;
    type State = State<W>;
    type Arguments = Arguments<W>;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        arguments: Arguments<W>,
    ) -> Result<State<W>, ActorProcessingErr> {
        let Arguments { shared, work, permits } = arguments;
        let timer = myself.send_interval(POLL, || Message::Poll);
        let waker = tokio::spawn(wake_on_events::<W>(Arc::clone(&shared), myself.clone()));
        let waker = AbortOnDrop(waker);
        myself.send_message(Message::Wake)?;
        let running = HashMap::new();
        Ok(State { shared, work, permits, running, draining: None, timer, _waker: waker })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State<W>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Wake | Message::Poll => pull(&myself, state).await,
            Message::Ended(job, epoch) => {
                state.running.remove(&(job, epoch));
                finish_draining(state);
                pull(&myself, state).await;
            }
            Message::Drain(reply) => {
                state.draining = Some(reply);
                finish_draining(state);
                myself.send_after(DRAIN_GRACE, || Message::DrainNow);
            }
            Message::DrainNow => {
                for stop in state.running.values() {
                    // The task ended already when nobody listens.
                    let _ = stop.send(true);
                }
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Message>,
        state: &mut State<W>,
    ) -> Result<(), ActorProcessingErr> {
        state.timer.abort();
        Ok(())
    }
}

async fn wake_on_events<W: Work>(shared: Arc<Shared>, pool: ActorRef<Message>) {
    let mut events = shared.handle.events();
    loop {
        use tokio::sync::broadcast::error::RecvError;
        let wake = match events.recv().await {
            Ok(Event::JobReady(kind)) => kind == W::KIND,
            Ok(Event::GenerationActivated | Event::ImageChanged { .. } | Event::Recorded) => false,
            // Events were missed: look.
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return,
        };
        if wake && pool.send_message(Message::Wake).is_err() {
            return;
        }
    }
}

fn finish_draining<W>(state: &mut State<W>) {
    if state.running.is_empty()
        && let Some(reply) = state.draining.take()
    {
        // Whoever asked may have stopped waiting.
        let _ = reply.send(());
        // Stay idle: an empty drain must not turn into work again.
        state.permits = 0;
    }
}

async fn pull<W: Work>(myself: &ActorRef<Message>, state: &mut State<W>) {
    if state.draining.is_some() {
        return;
    }
    let free = state.permits.saturating_sub(state.running.len());
    if free == 0 {
        return;
    }
    let now = state.shared.now();
    let found = state.shared.handle.read(|view| {
        let jobs = schedule::next(view, W::KIND, now, free)?;
        Ok::<_, StateError>((jobs, schedule::earliest(view, W::KIND)?))
    });
    let (jobs, earliest) = match found {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(kind = W::KIND.as_str(), %error, "cannot look for jobs");
            return;
        }
    };
    if jobs.is_empty()
        && let Some(wait_ms) = earliest.and_then(|at| u64::try_from(at.0 - now.0).ok())
        && wait_ms < POLL.as_millis() as u64
    {
        // A job that waits for its back-off: sooner than the timer would look.
        myself.send_after(Duration::from_millis(wait_ms + 1), || Message::Wake);
    }
    for job in jobs {
        if !lease(myself, state, job.id).await {
            return;
        }
    }
}

/// Takes a job, unless somebody else was faster; answers whether the cluster takes commands.
async fn lease<W: Work>(myself: &ActorRef<Message>, state: &mut State<W>, job: JobId) -> bool {
    let until = state.shared.now().plus_ms(LEASE.as_millis() as i64);
    let command = Command::LeaseJob { job, node: state.shared.node, until };
    match state.shared.propose(command).await {
        Ok(Response::Job(job)) => begin(myself, state, *job),
        Ok(_) | Err(ProposeError::Rejected(_)) => {}
        Err(error) => {
            tracing::warn!(kind = W::KIND.as_str(), %error, "cannot lease a job");
            return false;
        }
    }
    true
}

fn begin<W: Work>(myself: &ActorRef<Message>, state: &mut State<W>, job: Job) {
    let (stop, stopped) = watch::channel(false);
    let (id, epoch) = (job.id, job.epoch);
    state.running.insert((id, epoch), stop);
    let shared = Arc::clone(&state.shared);
    let work = Arc::clone(&state.work);
    let pool = myself.clone();
    tokio::spawn(async move {
        hold(&shared, work, job, stopped).await;
        // A stopped pool needs no word of it.
        let _ = pool.send_message(Message::Ended(id, epoch));
    });
}

/// How a held job ended.
enum End {
    Result(Result<Command, JobError>),
    LeaseLost,
    Stopped,
}

/// Runs a leased job to its end: renews the lease, watches the deadline, reports.
async fn hold<W: Work>(
    shared: &Arc<Shared>,
    work: Arc<W>,
    job: Job,
    stopped: watch::Receiver<bool>,
) {
    let started = Instant::now();
    let end = drive(shared, work, &job, stopped).await;
    let outcome = match &end {
        End::Result(Ok(_)) => "done",
        End::Result(Err(_)) => "failed",
        End::LeaseLost => "lease_lost",
        End::Stopped => "released",
    };
    shared.metrics.job_ended(W::KIND, outcome, started.elapsed());
    tracing::info!(
        job = job.id.0,
        kind = W::KIND.as_str(),
        epoch = job.epoch.0,
        outcome,
        elapsed_ms = started.elapsed().as_millis() as u64,
        "job ended"
    );
    let command = match end {
        End::Result(Ok(command)) => command,
        End::Result(Err(error)) => {
            tracing::warn!(job = job.id.0, code = error.code, error = error.message, "job failed");
            let failure = Failure { code: error.code, message: error.message };
            let transient = error.transient;
            Command::FailJob { job: job.id, epoch: job.epoch, failure, transient }
        }
        End::Stopped => Command::ReleaseJob { job: job.id, epoch: job.epoch },
        End::LeaseLost => return,
    };
    report(shared, &job, command).await;
}

async fn drive<W: Work>(
    shared: &Arc<Shared>,
    work: Arc<W>,
    job: &Job,
    mut stopped: watch::Receiver<bool>,
) -> End {
    let deadline = tokio::time::sleep(W::DEADLINE);
    let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A task of its own, so that a panic ends the attempt and not the pool.
    let run = job.clone();
    let mut task = AbortOnDrop(tokio::spawn(async move { work.run(run).await }));
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            joined = &mut task.0 => return End::Result(joined.unwrap_or_else(|error| Err(panicked(error)))),
            () = &mut deadline => return End::Result(Err(JobError {
                code: "timed_out".into(),
                message: format!("the job took longer than {} s", W::DEADLINE.as_secs()),
                transient: true,
            })),
            () = told_to_stop(&mut stopped) => return End::Stopped,
            _ = heartbeat.tick() => {
                let until = shared.now().plus_ms(LEASE.as_millis() as i64);
                let renew = Command::RenewLease { job: job.id, epoch: job.epoch, until };
                // Unavailable is no reason to stop: the lease may outlast it.
                if let Err(ProposeError::Rejected(_)) = shared.propose(renew).await {
                    return End::LeaseLost;
                }
            }
        }
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // A pool that is gone tells nobody to go on either.
    let _ = stopped.wait_for(|stop| *stop).await;
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panicked(error: tokio::task::JoinError) -> JobError {
    let message = match error.try_into_panic() {
        Ok(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            format!("the worker panicked: {}", text.unwrap_or_else(|| "no message".to_owned()))
        }
        Err(_) => "the worker was cancelled".to_owned(),
    };
    JobError { code: "panicked".into(), message, transient: true }
}

async fn report(shared: &Arc<Shared>, job: &Job, command: Command) {
    let mut wait = Duration::from_millis(100);
    for _ in 0..REPORT_ATTEMPTS_MAX {
        match shared.propose(command.clone()).await {
            Ok(_) => return,
            Err(ProposeError::Rejected(rejection)) => {
                let late = rejection.code == RejectionCode::LeaseLost;
                tracing::warn!(
                    job = job.id.0,
                    code = rejection.code.as_str(),
                    late,
                    "result refused"
                );
                return;
            }
            Err(error) => {
                tracing::warn!(job = job.id.0, %error, "cannot store a result, trying again");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }
    tracing::error!(job = job.id.0, "gave up storing a result; the lease will run out");
}
