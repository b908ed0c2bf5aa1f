//! The interface over a node of its own, without sockets: requests go into the router, answers
//! come out.

#![allow(clippy::unwrap_used, reason = "the helpers of tests stand outside of test functions")]

mod accounts;
mod authorisation;
mod image_results;
mod policies;
mod registries;
mod requests;
mod world;
