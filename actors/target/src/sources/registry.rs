//! An image in a registry.

use crate::document::{Documents, follow};
use crate::error::TargetError;
use crate::source::{Image, ImageSource, LayerInput, LayerSource, LayerStream, RawDocument};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kedge_analyzer::image::manifest::Descriptor;
use kedge_analyzer::limits::CONFIG_DOCUMENT_BYTES_MAX;
use kedge_artifact::image::Platform;
use kedge_artifact::reference::Reference;
use kedge_registry::{Access, Client};

/// An image in a registry, by reference.
pub struct RegistrySource {
    client: Client,
    access: Access,
    reference: Reference,
}

impl RegistrySource {
    /// Names an image; nothing is asked for yet.
    #[must_use]
    pub fn new(client: Client, access: Access, reference: Reference) -> Self {
        Self { client, access, reference }
    }
}

fn to_registry(descriptor: &Descriptor) -> kedge_registry::Descriptor {
    kedge_registry::Descriptor {
        digest: descriptor.digest,
        size: descriptor.size,
        media_type: descriptor.media_type.clone(),
    }
}

impl Documents for RegistrySource {
    fn manifest<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<Bytes, TargetError>> {
        async {
            let repository = &self.reference.repository;
            let found = self.client.manifest(&self.access, repository, descriptor.digest).await?;
            Ok(found.bytes)
        }
        .boxed()
    }

    fn config<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<Bytes, TargetError>> {
        async {
            let (repository, wanted) = (&self.reference.repository, to_registry(descriptor));
            let limit = CONFIG_DOCUMENT_BYTES_MAX as u64;
            Ok(self.client.blob_bytes(&self.access, repository, &wanted, limit).await?)
        }
        .boxed()
    }
}

impl ImageSource for RegistrySource {
    fn image<'a>(
        &'a self,
        platform: Option<&'a Platform>,
    ) -> BoxFuture<'a, Result<Image, TargetError>> {
        async move {
            let found = self.client.resolve(&self.access, &self.reference).await?;
            let root = RawDocument { digest: found.digest, bytes: found.bytes };
            let place = self.reference.to_string();
            let stated = found.media_type.as_str();
            let image = follow(self, &place, root, Some(stated), platform).await?;
            Ok(Image { notes: found.problems, ..image })
        }
        .boxed()
    }

    fn open_layer<'a>(
        &'a self,
        layer: &'a LayerSource,
    ) -> BoxFuture<'a, Result<LayerInput, TargetError>> {
        async move {
            let digest = layer.blob.expect("layers of a registry image come from a manifest");
            let wanted =
                kedge_registry::Descriptor { digest, size: layer.size, media_type: String::new() };
            let repository = &self.reference.repository;
            let stream = self.client.blob(&self.access, repository, &wanted).await?;
            // The layer reader computes the digest of every byte and compares it.
            let (reader, pump) = stream.digest_checked_by_reader().into_reader();
            let (reader, pump) = (Box::new(reader), Some(pump.boxed()));
            Ok(LayerInput::Stream(LayerStream { reader, pump }))
        }
        .boxed()
    }
}
