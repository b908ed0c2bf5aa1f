//! Jobs.

use crate::row::{self, StateError, at};
use kedge_artifact::digest::Digest;
use kedge_model::job::Job;
use kedge_model::tokens::{AccountName, JobId};
use kedge_storage::keyspaces::{Key, KeyReader, Keyspace};
use kedge_storage::kv::{View, prefix_end};

/// One job.
///
/// # Errors
/// When the store fails.
pub fn get(view: &dyn View, id: JobId) -> Result<Option<Job>, StateError> {
    row::get(view, at::job(id))
}

/// All jobs, oldest first.
///
/// # Errors
/// When the store fails.
pub fn list(view: &dyn View) -> Result<Vec<Job>, StateError> {
    row::all(view, &Key::new(Keyspace::Jobs))
}

/// Jobs of an image looked at: the newest ones.
const JOBS_OF_IMAGE: usize = 1_000;

/// The newest jobs of an image, oldest of them first.
///
/// # Errors
/// When the store fails.
pub fn of_image(
    view: &dyn View,
    account: &AccountName,
    digest: &Digest,
) -> Result<Vec<Job>, StateError> {
    let mut jobs = Vec::new();
    let prefix = at::jobs_of_image(account, digest).build();
    let newest = view.range(&prefix, prefix_end(&prefix).as_deref(), true, JOBS_OF_IMAGE)?;
    for (key, _) in newest.into_iter().rev() {
        let mut reader = KeyReader::new(Keyspace::JobsByImage, &key);
        let id = reader.as_mut().and_then(|r| {
            r.text()?;
            r.fixed::<32>()?;
            r.number()
        });
        if let Some(id) = id
            && let Some(job) = get(view, JobId(id))?
        {
            jobs.push(job);
        }
    }
    Ok(jobs)
}
