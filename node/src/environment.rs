//! Every environment variable the node reads. Nothing else in the node looks at the environment.

use std::collections::BTreeMap;

/// Path of the configuration file.
pub const CONFIG: &str = "KEDGE_CONFIG";
/// Data folder (`data_dir`).
pub const DATA_DIR: &str = "KEDGE_DATA_DIR";
/// Address and port to listen on (`listen`).
pub const LISTEN: &str = "KEDGE_LISTEN";
/// Log filter (`log.filter`), for instance `info` or `kedge_actors=debug,info`.
pub const LOG: &str = "KEDGE_LOG";
/// `text` or `json` (`log.format`).
pub const LOG_FORMAT: &str = "KEDGE_LOG_FORMAT";
/// Sets the first administrator's password instead of a random one. Read once, at the first start.
pub const ADMIN_PASSWORD: &str = "KEDGE_ADMIN_PASSWORD";
/// Feed mirror: a folder or URL (`work.feeds.mirror`).
pub const FEEDS_MIRROR: &str = "KEDGE_FEEDS_MIRROR";
/// Hours between feed syncs (`work.feeds.interval_hours`).
pub const FEEDS_INTERVAL_HOURS: &str = "KEDGE_FEEDS_INTERVAL_HOURS";
/// Analyses at a time (`work.analyzer_count`).
pub const ANALYZER_COUNT: &str = "KEDGE_ANALYZER_COUNT";

/// What this program reads.
pub const KNOWN: &[&str] = &[
    CONFIG,
    DATA_DIR,
    LISTEN,
    LOG,
    LOG_FORMAT,
    ADMIN_PASSWORD,
    FEEDS_MIRROR,
    FEEDS_INTERVAL_HOURS,
    ANALYZER_COUNT,
];

/// What only the command line reads, so that both programs can share an environment.
const OF_KEDGECTL: &[&str] = &[
    "KEDGE_URL",
    "KEDGE_USERNAME",
    "KEDGE_PASSWORD",
    "KEDGE_ACCOUNT",
    "KEDGE_CONTEXT",
    "KEDGE_TOKEN_FILE",
    "KEDGE_OFFLINE",
    "KEDGE_DB_DIR",
    "KEDGE_CACHE_DIR",
    "KEDGE_COLOR",
    "KEDGE_PROGRESS",
    "KEDGE_CACERT",
    "KEDGE_INSECURE",
    "KEDGE_REGISTRY_PASSWORD",
    "KEDGE_USER_PASSWORD",
    "KEDGE_REGISTRY_AUTH_USERNAME",
    "KEDGE_REGISTRY_AUTH_PASSWORD",
    "KEDGE_REGISTRY_AUTH_HOST",
];

/// The `KEDGE_*` variables that are set, by name. Values are secrets until known otherwise.
pub type Environment = BTreeMap<String, String>;

/// Reads the `KEDGE_*` variables of this process.
#[must_use]
pub fn read() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with("KEDGE_")).collect()
}

/// The first variable that nobody reads, with the nearest known name.
#[must_use]
pub fn unknown(environment: &Environment) -> Option<(String, Option<&'static str>)> {
    let strange = environment.keys().find(|name| {
        let name = name.as_str();
        // Kubernetes injects these for a service named `kedge`.
        let injected = name.starts_with("KEDGE_SERVICE_") || name.starts_with("KEDGE_PORT");
        !injected && !KNOWN.contains(&name) && !OF_KEDGECTL.contains(&name)
    })?;
    Some((strange.clone(), nearest(strange, KNOWN.iter().copied())))
}

/// The candidate most like `word`, if any is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_named_with_its_neighbour() {
        let set = |name: &str| Environment::from([(name.to_owned(), "x".to_owned())]);
        assert_eq!(
            unknown(&set("KEDGE_LISTN")),
            Some(("KEDGE_LISTN".into(), Some("KEDGE_LISTEN")))
        );
        assert_eq!(unknown(&set("KEDGE_LISTEN")), None);
        assert_eq!(unknown(&set("KEDGE_URL")), None, "kedgectl reads it");
    }
}
