//! Whole analyses, from every kind of source.

mod cancel;
mod directory;
mod fixture;
mod hostile;
mod platform;
mod same_bytes;
