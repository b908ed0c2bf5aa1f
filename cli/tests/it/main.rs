//! The built program, run as people and pipelines run it: arguments in; output, files and exit
//! code out. Local commands work on fixtures made here; client commands talk to a stub.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
mod fixtures;
mod help;
mod local;
mod node;
mod run;
mod stub;
