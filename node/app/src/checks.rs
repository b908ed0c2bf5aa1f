//! Policy evaluations of an image.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use kedge_artifact::reference::Reference;
use kedge_model::evaluation::Evaluation;
use kedge_model::image::Image;
use kedge_state::query;

/// One evaluation with its reasons and the document it applied.
pub type Verdict = kedge_actors::evaluator::Judged;

/// What to check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckInput {
    /// The active policy when absent.
    pub policy_id: Option<String>,
    /// The name to judge the image under.
    pub tag: String,
    /// Also earlier evaluations.
    pub history: bool,
    /// Evaluate now and store nothing. The image may then be judged under any name.
    pub interactive: bool,
    /// Digest of a base image to compare with.
    pub base: Option<String>,
}

/// Evaluations of an image, newest first.
pub struct Checked {
    /// The image.
    pub image: Image,
    /// The name it was judged under: `registry/repository:tag`.
    pub tag: String,
    /// The policy.
    pub policy_id: String,
    /// At least one.
    pub evaluations: Vec<Verdict>,
    /// The base image's evaluation by the same policy, when one was asked for.
    pub base: Option<Verdict>,
}

fn full_tag(text: &str) -> Result<String, AppError> {
    let bad = || AppError::invalid("tag must be of the form registry/repository:tag");
    let reference: Reference =
        text.parse().map_err(|error| AppError::invalid(format!("tag: {error}")))?;
    if reference.digest.is_some() {
        return Err(bad());
    }
    reference.full_tag().ok_or_else(bad)
}

fn no_evaluation() -> AppError {
    // The contract fixes this text.
    AppError::not_found("evaluation_not_found", "could not find any evaluations for input images")
}

impl App {
    /// Judges an analysed image: by what is stored when that was made of the SBOM, the policy, the
    /// advisory data and the engine of today, otherwise anew.
    ///
    /// # Errors
    /// 400 for a malformed tag, 403, 404 when the image is not there, not analysed or never had
    /// that tag, or there is no such policy.
    pub async fn check_image(
        &self,
        who: &Identity,
        digest: &str,
        input: &CheckInput,
    ) -> Result<Checked, AppError> {
        let tag = full_tag(&input.tag)?;
        let image = self.analyzed_image(who, digest, "getImageEvaluation").await?;
        let policy_id = self.policy_to_use(who, input.policy_id.as_deref()).await?;
        let base = match &input.base {
            Some(base) => Some(self.judge_base(who, base, &tag, &policy_id).await?),
            None => None,
        };
        let checked = |image, evaluations| {
            Ok(Checked { image, tag: tag.clone(), policy_id: policy_id.clone(), evaluations, base })
        };
        if input.interactive {
            let judged = self.system().evaluate(&image, &tag, Some(&policy_id), false).await?;
            return checked(image, vec![judged]);
        }
        if !image.tags.iter().any(|seen| seen.full_tag() == tag) {
            return Err(no_evaluation());
        }
        let stored = self.stored_evaluations(&image, &tag, &policy_id).await?;
        let current = match stored.first() {
            Some(newest) => self.system().is_current(&image, newest).await?,
            None => false,
        };
        let mut evaluations = Vec::new();
        if !current {
            evaluations.push(self.system().evaluate(&image, &tag, Some(&policy_id), true).await?);
        }
        let wanted = if input.history { stored.len() } else { usize::from(current) };
        for evaluation in stored.iter().take(wanted) {
            evaluations.push(self.system().judged(evaluation).await?);
        }
        checked(image, evaluations)
    }

    async fn judge_base(
        &self,
        who: &Identity,
        base: &str,
        tag: &str,
        policy_id: &str,
    ) -> Result<Verdict, AppError> {
        let image = self.analyzed_image(who, base, "getImageEvaluation").await?;
        Ok(self.system().evaluate(&image, tag, Some(policy_id), false).await?)
    }

    async fn policy_to_use(&self, who: &Identity, id: Option<&str>) -> Result<String, AppError> {
        let account = &who.account;
        let found = self.handle().read_linearizable(|view| match id {
            Some(id) => query::policy::get(view, account, id),
            None => query::policy::active(view, account),
        });
        match found.await?? {
            Some(policy) => Ok(policy.id),
            None => Err(crate::policies::policy_not_found("policy not found")),
        }
    }

    async fn stored_evaluations(
        &self,
        image: &Image,
        tag: &str,
        policy: &str,
    ) -> Result<Vec<Evaluation>, AppError> {
        let (account, digest) = (&image.account, &image.digest);
        let found = self.handle().read_linearizable(|view| {
            query::evaluation::history(view, account, digest, tag, policy)
        });
        Ok(found.await??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_completed_and_checked() {
        assert_eq!(full_tag("alpine:3").unwrap(), "docker.io/library/alpine:3");
        assert_eq!(full_tag("q.io:5000/a/b").unwrap(), "q.io:5000/a/b:latest");
        let digest = format!("q.io/a@sha256:{}", "0".repeat(64));
        for bad in ["", "https://q.io/a", "A:1", digest.as_str()] {
            assert_eq!(full_tag(bad).unwrap_err().status(), 400, "{bad}");
        }
    }
}
