//! Every environment variable that is read, and nothing else reads the environment.

use std::path::PathBuf;

/// Names and meanings, for `kedgectl help environment`.
pub(crate) const TABLE: &[(&str, &str)] = &[
    ("KEDGE_URL", "address of a node, for instance https://kedge.example.com:8228"),
    ("KEDGE_USERNAME", "user name at the node"),
    ("KEDGE_PASSWORD", "password at the node"),
    ("KEDGE_ACCOUNT", "account to act in, when it is not the user's own"),
    ("KEDGE_CONTEXT", "saved context to use (kedgectl context list)"),
    ("KEDGE_CACERT", "PEM file with certificates to trust besides the public ones"),
    ("KEDGE_INSECURE", "true: do not verify the node's certificate"),
    ("ANCHORECTL_URL", "as KEDGE_URL, when that is not set"),
    ("ANCHORECTL_USERNAME", "as KEDGE_USERNAME, when that is not set"),
    ("ANCHORECTL_PASSWORD", "as KEDGE_PASSWORD, when that is not set"),
    ("ANCHORECTL_ACCOUNT", "as KEDGE_ACCOUNT, when that is not set"),
    ("KEDGE_DB_DIR", "folder of the local vulnerability database"),
    ("KEDGE_FEEDS_MIRROR", "folder or URL that 'db update' reads in place of the internet"),
    ("KEDGE_OFFLINE", "true: open no connection but to the registry of the target"),
    ("KEDGE_REGISTRY_AUTH_HOST", "registry that the next two are for; empty: the target's"),
    ("KEDGE_REGISTRY_AUTH_USERNAME", "user name for local scans of a registry"),
    ("KEDGE_REGISTRY_AUTH_PASSWORD", "password for local scans of a registry"),
    ("KEDGE_REGISTRY_PASSWORD", "password for 'registry add' and 'registry update'"),
    ("ANCHORECTL_REGISTRY_PASSWORD", "as KEDGE_REGISTRY_PASSWORD, when that is not set"),
    ("KEDGE_USER_PASSWORD", "password of the other user for 'user add' and 'user set-password'"),
    ("DOCKER_CONFIG", "folder of docker's config.json, read for registry credentials"),
    ("REGISTRY_AUTH_FILE", "podman's file of registry credentials"),
    ("KEDGE_COLOR", "auto, always or never"),
    ("KEDGE_PROGRESS", "auto, plain, json or none"),
    ("NO_COLOR", "any value: no colour"),
    ("CLICOLOR_FORCE", "1: colour also into a pipe"),
    ("COLUMNS", "width of the terminal"),
    ("XDG_CONFIG_HOME", "place of kedge/config.toml (default ~/.config)"),
    ("XDG_CACHE_HOME", "place of kedge/db (default ~/.cache)"),
    ("XDG_RUNTIME_DIR", "place of containers/auth.json"),
    ("HTTPS_PROXY", "proxy to reach a node and feeds; also HTTP_PROXY and NO_PROXY for a node"),
];

/// A variable that is set and not empty.
pub(crate) fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first of several variables that is set.
pub(crate) fn first(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| get(name))
}

fn home() -> Option<PathBuf> {
    get("HOME").map(PathBuf::from)
}

/// A folder that a variable names, by the XDG rule that relative paths are ignored.
fn xdg(name: &str, below_home: &str) -> Option<PathBuf> {
    let named = get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(home()?.join(below_home)))
}

/// Our configuration file.
pub(crate) fn config_file() -> Option<PathBuf> {
    Some(xdg("XDG_CONFIG_HOME", ".config")?.join("kedge/config.toml"))
}

/// The folder of the local database, when no flag names one.
pub(crate) fn database_dir() -> Option<PathBuf> {
    Some(xdg("XDG_CACHE_HOME", ".cache")?.join("kedge/db"))
}

/// Files that may hold registry credentials, the most specific first.
pub(crate) fn registry_auth_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    files.extend(get("REGISTRY_AUTH_FILE").map(PathBuf::from));
    let docker = get("DOCKER_CONFIG").map(PathBuf::from);
    files.extend(docker.or_else(|| Some(home()?.join(".docker"))).map(|d| d.join("config.json")));
    files.extend(get("XDG_RUNTIME_DIR").map(|d| PathBuf::from(d).join("containers/auth.json")));
    files.extend(home().map(|d| d.join(".config/containers/auth.json")));
    files
}

#[cfg(test)]
mod tests {
    use super::TABLE;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = TABLE.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
