//! Conditional, resumable downloads.

use crate::cache::{Note, RawCache, remove_if_there};
use crate::limits;
use crate::location::shown;
use crate::options::Options;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Client, Response, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::OpenOptions;
use tokio::io::{AsyncWriteExt, BufWriter};
use url::Url;

/// A document cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The connection failed, or ended early.
    #[error("{url}: {what}")]
    Network { url: String, what: String },
    /// The server refused.
    #[error("{url}: server answered {status}")]
    Status { url: String, status: u16, pause_ms: Option<u64> },
    /// Over the size limit.
    #[error("{url}: document is over the limit of {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    /// Over the time limit.
    #[error("{url}: not fetched within {seconds} seconds")]
    TooSlow { url: String, seconds: u64 },
    /// Reading a folder or writing the raw copy failed.
    #[error("{place}: {source}")]
    File { place: String, source: io::Error },
}

impl FetchError {
    /// Whether another attempt may help.
    fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::TooLarge { .. } | Self::TooSlow { .. } | Self::File { .. } => false,
        }
    }
}

/// The client of one synchronisation.
pub(crate) struct Http {
    client: Client,
    pause_ms: u64,
    document_timeout: Duration,
}

/// What a request came to.
enum Answer {
    Unchanged,
    Absent,
    /// The body is in the partial file.
    Body(Note),
}

impl Http {
    /// A client with the built-in roots and the caller's.
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in CertificateDer::pem_slice_iter(&options.extra_roots_pem) {
            let certificate = certificate.map_err(|error| format!("extra roots: {error}"))?;
            roots.add(certificate).map_err(|error| format!("extra roots: {error}"))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut client = Client::builder()
            .user_agent(concat!("kedge/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .redirect(reqwest::redirect::Policy::custom(redirect))
            .referer(false)
            // Digests and ranges are about the bytes as they are stored.
            .no_gzip()
            .no_proxy();
        if let Some(proxy) = &options.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| "proxy: not a usable URL")?;
            client = client.proxy(proxy);
        }
        let client = client.build().map_err(|error| error.to_string())?;
        let (pause_ms, document_timeout) = (options.pause_ms, options.document_timeout);
        Ok(Self { client, pause_ms, document_timeout })
    }

    /// Fetches a small page as text; `None` when it is not there.
    pub(crate) async fn page(&self, url: &Url) -> Result<Option<String>, FetchError> {
        let response = self.send(url, HeaderMap::new()).await?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(None);
        }
        let mut response = ok(url, response)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| network(url, &error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limits::LANDING_BYTES {
                return Err(FetchError::TooLarge { url: shown(url), limit: limits::LANDING_BYTES });
            }
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Fetches a document into the raw cache, unless the server says that the copy is current.
    /// `None` when the server does not have it.
    pub(crate) async fn fetch(
        &self,
        cache: &RawCache,
        url: &Url,
        limit: u64,
        received: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<Note>, FetchError> {
        let work = self.attempts(cache, url, limit, received);
        match tokio::time::timeout(self.document_timeout, work).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = self.document_timeout.as_secs();
                Err(FetchError::TooSlow { url: shown(url), seconds })
            }
        }
    }

    async fn attempts(
        &self,
        cache: &RawCache,
        url: &Url,
        limit: u64,
        received: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<Note>, FetchError> {
        let known = cache.note(url.as_str());
        let mut attempt = 1;
        loop {
            let error = match self.attempt(cache, url, known.as_ref(), limit, received).await {
                Ok(Answer::Unchanged) => return Ok(known),
                Ok(Answer::Absent) => return Ok(None),
                Ok(Answer::Body(note)) => return Ok(Some(note)),
                Err(error) => error,
            };
            if attempt >= limits::ATTEMPTS || !error.is_transient() {
                return Err(error);
            }
            let asked = match &error {
                FetchError::Status { pause_ms, .. } => *pause_ms,
                FetchError::Network { .. }
                | FetchError::TooLarge { .. }
                | FetchError::TooSlow { .. }
                | FetchError::File { .. } => None,
            };
            let pause = asked.unwrap_or(self.pause_ms << (attempt - 1)).min(limits::PAUSE_MS_MAX);
            tracing::debug!(%error, attempt, pause, "document is fetched again");
            tokio::time::sleep(Duration::from_millis(pause)).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        cache: &RawCache,
        url: &Url,
        known: Option<&Note>,
        limit: u64,
        received: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Answer, FetchError> {
        let place = cache.partial(url.as_str());
        let file = |source: io::Error| FetchError::File { place: shown(url), source };
        let have = std::fs::metadata(&place).map(|m| m.len()).unwrap_or_default();
        let resume = cache.partial_validator(url.as_str()).filter(|_| have > 0 && have < limit);
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        };
        if let Some(validator) = &resume {
            set(header::RANGE, &format!("bytes={have}-"));
            set(header::IF_RANGE, validator);
        } else if let Some(note) = known {
            note.etag.iter().for_each(|etag| set(header::IF_NONE_MATCH, etag));
            note.modified.iter().for_each(|time| set(header::IF_MODIFIED_SINCE, time));
        }
        let response = self.send(url, headers).await?;
        let start = match response.status() {
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Answer::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Answer::Absent),
            StatusCode::PARTIAL_CONTENT if begins_at(&response, have) => have,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                // What we have does not fit any more: from the beginning, in the next attempt.
                remove_if_there(&place).map_err(file)?;
                let what = "server cannot continue the download".into();
                return Err(FetchError::Network { url: shown(url), what });
            }
            _ => 0,
        };
        let response = ok(url, response)?;
        let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        let etag = text(header::ETAG).map(str::to_owned);
        let modified = text(header::LAST_MODIFIED).map(str::to_owned);
        if start == 0 {
            // Weak tags do not promise equal bytes, so they cannot join two pieces.
            let strong = etag.clone().filter(|etag| !etag.starts_with("W/"));
            let validator = strong.or_else(|| modified.clone());
            remove_if_there(&place).map_err(file)?;
            cache.begin_partial(url.as_str(), validator.as_deref()).map_err(file)?;
        }
        write_body(response, url, &place, start, limit, received).await?;
        let (copy, location) = (cache.clone(), url.as_str().to_owned());
        let adopted = tokio::task::spawn_blocking(move || {
            let note = Note { etag, modified, ..copy.adopt(&location, &place)? };
            copy.remember(&location, &note)?;
            Ok(note)
        });
        let note = adopted.await.map_err(|error| file(io::Error::other(error)))?;
        note.map(Answer::Body).map_err(file)
    }

    async fn send(&self, url: &Url, headers: HeaderMap) -> Result<Response, FetchError> {
        let request = self.client.get(url.clone()).headers(headers);
        request.send().await.map_err(|error| network(url, &error))
    }
}

/// Redirects are few, and never from https to http.
fn redirect(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let weaker = attempt.url().scheme() != "https"
        && attempt.previous().iter().any(|url| url.scheme() == "https");
    if weaker {
        return attempt.error("redirect from https to another scheme");
    }
    if attempt.previous().len() > limits::REDIRECTS {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

async fn write_body(
    mut response: Response,
    url: &Url,
    place: &Path,
    start: u64,
    limit: u64,
    received: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), FetchError> {
    let large = || FetchError::TooLarge { url: shown(url), limit };
    let file = |source: io::Error| FetchError::File { place: shown(url), source };
    if response.content_length().is_some_and(|length| start.saturating_add(length) > limit) {
        return Err(large());
    }
    let out = OpenOptions::new().create(true).append(true).open(place).await.map_err(file)?;
    let mut out = BufWriter::new(out);
    let mut bytes = start;
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => {
                // What has come is kept for the next attempt.
                out.flush().await.map_err(file)?;
                return Err(network(url, &error));
            }
        };
        bytes += chunk.len() as u64;
        if bytes > limit {
            drop(out);
            remove_if_there(place).map_err(file)?;
            return Err(large());
        }
        out.write_all(&chunk).await.map_err(file)?;
        received(bytes);
    }
    out.flush().await.map_err(file)
}

/// Whether a partial answer continues at `offset` (`Content-Range: bytes 5-9/10`, RFC 9110 §14.4).
fn begins_at(response: &Response, offset: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
    let begin = range.and_then(|r| r.strip_prefix("bytes ")).and_then(|r| r.split('-').next());
    begin.and_then(|begin| begin.parse().ok()) == Some(offset)
}

fn ok(url: &Url, response: Response) -> Result<Response, FetchError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let seconds = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
    let pause_ms = seconds.and_then(|s| s.parse::<u64>().ok()).map(|s| s.saturating_mul(1000));
    Err(FetchError::Status { url: shown(url), status: response.status().as_u16(), pause_ms })
}

fn network(url: &Url, error: &reqwest::Error) -> FetchError {
    // reqwest's own text repeats the URL, with its query; the causes below it say what happened.
    let mut cause = std::error::Error::source(error);
    let mut words = Vec::new();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    if words.is_empty() {
        words.push(if error.is_timeout() { "timed out" } else { "request failed" }.to_owned());
    }
    FetchError::Network { url: shown(url), what: words.join(": ") }
}
