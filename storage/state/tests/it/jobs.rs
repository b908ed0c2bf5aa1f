use crate::world::{World, add_image, node, user};
use kedge_model::command::{Command, Response};
use kedge_model::image::{AnalysisState, Failure};
use kedge_model::job::{Job, JobKind, JobState};
use kedge_model::limits::{JOB_ATTEMPTS_MAX, LEASE_MS_MAX};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::{Epoch, NodeId};
use kedge_state::{query, schedule};

fn world_with_image() -> World {
    let mut world = World::new();
    let add = Command::AddImage(Box::new(add_image("acme", "x")));
    world.ok(user("ann", "acme"), add);
    world
}

fn fail(job: &Job, transient: bool) -> Command {
    let failure = Failure { code: "boom".into(), message: "it broke".into() };
    Command::FailJob { job: job.id, epoch: job.epoch, failure, transient }
}

fn stored(world: &World, job: &Job) -> Job {
    query::job::get(&world.kv, job.id).unwrap().unwrap()
}

#[test]
fn two_workers_cannot_hold_one_job() {
    let mut world = world_with_image();
    let job = world.next(JobKind::Analyze).unwrap();
    let lease = || Command::LeaseJob { job: job.id, node: NodeId(2), until: world_until() };
    world.ok(node(), lease());
    assert_eq!(world.code(node(), lease()), RejectionCode::JobState);
}

fn world_until() -> kedge_artifact::time::Timestamp {
    kedge_artifact::time::Timestamp(1_015_000)
}

#[test]
fn an_expired_lease_goes_to_the_next_worker_and_fences_the_first() {
    let mut world = world_with_image();
    let first = world.lease(JobKind::Analyze);
    world.now = world.now.plus_ms(14_000);
    assert_eq!(world.ok(node(), Command::ExpireLeases), Response::Count(0), "not yet");
    world.now = world.now.plus_ms(2_000);
    assert_eq!(world.ok(node(), Command::ExpireLeases), Response::Count(1));
    assert!(world.next(JobKind::Analyze).is_none(), "it waits for its back-off");
    world.now = world.now.plus_ms(60_000);
    let second = world.lease(JobKind::Analyze);
    assert_eq!(second.epoch, Epoch(2));
    for late in [
        fail(&first, true),
        Command::FinishJob { job: first.id, epoch: first.epoch },
        Command::RenewLease { job: first.id, epoch: first.epoch, until: world.now },
        Command::ReleaseJob { job: first.id, epoch: first.epoch },
    ] {
        assert_eq!(world.code(node(), late), RejectionCode::LeaseLost);
    }
    assert_eq!(stored(&world, &second), second, "late results change nothing");
}

#[test]
fn renewing_keeps_a_lease_alive_but_not_for_ever() {
    let mut world = world_with_image();
    let job = world.lease(JobKind::Analyze);
    let until = world.now.plus_ms(10 * LEASE_MS_MAX);
    world.ok(node(), Command::RenewLease { job: job.id, epoch: job.epoch, until });
    world.now = world.now.plus_ms(LEASE_MS_MAX - 1);
    assert_eq!(world.ok(node(), Command::ExpireLeases), Response::Count(0));
    world.now = world.now.plus_ms(1);
    assert_eq!(world.ok(node(), Command::ExpireLeases), Response::Count(1), "LEASE_MS_MAX holds");
}

#[test]
fn a_transient_failure_is_tried_again_then_parked_with_its_reason() {
    let mut world = world_with_image();
    let mut last = None;
    for attempt in 1..=JOB_ATTEMPTS_MAX {
        world.now = world.now.plus_ms(3_600_000);
        let job = world.lease(JobKind::Analyze);
        assert_eq!(job.attempts, attempt);
        world.ok(node(), fail(&job, true));
        last = Some(job);
    }
    let job = stored(&world, &last.unwrap());
    assert_eq!(job.state, JobState::Parked);
    assert_eq!(job.failure.unwrap().message, "it broke");
    let image = world.image("acme", "x");
    assert_eq!(image.analysis, AnalysisState::Failed);
    assert_eq!(image.failure.unwrap().code, "boom");
    let events = query::event::list(&world.kv, &"acme".into()).unwrap();
    assert_eq!(events[0].kind, "user.image.analysis.failed");
}

#[test]
fn a_lasting_failure_is_parked_at_once_and_can_be_retried() {
    let mut world = world_with_image();
    let job = world.lease(JobKind::Analyze);
    world.ok(node(), fail(&job, false));
    assert_eq!(stored(&world, &job).state, JobState::Parked);
    let retry = || Command::RetryJob { job: job.id };
    world.ok(user("ann", "acme"), retry());
    assert_eq!(world.code(user("ann", "acme"), retry()), RejectionCode::JobState);
    let again = world.lease(JobKind::Analyze);
    assert_eq!((again.attempts, again.epoch), (1, Epoch(2)), "attempts start anew, epochs never");
}

#[test]
fn a_released_job_costs_no_attempt() {
    let mut world = world_with_image();
    let job = world.lease(JobKind::Analyze);
    world.ok(node(), Command::ReleaseJob { job: job.id, epoch: job.epoch });
    let again = world.lease(JobKind::Analyze);
    assert_eq!(again.attempts, 1);
}

#[test]
fn cancelling_frees_the_account_s_share() {
    let mut world = world_with_image();
    let job = world.next(JobKind::Analyze).unwrap();
    world.ok(user("ann", "acme"), Command::CancelJob { job: job.id });
    assert_eq!(stored(&world, &job).state, JobState::Cancelled);
    assert!(world.next(JobKind::Analyze).is_none());
    assert_eq!(world.image("acme", "x").analysis, AnalysisState::Failed);
    let open = kedge_state::row::counter(
        &world.kv,
        kedge_state::row::at::counter("jobs_open", &"acme".into()),
    );
    assert_eq!(open.unwrap(), 0);
    assert_eq!(
        world.code(user("ann", "acme"), Command::CancelJob { job: job.id }),
        RejectionCode::JobState
    );
}

#[test]
fn one_feed_sync_at_a_time() {
    let mut world = World::new();
    let admin = || user("admin", "admin");
    world.ok(admin(), Command::SyncFeeds { force: false });
    let again = || Command::SyncFeeds { force: false };
    assert_eq!(world.code(admin(), again()), RejectionCode::FeedSyncRunning);
    let job = world.lease(JobKind::SyncFeeds);
    assert_eq!(world.code(admin(), again()), RejectionCode::FeedSyncRunning, "a held one counts");
    world.ok(node(), Command::FinishJob { job: job.id, epoch: job.epoch });
    world.ok(admin(), again());
}

#[test]
fn the_schedule_waits_for_the_time_and_knows_it() {
    let mut world = world_with_image();
    let job = world.lease(JobKind::Analyze);
    world.ok(node(), fail(&job, true));
    let waiting = stored(&world, &job);
    assert!(waiting.not_before > world.now);
    assert_eq!(schedule::earliest(&world.kv, JobKind::Analyze).unwrap(), Some(waiting.not_before));
    let early = Command::LeaseJob { job: job.id, node: NodeId(1), until: world.now };
    assert_eq!(world.code(node(), early), RejectionCode::JobState);
}

#[test]
fn a_repeated_request_answers_the_same_and_changes_nothing() {
    let mut world = World::new();
    let command = Command::AddImage(Box::new(add_image("acme", "x")));
    let entry = world.entry(user("ann", "acme"), command);
    let first = world.apply(&entry);
    let again = world.apply(&entry);
    assert_eq!(first.response, again.response);
    assert!(again.events.is_empty());
    assert_eq!(query::job::list(&world.kv).unwrap().len(), 1);
}

#[test]
fn pruning_forgets_old_requests_and_jobs() {
    let mut world = world_with_image();
    let job = world.lease(JobKind::Analyze);
    world.ok(node(), fail(&job, false));
    assert_eq!(world.ok(node(), Command::Prune), Response::Count(0));
    world.now = world.now.plus_ms(8 * 24 * 3_600_000);
    let Response::Count(count) = world.ok(node(), Command::Prune) else { panic!("a count") };
    assert!(count >= 2, "{count}");
    assert_eq!(query::job::get(&world.kv, job.id).unwrap(), None);
    assert!(
        query::job::of_image(&world.kv, &"acme".into(), &world.image("acme", "x").digest)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_clock_that_goes_back_freezes_nothing() {
    let mut world = world_with_image();
    let held = world.lease(JobKind::Analyze);
    world.ok(user("ann", "acme"), Command::AddImage(Box::new(add_image("acme", "y"))));
    // An hour back: the lease and the waiting job now lie far ahead.
    world.now = world.now.plus_ms(-3_600_000);
    assert_eq!(world.ok(node(), Command::ExpireLeases), Response::Count(1));
    assert_eq!(stored(&world, &held).state, JobState::Ready);
    let waiting = schedule::next(&world.kv, JobKind::Analyze, world.now, 10).unwrap();
    assert!(waiting.iter().any(|job| job.id != held.id), "the other job can run");
    world.lease(JobKind::Analyze);
}

#[test]
fn a_parked_job_is_not_retried_beside_a_newer_one() {
    let mut world = world_with_image();
    let old = world.lease(JobKind::Analyze);
    world.ok(node(), fail(&old, false));
    // Adding the image again makes a new job, since the last analysis failed.
    world.ok(user("ann", "acme"), Command::AddImage(Box::new(add_image("acme", "x"))));
    let retry = || Command::RetryJob { job: old.id };
    assert_eq!(world.code(user("ann", "acme"), retry()), RejectionCode::JobState);
    let delete = Command::DeleteImage {
        account: "acme".into(),
        digest: kedge_artifact::digest::Digest::of(b"x"),
        force: true,
    };
    world.ok(user("ann", "acme"), delete);
    assert_eq!(world.code(user("ann", "acme"), retry()), RejectionCode::ImageNotFound);
}

#[test]
fn a_deleted_account_s_jobs_are_withdrawn() {
    use kedge_model::account::AccountState;
    let mut world = world_with_image();
    let job = world.next(JobKind::Analyze).unwrap();
    for state in [AccountState::Disabled, AccountState::Deleting] {
        let command = Command::SetAccountState { account: "acme".into(), state };
        world.ok(user("admin", "admin"), command);
    }
    world.ok(node(), Command::Prune);
    assert!(world.next(JobKind::Analyze).is_none());
    assert_eq!(stored(&world, &job).state, JobState::Cancelled);
}

#[test]
fn the_oldest_events_go_first() {
    use kedge_model::limits::EVENTS_KEPT_MAX;
    let mut world = World::new();
    let admin = || user("admin", "admin");
    let generation = |n: usize| {
        Command::ActivateGeneration(Box::new(kedge_model::command::ActivateGeneration {
            job: None,
            generation: Some(kedge_model::feed::Generation {
                id: n.to_string(),
                blob: kedge_artifact::digest::Digest::of(b"g"),
                bytes: 1,
                built_at: kedge_artifact::time::Timestamp(0),
                record_count: 1,
                imported: false,
            }),
            drivers: Vec::new(),
        }))
    };
    for n in 0..(EVENTS_KEPT_MAX + 3) {
        world.ok(admin(), generation(n));
    }
    world.ok(node(), Command::Prune);
    let events = query::event::list(&world.kv, &"admin".into()).unwrap();
    assert_eq!(events.len(), EVENTS_KEPT_MAX);
    let newest = events[0].details.iter().find(|(key, _)| key == "generation").unwrap();
    assert_eq!(newest.1, (EVENTS_KEPT_MAX + 2).to_string());
}
