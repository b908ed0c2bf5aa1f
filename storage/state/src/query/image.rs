//! Images and tags.

use crate::row::{self, StateError, at};
use kedge_artifact::digest::Digest;
use kedge_model::image::{AnalysisState, Image, Tag};
use kedge_model::tokens::AccountName;
use kedge_storage::keyspaces::{Key, KeyReader, Keyspace};
use kedge_storage::kv::View;

/// One image.
///
/// # Errors
/// When the store fails.
pub fn get(
    view: &dyn View,
    account: &AccountName,
    digest: &Digest,
) -> Result<Option<Image>, StateError> {
    row::get(view, at::image(account, digest))
}

/// All images of an account, by digest.
///
/// # Errors
/// When the store fails.
pub fn list(view: &dyn View, account: &AccountName) -> Result<Vec<Image>, StateError> {
    row::all(view, &at::images(account))
}

/// Images with this image id.
///
/// # Errors
/// When the store fails.
pub fn by_id(
    view: &dyn View,
    account: &AccountName,
    id: &Digest,
) -> Result<Vec<Image>, StateError> {
    let mut images = Vec::new();
    for key in row::keys(view, &at::images_by_id(account, id), 1_000)? {
        let mut reader = KeyReader::new(Keyspace::ImagesById, &key);
        let digest = reader.as_mut().and_then(|r| {
            r.text()?;
            r.fixed::<32>()?;
            r.fixed::<32>()
        });
        if let Some(digest) = digest
            && let Some(image) = get(view, account, &Digest::from_bytes(digest))?
        {
            images.push(image);
        }
    }
    Ok(images)
}

/// What a tag points to.
///
/// # Errors
/// When the store fails.
pub fn tag(
    view: &dyn View,
    account: &AccountName,
    registry: &str,
    repository: &str,
    tag: &str,
) -> Result<Option<Tag>, StateError> {
    row::get(view, at::tag(account, registry, repository, tag))
}

/// All tags of an account, by name.
///
/// # Errors
/// When the store fails.
pub fn tags(view: &dyn View, account: &AccountName) -> Result<Vec<Tag>, StateError> {
    row::all(view, &at::tags(account))
}

/// How many images of the whole system are in each state.
///
/// # Errors
/// When the store fails.
pub fn counts(view: &dyn View) -> Result<Vec<(AnalysisState, u64)>, StateError> {
    let mut counts = [
        (AnalysisState::NotAnalyzed, 0),
        (AnalysisState::Analyzing, 0),
        (AnalysisState::Analyzed, 0),
        (AnalysisState::Failed, 0),
    ];
    for image in row::all::<Image>(view, &Key::new(Keyspace::Images))? {
        for (state, count) in &mut counts {
            *count += u64::from(*state == image.analysis);
        }
    }
    Ok(counts.to_vec())
}
