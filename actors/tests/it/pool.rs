use crate::world::World;
use kedge_actors::pool::{Arguments, JobError, Message, Pool, Work};
use kedge_model::command::Command;
use kedge_model::job::{Job, JobKind, JobState};
use kedge_model::limits::JOB_ATTEMPTS_MAX;
use ractor::{Actor, ActorRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What a job does, by the tag it was added under.
struct Script {
    started: AtomicUsize,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
    gate: Semaphore,
}

impl Script {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            started: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            at_once_max: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        })
    }
}

fn done(job: &Job) -> Command {
    Command::FinishJob { job: job.id, epoch: job.epoch }
}

/// Panics always.
struct Panics(Arc<Script>);

impl Work for Panics {
    const KIND: JobKind = JobKind::Analyze;
    const DEADLINE: Duration = Duration::from_secs(60);

    async fn run(&self, _job: Job) -> Result<Command, JobError> {
        self.0.started.fetch_add(1, Ordering::SeqCst);
        panic!("hostile input");
    }
}

/// Hangs the first time, then works.
struct Hangs(Arc<Script>);

impl Work for Hangs {
    const KIND: JobKind = JobKind::Analyze;
    const DEADLINE: Duration = Duration::from_millis(50);

    async fn run(&self, job: Job) -> Result<Command, JobError> {
        if self.0.started.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
        Ok(done(&job))
    }
}

/// Waits at the gate.
struct Waits(Arc<Script>);

impl Work for Waits {
    const KIND: JobKind = JobKind::Analyze;
    const DEADLINE: Duration = Duration::from_secs(60);

    async fn run(&self, job: Job) -> Result<Command, JobError> {
        let script = &self.0;
        script.started.fetch_add(1, Ordering::SeqCst);
        let now = script.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        script.at_once_max.fetch_max(now, Ordering::SeqCst);
        script.gate.acquire().await.unwrap().forget();
        script.at_once.fetch_sub(1, Ordering::SeqCst);
        Ok(done(&job))
    }
}

async fn pool<W: Work>(world: &World, work: W, permits: usize) -> ActorRef<Message> {
    let arguments = Arguments { shared: Arc::clone(&world.shared), work: Arc::new(work), permits };
    Pool::<W>::spawn(None, Pool::new(), arguments).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_job_is_tried_a_bounded_number_of_times_then_parked() {
    let world = World::new().await;
    let script = Script::new();
    world.add("bad").await;
    let pool = pool(&world, Panics(Arc::clone(&script)), 2).await;
    for attempt in 1..JOB_ATTEMPTS_MAX {
        world.until(|jobs| jobs[0].attempts == attempt && jobs[0].state == JobState::Ready).await;
        world.forward(60_000);
        pool.send_message(Message::Wake).unwrap();
    }
    let jobs = world.until(|jobs| jobs[0].state == JobState::Parked).await;
    assert_eq!(script.started.load(Ordering::SeqCst), JOB_ATTEMPTS_MAX as usize);
    let failure = jobs[0].failure.clone().unwrap();
    assert_eq!(failure.code, "panicked");
    assert!(failure.message.contains("hostile input"), "{}", failure.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_job_is_taken_back_and_tried_again() {
    let world = World::new().await;
    let script = Script::new();
    world.add("slow").await;
    let pool = pool(&world, Hangs(Arc::clone(&script)), 1).await;
    let jobs = world.until(|jobs| jobs[0].failure.is_some()).await;
    assert_eq!(jobs[0].failure.as_ref().unwrap().code, "timed_out");
    world.forward(60_000);
    pool.send_message(Message::Wake).unwrap();
    world.until(|jobs| jobs[0].state == JobState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_run_at_once_than_there_are_permits() {
    let world = World::new().await;
    let script = Script::new();
    for n in 0..7 {
        world.add(&n.to_string()).await;
    }
    let _pool = pool(&world, Waits(Arc::clone(&script)), 3).await;
    world.until(|jobs| jobs.iter().filter(|job| job.state == JobState::Leased).count() == 3).await;
    script.gate.add_permits(7);
    world.until(|jobs| jobs.iter().all(|job| job.state == JobState::Done)).await;
    assert_eq!(script.at_once_max.load(Ordering::SeqCst), 3);
    assert_eq!(script.started.load(Ordering::SeqCst), 7, "each job ran once");
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_gives_running_jobs_back_untried_and_takes_no_new_ones() {
    let world = World::new().await;
    let script = Script::new();
    world.add("one").await;
    let pool = pool(&world, Waits(Arc::clone(&script)), 1).await;
    // Leased and begun: a job that is given back before its first step proves less.
    let begun = || script.started.load(Ordering::SeqCst) == 1;
    world.until(|jobs| jobs[0].state == JobState::Leased && begun()).await;
    let drained = pool.call(Message::Drain, Some(Duration::from_secs(30)));
    // What the grace period would do in the end.
    pool.send_message(Message::DrainNow).unwrap();
    let (drained, _) = tokio::join!(drained, async { pool.send_message(Message::DrainNow) });
    drained.unwrap();
    let jobs = world.until(|jobs| jobs[0].state == JobState::Ready).await;
    assert_eq!(jobs[0].attempts, 0, "it was not the job's fault");
    world.add("two").await;
    pool.send_message(Message::Wake).unwrap();
    // The pool answers in order: after this call the wake was handled.
    let _ = pool.call(Message::Drain, Some(Duration::from_millis(200))).await;
    assert!(world.jobs().iter().all(|job| job.state == JobState::Ready));
    assert_eq!(script.started.load(Ordering::SeqCst), 1);
}
