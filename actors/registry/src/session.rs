//! Requests to one registry under one access: scheme, redirects, login, status, body.

use crate::access::{Access, EgressRule, PlainHttp};
use crate::auth::TokenCache;
use crate::challenge;
use crate::error::Error;
use crate::limits::{ERROR_BODY_BYTES_MAX, REDIRECTS_MAX, SCHEME_MEMORY, SCHEMES_MAX};
use crate::options::Options;
use crate::retry::{Backoff, parse_retry_after};
use crate::transport::{Fault, FaultKind, Route, Transport, label};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, RANGE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;
use url::{Host, Url};

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) transport: Transport,
    pub(crate) tokens: TokenCache,
    /// Registries that speak plain HTTP, and until when that is believed.
    schemes: Mutex<HashMap<(String, Route), (bool, Instant)>>,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Result<Self, Error> {
        let transport = Transport::new(&options)?;
        let (tokens, schemes) = (TokenCache::default(), Mutex::default());
        Ok(Self { options, transport, tokens, schemes })
    }
}

/// A registry under one access, with its scheme settled.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) access: Arc<Access>,
    /// `scheme://host[:port]/`.
    pub(crate) base: Url,
}

/// One thing asked for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) url: Url,
    /// `repository:NAME:pull`, or empty for a login check.
    pub(crate) scope: String,
    /// `Accept` header.
    pub(crate) accept: &'static str,
    /// First byte wanted.
    pub(crate) offset: u64,
    /// Whether redirects may leave the registry's host.
    pub(crate) roams: bool,
    /// Repository with tag or digest, for messages.
    pub(crate) subject: String,
}

/// Docker Hub's API host; `docker.io` itself serves a web site.
fn api_host(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        other => other,
    }
}

fn base_url(scheme: &str, host: &str) -> Result<Url, Error> {
    let fail = || Error::HostInvalid(host.chars().take(100).collect());
    if host.is_empty() || host.contains(['/', '\\', '@', '?', '#', '%', ' ', '\t', '\r', '\n']) {
        return Err(fail());
    }
    let url = Url::parse(&format!("{scheme}://{}/", api_host(host))).map_err(|_| fail())?;
    if url.host().is_none() { Err(fail()) } else { Ok(url) }
}

/// Whether `url` is at `host[:port]`; without a port the scheme's own is meant.
fn is_at(url: &Url, host: &str) -> bool {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    base_url(url.scheme(), host).is_ok_and(|named| {
        named.host() == url.host()
            && named.port_or_known_default() == url.port_or_known_default()
            && (has_port || url.port().is_none())
    })
}

pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Session {
    /// Settles how the registry is spoken to.
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        access: &Access,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let base = base_url("https", &access.host)?;
        let mut session = Self { shared: shared.clone(), access: Arc::new(access.clone()), base };
        let insecure = is_loopback(&session.base)
            || (!access.tls_verify && session.route(&session.base).explicit);
        if access.plain_http == PlainHttp::Never || !insecure {
            return Ok(session);
        }
        let mut backoff = Backoff::new(&shared.options, shared.options.retries_max, deadline);
        loop {
            match session.probe(deadline).await {
                Ok(true) => {
                    session.base = base_url("http", &access.host)?;
                    return Ok(session);
                }
                Ok(false) => return Ok(session),
                Err(fault) => backoff.wait(fault.into_error(&session.base)).await?,
            }
        }
    }

    /// Whether the registry speaks plain HTTP only.
    async fn probe(&self, deadline: Instant) -> Result<bool, Fault> {
        let key = (self.access.host.clone(), self.route(&self.base));
        let lock = || self.shared.schemes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((plain, until)) = lock().get(&key)
            && *until > Instant::now()
        {
            return Ok(*plain);
        }
        let plain = match self.knock(&self.base, deadline).await {
            Ok(()) => false,
            Err(fault) => match fault.kind {
                FaultKind::Tls | FaultKind::Connection => {
                    let Ok(plain) = base_url("http", &self.access.host) else {
                        return Err(fault);
                    };
                    self.knock(&plain, deadline).await.map_err(|second| match second.kind {
                        FaultKind::Malformed | FaultKind::Timeout | FaultKind::Egress => second,
                        // Nobody there: the first failure says more.
                        FaultKind::Connection | FaultKind::Tls | FaultKind::Certificate => fault,
                    })?;
                    true
                }
                FaultKind::Egress
                | FaultKind::Certificate
                | FaultKind::Timeout
                | FaultKind::Malformed => return Err(fault),
            },
        };
        let mut schemes = lock();
        if schemes.len() >= SCHEMES_MAX {
            schemes.clear();
        }
        schemes.insert(key, (plain, Instant::now() + SCHEME_MEMORY));
        Ok(plain)
    }

    async fn knock(&self, base: &Url, deadline: Instant) -> Result<(), Fault> {
        let mut url = base.clone();
        url.set_path("/v2/");
        let sent = self.shared.transport.get(self.route(base), &url, HeaderMap::new(), deadline);
        sent.await.map(drop)
    }

    /// Which client may serve `url`. The explicit allowance and switched-off verification hold
    /// for the registry's own host and port only, whoever sent us to `url`.
    pub(crate) fn route(&self, url: &Url) -> Route {
        let explicit = match &self.access.egress {
            EgressRule::ExplicitHost(host) => is_at(url, host),
            EgressRule::PublicOnly => false,
        };
        Route { explicit, verify: self.access.tls_verify || !is_at(url, &self.access.host) }
    }

    /// Path under the registry's root.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    pub(crate) fn host(&self) -> String {
        label(&self.base)
    }

    /// Asks until there is an answer, an error that repetition does not mend, or no time.
    pub(crate) async fn fetch(
        &self,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<reqwest::Response, Error> {
        let options = &self.shared.options;
        let mut backoff = Backoff::new(options, options.retries_max, deadline);
        loop {
            match self.fetch_once(ask, deadline).await {
                Ok(response) => return Ok(response),
                Err(error) => backoff.wait(error).await?,
            }
        }
    }

    /// The same with the whole body, at most `limit` bytes.
    pub(crate) async fn fetch_body(
        &self,
        ask: &Ask,
        limit: (u64, &'static str),
        deadline: Instant,
    ) -> Result<(HeaderMap, Bytes), Error> {
        let options = &self.shared.options;
        let mut backoff = Backoff::new(options, options.retries_max, deadline);
        loop {
            let whole = async {
                let mut response = self.fetch_once(ask, deadline).await?;
                let headers = std::mem::take(response.headers_mut());
                let body = read_body(response, &self.base, limit, deadline).await?;
                Ok((headers, body))
            };
            match whole.await {
                Ok(done) => return Ok(done),
                Err(error) => backoff.wait(error).await?,
            }
        }
    }

    /// One try: with the remembered login, and once more after a challenge.
    pub(crate) async fn fetch_once(
        &self,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<reqwest::Response, Error> {
        let key = self.token_key(&ask.scope);
        let mut authorization = self.shared.tokens.get(&key);
        for last in [false, true] {
            let (response, at_home) = self.follow(ask, authorization.as_ref(), deadline).await?;
            // A challenge from elsewhere than the registry is not answered.
            if response.status() != StatusCode::UNAUTHORIZED || !at_home {
                return self.judge(response, ask, deadline).await;
            }
            self.shared.tokens.forget(&key);
            if last {
                break;
            }
            let lines = response.headers().get_all(http::header::WWW_AUTHENTICATE);
            let challenges = challenge::parse(lines.iter().filter_map(|line| line.to_str().ok()));
            let (header, until) = self.answer(&challenges, &ask.scope, deadline).await?;
            self.shared.tokens.remember(key.clone(), header.clone(), until);
            authorization = Some(header);
        }
        Err(Error::AuthFailed { host: self.host(), what: self.refusal() })
    }

    /// Follows redirects. The second part of the result says whether the answer is the
    /// registry's own.
    async fn follow(
        &self,
        ask: &Ask,
        authorization: Option<&HeaderValue>,
        deadline: Instant,
    ) -> Result<(reqwest::Response, bool), Error> {
        let mut url = ask.url.clone();
        let mut at_home = true;
        for _ in 0..=REDIRECTS_MAX {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(ask.accept));
            if ask.offset > 0 {
                let range = HeaderValue::try_from(format!("bytes={}-", ask.offset));
                headers.insert(RANGE, range.expect("digits are header text"));
            }
            // Once a redirect has left the registry, the login stays off for good: a way back
            // could be somebody else's doing.
            if let Some(authorization) = authorization.filter(|_| at_home) {
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            let sent = self.shared.transport.get(self.route(&url), &url, headers, deadline).await;
            let response = sent.map_err(|fault| fault.into_error(&url))?;
            if !is_redirect(response.status()) {
                return Ok((response, at_home));
            }
            let next = redirect_target(&url, response.headers())?;
            if !same_origin(&next, &self.base) {
                if !ask.roams {
                    let what = format!("{} is another host than the registry's", label(&next));
                    return Err(Error::RedirectRefused { host: label(&url), what });
                }
                at_home = false;
            }
            url = next;
        }
        let what = format!("more than {REDIRECTS_MAX} redirects (REDIRECTS_MAX)");
        Err(Error::RedirectRefused { host: self.host(), what })
    }

    /// Turns statuses into errors.
    async fn judge(
        &self,
        response: reqwest::Response,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<reqwest::Response, Error> {
        let host = label(response.url());
        let status = response.status();
        let retry_after = || {
            let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
            parse_retry_after(value)
        };
        match status.as_u16() {
            200 | 206 if is_html(response.headers()) => {
                Err(Error::NotARegistry { host, what: "an html page".into() })
            }
            200 | 206 => Ok(response),
            401 | 403 => {
                let code = error_code(response, &self.base, deadline).await;
                let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
                Err(Error::AuthFailed { host, what: format!("{}{code}", self.refusal()) })
            }
            404 => Err(Error::NotFound { host, reference: ask.subject.clone() }),
            429 => Err(Error::RateLimited { host, retry_after: retry_after() }),
            408 | 500..=599 => {
                let retry_after = retry_after();
                Err(Error::Unavailable { host, status: status.as_u16(), retry_after })
            }
            other => Err(Error::NotARegistry { host, what: format!("status {other}") }),
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let fail = |what: &str| Error::RedirectRefused { host: label(from), what: what.into() };
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| fail("it names no target"))?;
    let mut next = from.join(location).map_err(|_| fail("its target is malformed"))?;
    next.set_fragment(None);
    match (from.scheme(), next.scheme()) {
        ("https", "https") | ("http", "http" | "https") => {}
        ("https", "http") => return Err(fail("it leads from https to http")),
        _ => return Err(fail("its target is neither http nor https")),
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(fail("its target carries a user name"));
    }
    Ok(next)
}

/// Reads a body up to a limit, whatever its length header says.
pub(crate) async fn read_body(
    mut response: reqwest::Response,
    url: &Url,
    (limit, name): (u64, &'static str),
    deadline: Instant,
) -> Result<Bytes, Error> {
    let over = || Error::TooLarge { host: label(url), what: "an answer".into(), limit, name };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(over());
    }
    let mut body = Vec::new();
    loop {
        let chunk = tokio::time::timeout_at(deadline, response.chunk()).await.map_err(|_| {
            Error::Timeout { host: label(url), what: "the operation's time is over".into() }
        })?;
        match chunk.map_err(|error| Fault::of(&error).into_error(url))? {
            Some(chunk) if (body.len() + chunk.len()) as u64 > limit => return Err(over()),
            Some(chunk) => body.extend_from_slice(&chunk),
            None => return Ok(body.into()),
        }
    }
}

/// The first error code of an OCI error body, when it looks like one. Messages are not repeated:
/// a registry could put the password it was sent into them.
async fn error_code(response: reqwest::Response, url: &Url, deadline: Instant) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        code: String,
    }
    let limit = (ERROR_BODY_BYTES_MAX, "ERROR_BODY_BYTES_MAX");
    let body = read_body(response, url, limit, deadline).await.ok()?;
    let body: Body = serde_json::from_slice(&body).ok()?;
    let code = body.errors.into_iter().next()?.code;
    const KNOWN: [&str; 5] =
        ["UNAUTHORIZED", "DENIED", "NAME_UNKNOWN", "TOOMANYREQUESTS", "UNSUPPORTED"];
    KNOWN.contains(&code.as_str()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_hosts() {
        let check = |host: &str, expect: &str| {
            assert_eq!(base_url("https", host).unwrap().as_str(), expect, "{host}");
        };
        check("docker.io", "https://registry-1.docker.io/");
        check("q.io:5000", "https://q.io:5000/");
        check("[::1]:5000", "https://[::1]:5000/");
        // The URL standard's number forms become the address that is checked.
        check("2130706433", "https://127.0.0.1/");
        check("0177.0.0.1", "https://127.0.0.1/");
        for host in ["", "a/b", "u@h", "a b", "h:99999", "a?b", "a#b", "http://x", "a%2fb", "a\\b"]
        {
            assert!(matches!(base_url("https", host), Err(Error::HostInvalid(_))), "{host}");
        }
    }

    #[test]
    fn an_allowance_is_for_one_host_and_port() {
        let at = |url: &str, host: &str| is_at(&Url::parse(url).unwrap(), host);
        assert!(at("https://q.io/v2/", "q.io"));
        assert!(at("http://q.io/v2/", "q.io"));
        assert!(at("https://q.io/v2/", "q.io:443"));
        assert!(at("http://q.io:5000/", "q.io:5000"));
        assert!(at("https://registry-1.docker.io/v2/", "docker.io"));
        assert!(!at("https://q.io:5000/", "q.io"));
        assert!(!at("https://q.io/", "q.io:5000"));
        assert!(!at("https://q.io.evil.example/", "q.io"));
        assert!(!at("http://127.0.0.1:1/", "127.0.0.1:2"));
    }
}
