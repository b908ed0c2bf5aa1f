//! Documents and facts in, verdicts out.

mod common;
mod documents;
mod triggers;
mod verdicts;
