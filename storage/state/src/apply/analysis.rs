//! The result of an analysis: stored once, fenced by the epoch.

use super::{Result, Work, event, image, job, reject};
use crate::row::{self, at};
use kedge_model::command::Response;
use kedge_model::event::EventLevel;
use kedge_model::image::{AnalysisResult, AnalysisState, Image};
use kedge_model::job::{Priority, Task};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::{Epoch, JobId};

pub(super) fn finish(
    work: &mut Work<'_, '_>,
    id: JobId,
    epoch: Epoch,
    result: &AnalysisResult,
) -> Result<Response> {
    work.only_nodes()?;
    let held = job::held(work, id, epoch)?;
    let Task::Analyze { digest, .. } = held.task.clone() else {
        return reject(RejectionCode::JobState, format!("job {id} is not an analysis"));
    };
    let account = held.account.clone();
    let Some(mut analyzed) = row::get::<Image>(&work.txn, at::image(&account, &digest))? else {
        return reject(RejectionCode::ImageNotFound, "the image was deleted meanwhile");
    };
    job::done(work, held)?;
    analyzed.analysis = AnalysisState::Analyzed;
    analyzed.failure = None;
    analyzed.analyzed_at = Some(work.at());
    analyzed.last_updated = work.at();
    analyzed.image_id = Some(result.image_id);
    analyzed.result = Some(result.clone());
    row::mark(&mut work.txn, at::image_by_id(&account, &result.image_id, &digest))?;
    image::write(work, &analyzed)?;
    let packages: u64 = result.package_counts.iter().map(|(_, count)| u64::from(*count)).sum();
    event::record_for(
        work,
        &account,
        event::Draft {
            kind: "user.image.analysis.completed",
            level: EventLevel::Info,
            resource: ("image_digest", &digest.to_string()),
            message: "image analysis completed",
            details: vec![
                ("job".to_owned(), id.to_string()),
                ("packages".to_owned(), packages.to_string()),
                ("sbom".to_owned(), result.sbom_content.to_string()),
            ],
            service: "analyzer",
        },
    )?;
    job::enqueue(work, &account, Task::Evaluate { digest }, Priority::Interactive)?;
    Ok(Response::Image(Box::new(analyzed)))
}
