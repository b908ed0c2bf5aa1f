//! `image add` and `image wait`.

use super::{Named, find, parse, show};
use crate::Session;
use crate::client::{Client, Query, put};
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::list::ListOutput;
use crate::text;
use base64::Engine;
use clap::Args;
use kedge_api::images::{
    AnalysisStatus, AnchoreImage, ImageAnalysisRequest, ImageSource, RegistryDigestSource,
    RegistryTagSource,
};
use kedge_api::jobs::JobList;
use kedge_artifact::reference::Reference;
use reqwest::Method;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Pause between two looks at an image: it doubles from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// registry/repository:tag, or registry/repository:tag@sha256:…
    image: String,
    /// Wait until it is analysed
    #[arg(long)]
    wait: bool,
    /// Longest wait: 90s, 30m, 1h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = text::duration)]
    timeout: Duration,
    /// Dockerfile that it was built from
    #[arg(long, value_name = "FILE")]
    dockerfile: Option<PathBuf>,
    /// Annotation KEY=VALUE; KEY=null removes one. Repeatable
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Tag to record an image by digest under
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Analyse again
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Reference or digest
    image: String,
    /// Longest wait: 90s, 30m, 1h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = text::duration)]
    timeout: Duration,
    #[command(flatten)]
    output: ListOutput,
}

/// Submits an image.
pub(crate) async fn add(session: &Session, args: AddArgs) -> Result<Exit, Failure> {
    let body = request(&args)?;
    let client = session.client()?;
    let mut query = Query::new();
    put(&mut query, "force", args.force.then_some(true));
    let stage = session.ui.stage(&format!("Submitting {}", args.image));
    let image: AnchoreImage =
        client.send_json(Method::POST, &["v2", "images"], query, &body).await?;
    stage.done("Submitted", &image.image_digest);
    let image = if args.wait {
        follow(session, &client, &image.image_digest, args.timeout).await?
    } else {
        image
    };
    show(session, &args.output, &image)?;
    Ok(Exit::Ok)
}

/// Waits for an image that was submitted before.
pub(crate) async fn wait(session: &Session, args: WaitArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let digest = match parse(&args.image)? {
        Named::Digest(digest) => digest,
        Named::Tag(_) => find(&client, &args.image).await?.image_digest,
    };
    let image = follow(session, &client, &digest, args.timeout).await?;
    show(session, &args.output, &image)?;
    Ok(Exit::Ok)
}

fn request(args: &AddArgs) -> Result<ImageAnalysisRequest, Failure> {
    let reference: Reference = args.image.parse().map_err(Failure::usage)?;
    let dockerfile = args.dockerfile.as_deref().map(input::document).transpose()?;
    let dockerfile =
        dockerfile.map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes));
    let mut source = ImageSource::default();
    match &reference.digest {
        None => {
            let pull_string = reference.to_string();
            source.tag = Some(RegistryTagSource { pull_string, dockerfile });
        }
        Some(digest) => {
            let tag = args.tag.clone().or_else(|| reference.tag.clone()).ok_or_else(|| {
                Failure::usage("an image by digest needs a tag to be recorded under")
                    .hint("write repository:tag@sha256:… or add --tag TAG")
            })?;
            source.digest = Some(RegistryDigestSource {
                pull_string: format!("{}@{digest}", reference.name()),
                tag: if tag.contains('/') { tag } else { format!("{}:{tag}", reference.name()) },
                creation_timestamp_override: None,
                dockerfile,
            });
        }
    }
    let annotations = annotations(&args.annotations)?;
    Ok(ImageAnalysisRequest {
        image_type: Some("docker".to_owned()),
        annotations: (!annotations.is_empty()).then_some(annotations),
        source: Some(source),
    })
}

fn annotations(pairs: &[String]) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut annotations = BTreeMap::new();
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Failure::usage(format!("'{pair}' is not KEY=VALUE")))?;
        annotations.insert(key.to_owned(), Some(value.to_owned()).filter(|value| value != "null"));
    }
    Ok(annotations)
}

/// Looks again and again until the analysis has ended.
async fn follow(
    session: &Session,
    client: &Client,
    digest: &str,
    timeout: Duration,
) -> Result<AnchoreImage, Failure> {
    let begun = Instant::now();
    let mut pause = POLL.0;
    let mut last = None;
    let stage = session.ui.stage("Analysing");
    loop {
        let image: AnchoreImage = client.get(&["v2", "images", digest], Vec::new()).await?;
        let status = image.analysis_status;
        if last.replace(status) != Some(status) {
            stage.detail(status.as_str());
        }
        match status {
            AnalysisStatus::Analyzed => {
                stage.done("Analysed", digest);
                return Ok(image);
            }
            AnalysisStatus::AnalysisFailed => {
                drop(stage);
                return Err(failure(client, digest).await);
            }
            AnalysisStatus::NotAnalyzed | AnalysisStatus::Analyzing => {}
        }
        let left = timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let what =
                format!("{digest} is still {} after {} s", status.as_str(), timeout.as_secs());
            let hint = format!("the work goes on: kedgectl image wait {digest}");
            return Err(Failure::new(Exit::TimedOut, what).code("timeout").hint(hint));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(POLL.1);
    }
}

/// The analysis was given up: the job says why.
async fn failure(client: &Client, digest: &str) -> Failure {
    let mut query = Query::new();
    put(&mut query, "subject", Some(digest));
    put(&mut query, "kind", Some("analyze"));
    put(&mut query, "limit", Some(1));
    let jobs: Result<JobList, Failure> = client.get(&["kedge", "v1", "jobs"], query).await;
    let job = jobs.ok().and_then(|list| list.jobs.into_iter().next());
    let failure = Failure::error(format!(
        "the analysis of {digest} failed: {}",
        job.as_ref().and_then(|job| job.last_error.as_deref()).unwrap_or("see the node's events")
    ));
    let failure = failure.code("analysis_failed");
    match job {
        Some(job) => failure.hint(format!("try again with 'kedgectl job retry {}'", job.id)),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::annotations;

    #[test]
    fn annotations_are_pairs() {
        let read = annotations(&["a=1=2".into(), "b=null".into()]).unwrap();
        assert_eq!(read["a"].as_deref(), Some("1=2"));
        assert_eq!(read["b"], None);
        assert!(annotations(&["=x".into()]).is_err());
        assert!(annotations(&["x".into()]).is_err());
    }
}
