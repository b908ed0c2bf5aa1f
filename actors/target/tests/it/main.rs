//! Whole analyses, from every kind of source.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod cancel;
mod directory;
mod fixture;
mod hostile;
mod platform;
mod same_bytes;
