//! Saved contexts (node, user, account), and which node a command talks to.

use crate::environment as env;
use crate::exit::{Exit, Failure};
use crate::limits::CONFIG_BYTES_MAX;
use kedge_api::users::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use url::Url;

/// Where a node listens when nothing says otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8228";

/// The configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Name of the context in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// All contexts by name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// A node and how to log in there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Address.
    pub(crate) url: String,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Secret>,
    /// Account to act in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// Certificates to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cacert: Option<PathBuf>,
    /// Do not verify certificates.
    #[serde(default)]
    pub(crate) insecure: bool,
}

impl Config {
    /// The path of the file.
    pub(crate) fn path() -> Result<PathBuf, Failure> {
        env::config_file().ok_or_else(|| Failure::error("neither XDG_CONFIG_HOME nor HOME is set"))
    }

    /// Reads the file; empty when there is none.
    pub(crate) fn load() -> Result<Self, Failure> {
        match env::config_file() {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let mut text = String::new();
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::file(path, &error)),
            Ok(file) => file
                .take(CONFIG_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|error| Failure::file(path, &error))?,
        };
        // The parser's own message would quote the line, which may hold a password.
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.as_bytes()[..span.start.min(text.len())]
                    .iter()
                    .filter(|b| **b == b'\n')
                    .count()
                    + 1
            });
            Failure::error(format!("{}: line {line}: {}", path.display(), error.message()))
        })
    }

    /// Writes the file so that only its owner can read it, whole or not at all.
    pub(crate) fn save(&self) -> Result<PathBuf, Failure> {
        let path = Self::path()?;
        self.write(&path).map_err(|error| Failure::file(&path, &error))?;
        Ok(path)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension(format!("new-{}", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        // The mode above counts only when the file is new.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    }

    /// Whether others can read the file.
    pub(crate) fn is_exposed(path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
}

/// What flags say about the node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) url: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) cacert: Option<PathBuf>,
    pub(crate) insecure: bool,
}

/// The node a command talks to.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) url: Url,
    pub(crate) login: Option<(String, Secret)>,
    pub(crate) account: Option<String>,
    pub(crate) cacert: Option<PathBuf>,
    pub(crate) insecure: bool,
}

impl Connection {
    /// Flags, then the environment, then the saved context, then a node on this machine.
    pub(crate) fn resolve(flags: &Overrides, config: &Config) -> Result<Self, Failure> {
        let url = flags.url.clone().or_else(|| env::first(&["KEDGE_URL", "ANCHORECTL_URL"]));
        // A context that is named by flag or variable must exist; the current one may be gone.
        let named = flags.context.clone().or_else(|| env::get("KEDGE_CONTEXT"));
        let saved = match &named {
            Some(name) => Some(config.contexts.get(name).ok_or_else(|| unknown(name, config))?),
            None => config.current.as_ref().and_then(|name| config.contexts.get(name)),
        };
        let saved_url = saved.map(|saved| parse_url(&saved.url)).transpose()?;
        let url = match (&url, &saved_url) {
            (Some(url), _) => parse_url(url)?,
            (None, Some(saved)) => saved.clone(),
            (None, None) => parse_url(DEFAULT_URL)?,
        };
        // A saved password goes to the node it was saved for and nowhere else.
        let saved = saved.filter(|_| saved_url.as_ref() == Some(&url));
        let username = env::first(&["KEDGE_USERNAME", "ANCHORECTL_USERNAME"]);
        let password = env::first(&["KEDGE_PASSWORD", "ANCHORECTL_PASSWORD"]).map(Secret::new);
        let kept_name = saved.and_then(|saved| saved.username.clone());
        let kept_password = saved
            .filter(|_| username.is_none() || username == kept_name)
            .and_then(|saved| saved.password.clone());
        let login = username.or(kept_name).zip(password.or(kept_password));
        let account = flags
            .account
            .clone()
            .or_else(|| env::first(&["KEDGE_ACCOUNT", "ANCHORECTL_ACCOUNT"]))
            .or_else(|| saved.and_then(|saved| saved.account.clone()));
        let cacert = flags.cacert.clone().or_else(|| saved.and_then(|saved| saved.cacert.clone()));
        let insecure = flags.insecure || saved.is_some_and(|saved| saved.insecure);
        Ok(Self { url, login, account, cacert, insecure })
    }
}

fn unknown(name: &str, config: &Config) -> Failure {
    let names: Vec<&str> = config.contexts.keys().map(String::as_str).collect();
    let failure = Failure::new(Exit::NotFound, format!("there is no context '{name}'"));
    match names.as_slice() {
        [] => failure.hint("log in first: kedgectl login URL --username NAME"),
        names => failure.hint(format!("known are {}", names.join(", "))),
    }
}

/// Reads the address of a node.
pub(crate) fn parse_url(text: &str) -> Result<Url, Failure> {
    let bad = |why: &str| {
        Failure::usage(format!("the address of the node {why}"))
            .hint("write it as https://host:port")
    };
    // Never repeated in a message: it may hold a password.
    let mut url = Url::parse(text).map_err(|_| bad("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold user name or password"));
    }
    url.set_query(None);
    url.set_fragment(None);
    // anchorectl's users write the version into the address.
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v2").unwrap_or(path).to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expect: &str| {
            assert_eq!(parse_url(text).unwrap().as_str(), expect, "{text}");
        };
        check("http://127.0.0.1:8228", "http://127.0.0.1:8228/");
        check("https://k.example.com/v2/", "https://k.example.com/");
        check("https://k.example.com/base/", "https://k.example.com/base");
        for bad in ["k.example.com", "ftp://x", "https://u:canary@x", ""] {
            let failure = parse_url(bad).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!failure.message.contains("canary"));
        }
    }

    #[test]
    fn the_file_is_private_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kedge/config.toml");
        let mut config = Config { current: Some("a".into()), contexts: BTreeMap::new() };
        let password = Some(Secret::new("canary"));
        let context = Context { url: DEFAULT_URL.into(), password, ..Context::default() };
        config.contexts.insert("a".into(), context);
        config.write(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Config::is_exposed(&path));
        config.write(&path).unwrap();
        assert!(!Config::is_exposed(&path));
        assert_eq!(Config::read(&path).unwrap(), config);
    }

    #[test]
    fn a_damaged_file_names_the_line_and_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "[contexts.a]\nurl = \"x\"\npasword = \"canary\"\n").unwrap();
        let message = Config::read(&path).unwrap_err().message;
        assert!(message.contains("line") && !message.contains("canary"), "{message}");
    }

    #[test]
    fn a_saved_password_stays_with_its_node() {
        let mut config = Config { current: Some("a".into()), contexts: BTreeMap::new() };
        let context = Context {
            url: "https://a.example.com".into(),
            username: Some("bob".into()),
            password: Some(Secret::new("canary")),
            ..Context::default()
        };
        config.contexts.insert("a".into(), context);
        let elsewhere =
            Overrides { url: Some("https://b.example.com".into()), ..Overrides::default() };
        assert!(Connection::resolve(&elsewhere, &config).unwrap().login.is_none());
        let here = Connection::resolve(&Overrides::default(), &config).unwrap();
        assert_eq!(here.login.unwrap().0, "bob");
        let gone = Overrides { context: Some("x".into()), ..Overrides::default() };
        assert_eq!(Connection::resolve(&gone, &config).unwrap_err().exit, Exit::NotFound);
    }
}
