//! The interface over a node of its own, without sockets: requests go into the router, answers
//! come out.

mod accounts;
mod authorisation;
mod image_results;
mod policies;
mod registries;
mod requests;
mod world;
