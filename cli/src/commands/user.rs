//! `kedgectl user`.

use crate::Session;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::list::{ListOutput, column, wide};
use crate::text;
use clap::{Args, Subcommand};
use kedge_api::users::{CredentialKind, CredentialRequest, User, UserCreationRequest, Users};
use reqwest::Method;

const EXAMPLES: &str = "\
Examples:
  kedgectl user add bob --in team-a                                   asks for the password
  kedgectl user set-password bob --in team-a --password-stdin < password.txt
  kedgectl user set-password                                          the own password";

/// The new password of another user: not the one this program logs in with.
const PASSWORDS: [&str; 1] = ["KEDGE_USER_PASSWORD"];

/// Manage users
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum UserCommand {
    /// List users: of one account, or of all
    List(ListArgs),
    /// Create a user
    #[command(after_help = EXAMPLES)]
    Add(PasswordArgs),
    /// Delete a user
    Delete(DeleteArgs),
    /// Set a password; without a name the own one
    SetPassword(SetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Account; all accounts when absent
    #[arg(long = "in", value_name = "ACCOUNT")]
    account: Option<String>,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// User name
    username: String,
    /// Account; the own one when absent
    #[arg(long = "in", value_name = "ACCOUNT")]
    account: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// User name; the own one when absent
    username: Option<String>,
    /// Account; the own one when absent
    #[arg(long = "in", value_name = "ACCOUNT")]
    account: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// User name
    username: String,
    /// Account; the own one when absent
    #[arg(long = "in", value_name = "ACCOUNT")]
    account: Option<String>,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: UserCommand) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        UserCommand::List(args) => list(session, &client, &args).await?,
        UserCommand::Add(args) => {
            let question = format!("password of the new user {}", args.username);
            let stdin = args.password_stdin;
            let password = input::required_password(session.ui, stdin, &PASSWORDS, &question)?;
            let account = account(session, &client, args.account).await?;
            let body = UserCreationRequest {
                username: args.username,
                password: Some(password),
                user_type: None,
                idp_name: None,
            };
            let place = ["v2", "accounts", &account, "users"];
            let user: User = client.send_json(Method::POST, &place, Vec::new(), &body).await?;
            show(session, &args.output, &user)?;
        }
        UserCommand::Delete(args) => {
            session.confirm(&format!("delete user {}?", args.username))?;
            let account = account(session, &client, args.account).await?;
            let place = ["v2", "accounts", &account, "users", &args.username];
            client.delete(&place, Vec::new()).await?;
            session.ui.note(&format!("user {} is deleted", args.username));
        }
        UserCommand::SetPassword(args) => set_password(session, &client, args).await?,
    }
    Ok(Exit::Ok)
}

/// The account that is meant: the one named, the one of `--account`, or the user's own.
async fn account(
    session: &Session,
    client: &Client,
    named: Option<String>,
) -> Result<String, Failure> {
    if let Some(name) = named.or_else(|| session.overrides().account.clone()) {
        return Ok(name);
    }
    let user: User = client.get(&["v2", "user"], Vec::new()).await?;
    Ok(user.account_name)
}

async fn set_password(session: &Session, client: &Client, args: SetArgs) -> Result<(), Failure> {
    let whose = args.username.as_deref().unwrap_or("the user who is logged in");
    let question = format!("new password of {whose}");
    let value = input::required_password(session.ui, args.password_stdin, &PASSWORDS, &question)?;
    let body = CredentialRequest { kind: CredentialKind::Password, value, created_at: None };
    let account_name;
    let place: Vec<&str> = match &args.username {
        None => vec!["v2", "user", "credentials"],
        Some(username) => {
            account_name = account(session, client, args.account).await?;
            vec!["v2", "accounts", &account_name, "users", username, "credentials"]
        }
    };
    let user: User = client.send_json(Method::POST, &place, Vec::new(), &body).await?;
    session.ui.note(&format!("the password of {} is set", user.username));
    if args.username.is_none() {
        session.ui.note("saved contexts still hold the old one: kedgectl login");
    }
    Ok(())
}

async fn list(session: &Session, client: &Client, args: &ListArgs) -> Result<(), Failure> {
    let rows: Vec<User> = match &args.account {
        Some(account) => client.get(&["v2", "accounts", account, "users"], Vec::new()).await?,
        None => client.get::<Users>(&["v2", "accounts", "users"], Vec::new()).await?.items,
    };
    let columns = [
        column("USER", |row: &User| row.username.as_str().into()),
        column("ACCOUNT", |row: &User| row.account_name.as_str().into()),
        column("ROLES", |row: &User| roles(row).into()),
        column("CREATED", |row: &User| text::ago_text(&row.created_at).into()),
        wide("PASSWORD CHANGED", |row: &User| {
            row.password_last_updated.as_deref().map(text::ago_text).unwrap_or_default().into()
        }),
    ];
    args.output.list(session.out, "UserList", &rows, &columns)
}

fn roles(user: &User) -> String {
    let roles: Vec<String> =
        user.unified_roles.iter().map(|r| format!("{}@{}", r.role_name, r.domain_name)).collect();
    roles.join(" ")
}

fn show(session: &Session, output: &ListOutput, user: &User) -> Result<(), Failure> {
    let facts = vec![
        ("user", user.username.as_str().into()),
        ("account", user.account_name.as_str().into()),
        ("roles", roles(user).into()),
        ("created", user.created_at.as_str().into()),
    ];
    output.object(session.out, "User", user, facts)
}
