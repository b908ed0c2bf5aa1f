//! What every actor and service of a node holds.

use crate::cache::Cache;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::vault::Vault;
use kedge_artifact::digest::Digest;
use kedge_artifact::time::Timestamp;
use kedge_cluster::{Handle, ProposeError};
use kedge_model::command::{Command, Response};
use kedge_model::tokens::{Caller, NodeId};
use kedge_registry::Client;
use kedge_storage::blobs::{BlobDigest, BlobError};
use std::io::Read;
use std::sync::Arc;

/// Tells the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Handed to every actor and service.
pub struct Shared {
    /// The cluster.
    pub handle: Handle,
    /// This node.
    pub node: NodeId,
    /// The clock.
    pub clock: Clock,
    /// Opens secrets.
    pub vault: Vault,
    /// Talks to image registries.
    pub registry: Client,
    /// Derived results on disk.
    pub cache: Cache,
    /// Settings.
    pub options: Options,
    /// Counters.
    pub metrics: Metrics,
}

/// Why a document could not be stored or read back.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The blob store failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The bytes do not decompress.
    #[error("document {digest} cannot be decompressed: {source}")]
    Decompress {
        /// Its blob.
        digest: Digest,
        /// What the decompressor said.
        source: std::io::Error,
    },
    /// Over the limit.
    #[error("document {digest} is larger than {limit} bytes (DOCUMENT_BYTES_MAX)")]
    TooLarge {
        /// Its blob.
        digest: Digest,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not the document they should be.
    #[error("document {digest} cannot be read: {what}")]
    Malformed {
        /// Its blob.
        digest: Digest,
        /// What is wrong.
        what: String,
    },
    /// The runtime is going down.
    #[error("the node is stopping")]
    Stopping,
}

impl Shared {
    /// The present time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Proposes in this node's own name.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn propose(&self, command: Command) -> Result<Response, ProposeError> {
        self.handle.propose(Caller::Node(self.node), command).await
    }

    /// Stores bytes as they are. Durable when it returns.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub async fn put_blob(&self, bytes: Vec<u8>) -> Result<Digest, DocumentError> {
        let blobs = self.handle.blobs().clone();
        blocking(move || Ok(Digest::from_bytes(*blobs.put(&bytes)?.as_bytes()))).await
    }

    /// Reads a blob, verified.
    ///
    /// # Errors
    /// When it is missing, corrupt or too large.
    pub async fn get_blob(&self, digest: Digest) -> Result<Vec<u8>, DocumentError> {
        let blobs = self.handle.blobs().clone();
        blocking(move || Ok(blobs.get(&BlobDigest::new(*digest.as_bytes()))?)).await
    }

    /// Stores a document compressed. Durable when it returns.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub async fn put_document(&self, bytes: Vec<u8>) -> Result<Digest, DocumentError> {
        let blobs = self.handle.blobs().clone();
        blocking(move || {
            let packed = compress(&bytes);
            Ok(Digest::from_bytes(*blobs.put(&packed)?.as_bytes()))
        })
        .await
    }

    /// Reads a document that [`Shared::put_document`] stored.
    ///
    /// # Errors
    /// When it is missing, corrupt or too large.
    pub async fn get_document(&self, digest: Digest) -> Result<Vec<u8>, DocumentError> {
        let blobs = self.handle.blobs().clone();
        blocking(move || {
            let packed = blobs.get(&BlobDigest::new(*digest.as_bytes()))?;
            decompress(digest, &packed)
        })
        .await
    }
}

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    // Level 3 is the library's own default; writing to memory cannot fail.
    zstd::encode_all(bytes, 3).expect("memory takes every write")
}

pub(crate) fn decompress(digest: Digest, packed: &[u8]) -> Result<Vec<u8>, DocumentError> {
    use crate::limits::DOCUMENT_BYTES_MAX;
    let failed = |source| DocumentError::Decompress { digest, source };
    let decoder = zstd::Decoder::new(packed).map_err(failed)?;
    let mut bytes = Vec::new();
    decoder.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge { digest, limit: DOCUMENT_BYTES_MAX });
    }
    Ok(bytes)
}

/// Runs work that blocks off the runtime's threads.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, DocumentError> + Send + 'static,
) -> Result<R, DocumentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(DocumentError::Stopping),
    }
}
