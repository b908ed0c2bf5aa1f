//! `kedgectl`: local scans without a server, and the client of a node.
//!
//! `commands` has one module an area; `client` talks HTTP, `output` writes data to standard
//! output, `ui` everything else to standard error, `exit` holds the exit codes. Local commands use
//! the same engines as the node, so the same content and data give the same result. The program
//! must not know the node's insides: it speaks only through `kedge-api`'s types.

mod cli;
mod client;
mod commands;
mod context;
mod credentials;
mod environment;
mod exit;
mod input;
mod limits;
mod output;
mod text;
mod topics;
mod ui;

use crate::cli::{Cli, Command, Global};
use crate::client::Client;
use crate::context::{Config, Connection, Overrides};
use crate::exit::{Exit, Failure};
use crate::output::Out;
use crate::output::table::plain;
use crate::ui::Ui;
use clap::Parser;
use clap::error::ErrorKind;
use std::io::Write;
use std::process::ExitCode;

/// What every command gets: output, progress, and the node when it asks for it.
pub(crate) struct Session {
    pub(crate) out: Out,
    pub(crate) ui: Ui,
    overrides: Overrides,
    yes: bool,
}

impl Session {
    fn new(global: &Global) -> Self {
        Self {
            out: Out::detect(),
            ui: Ui::new(global.progress, global.quiet, global.verbose > 0),
            overrides: global.overrides(),
            yes: global.yes,
        }
    }

    /// The node that flags, environment and contexts name.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let config = Config::load()?;
        Client::new(Connection::resolve(&self.overrides, &config)?)
    }

    /// What the flags say about the node.
    pub(crate) fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Makes sure that something destructive is wanted.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        match self.ui.confirm(question) {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::error("nothing was done")),
            None => {
                Err(Failure::usage(format!("this needs a confirmation: {question}"))
                    .hint("add --yes"))
            }
        }
    }
}

fn main() -> ExitCode {
    // Two libraries bring a provider for TLS; the process needs one word on which is used. The
    // only failure is that one was set before, which nothing here does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    cli.global.color.choose();
    let session = Session::new(&cli.global);
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(supervise(&session, cli.command));
            // Threads that still read an aborted target must not hold up the exit.
            runtime.shutdown_background();
            exit
        }
        Err(error) => report(&session, &Failure::error(format!("cannot start: {error}"))),
    };
    ExitCode::from(exit.code())
}

async fn supervise(session: &Session, command: Command) -> Exit {
    tokio::select! {
        result = commands::run(session, command) => match result {
            Ok(exit) => exit,
            Err(failure) => report(session, &failure),
        },
        _ = tokio::signal::ctrl_c() => {
            report(session, &Failure::new(Exit::Interrupted, "interrupted"))
        }
    }
}

/// Help and version are answers; everything else that clap says is a mistake, with a code of its
/// own because clap's 2 would look like a failed gate.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let exit = if asked { Exit::Ok } else { Exit::Usage };
    ExitCode::from(exit.code())
}

/// Tells a failure: what, the code, what to do; the request id with `-v`.
fn report(session: &Session, failure: &Failure) -> Exit {
    if failure.message.is_empty() {
        return failure.exit;
    }
    let mut stderr = anstream::stderr().lock();
    let mark = owo_colors::OwoColorize::red(&"error:").to_string();
    let code = failure.code.as_ref().map(|code| format!(" [{}]", plain(code))).unwrap_or_default();
    let mut lines = failure.message.lines();
    let first = plain(lines.next().unwrap_or_default());
    let _ = writeln!(stderr, "{mark} {first}{code}");
    for line in lines {
        let _ = writeln!(stderr, "{}", plain(line));
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "  hint: {}", plain(hint));
    }
    if let Some(id) = failure.request_id.as_ref().filter(|_| session.ui.verbose) {
        let _ = writeln!(stderr, "  request: {}", plain(id));
    }
    failure.exit
}
