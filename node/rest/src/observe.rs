//! What surrounds every request, known route or not: its id, its span, its counts, its last
//! resort when something panics, and the headers that every answer has.

use crate::Server;
use crate::context::{Context, is_request_id, new_request_id};
use crate::error::Failure;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use tokio::time::Instant;
use tracing::Instrument as _;

/// The route that answered, for the metrics; put on the answer by the guard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteLabel(pub(crate) &'static str);

/// The label of paths outside the table: they are chosen by whoever asks.
const UNMATCHED: &str = "unmatched";

const REQUEST_ID: HeaderName = HeaderName::from_static("anchore-request-id");

/// Words for the metrics; closed, because methods are chosen by whoever asks.
fn method_word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Surrounds a request.
pub(crate) async fn observe(
    State(server): State<Server>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let request_id =
        given.filter(|id| is_request_id(id)).map_or_else(new_request_id, str::to_owned);
    let method = method_word(request.method());
    // Path only: a query may hold what somebody took for a good place for a token.
    let span = tracing::info_span!(
        "request",
        request_id,
        method,
        path = request.uri().path(),
        account = tracing::field::Empty,
        user = tracing::field::Empty,
    );
    let is_ours = request.uri().path().starts_with("/kedge/");
    let context = Context { request_id: request_id.clone(), is_ours };
    let work = async {
        match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => {
                tracing::error!("the handler of a request panicked");
                Failure::Panicked.into_response()
            }
        }
    };
    let mut response = context.scope(work).instrument(span.clone()).await;
    let route = response.extensions().get::<RouteLabel>().map_or(UNMATCHED, |label| label.0);
    let (status, elapsed) = (response.status().as_u16(), begun.elapsed());
    server.metrics.answered(route, method, status, elapsed);
    let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(route, status, duration_ms, "request answered"));
    add_headers(&mut response, &request_id);
    response
}

fn add_headers(response: &mut Response, request_id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Agents glue `/version` to a URL that ends in a slash: several slashes at the start are one.
pub(crate) fn tolerate_slashes(mut request: Request) -> Request {
    let uri = request.uri();
    if !uri.path().starts_with("//") {
        return request;
    }
    let path = format!("/{}", uri.path().trim_start_matches('/'));
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(clean) = format!("{path}{query}").parse::<Uri>() {
        *request.uri_mut() = clean;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn slashes_at_the_start() {
        for (uri, expect) in [
            ("//version", "/version"),
            ("///v2/images?a=//b", "/v2/images?a=//b"),
            ("/v2//images", "/v2//images"),
            ("/", "/"),
            ("//", "/"),
        ] {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = Uri::builder().path_and_query(uri).build().unwrap();
            assert_eq!(tolerate_slashes(request).uri().to_string(), expect);
        }
    }
}
