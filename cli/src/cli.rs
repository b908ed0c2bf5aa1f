//! The tree of commands and the flags that all of them have.

use crate::commands::{
    account, context, db, event, explain, feed, image, job, login, policy, registry, sbom, scan,
    system, user,
};
use crate::context::Overrides;
use crate::ui::ProgressMode;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const START: &str = "\
Start here, without a server:
  kedgectl db update
  kedgectl scan alpine:3.20

Start here, with a node:
  kedgectl login http://127.0.0.1:8228 --username admin
  kedgectl image add registry.example.com/app:1 --wait
  kedgectl image vuln registry.example.com/app:1

Topics: kedgectl help exit-codes | environment | formats | targets";

/// Find out what is inside container images and whether it may run
#[derive(Debug, Parser)]
#[command(
    name = "kedgectl",
    version,
    styles = STYLES,
    after_help = START,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Address of the node
    #[arg(long, global = true, value_name = "URL", help_heading = "Node")]
    url: Option<String>,
    /// Saved context to use
    #[arg(long, global = true, value_name = "NAME", help_heading = "Node")]
    context: Option<String>,
    /// Account to act in
    #[arg(short = 'A', long, global = true, value_name = "NAME", help_heading = "Node")]
    account: Option<String>,
    /// PEM file with certificates to trust for the node
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "KEDGE_CACERT",
        hide_env = true,
        help_heading = "Node"
    )]
    cacert: Option<PathBuf>,
    /// Do not verify the node's certificate
    #[arg(long, global = true, env = "KEDGE_INSECURE", hide_env = true, value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Node")]
    insecure: bool,
    /// When to colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "KEDGE_COLOR",
        hide_env = true,
        hide_possible_values = true,
        help = "Colour: auto, always, never",
        help_heading = "Display"
    )]
    pub(crate) color: Color,
    /// How to show progress
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        default_value = "auto",
        env = "KEDGE_PROGRESS",
        hide_env = true,
        hide_possible_values = true,
        help = "Progress: auto, plain, json, none",
        help_heading = "Display"
    )]
    pub(crate) progress: ProgressMode,
    /// No progress and no remarks
    #[arg(short, long, global = true, help_heading = "Display")]
    pub(crate) quiet: bool,
    /// More detail, request ids with errors
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Display")]
    pub(crate) verbose: u8,
    /// Do not ask before something is deleted
    #[arg(short = 'y', long, global = true, help_heading = "Display")]
    pub(crate) yes: bool,
}

impl Global {
    /// What the flags say about the node.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            url: self.url.clone(),
            context: self.context.clone(),
            account: self.account.clone(),
            cacert: self.cacert.clone(),
            insecure: self.insecure,
        }
    }
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// By terminal, `NO_COLOR` and `CLICOLOR_FORCE`
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it so for the process.
    pub(crate) fn choose(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

/// Everything there is.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Scan(Box<scan::ScanArgs>),
    #[command(subcommand)]
    Sbom(sbom::SbomCommand),
    #[command(subcommand)]
    Db(db::DbCommand),
    Explain(explain::ExplainArgs),
    Login(login::LoginArgs),
    /// Forget the password of the context in use
    Logout,
    /// Show who is logged in
    Whoami(crate::output::list::ListOutput),
    #[command(subcommand)]
    Context(context::ContextCommand),
    #[command(subcommand, visible_alias = "images")]
    Image(image::ImageCommand),
    #[command(subcommand, visible_alias = "registries")]
    Registry(registry::RegistryCommand),
    #[command(subcommand, visible_alias = "policies")]
    Policy(policy::PolicyCommand),
    #[command(subcommand, visible_alias = "feeds")]
    Feed(feed::FeedCommand),
    #[command(subcommand, visible_alias = "accounts")]
    Account(account::AccountCommand),
    #[command(subcommand, visible_alias = "users")]
    User(user::UserCommand),
    #[command(subcommand, visible_alias = "jobs")]
    Job(job::JobCommand),
    #[command(subcommand, visible_alias = "events")]
    Event(event::EventCommand),
    #[command(subcommand)]
    System(system::SystemCommand),
    /// Show the version
    Version,
    /// Write the completion script of a shell: bash, zsh, fish, elvish, powershell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Explain a command or a topic: exit-codes, environment, formats, targets
    Help {
        /// Command or topic
        words: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
