//! Images and tags.

use super::{Result, Work, event, job, reject};
use crate::query;
use crate::row::{self, at};
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use kedge_model::command::{AddImage, Response};
use kedge_model::event::{Event, EventLevel};
use kedge_model::image::{AnalysisState, Image, Tag, TagSeen};
use kedge_model::job::{Job, JobState, Priority, Task};
use kedge_model::limits::{
    ANNOTATION_BYTES_MAX, ANNOTATIONS_BYTES_MAX, ANNOTATIONS_MAX, IMAGE_TAGS_MAX, PAGE_ROWS_MAX,
    TAG_HISTORY_MAX,
};
use kedge_model::rejection::RejectionCode;
use kedge_model::tokens::AccountName;

pub(super) fn add(work: &mut Work<'_, '_>, command: &AddImage) -> Result<Response> {
    let account = &command.account;
    work.allow(account, "createImage")?;
    let known = row::get::<Image>(&work.txn, at::image(account, &command.digest))?;
    let fresh = known.is_none();
    if !fresh && command.dockerfile.is_some() && !command.force {
        // The contract fixes this text.
        let text = "Cannot specify dockerfile for an image that already exists unless using force=True for re-analysis";
        return reject(RejectionCode::ImageExists, text);
    }
    let mut image = known.unwrap_or_else(|| new_image(work, command));
    merge_annotations(&mut image, &command.annotations)?;
    see_tag(&mut image, command, work.at());
    for forgotten in image.tags.split_off(image.tags.len().min(IMAGE_TAGS_MAX)) {
        forget_tag(work, &image, &forgotten)?;
    }
    if command.dockerfile.is_some() {
        image.dockerfile = command.dockerfile;
    }
    image.last_updated = work.at();
    remember_tag(work, command)?;
    if let Some(id) = image.image_id {
        row::mark(&mut work.txn, at::image_by_id(account, &id, &image.digest))?;
    }
    let active = active_job(work, account, &image.digest)?;
    let again = command.force || image.analysis == AnalysisState::Failed;
    if active.is_none() && (fresh || again) {
        image.analysis = AnalysisState::NotAnalyzed;
        image.failure = None;
        let source = format!("{}/{}", command.registry, command.repository);
        let task = Task::Analyze { digest: image.digest, source };
        job::enqueue(work, account, task, Priority::Interactive)?;
    }
    write(work, &image)?;
    Ok(Response::Image(Box::new(image)))
}

pub(super) fn write(work: &mut Work<'_, '_>, image: &Image) -> Result<()> {
    row::put(&mut work.txn, at::image(&image.account, &image.digest), image)?;
    work.announce(Event::ImageChanged { account: image.account.clone(), digest: image.digest });
    Ok(())
}

fn new_image(work: &Work<'_, '_>, command: &AddImage) -> Image {
    Image {
        account: command.account.clone(),
        digest: command.digest,
        parent_digest: command.parent_digest,
        image_id: command.image_id,
        tags: Vec::new(),
        analysis: AnalysisState::NotAnalyzed,
        created_at: command.created_at.unwrap_or_else(|| work.at()),
        last_updated: work.at(),
        analyzed_at: None,
        annotations: Vec::new(),
        dockerfile: None,
        platform: command.platform.clone(),
        result: None,
        failure: None,
    }
}

fn merge_annotations(image: &mut Image, changes: &[(String, String)]) -> Result<()> {
    for (key, value) in changes {
        if key.len().max(value.len()) > ANNOTATION_BYTES_MAX {
            let text = format!(
                "an annotation has over {ANNOTATION_BYTES_MAX} bytes (ANNOTATION_BYTES_MAX)"
            );
            return reject(RejectionCode::Limit, text);
        }
        image.annotations.retain(|(known, _)| known != key);
        // The contract's way to remove a key.
        if value != "null" {
            image.annotations.push((key.clone(), value.clone()));
        }
    }
    if image.annotations.len() > ANNOTATIONS_MAX {
        let text = format!("the image has over {ANNOTATIONS_MAX} annotations (ANNOTATIONS_MAX)");
        return reject(RejectionCode::Limit, text);
    }
    let bytes: usize = image.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATIONS_BYTES_MAX {
        let text = format!(
            "the annotations have over {ANNOTATIONS_BYTES_MAX} bytes (ANNOTATIONS_BYTES_MAX)"
        );
        return reject(RejectionCode::Limit, text);
    }
    image.annotations.sort();
    Ok(())
}

fn see_tag(image: &mut Image, command: &AddImage, at: Timestamp) {
    let same = |seen: &TagSeen| {
        seen.registry == command.registry
            && seen.repository == command.repository
            && seen.tag == command.tag
    };
    if image.tags.iter().any(same) {
        return;
    }
    let seen = TagSeen {
        registry: command.registry.clone(),
        repository: command.repository.clone(),
        tag: command.tag.clone(),
        detected_at: at,
    };
    image.tags.insert(0, seen);
}

fn remember_tag(work: &mut Work<'_, '_>, command: &AddImage) -> Result<()> {
    let key = at::tag(&command.account, &command.registry, &command.repository, &command.tag);
    let mut tag = row::get::<Tag>(&work.txn, key.clone())?.unwrap_or_else(|| Tag {
        registry: command.registry.clone(),
        repository: command.repository.clone(),
        tag: command.tag.clone(),
        history: Vec::new(),
    });
    if tag.history.first().is_none_or(|(newest, _)| *newest != command.digest) {
        tag.history.insert(0, (command.digest, work.at()));
        tag.history.truncate(TAG_HISTORY_MAX);
        row::put(&mut work.txn, key, &tag)?;
    }
    Ok(())
}

/// The analysis of this image that waits or runs.
fn active_job(work: &Work<'_, '_>, account: &AccountName, digest: &Digest) -> Result<Option<Job>> {
    let jobs = query::job::of_image(&work.txn, account, digest)?;
    Ok(jobs.into_iter().find(|job| {
        matches!(job.task, Task::Analyze { .. })
            && matches!(job.state, JobState::Ready | JobState::Leased)
    }))
}

pub(super) fn delete(
    work: &mut Work<'_, '_>,
    account: &AccountName,
    digest: &Digest,
    force: bool,
) -> Result<Response> {
    work.allow(account, "deleteImage")?;
    let Some(image) = row::get::<Image>(&work.txn, at::image(account, digest))? else {
        return reject(RejectionCode::ImageNotFound, "image not found");
    };
    let active = active_job(work, account, digest)?;
    if active.is_some() && !force {
        // The contract fixes this text.
        return reject(RejectionCode::ImageBusy, "cannot delete image that is being analyzed");
    }
    for job in query::job::of_image(&work.txn, account, digest)? {
        if !job.state.is_final() {
            job::withdraw(work, job)?;
        }
    }
    remove_rows(work, &image)?;
    event::record_for(
        work,
        account,
        event::Draft {
            kind: "user.image.deleted",
            level: EventLevel::Info,
            resource: ("image_digest", &digest.to_string()),
            message: "image was deleted",
            details: Vec::new(),
            service: "catalog",
        },
    )?;
    Ok(Response::Image(Box::new(image)))
}

/// Takes an image out of a tag's history.
fn forget_tag(work: &mut Work<'_, '_>, image: &Image, seen: &TagSeen) -> Result<()> {
    let key = at::tag(&image.account, &seen.registry, &seen.repository, &seen.tag);
    let Some(mut tag) = row::get::<Tag>(&work.txn, key.clone())? else { return Ok(()) };
    tag.history.retain(|(digest, _)| *digest != image.digest);
    if tag.history.is_empty() {
        row::delete(&mut work.txn, key)?;
    } else {
        row::put(&mut work.txn, key, &tag)?;
    }
    Ok(())
}

fn remove_rows(work: &mut Work<'_, '_>, image: &Image) -> Result<()> {
    let account = &image.account;
    row::delete(&mut work.txn, at::image(account, &image.digest))?;
    if let Some(id) = image.image_id {
        row::delete(&mut work.txn, at::image_by_id(account, &id, &image.digest))?;
    }
    for seen in &image.tags {
        forget_tag(work, image, seen)?;
    }
    let evaluations = at::evaluations_of(account, &image.digest);
    // As many as there can be: tags times policies times history, in pages.
    loop {
        let keys = row::keys(&work.txn, &evaluations, PAGE_ROWS_MAX)?;
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            work.txn.delete(key).map_err(row::StateError::from)?;
        }
    }
}
