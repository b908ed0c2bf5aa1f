//! The node: settings in, a running service out.
//!
//! `config` and `environment` say how; `boot` brings the parts up in order and takes them down
//! again; `main` is the command line. Tests start nodes through [`boot::Node`].

pub mod boot;
pub mod config;
pub mod environment;
mod serve;
pub mod telemetry;
