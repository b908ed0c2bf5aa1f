//! The node's settings: one TOML file, `KEDGE_*` variables over it, flags over both.
//!
//! Everything is checked before a port is bound or a file is touched. Unknown keys are errors
//! that name the nearest known one.

use crate::environment::{self, Environment, nearest};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Port of the original product, so that its clients find us.
const DEFAULT_LISTEN: &str = "127.0.0.1:8228";
/// Beside wherever the program is started: visible, and no privileges needed.
const DEFAULT_DATA_DIR: &str = "kedge-data";
/// Largest configuration file.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// All settings. Field names are the keys of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of everything the node keeps.
    pub data_dir: PathBuf,
    /// `ADDR:PORT` of the REST API.
    pub listen: String,
    /// The log of the program.
    pub log: LogConfig,
    /// The store.
    pub store: StoreConfig,
    /// Analyses and feeds.
    pub work: kedge_actors::options::Options,
    /// What requests may ask.
    pub app: kedge_app::options::Options,
    /// The REST face.
    pub rest: kedge_rest::Options,
}

/// Settings of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `kedge_actors=debug,info`.
    pub filter: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of the embedded store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Page cache of the state store in MiB.
    pub cache_mib: u64,
    /// Commands are refused while less than this is free on the disk, in MiB.
    pub disk_reserve_mib: u64,
    /// A snapshot is made, and the log cut, after this many entries.
    pub snapshot_every_entries: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: DEFAULT_DATA_DIR.into(),
            listen: DEFAULT_LISTEN.into(),
            log: LogConfig::default(),
            store: StoreConfig::default(),
            work: kedge_actors::options::Options::default(),
            app: kedge_app::options::Options::default(),
            rest: kedge_rest::Options::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        // The consensus engine tells every step of every election at `info`.
        Self { filter: "info,openraft=warn".into(), format: LogFormat::Text }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { cache_mib: 64, disk_reserve_mib: 256, snapshot_every_entries: 20_000 }
    }
}

/// Flags that go over file and environment.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
}

/// What is wrong with the settings, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// File, variable or flag.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

fn error(
    place: impl Into<String>,
    what: impl Into<String>,
    hint: impl Into<String>,
) -> ConfigError {
    ConfigError { place: place.into(), what: what.into(), hint: hint.into() }
}

/// Reads and checks all settings.
///
/// # Errors
/// The first thing that is wrong.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Config, ConfigError> {
    if let Some((name, near)) = environment::unknown(environment) {
        let hint = near.map(|near| format!("did you mean {near}?")).unwrap_or_default();
        return Err(error(name, "no such variable", hint));
    }
    let file =
        flags.config.clone().or_else(|| environment.get(environment::CONFIG).map(PathBuf::from));
    let mut config = match file {
        Some(path) => read_file(&path)?,
        None => Config::default(),
    };
    overlay(&mut config, environment)?;
    if let Some(data_dir) = &flags.data_dir {
        config.data_dir.clone_from(data_dir);
    }
    if let Some(listen) = &flags.listen {
        config.listen.clone_from(listen);
    }
    check(&config)?;
    // Relative to where the program was started, now and not later.
    let mirror = &mut config.work.feeds.mirror;
    if !mirror.is_empty() && !mirror.contains("://") {
        let place = error("work.feeds.mirror", "is not a path", "");
        *mirror = std::path::absolute(&*mirror).map_err(|_| place)?.display().to_string();
    }
    Ok(config)
}

fn read_file(path: &Path) -> Result<Config, ConfigError> {
    let place = path.display().to_string();
    let unreadable = |e: std::io::Error| error(&place, format!("cannot be read: {e}"), "");
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > CONFIG_BYTES_MAX {
        let what =
            format!("has {size} bytes, at most {CONFIG_BYTES_MAX} are read (CONFIG_BYTES_MAX)");
        return Err(error(place, what, ""));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&place, &text)
}

fn parse(place: &str, text: &str) -> Result<Config, ConfigError> {
    toml::from_str(text).map_err(|fault| {
        let line = fault.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        let message = fault.message().to_owned();
        error(format!("{place}, line {line}"), message.clone(), suggestion(&message))
    })
}

/// Makes `did you mean …?` of serde's "unknown field `x`, expected one of `a`, `b`".
fn suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown field"), quoted.next()) {
        (true, Some(unknown)) => nearest(unknown, quoted)
            .map(|near| format!("did you mean `{near}`?"))
            .unwrap_or_default(),
        (_, _) => String::new(),
    }
}

fn overlay(config: &mut Config, environment: &Environment) -> Result<(), ConfigError> {
    let get = |name: &str| environment.get(name).cloned();
    let number = |name: &str| {
        get(name)
            .map(|text| text.parse::<u32>().map_err(|_| error(name, "must be a whole number", "")))
            .transpose()
    };
    if let Some(value) = get(environment::DATA_DIR) {
        config.data_dir = value.into();
    }
    if let Some(value) = get(environment::LISTEN) {
        config.listen = value;
    }
    if let Some(value) = get(environment::LOG) {
        config.log.filter = value;
    }
    if let Some(value) = get(environment::LOG_FORMAT) {
        config.log.format = match value.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(error(environment::LOG_FORMAT, "must be text or json", "")),
        };
    }
    if let Some(value) = get(environment::FEEDS_MIRROR) {
        config.work.feeds.mirror = value;
    }
    if let Some(value) = number(environment::FEEDS_INTERVAL_HOURS)? {
        config.work.feeds.interval_hours = value;
    }
    if let Some(value) = number(environment::ANALYZER_COUNT)? {
        config.work.analyzer_count = value;
    }
    Ok(())
}

fn check(config: &Config) -> Result<(), ConfigError> {
    if config.data_dir.as_os_str().is_empty() {
        return Err(error("data_dir", "must not be empty", ""));
    }
    config.listen_address()?;
    if let Err(fault) = tracing_subscriber::EnvFilter::try_new(&config.log.filter) {
        return Err(error("log.filter", fault.to_string(), "for example: info"));
    }
    let work = &config.work;
    if work.layers_at_a_time == 0 {
        return Err(error("work.layers_at_a_time", "must be at least 1", ""));
    }
    let least = kedge_actors::limits::ANALYSIS_BYTES >> 20;
    if work.analyzer_memory_mib < least {
        let what = format!("one analysis takes up to {least} MiB");
        return Err(error("work.analyzer_memory_mib", what, format!("set at least {least}")));
    }
    if config.store.snapshot_every_entries == 0 {
        return Err(error("store.snapshot_every_entries", "must be at least 1", ""));
    }
    work.check().map_err(|(key, what)| error(format!("work.{key}"), what, ""))
}

impl Config {
    /// The address to listen on.
    ///
    /// # Errors
    /// When it is not `ADDR:PORT`.
    pub fn listen_address(&self) -> Result<SocketAddr, ConfigError> {
        let hint = format!("for example: {DEFAULT_LISTEN}");
        self.listen
            .parse()
            .map_err(|_| error("listen", format!("'{}' is not ADDR:PORT", self.listen), hint))
    }

    /// The settings as TOML, without secrets: there are none among them, and a test keeps it so.
    ///
    /// # Errors
    /// When a path is not text.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string_pretty(self).map_err(|fault| error("settings", fault.to_string(), ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> ConfigError {
        parse("kedge.toml", text).and_then(|config| check(&config)).unwrap_err()
    }

    #[test]
    fn defaults_are_valid_and_round_trip() {
        let config = load(&Flags::default(), &Environment::new()).unwrap();
        assert_eq!(config, Config::default());
        let text = config.to_toml().unwrap();
        assert_eq!(parse("x", &text).unwrap(), config);
        for word in ["password", "secret", "token", "key ="] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn unknown_keys_name_place_and_neighbour() {
        let fault = fault("data_dir = \"x\"\nlisen = \"127.0.0.1:1\"\n");
        assert_eq!(fault.place, "kedge.toml, line 2");
        assert_eq!(fault.hint, "did you mean `listen`?");
        let nested = super::parse("f", "[work.feeds]\nmirorr = \"/x\"").unwrap_err();
        assert_eq!(nested.hint, "did you mean `mirror`?");
    }

    #[test]
    fn bad_values_are_refused_before_anything_starts() {
        assert_eq!(fault("listen = \"8228\"").place, "listen");
        assert_eq!(fault("[log]\nfilter = \"kedge=loud\"").place, "log.filter");
        assert_eq!(fault("[work]\nlayers_at_a_time = 0").place, "work.layers_at_a_time");
        assert_eq!(fault("[work]\nanalyzer_memory_mib = 1").place, "work.analyzer_memory_mib");
        assert_eq!(
            fault("[work]\nallowed_networks = [\"10.0.0/8\"]").place,
            "work.allowed_networks"
        );
        assert!(fault("listen = 5").what.contains("invalid type"));
    }

    #[test]
    fn flags_go_over_variables_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kedge.toml");
        std::fs::write(&path, "listen = \"127.0.0.1:1\"\ndata_dir = \"file\"\n").unwrap();
        let mut environment = Environment::from([
            (environment::CONFIG.to_owned(), path.display().to_string()),
            (environment::LISTEN.to_owned(), "127.0.0.1:2".to_owned()),
        ]);
        let flags = Flags { data_dir: Some("flag".into()), ..Flags::default() };
        let config = load(&flags, &environment).unwrap();
        assert_eq!((config.listen.as_str(), config.data_dir), ("127.0.0.1:2", "flag".into()));
        environment.insert("KEDGE_LISTN".into(), "x".into());
        assert!(load(&flags, &environment).unwrap_err().hint.contains("KEDGE_LISTEN"));
        environment.remove("KEDGE_LISTN");
        environment.insert(environment::CONFIG.into(), "/absent/kedge.toml".into());
        assert!(load(&flags, &environment).unwrap_err().place.contains("/absent/"));
    }
}
