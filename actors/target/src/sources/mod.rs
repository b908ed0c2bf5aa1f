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
