//! Which blobs the state refers to: everything else may be collected.

use crate::row::{self, StateError};
use kedge_artifact::digest::Digest;
use kedge_model::evaluation::Evaluation;
use kedge_model::image::Image;
use kedge_model::policy::Policy;
use kedge_storage::keyspaces::{Key, Keyspace};
use kedge_storage::kv::View;
use std::collections::BTreeSet;

/// Every blob named by a row.
///
/// # Errors
/// When the store fails. Collecting on a partial answer would lose data.
pub fn referenced(view: &dyn View) -> Result<BTreeSet<Digest>, StateError> {
    let mut digests = BTreeSet::new();
    for image in row::all::<Image>(view, &Key::new(Keyspace::Images))? {
        digests.extend(image.dockerfile);
        if let Some(result) = image.result {
            digests.extend([result.sbom, result.files, result.manifest, result.config]);
        }
    }
    for policy in row::all::<Policy>(view, &Key::new(Keyspace::Policies))? {
        digests.insert(policy.document);
    }
    for evaluation in row::all::<Evaluation>(view, &Key::new(Keyspace::Evaluations))? {
        digests.extend([evaluation.document, evaluation.details]);
    }
    let feeds = super::feed::state(view)?;
    digests.extend(feeds.active.map(|generation| generation.blob));
    digests.extend(feeds.previous.map(|generation| generation.blob));
    Ok(digests)
}
