//! Evaluation: facts about an image and a policy in, a verdict out, kept with what made it.

use crate::fault::Fault;
use crate::limits::EVALUATE_DEADLINE;
use crate::matcher::{Matcher, engine_version};
use crate::pool::{JobError, Work};
use crate::results::{Results, result};
use crate::shared::{Shared, blocking};
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use kedge_model::command::Command;
use kedge_model::evaluation::{Action, Evaluation};
use kedge_model::image::{Image, TagSeen};
use kedge_model::job::{Job, JobKind, Task};
use kedge_model::policy::Policy;
use kedge_policy::{DockerfileMode, ImageFacts, PolicyDocument};
use kedge_state::query;
use std::sync::Arc;
use std::time::Duration;

/// A verdict with its reasons.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The row.
    pub evaluation: Evaluation,
    /// The engine's result.
    pub detail: kedge_policy::Evaluation,
    /// The policy that was applied.
    pub document: PolicyDocument,
}

/// Evaluates images. Cheap to share.
pub struct Evaluator {
    shared: Arc<Shared>,
    results: Arc<Results>,
    matcher: Arc<Matcher>,
}

impl Evaluator {
    /// An evaluator over the node's parts.
    #[must_use]
    pub fn new(shared: Arc<Shared>, results: Arc<Results>, matcher: Arc<Matcher>) -> Self {
        Self { shared, results, matcher }
    }

    /// Judges an image under a tag (`registry/repository:tag`) by a policy, the active one when
    /// none is named; `store` keeps the verdict.
    ///
    /// # Errors
    /// When the image is not analysed, the policy does not exist, or a document cannot be read.
    pub async fn evaluate(
        &self,
        image: &Image,
        tag: &str,
        policy: Option<&str>,
        store: bool,
    ) -> Result<Judged, Fault> {
        let (row, document) = self.policy(image, policy).await?;
        let judged = self.judge(image, tag, &row, document).await?;
        if store {
            let record = Command::RecordEvaluation(Box::new(judged.evaluation.clone()));
            self.shared.propose(record).await?;
            self.shared.metrics.evaluated(judged.evaluation.action.as_str());
        }
        Ok(judged)
    }

    async fn policy(
        &self,
        image: &Image,
        id: Option<&str>,
    ) -> Result<(Policy, PolicyDocument), Fault> {
        let account = &image.account;
        let row = self.shared.handle.read(|view| match id {
            Some(id) => query::policy::get(view, account, id),
            None => query::policy::active(view, account),
        })?;
        let row = row.ok_or_else(|| match id {
            Some(id) => Fault::lasting("policy_not_found", 404, format!("policy {id} not found")),
            None => Fault::lasting("policy_not_found", 404, "the account has no active policy"),
        })?;
        let document = self.document(row.document).await?;
        Ok((row, document))
    }

    async fn document(&self, blob: Digest) -> Result<PolicyDocument, Fault> {
        let bytes = self.shared.get_blob(blob).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Fault::lasting("document_unreadable", 500, format!("policy document {blob}: {error}"))
        })
    }

    async fn judge(
        &self,
        image: &Image,
        tag: &str,
        row: &Policy,
        document: PolicyDocument,
    ) -> Result<Judged, Fault> {
        let analysed = result(image)?.clone();
        let sbom = self.results.sbom(image).await?;
        let files = self.results.files(image).await?;
        let dockerfile = self.results.dockerfile(image).await?;
        let matches = self.matcher.matches(analysed.sbom_content, Arc::clone(&sbom)).await?;
        let generation = matches.generation.clone();
        let seen = parts(image, tag);
        let platform = image.platform.clone();
        let (digest, now) = (image.digest, self.shared.now());
        let policy = document.clone();
        let detail = blocking(move || {
            let facts = ImageFacts {
                registry: &seen.registry,
                repository: &seen.repository,
                tag: &seen.tag,
                digest: &digest,
                image_id: Some(&analysed.image_id),
                sbom: &sbom,
                files: Some(&files),
                matches: Some(&matches),
                first_seen: None,
                dockerfile: Some(kedge_policy::Dockerfile {
                    text: &dockerfile.text,
                    mode: if dockerfile.actual {
                        DockerfileMode::Actual
                    } else {
                        DockerfileMode::Guessed
                    },
                }),
                size: Some(analysed.size_bytes),
                layer_count: Some(u64::from(analysed.layer_count)),
                architecture: &platform.architecture,
                os: &platform.os,
            };
            Ok(kedge_policy::evaluate(&policy, &facts, now))
        })
        .await?;
        let details = serde_json::to_vec(&detail)
            .map_err(|error| Fault::lasting("internal", 500, error.to_string()))?;
        let evaluation = Evaluation {
            account: image.account.clone(),
            digest: image.digest,
            tag: tag.to_owned(),
            policy: row.id.clone(),
            document: row.document,
            sbom: result(image)?.sbom_content,
            generation,
            engine: engine_version(),
            action: action(detail.final_action),
            at: now,
            details: self.shared.put_document(details).await?,
        };
        Ok(Judged { evaluation, detail, document })
    }

    /// A stored verdict with its reasons.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub async fn judged(&self, stored: &Evaluation) -> Result<Judged, Fault> {
        let document = self.document(stored.document).await?;
        let bytes = self.shared.get_document(stored.details).await?;
        let detail = serde_json::from_slice(&bytes).map_err(|error| {
            Fault::lasting("document_unreadable", 500, format!("evaluation: {error}"))
        })?;
        Ok(Judged { evaluation: stored.clone(), detail, document })
    }

    /// Whether a stored verdict was made of what is true now: the same SBOM, policy document,
    /// generation and engine.
    ///
    /// # Errors
    /// When the generation in use cannot be opened.
    pub async fn is_current(&self, image: &Image, stored: &Evaluation) -> Result<bool, Fault> {
        use kedge_artifact::advisory::AdvisorySource;
        let generation =
            self.matcher.dataset().await?.map_or_else(String::new, |dataset| dataset.generation());
        let row = self
            .shared
            .handle
            .read(|view| query::policy::get(view, &stored.account, &stored.policy))?;
        Ok(stored.sbom == result(image)?.sbom_content
            && stored.generation == generation
            && stored.engine == engine_version()
            && row.is_some_and(|row| row.document == stored.document))
    }
}

const fn action(action: kedge_policy::Action) -> Action {
    match action {
        kedge_policy::Action::Go => Action::Go,
        kedge_policy::Action::Warn => Action::Warn,
        kedge_policy::Action::Stop => Action::Stop,
    }
}

/// The parts of a full tag: those the image was seen under, or what the text says.
fn parts(image: &Image, tag: &str) -> TagSeen {
    if let Some(seen) = image.tags.iter().find(|seen| seen.full_tag() == tag) {
        return seen.clone();
    }
    let (registry, rest) = tag.split_once('/').unwrap_or(("", tag));
    let (repository, tag) = rest.rsplit_once(':').unwrap_or((rest, ""));
    TagSeen {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        detected_at: Timestamp(0),
    }
}

/// The background work: judge a freshly analysed image by the active policy, for every tag.
pub struct EvaluateImage(pub Arc<Evaluator>);

impl Work for EvaluateImage {
    const KIND: JobKind = JobKind::Evaluate;
    const DEADLINE: Duration = EVALUATE_DEADLINE;

    async fn run(&self, job: Job) -> Result<Command, JobError> {
        let Task::Evaluate { digest } = &job.task else {
            return Err(Fault::lasting("internal", 500, "the job is not an evaluation").into());
        };
        let read =
            |view: &dyn kedge_storage::kv::View| query::image::get(view, &job.account, digest);
        let image = self.0.shared.handle.read(read).map_err(Fault::from)?;
        // Deleted meanwhile: nothing is left to judge.
        if let Some(image) = image {
            for seen in &image.tags {
                self.0.evaluate(&image, &seen.full_tag(), None, true).await?;
            }
        }
        Ok(Command::FinishJob { job: job.id, epoch: job.epoch })
    }
}
