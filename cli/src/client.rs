//! The HTTP client of a node: paths, login, answers, and errors in one shape.

use crate::context::Connection;
use crate::exit::{Exit, Failure};
use crate::limits::{ERROR_BYTES_MAX, RESPONSE_BYTES_MAX};
use kedge_api::error::{ApiError, ProblemDocument};
use kedge_api::users::Secret;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest silence of a node. A feed sync answers when it is done, which may take many minutes.
const READ_TIMEOUT: Duration = Duration::from_secs(3600);

/// A connection to one node.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    login: Option<(String, Secret)>,
    account: Option<String>,
}

/// Query parameters that have a value.
pub(crate) type Query<'a> = Vec<(&'a str, String)>;

/// Adds a parameter when it has a value.
pub(crate) fn put<'a>(query: &mut Query<'a>, name: &'a str, value: Option<impl ToString>) {
    query.extend(value.map(|value| (name, value.to_string())));
}

impl Client {
    /// Sets up TLS and the login; connects to nothing yet.
    pub(crate) fn new(connection: Connection) -> Result<Self, Failure> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("kedgectl/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            // A redirect would carry the password elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        let builder = if connection.insecure {
            builder.tls_danger_accept_invalid_certs(true)
        } else {
            builder.tls_backend_preconfigured(tls(connection.cacert.as_deref())?)
        };
        let http =
            builder.build().map_err(|error| Failure::error(format!("http client: {error}")))?;
        let Connection { url, login, account, .. } = connection;
        Ok(Self { http, base: url, login, account })
    }

    /// The node, for messages.
    pub(crate) fn place(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    fn url(&self, path: &[&str], query: &Query<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn request(&self, method: Method, path: &[&str], query: &Query<'_>) -> RequestBuilder {
        let mut request = self.http.request(method, self.url(path, query));
        if let Some((username, password)) = &self.login {
            request = request.basic_auth(username, Some(password.expose()));
        }
        if let Some(account) = &self.account {
            request = request.header("x-anchore-account", account);
        }
        request
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response).await)
    }

    /// GET that answers JSON.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, Failure> {
        let response = self.send(self.request(Method::GET, path, &query)).await?;
        self.json(response).await
    }

    /// GET of bytes that are kept as they are.
    pub(crate) async fn bytes(&self, path: &[&str]) -> Result<Vec<u8>, Failure> {
        let response = self.send(self.request(Method::GET, path, &Vec::new())).await?;
        self.body(response, RESPONSE_BYTES_MAX).await
    }

    /// GET of bytes that may be large.
    pub(crate) async fn stream(&self, path: &[&str]) -> Result<Response, Failure> {
        self.send(self.request(Method::GET, path, &Vec::new())).await
    }

    /// POST or PUT of a JSON body.
    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Failure> {
        let response = self.send(self.request(method, path, &query).json(body)).await?;
        self.json(response).await
    }

    /// POST or PUT of bytes.
    pub(crate) async fn send_bytes<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
        (media_type, body): (&str, reqwest::Body),
    ) -> Result<T, Failure> {
        let request = self.request(method, path, &query).header("content-type", media_type);
        let response = self.send(request.body(body)).await?;
        self.json(response).await
    }

    /// POST without a body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, Failure> {
        let response = self.send(self.request(Method::POST, path, &query)).await?;
        self.json(response).await
    }

    /// DELETE; what it answers is read by the caller.
    pub(crate) async fn delete(&self, path: &[&str], query: Query<'_>) -> Result<Vec<u8>, Failure> {
        let response = self.send(self.request(Method::DELETE, path, &query)).await?;
        self.body(response, RESPONSE_BYTES_MAX).await
    }

    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        let bytes = self.body(response, RESPONSE_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("{} gave an answer that is not understood: {error}", self.place());
            Failure::error(what).hint("is it a kedge node, and of the same version?")
        })
    }

    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if bytes.len() + chunk.len() > limit {
                return Err(Failure::error(format!(
                    "{} gave an answer over the limit RESPONSE_BYTES_MAX of {limit} bytes",
                    self.place()
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause = error.source();
        let mut what = String::from("connection failed");
        while let Some(inner) = cause {
            what = inner.to_string();
            cause = inner.source();
        }
        let failure =
            Failure::new(Exit::Unavailable, format!("{} cannot be reached: {what}", self.place()));
        let failure = failure.code(if error.is_timeout() { "timeout" } else { "unreachable" });
        if what.to_ascii_lowercase().contains("certificate") {
            return failure.hint("give the node's certificate with --cacert FILE");
        }
        failure
            .hint("is the node up? --url, KEDGE_URL or 'kedgectl context use' choose another one")
    }

    /// Turns an error answer into a failure.
    async fn refused(&self, response: Response) -> Failure {
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.chars().take(100).collect::<String>())
        };
        let request_id = header("anchore-request-id").or_else(|| header("x-request-id"));
        let bytes = self.body(response, ERROR_BYTES_MAX).await.unwrap_or_default();
        let mut failure = read_error(status, &bytes);
        failure.request_id = failure.request_id.or(request_id);
        if failure.message.is_empty() {
            failure.message = format!("{} answered {status}", self.place());
        }
        match failure.exit {
            Exit::Auth if status == StatusCode::UNAUTHORIZED && self.login.is_none() => failure
                .hint("log in with 'kedgectl login URL --username NAME', or set KEDGE_USERNAME and KEDGE_PASSWORD"),
            Exit::Auth if status == StatusCode::UNAUTHORIZED => {
                failure.hint("check user name and password")
            }
            Exit::Auth => failure.hint("another user or --account may be permitted"),
            Exit::Unavailable => failure.hint("the node is busy or starting; try again"),
            Exit::Error if failure.message.contains("egress rules") => failure.hint(
                "a registry on a private address must be added first: kedgectl registry add HOST[:PORT]",
            ),
            Exit::Ok
            | Exit::Error
            | Exit::GateFailed
            | Exit::NotFound
            | Exit::TimedOut
            | Exit::Usage
            | Exit::UpdateAvailable
            | Exit::Interrupted => failure,
        }
    }
}

/// Reads either of the two error bodies.
fn read_error(status: StatusCode, bytes: &[u8]) -> Failure {
    let exit = match status.as_u16() {
        401 | 403 => Exit::Auth,
        404 | 410 => Exit::NotFound,
        408 | 429 | 502..=504 => Exit::Unavailable,
        _ => Exit::Error,
    };
    let mut failure = Failure::new(exit, "");
    if let Ok(error) = serde_json::from_slice::<ApiError>(bytes) {
        failure.message = error.message;
        failure.code = error.detail.error_codes.into_iter().next().or(Some(error.error_type));
        failure.request_id = error.anchore_request_id;
        let details = error.detail.more.get("validation_details");
        for detail in details.and_then(serde_json::Value::as_array).into_iter().flatten().take(50) {
            let text = detail.as_str().map_or_else(|| detail.to_string(), str::to_owned);
            failure.message.push_str("\n  ");
            failure.message.push_str(&text);
        }
    } else if let Ok(problem) = serde_json::from_slice::<ProblemDocument>(bytes) {
        failure.message = problem.detail;
        failure.code = problem.code;
        failure.request_id = problem.request_id;
    }
    failure
}

/// The built-in roots and the user's.
fn tls(cacert: Option<&Path>) -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in cacert.map(certificates).transpose()?.into_iter().flatten() {
        let added = roots.add(CertificateDer::from(certificate));
        added.map_err(|error| Failure::error(format!("--cacert: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::error)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The certificates of a PEM file, as DER.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = crate::input::document(path)?;
    let bad = |what: &str| Failure::error(format!("{}: {what}", path.display()));
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        found.push(certificate.map_err(|_| bad("is not a PEM certificate"))?.to_vec());
    }
    if found.is_empty() { Err(bad("holds no certificate")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_error_bodies_are_read() {
        let api = br#"{"message":"no such image","httpcode":404,"code":404,"error_type":"NotFound",
            "detail":{"error_codes":["REGISTRY_IMAGE_NOT_FOUND"]},"anchore_request_id":"r1"}"#;
        let failure = read_error(StatusCode::NOT_FOUND, api);
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.code.as_deref(), Some("REGISTRY_IMAGE_NOT_FOUND"));
        assert_eq!(failure.request_id.as_deref(), Some("r1"));
        let problem =
            br#"{"type":"about:blank","title":"x","status":400,"detail":"bad page","code":"c"}"#;
        let failure = read_error(StatusCode::BAD_REQUEST, problem);
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Error, "bad page"));
        let failure = read_error(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Unavailable, ""));
    }
}
