//! The places an image can be in.

mod directory;
mod docker_archive;
mod layout;
mod registry;

pub use directory::DirectorySource;
pub use docker_archive::DockerArchiveSource;
pub use layout::{OciArchiveSource, OciLayoutSource};
pub use registry::RegistrySource;

use crate::error::TargetError;
use crate::source::ImageSource;
use crate::spec::TargetSpec;
use kedge_artifact::reference::Reference;
use kedge_registry::{Access, Client};
use std::sync::Arc;

/// Opens what a person named. `access` says how a registry may be reached and is asked only when
/// there is one.
///
/// # Errors
/// An archive cannot be read. What else is wrong with a target shows when it is analysed.
pub async fn open(
    spec: TargetSpec,
    client: &Client,
    access: impl FnOnce(&Reference) -> Access,
) -> Result<Arc<dyn ImageSource>, TargetError> {
    Ok(match spec {
        TargetSpec::Registry(reference) => {
            let access = access(&reference);
            Arc::new(RegistrySource::new(client.clone(), access, reference))
        }
        TargetSpec::OciDir { path, name } => Arc::new(OciLayoutSource::new(path, name)),
        TargetSpec::OciArchive { path, name } => {
            Arc::new(OciArchiveSource::open(path, name).await?)
        }
        TargetSpec::DockerArchive { path, name } => {
            Arc::new(DockerArchiveSource::open(path, name).await?)
        }
        TargetSpec::Directory(path) | TargetSpec::File(path) => {
            Arc::new(DirectorySource::new(path))
        }
    })
}

/// Runs file access where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    place: &str,
    work: impl FnOnce() -> Result<T, TargetError> + Send + 'static,
) -> Result<T, TargetError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(panicked(place, error)),
    }
}

/// A defect that the content brought to light: told with its place, and nothing else goes down.
pub(crate) fn panicked(place: &str, error: tokio::task::JoinError) -> TargetError {
    let Ok(payload) = error.try_into_panic() else { return TargetError::Cancelled };
    let what = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned());
    TargetError::Panicked { place: place.to_owned(), what }
}
