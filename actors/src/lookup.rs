//! Questions to image registries that somebody waits for: does this credential work, what does
//! this name mean now.

use crate::access::{self, Candidate};
use crate::fault::Fault;
use crate::shared::Shared;
use kedge_artifact::digest::Digest;
use kedge_artifact::image::Platform;
use kedge_artifact::reference::Reference;
use kedge_artifact::time::Timestamp;
use kedge_model::registry::Registry;
use kedge_model::tokens::AccountName;
use kedge_state::query;
use kedge_target::{ImageSource, RegistrySource};

/// What a reference means at its registry, now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// Digest of the index it was picked from, or of the manifest itself.
    pub parent_digest: Digest,
    /// Digest of the configuration.
    pub image_id: Digest,
    /// When the image was made, by its own account.
    pub created_at: Option<Timestamp>,
    /// Sum of the layer blobs in bytes.
    pub size_bytes: u64,
    /// Its platform.
    pub platform: Platform,
}

/// Asks the registry whether a credential works.
///
/// # Errors
/// What the registry or the network says.
pub async fn check(shared: &Shared, candidate: &Candidate<'_>) -> Result<(), Fault> {
    Ok(shared.registry.ping(&candidate.access()).await?)
}

/// The same for a stored entry.
///
/// # Errors
/// What the registry or the network says, or that the password cannot be opened.
pub async fn check_stored(shared: &Shared, entry: &Registry) -> Result<(), Fault> {
    let owner = shared.handle.read(|view| query::account::get(view, &entry.account))?;
    let owner = owner.ok_or_else(|| access::AccessError::NoAccount(entry.account.clone()))?;
    let access = access::with_entry(shared, entry, &owner.data_key)?;
    Ok(shared.registry.ping(&access).await?)
}

/// Finds the image that a reference names, for a platform.
///
/// # Errors
/// What the registry says, or that it is no image for that platform.
pub async fn resolve(
    shared: &Shared,
    account: &AccountName,
    reference: &Reference,
    platform: &Platform,
) -> Result<ResolvedImage, Fault> {
    let access =
        access::to_repository(shared, account, &reference.registry, &reference.repository)?;
    let source = RegistrySource::new(shared.registry.clone(), access, reference.clone());
    let image = source.image(Some(platform)).await?;
    let incomplete = || Fault::lasting("not_an_image", 400, format!("{reference} is not an image"));
    let manifest = image.manifest.as_ref().ok_or_else(incomplete)?;
    let config = image.config.as_ref().ok_or_else(incomplete)?;
    Ok(ResolvedImage {
        digest: manifest.digest,
        parent_digest: image.index.unwrap_or(manifest.digest),
        image_id: config.digest,
        created_at: image.image_config.as_ref().and_then(|config| config.created),
        size_bytes: image.layers.iter().map(|layer| layer.size).sum(),
        platform: image.platform.clone().unwrap_or_else(|| platform.clone()),
    })
}
