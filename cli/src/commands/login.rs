//! `login`, `logout`, `whoami`.

use crate::Session;
use crate::client::Client;
use crate::context::{Config, Connection, Context, parse_url};
use crate::environment as env;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::list::ListOutput;
use clap::Args;
use kedge_api::users::User;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  kedgectl login http://127.0.0.1:8228 --username admin          asks for the password
  kedgectl login https://kedge.example.com --username ci --password-stdin < password.txt
  KEDGE_URL=… KEDGE_USERNAME=… KEDGE_PASSWORD=… kedgectl image list     without a login";

/// Log in to a node and remember it as a context
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoginArgs {
    /// Address of the node
    #[arg(value_name = "URL")]
    node: Option<String>,
    /// User name
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Name of the context; the node's host when absent
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Checks the login at the node, then saves it.
pub(crate) async fn login(session: &Session, args: LoginArgs) -> Result<Exit, Failure> {
    let flags = session.overrides();
    let mut config = Config::load()?;
    let address = args
        .node
        .or_else(|| flags.url.clone())
        .or_else(|| env::first(&["KEDGE_URL", "ANCHORECTL_URL"]))
        .ok_or_else(|| {
            Failure::usage("which node?")
                .hint("kedgectl login http://127.0.0.1:8228 --username admin")
        })?;
    let url = parse_url(&address)?;
    let username =
        match args.username.or_else(|| env::first(&["KEDGE_USERNAME", "ANCHORECTL_USERNAME"])) {
            Some(username) => username,
            None => ask_username(session)?,
        };
    let variables = ["KEDGE_PASSWORD", "ANCHORECTL_PASSWORD"];
    let question = format!("password of {username} at {}", url.as_str().trim_end_matches('/'));
    let password =
        input::required_password(session.ui, args.password_stdin, &variables, &question)?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "http" && !is_local {
        session.ui.warn("the password is sent without encryption; use https");
    }
    let connection = Connection {
        url: url.clone(),
        login: Some((username.clone(), password.clone())),
        account: flags.account.clone(),
        cacert: flags.cacert.clone(),
        insecure: flags.insecure,
    };
    let user: User = Client::new(connection)?.get(&["v2", "user"], Vec::new()).await?;
    let host = url.host_str().unwrap_or("default");
    let name = args.name.unwrap_or_else(|| match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    let context = Context {
        url: url.as_str().trim_end_matches('/').to_owned(),
        username: Some(username),
        password: Some(password),
        account: flags.account.clone(),
        cacert: flags.cacert.clone(),
        insecure: flags.insecure,
    };
    config.contexts.insert(name.clone(), context);
    config.current = Some(name.clone());
    let path = config.save()?;
    session.ui.note(&format!(
        "logged in as {} (account {}); context '{name}' is saved in {}",
        user.username,
        user.account_name,
        path.display()
    ));
    Ok(Exit::Ok)
}

fn ask_username(session: &Session) -> Result<String, Failure> {
    let missing = || Failure::usage("which user?").hint("add --username NAME");
    if !session.ui.interactive {
        return Err(missing());
    }
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "user name: ").and_then(|()| stderr.flush());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::error(error.to_string()))?;
    let name = line.trim().to_owned();
    if name.is_empty() { Err(missing()) } else { Ok(name) }
}

/// Forgets the password of the context in use.
pub(crate) fn logout(session: &Session) -> Result<Exit, Failure> {
    let mut config = Config::load()?;
    let name = session.overrides().context.clone().or_else(|| config.current.clone());
    let context = name.as_ref().and_then(|name| config.contexts.get_mut(name));
    let Some(context) = context else {
        return Err(Failure::not_found("there is no context to log out of"));
    };
    context.password = None;
    config.save()?;
    session
        .ui
        .note(&format!("the password of context '{}' is forgotten", name.unwrap_or_default()));
    Ok(Exit::Ok)
}

/// Shows the user as the node sees it.
pub(crate) async fn whoami(session: &Session, output: &ListOutput) -> Result<Exit, Failure> {
    let client = session.client()?;
    let user: User = client.get(&["v2", "user"], Vec::new()).await?;
    let roles: Vec<String> = user
        .unified_roles
        .iter()
        .map(|r| format!("{} in {}", r.role_name, r.domain_name))
        .collect();
    let facts = vec![
        ("user", user.username.as_str().into()),
        ("account", user.account_name.as_str().into()),
        ("node", client.place().into()),
        ("roles", roles.join(", ").into()),
    ];
    output.object(session.out, "User", &user, facts)?;
    Ok(Exit::Ok)
}
