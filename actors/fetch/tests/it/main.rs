//! Fetching, synchronising and keeping generations, against folders and servers made here.

mod http;
mod store;
mod support;
mod sync;
