//! `kedgectl account`.

use crate::Session;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::list::{ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{Args, Subcommand};
use kedge_api::accounts::{
    Account, AccountCreationRequest, AccountKind, AccountState, AccountStatus,
};
use reqwest::Method;

/// Manage accounts: the owners of images, policies and credentials
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// List accounts
    List(ListOutput),
    /// Create an account
    Add(AddArgs),
    /// Show an account
    Get(NameArgs),
    /// Let its users in again
    Enable(NameArgs),
    /// Keep its users out
    Disable(NameArgs),
    /// Delete a disabled account with everything in it
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Name of the account
    name: String,
    /// Contact
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Name of the account
    name: String,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Name of the account
    name: String,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: AccountCommand) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        AccountCommand::List(output) => {
            let rows: Vec<Account> = client.get(&["v2", "accounts"], Vec::new()).await?;
            let columns = [
                column("NAME", |row: &Account| row.name.as_str().into()),
                column("TYPE", |row: &Account| kind(row.kind).into()),
                column("STATE", |row: &Account| state(row.state)),
                column("CREATED", |row: &Account| text::ago_text(&row.created_at).into()),
                wide("EMAIL", |row: &Account| row.email.clone().unwrap_or_default().into()),
            ];
            output.list(session.out, "AccountList", &rows, &columns)?;
        }
        AccountCommand::Add(args) => {
            let body = AccountCreationRequest { name: args.name, email: args.email };
            let account: Account =
                client.send_json(Method::POST, &["v2", "accounts"], Vec::new(), &body).await?;
            show(session, &args.output, &account)?;
        }
        AccountCommand::Get(args) => {
            let account: Account = client.get(&["v2", "accounts", &args.name], Vec::new()).await?;
            show(session, &args.output, &account)?;
        }
        AccountCommand::Enable(args) => {
            switch(session, &client, &args, AccountState::Enabled).await?;
        }
        AccountCommand::Disable(args) => {
            switch(session, &client, &args, AccountState::Disabled).await?;
        }
        AccountCommand::Delete(args) => {
            session.confirm(&format!("delete account {} and everything in it?", args.name))?;
            client.delete(&["v2", "accounts", &args.name], Vec::new()).await?;
            session.ui.note(&format!("account {} is being deleted", args.name));
        }
    }
    Ok(Exit::Ok)
}

async fn switch(
    session: &Session,
    client: &Client,
    args: &NameArgs,
    state: AccountState,
) -> Result<(), Failure> {
    let place = ["v2", "accounts", &args.name, "state"];
    let body = AccountStatus { state };
    let _: AccountStatus = client.send_json(Method::PUT, &place, Vec::new(), &body).await?;
    let account: Account = client.get(&["v2", "accounts", &args.name], Vec::new()).await?;
    show(session, &args.output, &account)
}

fn show(session: &Session, output: &ListOutput, account: &Account) -> Result<(), Failure> {
    let facts = vec![
        ("account", account.name.as_str().into()),
        ("type", kind(account.kind).into()),
        ("state", state(account.state)),
        ("email", account.email.clone().unwrap_or_default().into()),
        ("created", account.created_at.as_str().into()),
    ];
    output.object(session.out, "Account", account, facts)
}

const fn kind(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::User => "user",
        AccountKind::Admin => "admin",
        AccountKind::Service => "service",
    }
}

fn state(state: AccountState) -> Cell {
    match state {
        AccountState::Enabled => Cell::toned("enabled", Tone::Good),
        AccountState::Disabled => Cell::toned("disabled", Tone::Warn),
        AccountState::Deleting => Cell::toned("deleting", Tone::Bad),
    }
}
