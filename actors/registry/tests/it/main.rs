//! The client against a registry that obeys, and against ones that do not.

mod auth;
mod blob;
mod egress;
mod fake;
mod manifest;
mod redirect;
mod tls;
