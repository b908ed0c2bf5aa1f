//! The program's log: to standard error, as text or JSON lines.

use crate::config::{LogConfig, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging. Called once; a second call (in tests) changes nothing.
pub fn start(config: &LogConfig) {
    // The filter was checked with the rest of the settings.
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    // Somebody else logs already: their choice stands.
    let _ = started;
}
