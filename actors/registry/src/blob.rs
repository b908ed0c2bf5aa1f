//! A blob as a stream of verified length and digest, taken up again where it broke off.

use crate::client::{Descriptor, pull_scope};
use crate::error::Error;
use crate::limits::BLOB_RESUMES_MAX;
use crate::retry::Backoff;
use crate::session::{Ask, Session};
use crate::transport::{Fault, label};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use kedge_artifact::digest::Digest;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// The bytes of one blob, in order. The end comes only after the digest was checked; bytes handed
/// out before an error are not to be relied on.
pub struct BlobStream {
    session: Session,
    ask: Ask,
    descriptor: Descriptor,
    response: Option<reqwest::Response>,
    /// Bytes handed out.
    offset: u64,
    /// Bytes to pass over, when the registry starts from the beginning again.
    skip: u64,
    /// `None` when the reader computes the digest.
    hasher: Option<Sha256>,
    backoff: Backoff,
    deadline: Instant,
}

impl BlobStream {
    pub(crate) async fn open(
        session: Session,
        repository: &str,
        descriptor: &Descriptor,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let digest = descriptor.digest;
        let ask = Ask {
            url: session.url(&format!("/v2/{repository}/blobs/{digest}")),
            scope: pull_scope(repository),
            accept: "application/octet-stream, */*",
            offset: 0,
            roams: true,
            subject: format!("{repository}@{digest}"),
        };
        // Resumptions are counted over the whole blob; a registry that gives one byte per
        // connection does not get to go on for ever.
        let backoff = Backoff::new(&session.shared.options, BLOB_RESUMES_MAX, deadline);
        let mut stream = Self {
            session,
            ask,
            descriptor: descriptor.clone(),
            response: None,
            offset: 0,
            skip: 0,
            hasher: Some(Sha256::new()),
            backoff,
            deadline,
        };
        let first = stream.session.fetch(&stream.ask, deadline).await?;
        stream.accept(first)?;
        Ok(stream)
    }

    /// The descriptor it was opened with.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Leaves the digest to the reader, which must then compute it itself over every byte and
    /// compare: the layer reader does, and hashing twice would cost a tenth of an analysis. The
    /// length is still checked here.
    #[must_use]
    pub fn digest_checked_by_reader(mut self) -> Self {
        self.hasher = None;
        self
    }

    /// The next bytes; `None` after the last, when length and digest are right.
    ///
    /// # Errors
    /// Any [`Error`]; after one the stream is of no more use.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while self.offset < self.descriptor.size {
            match self.receive().await {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(Some(chunk)),
                Err(error) => {
                    self.response = None;
                    self.backoff.wait(error).await?;
                }
            }
        }
        // What follows the descriptor's size is not read.
        self.response = None;
        let Some(hasher) = self.hasher.clone() else { return Ok(None) };
        let actual = Digest::from_bytes(hasher.finalize().into());
        if actual == self.descriptor.digest {
            return Ok(None);
        }
        let what = format!("blob {} of {}", self.ask.subject, self.session.host());
        Err(Error::DigestMismatch { what, expected: self.descriptor.digest, actual })
    }

    /// Some bytes of the current answer, perhaps none.
    async fn receive(&mut self) -> Result<Bytes, Error> {
        if self.response.is_none() {
            self.ask.offset = self.offset;
            // One try: the resumptions are counted and spaced in `chunk`.
            let response = self.session.fetch_once(&self.ask, self.deadline).await?;
            self.accept(response)?;
        }
        let Some(response) = &mut self.response else { return Ok(Bytes::new()) };
        let (host, url) = (label(response.url()), response.url().clone());
        let chunk = tokio::time::timeout_at(self.deadline, response.chunk()).await;
        let chunk = chunk.map_err(|_| Error::Timeout {
            host: host.clone(),
            what: "the time for one blob is over".into(),
        })?;
        let Some(mut chunk) = chunk.map_err(|error| Fault::of(&error).into_error(&url))? else {
            let (got, size) = (self.offset, self.descriptor.size);
            let what = format!("the blob ended after {got} of {size} bytes");
            return Err(Error::Unreachable { host, what });
        };
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
        self.skip -= skipped as u64;
        chunk = chunk.slice(skipped..);
        let left = usize::try_from(self.descriptor.size - self.offset).unwrap_or(usize::MAX);
        chunk.truncate(left);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        self.offset += chunk.len() as u64;
        Ok(chunk)
    }

    /// Takes an answer to read from, when it is about the wanted bytes.
    fn accept(&mut self, response: reqwest::Response) -> Result<(), Error> {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        if response.status().as_u16() == 206 {
            let start = text(CONTENT_RANGE)
                .and_then(|range| range.trim().strip_prefix("bytes "))
                .and_then(|range| range.split('-').next())
                .and_then(number);
            if start != Some(self.offset) {
                let what = "another range of the blob than was asked for".into();
                return Err(Error::NotARegistry { host: label(response.url()), what });
            }
            self.skip = 0;
        } else {
            let announced = text(CONTENT_LENGTH).and_then(number);
            if let Some(actual) = announced.filter(|length| *length != self.descriptor.size) {
                let what = format!("blob {} of {}", self.ask.subject, self.session.host());
                return Err(Error::SizeMismatch { what, expected: self.descriptor.size, actual });
            }
            self.skip = self.offset;
        }
        self.response = Some(response);
        Ok(())
    }
}
