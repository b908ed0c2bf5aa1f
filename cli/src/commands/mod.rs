//! One module an area.

pub(crate) mod account;
pub(crate) mod context;
pub(crate) mod db;
pub(crate) mod event;
pub(crate) mod explain;
pub(crate) mod feed;
pub(crate) mod image;
pub(crate) mod job;
pub(crate) mod login;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod sbom;
pub(crate) mod scan;
pub(crate) mod system;
pub(crate) mod user;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure};
use crate::{Session, topics};
use clap::CommandFactory;

/// Runs a command.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Scan(args) => scan::run(session, *args).await,
        Command::Sbom(command) => sbom::run(session, command).await,
        Command::Db(command) => db::run(session, command).await,
        Command::Explain(args) => explain::run(session, &args),
        Command::Login(args) => login::login(session, args).await,
        Command::Logout => login::logout(session),
        Command::Whoami(output) => login::whoami(session, &output).await,
        Command::Context(command) => context::run(session, command),
        Command::Image(command) => image::run(session, command).await,
        Command::Registry(command) => registry::run(session, command).await,
        Command::Policy(command) => policy::run(session, command).await,
        Command::Feed(command) => feed::run(session, command).await,
        Command::Account(command) => account::run(session, command).await,
        Command::User(command) => user::run(session, command).await,
        Command::Job(command) => job::run(session, command).await,
        Command::Event(command) => event::run(session, command).await,
        Command::System(command) => system::run(session, command).await,
        Command::Version => print(session, &version()),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kedgectl", &mut script);
            session.out.print(&script)?;
            Ok(Exit::Ok)
        }
        Command::Help { words } => print(session, &topics::help(&words)?),
    }
}

fn print(session: &Session, text: &str) -> Result<Exit, Failure> {
    session.out.print(text.as_bytes())?;
    Ok(Exit::Ok)
}

fn version() -> String {
    format!(
        "kedgectl {}\ncatalogers {}\nmatching rules {}\ndatabase format {}\n",
        env!("CARGO_PKG_VERSION"),
        kedge_analyzer::catalogers::version(),
        kedge_matcher::RULES_VERSION,
        kedge_feeds::dataset::FORMAT_VERSION
    )
}
