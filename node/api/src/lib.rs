//! The words of the REST interface: request and response bodies, and the table of routes.
//!
//! `/v2` has exactly the shapes of the Anchore Enterprise v2 API (OpenAPI 2.13); `/kedge/v1` is
//! ours. The server, the command line and the console all compile against these types, so the
//! crate knows no HTTP library, none of our other crates, and does no IO. Conversions from and to
//! the product's own types belong to the server.
//!
//! Rules that every body follows:
//! - a property without a value is left out, never `null`, unless the contract marks it nullable;
//! - times are RFC 3339 text ending in `Z`;
//! - request bodies refuse unknown fields; responses are read leniently.

pub mod accounts;
pub mod checks;
pub mod content;
pub mod error;
pub mod events;
pub mod feeds;
pub mod findings;
pub mod images;
pub mod jobs;
pub mod openapi;
pub mod policies;
pub mod query;
pub mod registries;
pub mod routes;
pub mod system;
pub mod users;
pub mod vulnerabilities;

/// The literal that stands for "no value" in the items of vulnerability reports, where clients
/// index into every key.
pub const NONE_TEXT: &str = "None";

/// `value`, or [`NONE_TEXT`] when it is empty.
#[must_use]
pub fn text_or_none(value: &str) -> String {
    if value.is_empty() { NONE_TEXT.to_owned() } else { value.to_owned() }
}
