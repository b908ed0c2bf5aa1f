//! How a local scan logs in to a registry: environment, then the files of docker and podman.

use crate::environment as env;
use crate::exit::Failure;
use crate::limits::CONFIG_BYTES_MAX;
use base64::Engine;
use kedge_artifact::reference::Reference;
use kedge_registry::{Access, Credential, Password};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// docker's `config.json` and podman's `auth.json`, as far as we use them.
#[derive(Default, Deserialize)]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
}

#[derive(Default, Deserialize)]
struct AuthEntry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// How to reach the registry of an image that a person typed. Typing it is what allows private
/// and loopback addresses.
pub(crate) fn access(reference: &Reference, tls_verify: bool) -> Result<Access, Failure> {
    let credential = match from_environment(&reference.registry)? {
        Some(credential) => credential,
        None => from_files(reference),
    };
    Ok(Access { credential, tls_verify, ..Access::explicit(reference.registry.clone()) })
}

fn from_environment(registry: &str) -> Result<Option<Credential>, Failure> {
    let username = env::get("KEDGE_REGISTRY_AUTH_USERNAME");
    let password = env::get("KEDGE_REGISTRY_AUTH_PASSWORD");
    let host = env::get("KEDGE_REGISTRY_AUTH_HOST");
    if host.is_some_and(|host| !host.eq_ignore_ascii_case(registry)) {
        return Ok(None);
    }
    match (username, password) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => {
            Ok(Some(Credential::Basic { username, password: Password::new(password) }))
        }
        (Some(_), None) | (None, Some(_)) => Err(Failure::usage(
            "KEDGE_REGISTRY_AUTH_USERNAME and KEDGE_REGISTRY_AUTH_PASSWORD must be set together",
        )),
    }
}

fn from_files(reference: &Reference) -> Credential {
    env::registry_auth_files()
        .iter()
        .filter_map(|path| read(path))
        .find_map(|file| choose(&file, reference))
        .unwrap_or(Credential::Anonymous)
}

/// A file that is missing or of another form holds no credential for us.
fn read(path: &Path) -> Option<AuthFile> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(CONFIG_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The entry whose path is the longest that contains the repository.
fn choose(file: &AuthFile, reference: &Reference) -> Option<Credential> {
    let wanted = reference.name();
    let matching = file.auths.iter().filter_map(|(key, entry)| {
        let key = normal(key);
        let inside = wanted == key || wanted.strip_prefix(&key)?.starts_with('/');
        inside.then_some((key.len(), entry))
    });
    matching.max_by_key(|(length, _)| *length).and_then(|(_, entry)| credential(entry))
}

/// Keys are hosts, hosts with a path, or the URLs that old versions of docker wrote.
fn normal(key: &str) -> String {
    let key = key.trim_start_matches("https://").trim_start_matches("http://");
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    let (host, path) = key.split_once('/').map_or((key, ""), |(host, path)| (host, path));
    let host = match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    };
    if path.is_empty() { host } else { format!("{host}/{path}") }
}

fn credential(entry: &AuthEntry) -> Option<Credential> {
    let (username, password) = if entry.auth.is_empty() {
        (entry.username.clone(), entry.password.clone())
    } else {
        let bytes = base64::engine::general_purpose::STANDARD.decode(entry.auth.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (username, password) = text.split_once(':')?;
        (username.to_owned(), password.trim_end_matches('\0').to_owned())
    };
    let whole = !username.is_empty() && !password.is_empty();
    whole.then(|| Credential::Basic { username, password: Password::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(file: &str, reference: &str) -> Option<String> {
        let file: AuthFile = serde_json::from_str(file).unwrap();
        match choose(&file, &reference.parse().unwrap())? {
            Credential::Basic { username, .. } => Some(username),
            Credential::Anonymous => None,
        }
    }

    #[test]
    fn the_longest_path_wins_on_whole_segments() {
        // a:x, b:x, c:x in base64.
        let file = r#"{"auths":{
            "q.io":{"auth":"YTp4"},
            "q.io/team":{"auth":"Yjp4"},
            "https://index.docker.io/v1/":{"auth":"Yzp4"},
            "bad.io":{"auth":"%%%"},
            "store.io":{}}}"#;
        let check = |reference: &str, expect: Option<&str>| {
            assert_eq!(user(file, reference).as_deref(), expect, "{reference}");
        };
        check("q.io/other/app:1", Some("a"));
        check("q.io/team/app", Some("b"));
        check("q.io/teamwork/app", Some("a"));
        check("alpine", Some("c"));
        check("bad.io/a", None);
        check("store.io/a", None);
        check("q.io:5000/a", None);
    }
}
