//! `kedgectl job`: what the node is working on.

use crate::Session;
use crate::client::{Query, put};
use crate::exit::{Exit, Failure};
use crate::output::list::{Column, ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{Args, Subcommand, ValueEnum};
use kedge_api::jobs::{Job, JobList, JobState};

/// See and steer what a node is working on
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List jobs, newest first
    List(ListArgs),
    /// Show a job
    Get(IdArgs),
    /// Put a parked or cancelled job back in the queue
    Retry(IdArgs),
    /// Stop a job
    Cancel(IdArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only in this state
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Only of this kind: analyze, evaluate, sync, …
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only about this image digest or other subject
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// Id of the job
    id: String,
    #[command(flatten)]
    output: ListOutput,
}

/// Job state as a flag value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Waiting
    Ready,
    /// Running
    Leased,
    /// Finished
    Done,
    /// Given up
    Parked,
    /// Stopped
    Cancelled,
}

const fn word(state: JobState) -> &'static str {
    match state {
        JobState::Ready => "ready",
        JobState::Leased => "leased",
        JobState::Done => "done",
        JobState::Parked => "parked",
        JobState::Cancelled => "cancelled",
    }
}

impl State {
    const fn api(self) -> JobState {
        match self {
            Self::Ready => JobState::Ready,
            Self::Leased => JobState::Leased,
            Self::Done => JobState::Done,
            Self::Parked => JobState::Parked,
            Self::Cancelled => JobState::Cancelled,
        }
    }
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: JobCommand) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        JobCommand::List(args) => {
            let mut query = Query::new();
            put(&mut query, "state", args.state.map(|state| word(state.api())));
            put(&mut query, "kind", args.kind.as_deref());
            put(&mut query, "subject", args.subject.as_deref());
            put(&mut query, "limit", Some(args.limit));
            let list: JobList = client.get(&["kedge", "v1", "jobs"], query).await?;
            args.output.list(session.out, "JobList", &list.jobs, &columns())?;
            if list.next.is_some() {
                session.ui.note("there are more; narrow the list or raise --limit");
            }
        }
        JobCommand::Get(args) => {
            let job = client.get(&["kedge", "v1", "jobs", &args.id], Vec::new()).await?;
            show(session, &args.output, &job)?;
        }
        JobCommand::Retry(args) => {
            let job = client.post(&["kedge", "v1", "jobs", &args.id, "retry"], Vec::new()).await?;
            show(session, &args.output, &job)?;
        }
        JobCommand::Cancel(args) => {
            let job = client.post(&["kedge", "v1", "jobs", &args.id, "cancel"], Vec::new()).await?;
            show(session, &args.output, &job)?;
        }
    }
    Ok(Exit::Ok)
}

fn state(job: &Job) -> Cell {
    let tone = match job.state {
        JobState::Done => Tone::Good,
        JobState::Parked => Tone::Bad,
        JobState::Cancelled => Tone::Dim,
        JobState::Ready | JobState::Leased => Tone::Warn,
    };
    Cell::toned(word(job.state), tone)
}

fn show(session: &Session, output: &ListOutput, job: &Job) -> Result<(), Failure> {
    let problems: Vec<String> =
        job.problems.iter().map(|p| format!("{}: {}", p.code, p.message)).collect();
    let facts = vec![
        ("job", job.id.as_str().into()),
        ("kind", job.kind.as_str().into()),
        ("subject", job.subject.as_str().into()),
        ("state", state(job)),
        ("attempts", format!("{} of {}", job.attempts, job.attempts_max).into()),
        ("node", job.node.clone().unwrap_or_default().into()),
        ("error", job.last_error.clone().unwrap_or_default().into()),
        ("problems", problems.join("; ").into()),
        ("created", job.created_at.as_str().into()),
        ("updated", job.updated_at.as_str().into()),
    ];
    output.object(session.out, "Job", job, facts)
}

fn columns() -> [Column<Job>; 8] {
    [
        column("JOB", |job| job.id.as_str().into()),
        column("KIND", |job| job.kind.as_str().into()),
        column("SUBJECT", |job| text::short_digest(&job.subject).into()),
        column("STATE", state),
        column("ATTEMPTS", |job| format!("{}/{}", job.attempts, job.attempts_max).into()),
        column("UPDATED", |job| text::ago_text(&job.updated_at).into()),
        wide("ERROR", |job| job.last_error.clone().unwrap_or_default().into()),
        wide("NODE", |job| job.node.clone().unwrap_or_default().into()),
    ]
}
