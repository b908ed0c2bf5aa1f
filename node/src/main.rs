//! `kedge`: the node's command line.

use anyhow::Result;
use clap::{Parser, Subcommand};
use kedge::boot::{self, Node};
use kedge::config::{self, Config, Flags};
use kedge::{environment, telemetry};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Settings or arguments are wrong (BSD's EX_USAGE).
const EXIT_USAGE: u8 = 64;

/// Watches container images: pulls, inventories, finds vulnerabilities, judges by policy.
#[derive(Parser)]
#[command(name = "kedge", version, about, long_about = None, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

const AFTER_HELP: &str = "\
Settings come from flags, then KEDGE_* variables, then the file named by --config.
  KEDGE_CONFIG             configuration file (TOML)
  KEDGE_DATA_DIR           data folder
  KEDGE_LISTEN             ADDR:PORT of the REST API
  KEDGE_ADMIN_PASSWORD     password of the first administrator instead of a random one
  KEDGE_FEEDS_MIRROR       mirror of the vulnerability feeds: a folder or URL
  KEDGE_FEEDS_INTERVAL_HOURS   hours between feed syncs, 0 for never
  KEDGE_ANALYZER_COUNT     analyses at a time
  KEDGE_LOG                log filter, for instance debug or kedge_actors=debug,info
  KEDGE_LOG_FORMAT         text or json

First steps:
  kedge up                 then, in another terminal:
  kedgectl login http://127.0.0.1:8228 --username admin --password-stdin
  kedgectl image add docker.io/library/alpine:latest --wait";

#[derive(Subcommand)]
enum Verb {
    /// Start a node; in a new data folder also make a cluster of one
    Up(Settings),
    /// Check the settings, print them, and stop
    Config(Settings),
    /// Give a user of a stopped node a new random password
    ResetPassword {
        #[command(flatten)]
        settings: Settings,
        /// The user
        #[arg(default_value = boot::ADMIN)]
        user: String,
    },
}

#[derive(clap::Args)]
struct Settings {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything the node keeps [default: kedge-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address and port of the REST API [default: 127.0.0.1:8228]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; anything else is usage.
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let mut environment = environment::read();
    // Taken out at once: nothing else may see or print it.
    let password = environment.remove(environment::ADMIN_PASSWORD);
    let settings = match &arguments.command {
        Verb::Up(settings) | Verb::Config(settings) | Verb::ResetPassword { settings, .. } => {
            settings
        }
    };
    let flags = Flags {
        config: settings.config.clone(),
        data_dir: settings.data_dir.clone(),
        listen: settings.listen.clone(),
    };
    let config = match config::load(&flags, &environment) {
        Ok(config) => config,
        Err(error) => {
            say_error(&format!("error: {error}"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    telemetry::start(&config.log);
    match run(arguments.command, &config, password) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The lines people wait for. A closed terminal is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
    let _ = std::io::stdout().flush();
}

fn say_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn run(verb: Verb, config: &Config, password: Option<String>) -> Result<()> {
    if matches!(verb, Verb::Config(_)) {
        say(config.to_toml()?.trim_end());
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match verb {
            Verb::Up(_) => up(config, password).await,
            Verb::ResetPassword { user, .. } => {
                let password = boot::reset_password(config, &user).await?;
                say(&format!("new password of {user}: {password}"));
                Ok(())
            }
            Verb::Config(_) => Ok(()),
        }
    });
    // A thread that is still reading a layer must not hold the process up.
    runtime.shutdown_background();
    outcome
}

async fn up(config: &Config, password: Option<String>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut node = Node::start(config, password).await?;
    if let Some(password) = node.first_password() {
        say(&format!("first administrator  user {}  password {password}", boot::ADMIN));
        say("                     shown only now; `kedge reset-password` makes a new one");
    }
    let address = node.address();
    say(&format!("data folder          {}", config.data_dir.display()));
    say(&format!("REST API             http://{address}/v2"));
    say(&format!("metrics and health   http://{address}/metrics  /livez  /readyz"));
    say("ready");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "serving plain HTTP beyond this machine; put a TLS proxy in front");
    }
    let reason = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        reason = node.fatal() => Some(reason),
    };
    if let Some(reason) = reason {
        // Storage failed or an actor is beyond help: going on could acknowledge what is not kept.
        anyhow::bail!("the node stopped itself: {reason}");
    }
    say("stopping");
    tokio::select! {
        stopped = node.stop() => stopped,
        _ = terminate.recv() => anyhow::bail!("stopped at once on a second signal"),
        _ = interrupt.recv() => anyhow::bail!("stopped at once on a second signal"),
    }
}
