//! What every part of an answer may want to know of its request.

use std::future::Future;

/// The request that is being answered.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// `Anchore-Request-Id`, given by the client or made here.
    pub(crate) request_id: String,
    /// Whether the path is one of ours, whose errors are problem documents.
    pub(crate) is_ours: bool,
}

tokio::task_local! {
    static CONTEXT: Context;
}

impl Context {
    /// Runs `work` as the answer to this request.
    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        CONTEXT.scope(self, work).await
    }

    /// The request that is being answered; empty outside of one.
    pub(crate) fn current() -> Self {
        CONTEXT
            .try_with(Clone::clone)
            .unwrap_or_else(|_| Self { request_id: String::new(), is_ours: false })
    }
}

/// Whether a client may choose this id: `^[a-z0-9-]{1,64}$`.
pub(crate) fn is_request_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A fresh id.
pub(crate) fn new_request_id() -> String {
    let mut bytes = [0_u8; 16];
    // An id that is not random is still an id; there is nothing better to do without randomness.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert!(is_request_id("a-1") && is_request_id(&new_request_id()));
        for bad in ["", "A", "a b", "a\n", "a_b", &"a".repeat(65)] {
            assert!(!is_request_id(bad), "{bad}");
        }
        assert_ne!(new_request_id(), new_request_id());
    }
}
