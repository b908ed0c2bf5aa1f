//! Failures as answers. Handlers' errors have the union of the shapes that the contract's clients
//! read; errors of routing and of the request's form are problem documents, because agents tell a
//! server that is too old from one that says no by exactly this.

use crate::context::Context;
use crate::limits::RETRY_AFTER_S;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kedge_api::error::{ApiError, ErrorDetail, ProblemDocument};
use kedge_app::error::AppError;

/// Why there is no answer of the wanted form.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A use case failed.
    App(AppError),
    /// The request has not the form that the route asks for.
    Malformed(String),
    /// The body is not of the media type that the route takes.
    MediaType {
        /// The wanted one.
        wanted: &'static str,
    },
    /// The body is over a limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// Its name.
        name: &'static str,
    },
    /// The path is not in the table.
    UnknownRoute,
    /// The path is, the method is not.
    UnknownMethod,
    /// Too many requests are being worked on.
    Overloaded,
    /// It took too long.
    Timeout,
    /// The handler panicked.
    Panicked,
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

/// The class that answers name.
fn error_type(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        406 => "NotAcceptable",
        409 => "Conflict",
        413 => "PayloadTooLarge",
        429 => "TooManyRequests",
        501 => "NotImplemented",
        502 => "BadGateway",
        503 => "ServiceUnavailable",
        504 => "GatewayTimeout",
        507 => "InsufficientStorage",
        _ => "InternalServerError",
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn with_retry(mut response: Response, seconds: Option<u32>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn problem(document: ProblemDocument) -> Response {
    let id = Context::current().request_id;
    let document = if id.is_empty() { document } else { document.with_request_id(id) };
    let mut response = (status(document.status), axum::Json(document)).into_response();
    let media = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

fn titled(code: u16, detail: impl Into<String>) -> ProblemDocument {
    let title = status(code).canonical_reason().unwrap_or("Error");
    let mut document = ProblemDocument::new(code, title, detail);
    document.message = Some(document.detail.clone());
    document
}

/// The contract's answer to missing or wrong credentials, for every method.
fn unauthorized() -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    let challenge = HeaderValue::from_static("basic realm=\"Authentication required\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

fn app_failure(error: &AppError) -> Response {
    let context = Context::current();
    if let Some(inside) = error.inside() {
        tracing::error!(error = inside, code = error.code(), "request failed");
    }
    let (code, text) = (error.status(), error.to_string());
    if context.is_ours {
        return problem(titled(code, text).with_code(error.code()));
    }
    let mut detail = ErrorDetail { error_codes: Vec::new(), more: error.detail() };
    detail.error_codes = error.error_codes().into_iter().map(str::to_owned).collect();
    detail.more.entry("code").or_insert_with(|| error.code().into());
    let mut body = ApiError::new(code, error_type(code), text);
    body.detail = detail;
    if !context.request_id.is_empty() {
        body = body.with_request_id(context.request_id);
    }
    (status(code), axum::Json(body)).into_response()
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::App(AppError::Unauthenticated) => unauthorized(),
            Self::App(error) => with_retry(app_failure(&error), error.retry_after_s()),
            Self::Malformed(detail) => {
                problem(ProblemDocument::bad_request(detail).with_code("malformed_request"))
            }
            Self::MediaType { wanted } => problem(
                titled(415, format!("Content-Type must be {wanted}"))
                    .with_code("unsupported_media_type"),
            ),
            Self::TooLarge { limit, name } => problem(
                titled(413, format!("the body has over {limit} bytes ({name})")).with_code("limit"),
            ),
            Self::UnknownRoute => problem(ProblemDocument::unknown_route()),
            Self::UnknownMethod => problem(ProblemDocument::unknown_method()),
            Self::Overloaded => with_retry(
                problem(
                    titled(503, "too many requests are being worked on").with_code("overloaded"),
                ),
                Some(RETRY_AFTER_S),
            ),
            Self::Timeout => with_retry(
                problem(titled(503, "the request took too long").with_code("timeout")),
                Some(RETRY_AFTER_S),
            ),
            Self::Panicked => problem(titled(500, "internal error").with_code("internal")),
        }
    }
}
