//! The client against a registry that obeys, and against ones that do not.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod auth;
mod blob;
mod egress;
mod fake;
mod manifest;
mod redirect;
mod tls;
