//! An image registry on loopback: the pull side of the OCI distribution specification.

use crate::image::Image;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

#[derive(Default)]
struct Content {
    /// `repository:tag` and `repository@digest` to manifest bytes.
    manifests: HashMap<String, Vec<u8>>,
    /// `repository@digest` to bytes.
    blobs: HashMap<String, Vec<u8>>,
    /// Blob requests so far, by digest.
    served: HashMap<String, usize>,
    /// Holds blob answers back while set.
    gate: Option<Arc<Notify>>,
}

struct Shared {
    content: Mutex<Content>,
    login: Option<(String, String)>,
}

/// A running registry; it ends with the test's runtime.
#[derive(Clone)]
pub struct FakeRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeRegistry {
    /// A registry that lets everybody in.
    pub async fn open() -> Self {
        Self::start(None).await
    }

    /// A registry that wants this login.
    pub async fn with_login(user: &str, password: &str) -> Self {
        Self::start(Some((user.to_owned(), password.to_owned()))).await
    }

    async fn start(login: Option<(String, String)>) -> Self {
        let shared = Arc::new(Shared { content: Mutex::default(), login });
        let router = Router::new()
            .route("/v2/", axum::routing::get(root))
            .route("/v2/{*rest}", axum::routing::get(serve))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Serves an image under a name; answers `host/repository:tag`.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        let mut content = self.shared.content.lock().unwrap();
        let manifest = image.manifest.bytes.clone();
        content.manifests.insert(format!("{repository}:{tag}"), manifest.clone());
        content.manifests.insert(format!("{repository}@{}", image.manifest.digest), manifest);
        for blob in &image.blobs {
            content.blobs.insert(format!("{repository}@{}", blob.digest), blob.bytes.clone());
        }
        format!("{}/{repository}:{tag}", self.host())
    }

    /// Serves other bytes than a digest's.
    pub fn corrupt(&self, repository: &str, digest: &str, bytes: Vec<u8>) {
        let mut content = self.shared.content.lock().unwrap();
        content.blobs.insert(format!("{repository}@{digest}"), bytes);
    }

    /// How often a blob was asked for.
    #[must_use]
    pub fn served(&self, digest: &str) -> usize {
        self.shared.content.lock().unwrap().served.get(digest).copied().unwrap_or(0)
    }

    /// From now on blob answers wait until the returned notice is given to all waiters.
    #[must_use]
    pub fn hold_blobs(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        self.shared.content.lock().unwrap().gate = Some(Arc::clone(&gate));
        gate
    }

    /// Blob answers wait no more.
    pub fn release_blobs(&self) {
        if let Some(gate) = self.shared.content.lock().unwrap().gate.take() {
            gate.notify_waiters();
        }
    }
}

fn refused(shared: &Shared, headers: &HeaderMap) -> Option<Response> {
    let (user, password) = shared.login.as_ref()?;
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(expected.as_str()) {
        return None;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"test\"")];
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    Some((StatusCode::UNAUTHORIZED, challenge, body).into_response())
}

async fn root(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    refused(&shared, &headers).unwrap_or_else(|| {
        ([("docker-distribution-api-version", "registry/2.0")], "{}").into_response()
    })
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refused(&shared, &headers) {
        return refusal;
    }
    if let Some((repository, reference)) = rest.split_once("/manifests/") {
        let separator = if reference.starts_with("sha256:") { '@' } else { ':' };
        let name = format!("{repository}{separator}{reference}");
        let found = shared.content.lock().unwrap().manifests.get(&name).cloned();
        return match found {
            Some(bytes) => {
                let media = "application/vnd.oci.image.manifest.v1+json";
                ([(header::CONTENT_TYPE, media)], bytes).into_response()
            }
            None => missing("MANIFEST_UNKNOWN"),
        };
    }
    if let Some((repository, digest)) = rest.split_once("/blobs/") {
        let (found, gate) = {
            let mut content = shared.content.lock().unwrap();
            *content.served.entry(digest.to_owned()).or_default() += 1;
            let found = content.blobs.get(&format!("{repository}@{digest}")).cloned();
            (found, content.gate.clone())
        };
        if let Some(gate) = gate {
            gate.notified().await;
        }
        return match found {
            Some(bytes) => Body::from(bytes).into_response(),
            None => missing("BLOB_UNKNOWN"),
        };
    }
    missing("NAME_UNKNOWN")
}

fn missing(code: &str) -> Response {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"not here"}}]}}"#);
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
