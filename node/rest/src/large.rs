//! Answers that take a processor for long to make: thousands of findings, packages or files.

use crate::error::Failure;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Makes an answer and writes it as JSON, off the threads of the runtime.
pub(crate) async fn large<T: Serialize>(
    make: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<Response, Failure> {
    let span = tracing::Span::current();
    let work = move || {
        span.in_scope(|| {
            serde_json::to_vec(&make()?).map_err(|error| {
                tracing::error!(%error, "an answer cannot be written");
                Failure::Panicked
            })
        })
    };
    // It can only fail by a panic.
    let written = tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Panicked)?;
    Ok(([(CONTENT_TYPE, "application/json")], written?).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_and_failures_arrive() {
        let response = large(|| Ok(["a"])).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(&body[..], br#"["a"]"#);
        let failed = large(|| Err::<(), _>(Failure::Malformed("bad".to_owned()))).await;
        assert!(matches!(failed, Err(Failure::Malformed(_))));
        let panicked = large(|| -> Result<(), Failure> { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(Failure::Panicked)));
    }
}
