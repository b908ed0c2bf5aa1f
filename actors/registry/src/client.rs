//! The operations.

use crate::access::Access;
use crate::blob::BlobStream;
use crate::error::Error;
use crate::limits::MANIFEST_BYTES_MAX;
use crate::manifest::{ACCEPT_MANIFESTS, MediaType};
use crate::options::Options;
use crate::session::{Ask, Session, Shared, is_html};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use kedge_artifact::digest::Digest;
use kedge_artifact::problem::Problem;
use kedge_artifact::reference::Reference;
use std::sync::Arc;
use tokio::time::Instant;

/// What a manifest says of a blob or of another manifest (OCI image-spec, `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Digest of the bytes.
    pub digest: Digest,
    /// Number of bytes.
    pub size: u64,
    /// Media type as written.
    pub media_type: String,
}

/// A manifest or index as the registry served it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Digest of `bytes`, computed.
    pub digest: Digest,
    /// Kind, from the bytes.
    pub media_type: MediaType,
    /// Number of bytes.
    pub size: u64,
    /// The document.
    pub bytes: Bytes,
    /// Where the registry's headers contradict the bytes.
    pub problems: Vec<Problem>,
}

/// The registry client. Cheap to clone; clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// Builds the HTTP clients.
    ///
    /// # Errors
    /// [`Error::Setup`] when an additional root certificate cannot be read.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self { shared: Arc::new(Shared::new(options)?) })
    }

    /// Asks the registry's root (`GET /v2/`), logging in when it wants that: the check of a
    /// credential. A registry that lets everybody in says nothing about the credential.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::AuthFailed`] for a wrong credential, [`Error::NotARegistry`] when
    /// something else answers.
    pub async fn ping(&self, access: &Access) -> Result<(), Error> {
        let deadline = self.deadline();
        let session = Session::open(&self.shared, access, deadline).await?;
        let ask = Ask {
            url: session.url("/v2/"),
            scope: String::new(),
            accept: "application/json",
            offset: 0,
            roams: false,
            subject: "the registry api".into(),
        };
        let limit = (MANIFEST_BYTES_MAX, "MANIFEST_BYTES_MAX");
        let (headers, body) = match session.fetch_body(&ask, limit, deadline).await {
            Err(Error::NotFound { host, .. }) => {
                let what = "status 404 for /v2/".into();
                return Err(Error::NotARegistry { host, what });
            }
            other => other?,
        };
        let declared = headers.contains_key("docker-distribution-api-version");
        let body = body.trim_ascii();
        if declared || body.is_empty() || body.starts_with(b"{") {
            return Ok(());
        }
        let what = "no api answer for /v2/".into();
        Err(Error::NotARegistry { host: session.host(), what })
    }

    /// Fetches the manifest or index that a reference names, by digest when it has one.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::DigestMismatch`] when the bytes are not those of the digest.
    pub async fn resolve(&self, access: &Access, reference: &Reference) -> Result<Resolved, Error> {
        let name = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        };
        self.fetch_manifest(access, &reference.repository, &name, reference.digest).await
    }

    /// Fetches a manifest or index by digest.
    ///
    /// # Errors
    /// As [`Client::resolve`].
    pub async fn manifest(
        &self,
        access: &Access,
        repository: &str,
        digest: Digest,
    ) -> Result<Resolved, Error> {
        self.fetch_manifest(access, repository, &digest.to_string(), Some(digest)).await
    }

    /// Opens a blob for streaming. Foreign-layer URLs are never followed: the blob comes from the
    /// repository or not at all.
    ///
    /// # Errors
    /// Any [`Error`] of the first answer; later ones come out of the stream.
    pub async fn blob(
        &self,
        access: &Access,
        repository: &str,
        descriptor: &Descriptor,
    ) -> Result<BlobStream, Error> {
        check_repository(repository)?;
        let deadline = Instant::now() + self.shared.options.blob_deadline;
        let session = Session::open(&self.shared, access, deadline).await?;
        BlobStream::open(session, repository, descriptor, deadline).await
    }

    /// Fetches a small blob whole, for instance a configuration.
    ///
    /// # Errors
    /// As [`Client::blob`]; [`Error::TooLarge`] when the descriptor is over `bytes_max`, without
    /// a request.
    pub async fn blob_bytes(
        &self,
        access: &Access,
        repository: &str,
        descriptor: &Descriptor,
        bytes_max: u64,
    ) -> Result<Bytes, Error> {
        if descriptor.size > bytes_max {
            return Err(Error::TooLarge {
                host: access.host.clone(),
                what: format!("blob {}", descriptor.digest),
                limit: bytes_max,
                name: "bytes_max",
            });
        }
        let mut stream = self.blob(access, repository, descriptor).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.into())
    }

    /// All tags of a repository, sorted as the registry sorts them.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::TooLarge`] over the limits on pages and tags.
    pub async fn tags(&self, access: &Access, repository: &str) -> Result<Vec<String>, Error> {
        check_repository(repository)?;
        let deadline = self.deadline();
        let session = Session::open(&self.shared, access, deadline).await?;
        crate::tags::list(&session, repository, deadline).await
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.shared.options.operation_deadline
    }

    async fn fetch_manifest(
        &self,
        access: &Access,
        repository: &str,
        name: &str,
        digest: Option<Digest>,
    ) -> Result<Resolved, Error> {
        check_repository(repository)?;
        let deadline = self.deadline();
        let session = Session::open(&self.shared, access, deadline).await?;
        let separator = if digest.is_some() { '@' } else { ':' };
        let subject = format!("{repository}{separator}{name}");
        let ask = Ask {
            url: session.url(&format!("/v2/{repository}/manifests/{name}")),
            scope: pull_scope(repository),
            accept: ACCEPT_MANIFESTS,
            offset: 0,
            roams: false,
            subject: subject.clone(),
        };
        let limit = (MANIFEST_BYTES_MAX, "MANIFEST_BYTES_MAX");
        let (headers, bytes) = session.fetch_body(&ask, limit, deadline).await?;
        let actual = Digest::of(&bytes);
        if let Some(expected) = digest.filter(|expected| *expected != actual) {
            let what = format!("manifest {subject} of {}", session.host());
            return Err(Error::DigestMismatch { what, expected, actual });
        }
        let media_type = identify(&session, &headers, &bytes, subject)?;
        let problems = contradictions(&headers, actual, media_type, &ask.subject);
        Ok(Resolved { digest: actual, media_type, size: bytes.len() as u64, bytes, problems })
    }
}

pub(crate) fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// Repositories become part of a URL's path, so only what the grammar allows may be in them.
fn check_repository(repository: &str) -> Result<(), Error> {
    // The reference grammar is the one definition of a repository name.
    let parsed = format!("registry.invalid/{repository}").parse::<Reference>();
    match parsed {
        Ok(parsed) if parsed.repository == repository => Ok(()),
        Ok(_) | Err(_) => {
            let shown = repository.chars().filter(|c| !c.is_control()).take(100).collect();
            Err(Error::HostInvalid(shown))
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn identify(
    session: &Session,
    headers: &HeaderMap,
    bytes: &[u8],
    reference: String,
) -> Result<MediaType, Error> {
    let looks_html = is_html(headers) || bytes.trim_ascii_start().starts_with(b"<");
    MediaType::identify(bytes, header(headers, CONTENT_TYPE.as_str())).map_err(|what| {
        if looks_html {
            Error::NotARegistry { host: session.host(), what: "an html page".into() }
        } else {
            Error::ManifestUnsupported { reference, what }
        }
    })
}

/// What the headers say otherwise than the bytes. The bytes win.
fn contradictions(
    headers: &HeaderMap,
    actual: Digest,
    media_type: MediaType,
    subject: &str,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(claimed) = header(headers, "docker-content-digest")
        && claimed.parse() != Ok(actual)
    {
        let message = format!("the registry's digest header differs from the content's {actual}");
        problems.push(Problem::info("registry_digest_header_wrong", subject, message));
    }
    let claimed = header(headers, CONTENT_TYPE.as_str()).and_then(MediaType::parse);
    if let Some(claimed) = claimed.filter(|claimed| *claimed != media_type) {
        let message = format!("the registry calls it {claimed}, it is {media_type}");
        problems.push(Problem::info("registry_media_type_wrong", subject, message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repository_names_reach_a_path() {
        assert!(check_repository("library/alpine").is_ok());
        assert!(check_repository("a.b_c-d/e/f2").is_ok());
        for name in ["", "..", "a/../b", "a?x", "a b", "A", "a//b", "a:tag", "a#b", "/a", "a@b"] {
            assert!(check_repository(name).is_err(), "{name}");
        }
    }
}
